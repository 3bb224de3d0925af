//! Fault to error by kind, each with 4 KiB of state restored.

use std::arch::asm;
use std::hint::black_box;
use std::time::{Duration, Instant};

use fgft::{Domain, DomainMemory, Fault, FaultKind, Refusal, Upcalls};

use super::{Measure, NOWHERE, config};

/// What a hang may take here, nanoseconds of CPU time.
const DEADLINE: Duration = Duration::from_millis(5);

pub(super) fn all() -> Vec<Measure> {
    vec![
        kind("wild_to_error", 2000, |_| {
            // SAFETY: nothing is mapped there: the fault is what is timed.
            unsafe { asm!("mov dword ptr [{}], 1", in(reg) NOWHERE.wrapping_byte_add(0x4_0000_0000)) }
        }),
        kind("division_to_error", 2000, |_| {
            // SAFETY: the fault is what is timed; the registers are said to be clobbered.
            unsafe { asm!("div {zero:e}", zero = in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) }
        }),
        kind("illegal_to_error", 2000, |_| {
            // SAFETY: the fault is what is timed.
            unsafe { asm!("ud2") }
        }),
        kind("overflow_to_error", 2000, |_| {
            // SAFETY: runs down the domain's own stack into its guard.
            unsafe { asm!("2: push rax", "jmp 2b") }
        }),
        kind("refusal_to_error", 2000, |_| {
            fgft::upcall(0, [0; 4]);
        }),
        hang(),
    ]
}

/// Refuses all it is asked.
struct Refuses;

impl Upcalls<()> for Refuses {
    fn upcall(&mut self, (): &mut (), _: &DomainMemory, _: u64, _: [u64; 4]) -> Result<[u64; 2], Refusal> {
        Err(Refusal::from("no"))
    }
}

fn kind(name: &str, iterations: u64, fault: impl Fn(&mut [u64; 512]) + Copy + 'static) -> Measure {
    let mut domain = Domain::new(&config(), [0; 512], ()).expect("a domain");
    Measure::new(name, iterations, move || {
        black_box(faulting(&mut domain, fault));
    })
}

fn faulting(domain: &mut Domain<[u64; 512]>, fault: impl Fn(&mut [u64; 512]) + Copy) -> Fault {
    // SAFETY: the closure owns nothing; its fault is what is timed.
    let result = unsafe {
        domain.run(&mut Refuses, |words| {
            words[0] += 1;
            fault(words);
            words[0]
        })
    };
    domain.rollback();
    result.expect_err("it faults")
}

/// An endless loop: from its beginning to the error, the deadline included.
fn hang() -> Measure {
    let mut config = config();
    config.deadline = DEADLINE;
    let mut domain = Domain::new(&config, [0; 512], ()).expect("a domain");
    let run = Box::new(move |n| {
        let start = Instant::now();
        for _ in 0..n {
            let fault = faulting(&mut domain, |words| {
                while black_box(words[0]) != 0 {
                    std::hint::spin_loop();
                }
            });
            assert!(matches!(fault.kind, FaultKind::Hang { .. }));
        }
        (start.elapsed(), n)
    });
    Measure { timed: Some(run), ..Measure::new("hang_to_error", 10, || ()) }
}
