//! Four domains on four threads on two processors, and signals from all sides: each call ends as it must, with the state
//! exact.
//!
//! `FGFT_STORM_CALLS` sets the calls a thread (default 20,000), `FGFT_SEED` the seed.
#![allow(unsafe_code, reason = "the faults are real")]

mod cases;
mod common;

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use cases::Stand;
use common::{Rng, calls, number, thread};

/// Calls of which one is a loop that the watchdog ends.
const LOOPS: u64 = 500;
/// Calls of which one is checked with all that it must leave alone.
const THOROUGH: u64 = 16;
const THREADS: usize = 4;

#[derive(Default)]
struct Worker {
    /// 0: takes no signals (not ready yet, or done).
    thread: AtomicI32,
    calls: AtomicU64,
}

/// The watchdog's own signal, with no verdict behind it.
fn forge(worker: &Worker) -> bool {
    let thread = worker.thread.load(Ordering::Acquire);
    // SAFETY: to a thread of this process that has the engine's handler; if it has ended the call fails.
    thread != 0 && unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGRTMIN() + 6) == 0 }
}

/// Keeps this thread on two processors of those it may use. Says how many it got.
fn pin_to_two() -> usize {
    // SAFETY: plain calls with valid pointers.
    unsafe {
        let mut allowed = std::mem::zeroed::<libc::cpu_set_t>();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&allowed), &mut allowed), 0);
        let mut two = std::mem::zeroed::<libc::cpu_set_t>();
        (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &allowed)).take(2).for_each(|cpu| {
            libc::CPU_SET(cpu, &mut two);
        });
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&two), &two), 0);
        libc::CPU_COUNT(&two) as usize
    }
}

#[test]
fn four_domains_under_directed_signals() {
    let seed = number("FGFT_SEED", 1);
    let processors = pin_to_two(); // the threads to come, too
    let workers: [Worker; THREADS] = Default::default();
    let forged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let start = |i: usize| {
            let (workers, forged) = (&workers, &forged);
            scope.spawn(move || {
                let (worker, next) = (&workers[i], &workers[(i + 1) % THREADS]);
                let mut stand = Stand::new(seed + i as u64);
                let (kinds, loops) = (cases::quick(), cases::loops());
                let mut rng = Rng(seed ^ (i as u64) << 32);
                worker.thread.store(thread::id(), Ordering::Release);
                for call in 1..=calls() {
                    let from = if rng.below(LOOPS) == 0 { &loops } else { &kinds };
                    stand.check(from[rng.below(from.len() as u64) as usize], rng.below(THOROUGH) == 0);
                    worker.calls.store(call, Ordering::Release);
                    forged.fetch_add(u64::from(rng.below(4) == 0 && forge(next)), Ordering::Relaxed);
                }
                worker.thread.store(0, Ordering::Release);
            })
        };
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        // At most one for each call that a worker has done, or a slow machine does nothing but take signals.
        let mut seen = [u64::MAX; THREADS];
        while !threads.iter().all(|thread| thread.is_finished()) {
            for (worker, seen) in workers.iter().zip(&mut seen) {
                let done = worker.calls.load(Ordering::Acquire);
                forged.fetch_add(u64::from(done != *seen && forge(worker)), Ordering::Relaxed);
                *seen = done;
            }
            std::thread::yield_now();
        }
    });
    let forged = forged.into_inner();
    assert!(forged > 0);
    println!("stress: {} calls on {processors} processors, {forged} forged signals", THREADS as u64 * calls());
}
