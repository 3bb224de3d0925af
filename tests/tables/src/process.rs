//! What the kernel says of this process.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

/// See the module's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Resident memory, KiB.
    pub(crate) rss_kib: u64,
    /// Open descriptors.
    pub(crate) descriptors: u64,
}

/// How it is now.
///
/// # Errors
/// There is no /proc, or it says something else.
pub(crate) fn now() -> io::Result<Process> {
    let rss_kib = resident(&fs::read_to_string("/proc/self/status")?)
        .ok_or_else(|| io::Error::other("/proc/self/status says nothing of VmRSS"))?;
    // one is that of the folder itself
    let descriptors = fs::read_dir("/proc/self/fd")?.count() as u64 - 1;
    Ok(Process { rss_kib, descriptors })
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_and_descriptors_are_seen() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t  1234 kB\n"), Some(1234));
        assert_eq!(resident("Name:\tx\n"), None);
        let before = now().unwrap();
        let file = fs::File::open("/dev/null").unwrap();
        assert!(before.rss_kib > 0);
        // other tests of this process open and close some too: this one is among them
        assert!(now().unwrap().descriptors > 0);
        drop(file);
    }
}
