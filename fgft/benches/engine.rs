//! What the engine costs on this machine, beside what its parts cost: the measuring half of `cargo xtask bench`.
//!
//! Prints JSON, one object a line: the machine, then each measure with one sample a round, in nanoseconds an
//! operation. All measures take turns in every round, so that what disturbs the machine disturbs them alike. What the
//! figures mean (medians, ratios) is the reader's half. `--quick` makes fewer and shorter rounds.
#![allow(unsafe_code, reason = "faults, forks and mappings are what is measured")]

use std::arch::{asm, global_asm};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fgft::{Domain, DomainConfig, DomainMemory, Fault, FaultKind, Isolation, Refusal, StateKind, Upcalls};

#[path = "engine/kinds.rs"]
mod kinds;

/// Linux maps nothing there: the faults of this benchmark.
const NOWHERE: *const u32 = 0x18 as *const u32;
/// Upcalls made in one call: many, so that the call itself does not count; few enough for its deadline.
const UPCALLS: u64 = 1000;

fn main() {
    let isolation = fgft::init().expect("the engine starts");
    let quick = std::env::args().any(|a| a == "--quick");
    let (rounds, shorter) = if quick { (5, 4) } else { (15, 1) };
    println!(
        r#"{{"isolation":"{}","panics_are_wrapped":{},"rounds":{rounds}}}"#,
        isolation.name(),
        fgft::panics_are_wrapped()
    );

    let mut measures = parts(isolation);
    measures.extend([
        transaction_without_state(),
        protected_call::<32>(),
        protected_call::<512>(),
        protected_call::<2048>(),
        generations(8),
        generations(32),
        call_after_quiet(),
        upcall(),
        fault_to_error::<32>(),
        fault_to_error::<512>(),
        fault_to_error::<2048>(),
        panic_to_error(),
    ]);
    measures.extend(kinds::all());
    for measure in &mut measures {
        measure.iterations = (measure.iterations / shorter).max(10);
        (measure.run)(measure.iterations / 10 + 1); // warm up: caches, pages, the thread's signal stack
    }
    for _ in 0..rounds {
        measures.iter_mut().for_each(Measure::sample);
    }
    measures.iter().for_each(Measure::print);
    if isolation == Isolation::RollbackOnly {
        println!(r#"{{"name":"wrpkru_pair","absent":"no protection keys on this machine"}}"#);
    }
}

/// One thing to be timed, and its samples so far.
struct Measure {
    name: String,
    iterations: u64,
    /// Operations in one iteration.
    operations: u64,
    run: Box<dyn FnMut(u64)>,
    /// Instead of `run` for what times itself: time spent and operations made.
    timed: Option<Box<Timed>>,
    samples: Vec<f64>,
}

/// Makes so many operations; time spent, and how many they were.
type Timed = dyn FnMut(u64) -> (Duration, u64);

impl Measure {
    /// `operation` is run `iterations` times a round.
    fn new(name: impl Into<String>, iterations: u64, mut operation: impl FnMut() + 'static) -> Measure {
        let run = Box::new(move |n| (0..n).for_each(|_| operation()));
        Measure { name: name.into(), iterations, operations: 1, run, timed: None, samples: Vec::new() }
    }

    fn sample(&mut self) {
        if let Some(timed) = &mut self.timed {
            let (spent, operations) = timed(self.iterations);
            self.samples.push(spent.as_nanos() as f64 / operations as f64);
            return;
        }
        let start = Instant::now();
        (self.run)(self.iterations);
        self.samples.push(start.elapsed().as_nanos() as f64 / (self.iterations * self.operations) as f64);
    }

    fn print(&self) {
        let samples: Vec<String> = self.samples.iter().map(|s| format!("{s:.2}")).collect();
        let (name, iterations) = (&self.name, self.iterations);
        println!(r#"{{"name":"{name}","iterations":{iterations},"samples":[{}]}}"#, samples.join(","));
    }
}

/// What the engine is made of, and what it is compared with: nothing here calls it but the signal round trip.
fn parts(isolation: Isolation) -> Vec<Measure> {
    let mut parts = vec![plain_call()];
    if isolation == Isolation::ProtectionKeys {
        parts.push(wrpkru_pair());
    }
    parts.extend([
        watchdog_words(),
        stack_switch(),
        memcpy::<256>(),
        memcpy::<4096>(),
        memcpy::<16384>(),
        signal_round_trip(),
        mprotect_pair(),
        fork_and_wait(),
    ]);
    parts
}

fn plain_call() -> Measure {
    #[inline(never)]
    fn count(words: &mut [u64; 512]) -> u64 {
        words[0] += 1;
        words[0]
    }
    let (mut words, function) = (Box::new([0; 512]), black_box(count as fn(&mut [u64; 512]) -> u64));
    Measure::new("plain_call", 100_000, move || {
        black_box(function(&mut words));
    })
}

/// Shut and open again: all keys but 0 in between, as inside a domain, but key 0 stays writable.
fn wrpkru_pair() -> Measure {
    Measure::new("wrpkru_pair", 20_000, || {
        // SAFETY: only where protection keys work; nothing tagged is touched in between, and all keys end up open.
        unsafe {
            asm!("wrpkru", in("eax") 0xffff_fffc_u32, in("ecx") 0, in("edx") 0, options(nostack));
            asm!("wrpkru", in("eax") 0, in("ecx") 0, in("edx") 0, options(nostack));
        }
    })
}

// bench_switch(top of the other stack, function): the least that a call on another stack must do, which is to keep
// what the ABI says a callee keeps (floating point control words included), change rsp, call, and undo that.
global_asm!(
    // another unit of generated code calls it
    ".globl bench_switch",
    "bench_switch:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "stmxcsr dword ptr [rsp]",
    "fnstcw word ptr [rsp + 4]",
    "mov rbx, rsp",
    "mov rsp, rdi",
    "call rsi",
    "mov rsp, rbx",
    "ldmxcsr dword ptr [rsp]",
    "fldcw word ptr [rsp + 4]",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
);

unsafe extern "C" {
    fn bench_switch(top: *mut u8, function: extern "C" fn());
}

fn stack_switch() -> Measure {
    extern "C" fn empty() {}
    let mut stack = Page::<16384>::boxed();
    Measure::new("stack_switch", 50_000, move || {
        // SAFETY: one past the end of a live, aligned block that serves as the stack; `empty` needs next to none of it.
        unsafe { bench_switch(stack.0.as_mut_ptr_range().end, empty) };
    })
}

/// Bytes that start at a page, as a domain's state does.
#[repr(align(4096))]
struct Page<const BYTES: usize>([u8; BYTES]);

impl<const BYTES: usize> Page<BYTES> {
    fn boxed() -> Box<Self> {
        Box::new(Page([1; BYTES]))
    }
}

fn memcpy<const BYTES: usize>() -> Measure {
    let (from, mut to) = (Page::<BYTES>::boxed(), Page::<BYTES>::boxed());
    Measure::new(format!("memcpy_{BYTES}"), 20_000, move || {
        // the length is not known to the compiler, as it is not where the engine copies
        let bytes = black_box(BYTES);
        to.0[..bytes].copy_from_slice(&from.0[..bytes]);
        black_box(&mut to);
    })
}

/// A fault outside any domain: to the kernel, to the engine's handler, to the landing pad.
fn signal_round_trip() -> Measure {
    // this thread must have its signal stack, as in a fault inside
    let mut domain = domain::<1>();
    assert_eq!(count(&mut domain), Ok(1));
    Measure::new("signal_round_trip", 2000, || {
        // SAFETY: the address is unmapped: that is what is timed.
        assert!(black_box(unsafe { fgft::mmio::read_u32(NOWHERE) }).is_err());
    })
}

/// What the watchdog costs each call: two stores, a load and a branch.
fn watchdog_words() -> Measure {
    let (sequence, awake) = (Box::new(AtomicU64::new(0)), Box::new(AtomicU64::new(1)));
    Measure::new("watchdog_words", 100_000, move || {
        let call = sequence.load(Relaxed) + 1;
        black_box(&sequence).store(call, Relaxed);
        assert!(black_box(&awake).load(Relaxed) != 0);
        black_box(&sequence).store(call + 1, Relaxed);
    })
}

/// Read-only and writable again, touched in between as a protected call would do.
fn mprotect_pair() -> Measure {
    let mut page = Page::<4096>::boxed();
    Measure::new("mprotect_pair", 2000, move || {
        let at: *mut u8 = page.0.as_mut_ptr();
        // SAFETY: a page of our own, written only while it may be.
        unsafe {
            assert_eq!(libc::mprotect(at.cast(), 4096, libc::PROT_READ), 0);
            black_box(at.read_volatile());
            assert_eq!(libc::mprotect(at.cast(), 4096, libc::PROT_READ | libc::PROT_WRITE), 0);
            at.write_volatile(2);
        }
    })
}

fn fork_and_wait() -> Measure {
    Measure::new("fork_and_wait", 40, || {
        // SAFETY: the child does nothing but end.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::_exit(0);
            }
            assert!(pid > 0, "fork");
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        }
    })
}

