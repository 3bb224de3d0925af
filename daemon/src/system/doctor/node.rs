//! A device node: whether it is there, whether we may use it, who has it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::System;
use super::Check;

impl System {
    /// Whether this user may read and write a node that is there.
    pub(super) fn check_access(&self, check: &'static str, node: &Path) -> Check {
        let shown = node.display();
        if self.kernel.may_use(node) {
            return Check::ok(check, format!("{shown} is there, and this user may use it"));
        }
        let (owner, mode) = match node.metadata() {
            Ok(meta) => (format!("{}:{}", meta.uid(), meta.gid()), format!("{:04o}", meta.mode() & 0o7777)),
            Err(error) => (error.to_string(), "unknown".to_owned()),
        };
        let says = format!("{shown} may not be used by this user (owner {owner}, mode {mode})");
        Check::failure(check, says, format!("sudo setfacl -m u:$USER:rw {shown} (or run udrvd with sudo)"))
    }

    /// Who has the device's nodes open. A udrvd that drives the device is as it should be; another one could not start.
    pub(super) fn check_holder(&self, nodes: &[PathBuf]) -> Check {
        let holders = self.holders(nodes);
        let shown = nodes.iter().map(|node| node.display().to_string()).collect::<Vec<_>>().join(" ");
        match (holders.seen.is_empty(), holders.all_seen) {
            (true, true) => Check::ok("holder", "no process has it open"),
            (true, false) => {
                let says = "none of this user's processes has it open; those of others are not seen";
                Check::warning("holder", says, "sudo udrvctl doctor")
            }
            (false, _) if holders.seen.iter().all(|holder| holder.name == "udrvd") => {
                Check::ok("holder", format!("{} has it open", holders.clause()))
            }
            (false, _) => {
                let says = format!("{} has it open, and nobody else can", holders.clause());
                Check::failure("holder", says, format!("end it; sudo fuser -v {shown} shows more"))
            }
        }
    }
}
