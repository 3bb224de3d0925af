//! How long the machine has let programs of ours wait for a processor.
//!
//! Time is what is heard here, and a machine that has other things to do takes some: what it took while a fault was recovered is no
//! cost of the fault.

use std::{fs, time::Duration};

/// Processes whose waiting counts: those that talk to each other in a recovery, so that where one waits the other does too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) pids: [u32; 2],
}

impl Waiting {
    /// So long they have waited up to now, all their threads together. Nothing where the kernel does not tell.
    pub(super) fn until_now(self) -> Duration {
        Duration::from_nanos(self.pids.iter().map(|pid| of_process(*pid)).sum())
    }
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
    fn waiting_only_grows_and_who_is_not_there_does_not_wait() {
        let own = std::process::id();
        let before = Waiting { pids: [own, 0] }.until_now();
        std::thread::yield_now();
        assert!(Waiting { pids: [own, 0] }.until_now() >= before);
        assert_eq!(Waiting { pids: [0, 0] }.until_now(), Duration::ZERO);
    }
}