fn config() -> DomainConfig {
    let mut config = DomainConfig::new(StateKind { name: "bench", version: 1 });
    config.deadline = Duration::from_secs(1); // a slow machine shall be measured, not killed
    config
}

fn domain<const WORDS: usize>() -> Domain<[u64; WORDS]> {
    Domain::new(&config(), [0; WORDS], ()).expect("a domain")
}

fn count<const WORDS: usize>(domain: &mut Domain<[u64; WORDS]>) -> Result<u64, Fault> {
    // SAFETY: the closure owns nothing and writes only the state.
    unsafe {
        domain.run(&mut (), |words| {
            words[0] += 1;
            words[0]
        })
    }
}

/// In and out, with nothing to commit and next to nothing to roll back: the engine's own bookkeeping.
fn transaction_without_state() -> Measure {
    let mut domain = domain::<1>();
    Measure::new("transaction_without_state", 20_000, move || {
        // SAFETY: the closure owns nothing.
        black_box(unsafe { domain.run(&mut (), |_| 0_u64) }).expect("no fault");
    })
}

fn protected_call<const WORDS: usize>() -> Measure {
    let mut domain = domain::<WORDS>();
    Measure::new(format!("protected_call_{}", 8 * WORDS), 20_000, move || {
        black_box(count(&mut domain)).expect("no fault");
        domain.commit();
    })
}

