//! Several domains on several threads, signals from all sides, calls of every length: state exact after each call.
//!
//! `FGFT_STORM_CALLS` sets the calls a thread (default 20,000).
#![allow(unsafe_code, reason = "the faults are real")]

mod common;

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use common::*;

#[test]
fn four_domains_under_directed_signals() {
    #[derive(Default)]
    struct Worker {
        thread: AtomicI32,
        calls: AtomicU64,
    }
    let workers: [Worker; 4] = Default::default();
    std::thread::scope(|scope| {
        for (i, worker) in workers.iter().enumerate() {
            scope.spawn(move || {
                let mut d = domain();
                d.set_deadline(Duration::from_secs(10));
                let (mut rng, mut expected) = (Rng(i as u64 + 1), [7; WORDS]);
                one_call(&mut d, &mut rng, &mut expected);
                // SAFETY: no arguments, cannot fail.
                worker.thread.store(unsafe { libc::gettid() }, Ordering::Release);
                for call in 1..=calls() {
                    one_call(&mut d, &mut rng, &mut expected);
                    assert_eq!(d.state(), expected);
                    worker.calls.store(call, Ordering::Release);
                }
                worker.thread.store(0, Ordering::Release);
            });
        }
        // The storm: the watchdog's own signal, with no verdict behind it, must change nothing. At most one for
        // each call that a worker has done, or a slow machine does nothing but take signals.
        let (mut sent, mut seen) = (0_u64, [u64::MAX; 4]);
        while seen.iter().any(|calls_seen| *calls_seen != calls()) {
            for (worker, seen) in workers.iter().zip(&mut seen) {
                let done = worker.calls.load(Ordering::Acquire);
                let tid = worker.thread.load(Ordering::Acquire);
                if done != *seen && tid != 0 {
                    // SAFETY: to a thread of this process that has the engine's handler; if it has ended the call fails.
                    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGRTMIN() + 6) };
                    sent += 1;
                }
                *seen = done;
            }
            std::thread::yield_now();
        }
        println!("{sent} signals sent");
        assert!(sent > 0);
    });
}

#[test]
fn calls_of_any_length_are_killed_rightly_or_not_at_all() {
    fn cpu_time() -> Duration {
        // SAFETY: fills a timespec.
        unsafe {
            let mut time = std::mem::zeroed::<libc::timespec>();
            assert_eq!(libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time), 0);
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        }
    }
    fn spin(d: &mut fgft::Domain<Words>, turns: u64) -> Result<u64, fgft::Fault> {
        // SAFETY: owns nothing.
        unsafe {
            d.run(&mut (), |words| {
                for i in 0..turns {
                    words[1] = std::hint::black_box(i);
                }
                words[0]
            })
        }
    }
    let mut d = domain();
    d.set_deadline(Duration::from_secs(10));
    // how many turns this machine does in the deadline of the test
    let mut turns = 1000;
    let deadline = Duration::from_millis(5);
    let mut fastest_of_five = |turns| {
        let run = |_| {
            let start = cpu_time();
            assert_eq!(spin(&mut d, turns), Ok(7));
            d.rollback();
            cpu_time() - start
        };
        (0..5).map(run).min().expect("five runs")
    };
    while fastest_of_five(turns) < deadline {
        turns *= 2;
    }
    d.set_deadline(deadline);
    let mut rng = Rng(3);
    let (mut killed, mut finished) = (0, 0);
    for _ in 0..200 {
        match spin(&mut d, rng.below(8 * turns)) {
            Ok(value) => {
                assert_eq!(value, 7);
                finished += 1;
            }
            Err(fault) => {
                assert_eq!(fault.kind.name(), "hang");
                killed += 1;
            }
        }
        d.rollback();
        // the call right after a killed one is never hit by a late verdict
        assert_eq!(spin(&mut d, 1), Ok(7));
        d.rollback();
    }
    println!("{killed} killed, {finished} finished");
    assert!(killed > 0 && finished > 0);
}
