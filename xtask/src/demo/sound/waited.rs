//! How long the machine has let programs of ours wait for a processor.
//!
//! Time is what is heard here, and a machine that has other things to do takes some: what it took while a fault was recovered is no
//! cost of the fault. The kernel tells how long a thread was ready and did not run. It does not know of a processor that is virtual
//! and was taken away: for that a thread on each processor looks at the clock every millisecond, and sees how late it comes.

use std::{
    fs,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use serde::Serialize;

/// Between two looks at the clock; and what is no delay.
const LOOK: Duration = Duration::from_millis(1);

/// Watches the machine, and processes of which the waiting counts: those that talk to each other in a recovery, so that where one
/// waits the other does too.
#[derive(Debug)]
pub(super) struct Waiting {
    pids: [u32; 2],
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    last: Delay,
}

/// What the machine has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Delay {
    /// Time that the processes have waited for a processor, all their threads together. Nothing where the kernel does not tell.
    pub(super) waited_ns: u64,
    /// Time that the looks at the clock came late, those of all processors together.
    pub(super) late_ns: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// Nanoseconds that the looks came late, of all processors.
    late: AtomicU64,
    ended: AtomicBool,
}

impl Waiting {
    pub(super) fn of(pids: [u32; 2]) -> Waiting {
        let shared = Arc::<Shared>::default();
        let threads = processors().map(|cpu| {
            let shared = shared.clone();
            thread::spawn(move || shared.look_on(cpu))
        });
        Waiting { pids, threads: threads.collect(), shared, last: Delay::default() }
    }

    /// Since this was asked last.
    pub(super) fn since_last(&mut self) -> Delay {
        let now = Delay {
            waited_ns: self.pids.iter().map(|pid| of_process(*pid)).sum(),
            late_ns: self.shared.late.load(Relaxed),
        };
        let last = std::mem::replace(&mut self.last, now);
        // a thread that has ended is not counted any more
        let waited_ns = now.waited_ns.saturating_sub(last.waited_ns);
        Delay { waited_ns, late_ns: now.late_ns - last.late_ns }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            // one that panicked has looked no more, and that is all
            drop(thread.join());
        }
    }
}

impl Shared {
    fn look_on(&self, cpu: usize) {
        let mut only = CpuSet::new();
        // where it must not be pinned it looks wherever it is
        let _ = only.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
        while !self.ended.load(Relaxed) {
            let due = Instant::now() + LOOK;
            thread::sleep(LOOK);
            let late = due.elapsed();
            if late > LOOK {
                self.late.fetch_add(late.as_nanos() as u64, Relaxed);
            }
        }
    }
}

/// Processors that this process may use.
fn processors() -> impl Iterator<Item = usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).ok();
    (0..CpuSet::count()).filter(move |cpu| allowed.is_some_and(|set| set.is_set(*cpu).unwrap_or(false)))
}

/// The second of the numbers in `schedstat` of each thread: nanoseconds on a run queue.
fn of_process(pid: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let of_thread = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    threads.filter_map(Result::ok).filter_map(of_thread).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_not_told_again_and_who_is_not_there_does_not_wait() {
        let mut waiting = Waiting::of([std::process::id(), 0]);
        waiting.shared.late.fetch_add(1 << 40, Relaxed);
        assert!(waiting.since_last().late_ns >= 1 << 40);
        assert!(waiting.since_last().late_ns < 1 << 40);
        let mut nobody = Waiting::of([0, 0]);
        assert_eq!([nobody.since_last().waited_ns, nobody.since_last().waited_ns], [0, 0]);
    }

    #[test]
    fn each_processor_is_looked_at_until_the_end() {
        let waiting = Waiting::of([0, 0]);
        assert!(!waiting.threads.is_empty() && waiting.threads.len() == processors().count());
        let shared = waiting.shared.clone();
        drop(waiting);
        assert!(shared.ended.load(Relaxed) && Arc::strong_count(&shared) == 1, "no thread is left");
    }
}
