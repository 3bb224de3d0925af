//! Users and groups by name, for errors about permissions.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A user's name, or number if it has none.
fn user_name(uid: u32) -> String {
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

fn group_name(gid: u32) -> String {
    let group = nix::unistd::Group::from_gid(gid.into()).ok().flatten();
    group.map_or_else(|| gid.to_string(), |group| group.name)
}

/// Who we are.
pub(crate) fn us() -> String {
    user_name(nix::unistd::geteuid().as_raw())
}

/// `user:group` that own a file, and its permission bits.
pub(crate) fn owner(file: &Path) -> (String, u32) {
    match fs::metadata(file) {
        Ok(meta) => (format!("{}:{}", user_name(meta.uid()), group_name(meta.gid())), meta.mode() & 0o7777),
        Err(_) => ("unknown".to_owned(), 0),
    }
}
