//! Threads that belong to nobody's signals: their handlers are others'.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow};

/// Runs `start` with all signals blocked: threads that it starts have them blocked for good.
pub(crate) fn signals_blocked<T>(start: impl FnOnce() -> T) -> io::Result<T> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let result = start();
    before.thread_set_mask()?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the calling thread, as the kernel shows it.
    fn blocked() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    }

    #[test]
    fn threads_are_born_with_all_signals_blocked_and_their_parent_keeps_its_own() {
        let before = blocked();
        let inside = signals_blocked(|| std::thread::spawn(blocked)).unwrap().join().unwrap();
        let never = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);
        // 32 and 33 are the C library's own, and no handler of ours can be there
        let all = !never & !(0b11 << 31);
        assert_eq!(inside & all, all, "{inside:#x}");
        assert_eq!(blocked(), before);
        assert_ne!(before, inside);
    }
}
