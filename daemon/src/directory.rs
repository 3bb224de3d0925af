//! The directory of control sockets and locks.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Uid, access, geteuid};

/// The system's.
const SYSTEM: &str = "/run/udrv";

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be made.
    #[error("directory {path}: {source}; set UDRV_RUNTIME_DIR to a directory that you may write")]
    Io {
        /// Which.
        path: PathBuf,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// Somebody else could put sockets there.
    #[error(
        "directory {path} belongs to user {owner}, who could stand in for this daemon: set UDRV_RUNTIME_DIR to one of yours"
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
}

/// Where a daemon of this user has its own: `UDRV_RUNTIME_DIR`; /run/udrv, if this user may write there; in `XDG_RUNTIME_DIR`; or
/// in the directory for temporary files.
#[must_use]
pub fn of_daemon() -> PathBuf {
    let may_write = || geteuid().is_root() || access(SYSTEM, AccessFlags::W_OK).is_ok();
    if let Some(path) = std::env::var_os("UDRV_RUNTIME_DIR") {
        return path.into();
    }
    if may_write() {
        return SYSTEM.into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(path) => Path::new(&path).join("udrv"),
        None => std::env::temp_dir().join(format!("udrv-{}", geteuid())),
    }
}

/// Where a tool looks for daemons: where one of this user is, or else the system's are.
#[must_use]
pub fn of_client() -> PathBuf {
    let (own, system) = (of_daemon(), PathBuf::from(SYSTEM));
    let has_daemons = |path: &Path| !crate::client::running(path).is_empty();
    let foreign = std::env::var_os("UDRV_RUNTIME_DIR").is_none() && !has_daemons(&own) && has_daemons(&system);
    if foreign { system } else { own }
}

/// Makes it, if it is not there. One that nobody has chosen must be this user's, or root's: where it is is known to everybody.
///
/// # Errors
/// [`DirectoryError`].
pub fn prepare(path: &Path) -> Result<(), DirectoryError> {
    prepare_chosen(path, std::env::var_os("UDRV_RUNTIME_DIR").is_some())
}

fn prepare_chosen(path: &Path, chosen: bool) -> Result<(), DirectoryError> {
    let io = |source| DirectoryError::Io { path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(io)?;
    // of the link, if it is one
    let owner = std::fs::symlink_metadata(path).map_err(io)?.uid();
    let is_ours = Uid::from_raw(owner).is_root() || owner == geteuid().as_raw();
    if is_ours || chosen { Ok(()) } else { Err(DirectoryError::Foreign { path: path.to_owned(), owner }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_elses_is_refused_unless_it_was_chosen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        prepare_chosen(&path, false).unwrap();
        prepare_chosen(&path, false).unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = prepare_chosen(&file.join("x"), false).unwrap_err().to_string();
        assert!(error.contains("Not a directory") && error.contains("UDRV_RUNTIME_DIR"), "{error}");
        if !geteuid().is_root() {
            println!("skipped: only root can give a directory away");
            return;
        }
        nix::unistd::chown(&path, Some(Uid::from_raw(65_534)), None).unwrap();
        let error = prepare_chosen(&path, false).unwrap_err().to_string();
        assert!(error.contains("belongs to user 65534"), "{error}");
        prepare_chosen(&path, true).unwrap();
    }
}
