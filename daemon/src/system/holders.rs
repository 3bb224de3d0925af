//! Which process has a device node open, by `/proc/PID/fd`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::System;

/// A process that has a node open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// Who has one of some nodes open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holders {
    /// In order of pid.
    pub(super) seen: Vec<Holder>,
    /// Whether all processes could be looked at: root sees all, another user its own.
    pub(super) all_seen: bool,
}

impl Holders {
    /// All of them, for a message.
    pub(super) fn clause(&self) -> String {
        self.seen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl System {
    /// Who has one of the nodes open. A process that ends meanwhile is left out.
    pub(super) fn holders(&self, nodes: &[PathBuf]) -> Holders {
        let mut holders = Holders { seen: Vec::new(), all_seen: true };
        if nodes.is_empty() {
            return holders;
        }
        for pid in self.names("proc").iter().filter_map(|name| name.parse::<u32>().ok()) {
            match has_open(&self.path(format!("proc/{pid}/fd")), nodes) {
                Ok(true) => {
                    let name = self.line(format!("proc/{pid}/comm")).unwrap_or_else(|| "?".to_owned());
                    holders.seen.push(Holder { pid, name });
                }
                Ok(false) => {}
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => holders.all_seen = false,
                Err(_) => {}
            }
        }
        holders.seen.sort_by_key(|holder| holder.pid);
        holders
    }
}

fn has_open(folder: &Path, nodes: &[PathBuf]) -> std::io::Result<bool> {
    let links = fs::read_dir(folder)?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    Ok(links.into_iter().any(|link| nodes.contains(&link)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;

    #[test]
    fn a_process_with_the_node_open_is_named_and_hostile_entries_are_passed_over() {
        let tree = Tree::new();
        let node = tree.path("dev/vfio/7");
        tree.process(4711, "qemu-system-x86", &[&node]);
        tree.process(12, "sh", &[&tree.path("dev/null")]);
        tree.process(8, "udrvd", &[&tree.path("dev/null"), &node]);
        tree.write("proc/99/fd", "no folder");
        tree.write("proc/version", "Linux");
        tree.write("proc/self-made/fd/0", "");
        tree.process(100, "", &[&node]);
        std::fs::remove_file(tree.path("proc/100/comm")).unwrap();
        tree.write("proc/101/fd/3", "a file and no link");
        let holders = tree.system().holders(&[node]);
        assert_eq!(holders.clause(), "udrvd (pid 8), ? (pid 100), qemu-system-x86 (pid 4711)");
        assert!(holders.all_seen);
    }
}
