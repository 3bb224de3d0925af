//! Wild writes and reads of a seeded set, at every sort of memory that is not the driver's. None may change a byte, and
//! none may read what a key shuts.
//!
//! `FGFT_WILD_WRITES` sets how many (default 20,000), `FGFT_SEED` the seed.
#![allow(unsafe_code, reason = "the faults are real")]

mod common;
#[path = "wild/targets.rs"]
mod targets;

use std::arch::asm;

use common::*;
use fgft::{Domain, Fault, FaultKind, Isolation, Target as Shut};
use targets::{Access, Striker, Target, Targets};

/// Writes between two checksums of everything.
const BATCH: u64 = 500;

fn domain() -> Striker {
    Domain::new(&config(), [7; WORDS], [3; 32]).unwrap()
}

/// One access of a random width, at a random place in `target`, at any alignment.
fn strike(domain: &mut Striker, target: &Target, rng: &mut Rng, write: bool) -> Result<u64, Fault> {
    let width = 1 << rng.below(5);
    let address = target.start + rng.below(target.words * 8 - width + 1);
    // SAFETY: owns nothing.
    let result = unsafe {
        domain.run(&mut (), |words| {
            words[0] = address;
            match (write, width) {
                (true, 1) => asm!("mov byte ptr [{}], 0x55", in(reg) address),
                (true, 2) => asm!("mov word ptr [{}], 0x55", in(reg) address),
                (true, 4) => asm!("mov dword ptr [{}], 0x55", in(reg) address),
                (true, 8) => asm!("mov qword ptr [{}], 0x55", in(reg) address),
                (true, _) => asm!("rep stosb", inout("rcx") 16_u64 => _, inout("rdi") address => _, in("al") 0x55_u8),
                (false, 1) => asm!("mov {0:l}, byte ptr [{0}]", inout(reg) address => _),
                (false, 2) => asm!("mov {0:x}, word ptr [{0}]", inout(reg) address => _),
                (false, 4) => asm!("mov {0:e}, dword ptr [{0}]", inout(reg) address => _),
                (false, 8) => asm!("mov {0}, qword ptr [{0}]", inout(reg) address => _),
                (false, _) => asm!("movups xmm0, xmmword ptr [{}]", in(reg) address, out("xmm0") _),
            }
            0_u64
        })
    };
    domain.rollback();
    result
}

fn with_keys(what: &str) -> bool {
    let with = fgft::init().unwrap() == Isolation::ProtectionKeys;
    if !with {
        println!("skipped: without protection keys {what} mapped memory are not contained (stated limit)");
    }
    with
}

#[test]
fn no_wild_write_escapes() {
    if !with_keys("stray writes into") {
        return;
    }
    let (count, seed) = (number("FGFT_WILD_WRITES", 20_000), number("FGFT_SEED", 1));
    println!("{count} wild writes, seed {seed}");
    let host_stack = std::hint::black_box([0x51ac_u64; 512]);
    let mut d = domain();
    let targets = Targets::new(&mut d, &host_stack);
    let sums = targets.sums();
    let mut rng = Rng(seed);
    let mut hits = vec![0_u64; targets.all.len()];
    for i in 0..count {
        let which = rng.below(targets.all.len() as u64) as usize;
        let target = &targets.all[which];
        let fault = strike(&mut d, target, &mut rng, true).expect_err(target.name);
        let right = match (&fault.kind, target.access) {
            (FaultKind::WildAccess { target: Shut::Key(0), .. }, Access::Host) => true,
            (FaultKind::WildAccess { target: Shut::Key(key), .. }, Access::Key) => *key != 0,
            (FaultKind::WildAccess { target: Shut::Key(0) | Shut::Forbidden, .. }, Access::ReadOnly) => true,
            (FaultKind::WildAccess { .. }, Access::Nothing) => true,
            _ => false,
        };
        assert!(right, "{}: {fault}", target.name);
        hits[which] += 1;
        if i % BATCH == BATCH - 1 || i == count - 1 {
            for ((target, now), before) in targets.all.iter().zip(targets.sums()).zip(&sums) {
                assert_eq!(now, *before, "by write {i} at the latest, {} has changed", target.name);
            }
            assert_eq!((d.state(), *d.ledger()), ([7; WORDS], [3; 32]));
        }
    }
    for (target, hits) in targets.all.iter().zip(&hits) {
        println!("{:>26}: {hits} writes, all contained", target.name);
    }
    println!("stress: {count} writes at {} sorts of target, 0 escaped", targets.all.len());
}

#[test]
fn no_wild_read_passes_a_key() {
    if !with_keys("stray reads of") {
        return;
    }
    let count = number("FGFT_WILD_WRITES", 20_000) / 10;
    let mut d = domain();
    let targets = Targets::new(&mut d, &[0; 2]);
    let keyed: Vec<&Target> = targets.all.iter().filter(|target| target.access == Access::Key).collect();
    let mut rng = Rng(number("FGFT_SEED", 1));
    for _ in 0..count {
        let target = keyed[rng.below(keyed.len() as u64) as usize];
        let fault = strike(&mut d, target, &mut rng, false).expect_err(target.name);
        let shut = matches!(fault.kind, FaultKind::WildAccess { target: Shut::Key(key), .. } if key != 0);
        assert!(shut, "{}: {fault}", target.name);
    }
    println!("{count} wild reads at {} sorts of target, all stopped", keyed.len());
}

/// The test above is blind if its checksums are.
#[test]
fn a_write_that_escaped_would_be_seen() {
    let host_stack = std::hint::black_box([0x51ac_u64; 512]);
    let mut d = domain();
    let targets = Targets::new(&mut d, &host_stack);
    let mut rng = Rng(5);
    for target in targets.all.iter().filter(|target| target.access != Access::Nothing) {
        let before = target.sum();
        for offset in [0, rng.below(target.words * 8), target.words * 8 - 1] {
            target.change(offset);
            assert_ne!(target.sum(), before, "{} at {offset}", target.name);
            target.change(offset);
            assert_eq!(target.sum(), before, "{}", target.name);
        }
    }
}
