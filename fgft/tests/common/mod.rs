//! What the tests of the engine share: a domain of words, real faulting instructions, a seeded generator.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(unsafe_code, reason = "these are the faults")]

pub(crate) mod thread;

use std::arch::asm;

use fgft::{Domain, DomainConfig, Fault, FaultKind, StateKind};

pub(crate) const WORDS: usize = 64;
pub(crate) type Words = [u64; WORDS];

pub(crate) fn config() -> DomainConfig {
    DomainConfig::new(StateKind { name: "words", version: 1 })
}

pub(crate) fn domain() -> Domain<Words> {
    Domain::new(&config(), [7; WORDS], ()).expect("a domain")
}

/// Runs `f` after it has changed the state, expects a fault, and checks that the rollback is exact.
pub(crate) fn expect_fault(domain: &mut Domain<Words>, f: impl FnOnce() + Copy) -> Fault {
    let before = domain.state();
    // SAFETY: the closures of these tests own nothing.
    let result = unsafe {
        domain.run(&mut (), |words| {
            words.fill(0xdead);
            f();
            0_u64
        })
    };
    let fault = result.expect_err("the call must fault");
    assert_eq!(domain.state()[0], 0xdead, "the call did change the state before it faulted");
    domain.rollback();
    assert_eq!(domain.state(), before, "the rollback is exact");
    // the domain still works
    // SAFETY: as above.
    let next = unsafe { domain.run(&mut (), |words| words[0] + 1) };
    assert_eq!(next, Ok(before[0] + 1));
    domain.rollback();
    fault
}

/// One 8-byte store to `address`, whatever is there.
#[inline(always)]
pub(crate) fn store(address: u64) {
    // SAFETY: not safe at all: it is the fault under test.
    unsafe { asm!("mov qword ptr [{}], 0x55", in(reg) address) };
}

/// One 8-byte load.
#[inline(always)]
pub(crate) fn load(address: u64) {
    // SAFETY: as above.
    unsafe { asm!("mov {0}, qword ptr [{0}]", inout(reg) address => _) };
}

pub(crate) fn divide_by_zero() {
    // SAFETY: as above.
    unsafe { asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) };
}

#[inline(never)]
pub(crate) fn recurse(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 32]);
    if n == 0 { 0 } else { recurse(n - 1) + frame[(n % 32) as usize] }
}

/// A small generator (splitmix64): the same seed, the same run.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// How many calls a stress test makes: `FGFT_STORM_CALLS`.
pub(crate) fn calls() -> u64 {
    number("FGFT_STORM_CALLS", 20_000)
}

/// One call of a random kind, faulting or not, committed or rolled back; `expected` follows what must be the state.
pub(crate) fn one_call(d: &mut Domain<Words>, rng: &mut Rng, expected: &mut Words) {
    let kind = rng.below(6);
    let (slot, value) = (rng.below(WORDS as u64) as usize, rng.next());
    // SAFETY: owns nothing.
    let result = unsafe {
        d.run(&mut (), |words| {
            words[slot] = value;
            match kind {
                0 => store(0x18),
                1 => divide_by_zero(),
                2 => store(0x10_0000_0000),
                3 => panic!("{value}"),
                _ => {}
            }
            words[slot]
        })
    };
    match (kind, result) {
        (0, Err(f)) => assert!(matches!(f.kind, FaultKind::NullAccess { .. })),
        (1, Err(f)) => assert_eq!(f.kind, FaultKind::Arithmetic),
        (2, Err(f)) => assert!(matches!(f.kind, FaultKind::WildAccess { .. })),
        (3, Err(f)) => assert!(matches!(f.kind, FaultKind::Panic { ref message, .. } if *message == value.to_string())),
        (4.., Ok(v)) => {
            assert_eq!(v, value);
            expected[slot] = value;
            d.commit();
            return;
        }
        (kind, other) => panic!("kind {kind}: {other:?}"),
    }
    d.rollback();
}

/// All mappings of this process.
pub(crate) fn mappings() -> Vec<(u64, u64)> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
    let range = |line: &str| {
        let (from, to) = line.split_once(' ')?.0.split_once('-')?;
        Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
    };
    maps.lines().map(|line| range(line).expect("a range")).collect()
}

/// A number from the environment.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v} is not a number")))
}