/// As `protected_call_4096`, with so many images in the ring instead of two.
fn generations(images: usize) -> Measure {
    let mut config = config();
    config.images = images;
    let mut domain = Domain::new(&config, [0_u64; 512], ()).expect("a domain");
    Measure::new(format!("generations_{images}"), 20_000, move || {
        black_box(count(&mut domain)).expect("no fault");
        domain.commit();
    })
}

/// The first call after the watchdog has gone to sleep: it has to be woken.
fn call_after_quiet() -> Measure {
    let mut domain = domain::<1>();
    let (mut spent, mut calls) = (Duration::ZERO, 0);
    let run = Box::new(move |n| {
        for _ in 0..n {
            std::thread::sleep(Duration::from_millis(4)); // several of the watchdog's periods
            let start = Instant::now();
            black_box(count(&mut domain)).expect("no fault");
            spent += start.elapsed();
            calls += 1;
        }
        (std::mem::take(&mut spent), std::mem::take(&mut calls))
    });
    Measure { timed: Some(run), ..Measure::new("call_after_quiet", 60, || ()) }
}

fn fault_to_error<const WORDS: usize>() -> Measure {
    let mut domain = domain::<WORDS>();
    Measure::new(format!("fault_to_error_{}", 8 * WORDS), 2000, move || {
        // SAFETY: the closure owns nothing; its fault is what is timed.
        let result = unsafe {
            domain.run(&mut (), |words| {
                words[0] += 1;
                asm!("mov dword ptr [{}], 1", in(reg) NOWHERE);
                words[0]
            })
        };
        domain.rollback();
        assert!(matches!(black_box(result), Err(Fault { kind: FaultKind::NullAccess { .. }, .. })));
    })
}

fn panic_to_error() -> Measure {
    let mut domain = domain::<512>();
    Measure::new("panic_to_error_4096", 2000, move || {
        // SAFETY: the closure owns nothing.
        let result: Result<u64, Fault> = unsafe {
            domain.run(&mut (), |words| {
                words[0] += 1;
                panic!("bad word {}", words[0])
            })
        };
        domain.rollback();
        assert!(matches!(black_box(result), Err(Fault { kind: FaultKind::Panic { .. }, .. })));
    })
}

fn upcall() -> Measure {
    struct Adds;
    impl Upcalls<()> for Adds {
        fn upcall(&mut self, (): &mut (), _: &DomainMemory, _: u64, words: [u64; 4]) -> Result<[u64; 2], Refusal> {
            Ok([words[0] + 1, 0])
        }
    }
    let mut domain = domain::<1>();
    let measure = Measure::new("upcall", 20, move || {
        // SAFETY: the closure owns nothing.
        let sum = unsafe { domain.run(&mut Adds, |_| (0..UPCALLS).fold(0, |n, _| fgft::upcall(0, [n, 0, 0, 0])[0])) };
        assert_eq!(sum, Ok(UPCALLS));
    });
    Measure { operations: UPCALLS, ..measure }
}
