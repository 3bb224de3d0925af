//! A network namespace of the demo's own: nothing of the machine's network is seen or touched.
//!
//! Root gets one as it is; anybody else gets a user namespace around it, in which he is root. The calling process
//! moves there and stays; what it starts is there too, and the namespace goes with the last of them.

use std::fs;

use nix::{
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid, geteuid, getgid, getuid},
};

use super::error::{Doing, Result};

/// Moves this process, which must have one thread only, into a network namespace of its own.
///
/// # Errors
/// When the system does not allow it, with what would.
pub(super) fn enter() -> Result<()> {
    if geteuid().is_root() {
        return unshare(CloneFlags::CLONE_NEWNET).doing(|| {
            "make a network namespace (CAP_SYS_ADMIN is needed; a container may withhold it even from root)".to_owned()
        });
    }
    let (user, group): (Uid, Gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).doing(|| {
        "make a user namespace with a network of its own (run as root, or allow it to users: \
         sysctl kernel.unprivileged_userns_clone=1)"
            .to_owned()
    })?;
    // user_namespaces(7): a process without rights outside may map itself only, and must give up setgroups(2) first
    let write = |file: &str, text: String| fs::write(file, text).doing(|| format!("write {file}"));
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("0 {user} 1"))?;
    write("/proc/self/gid_map", format!("0 {group} 1"))
}
