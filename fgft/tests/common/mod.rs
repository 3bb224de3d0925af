//! What the tests of the engine share: a domain of words, real faulting instructions, a seeded generator.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(unsafe_code, reason = "these are the faults")]

pub(crate) mod thread;

use std::arch::asm;
use std::time::Duration;

use fgft::{Domain, DomainConfig, Fault, StateKind};

pub(crate) const WORDS: usize = 64;
pub(crate) type Words = [u64; WORDS];

pub(crate) fn config() -> DomainConfig {
    // only tests of deadlines have calls that use up their time: a busy machine, or an emulated one, shall not
    let deadline = Duration::from_secs(60);
    DomainConfig { deadline, ..DomainConfig::new(StateKind { name: "words", version: 1 }) }
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

/// Whether QEMU emulates the processor's instructions: its signature, where hypervisors have theirs.
pub(crate) fn emulated() -> bool {
    let leaf = std::arch::x86_64::__cpuid(0x4000_0000);
    [leaf.ebx, leaf.ecx, leaf.edx] == [0x5447_4354, 0x4354_4743, 0x4743_5447]
}
