//! The file: whole or not there, and read without trust.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use tempfile::Builder;
use udrv::checkpoint::{Checkpoint, MAX_BYTES};

use crate::exit::{Exit, Failure};

/// Its owner writes it, its group reads it: station addresses are nobody else's affair.
const MODE: u32 = 0o640;

/// Whether `file` may be written: it is not there, or it is a file and `force` says so.
pub(super) fn may_write(file: &Path, force: bool) -> Result<(), Failure> {
    match file.symlink_metadata() {
        Ok(there) if !there.is_file() => {
            Err(Failure::failed(format!("{}: exists and is no plain file; name another one", file.display())))
        }
        Ok(_) if !force => Err(exists(file)),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(file, &error)),
    }
}

/// Writes `file`: beside it, then in its place.
pub(super) fn write(file: &Path, contents: &[u8], force: bool) -> Result<(), Failure> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |error: io::Error| failed(file, &error);
    // closed by its owner until it is whole
    let mut temporary = Builder::new().prefix(".udrvctl-").tempfile_in(folder).map_err(failed)?;
    let written = temporary.write_all(contents).and_then(|()| {
        temporary.as_file().set_permissions(Permissions::from_mode(MODE))?;
        temporary.as_file().sync_all()
    });
    written.map_err(failed)?;
    let placed = if force { temporary.persist(file) } else { temporary.persist_noclobber(file) };
    placed.map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => exists(file),
        _ => failed(error.error),
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Reads `file` and looks through it.
pub(super) fn read(file: &Path) -> Result<Checkpoint, Failure> {
    let failed = |error: io::Error| failed(file, &error);
    // a pipe that nobody writes to would be waited for
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(file).map_err(failed)?;
    if !opened.metadata().map_err(failed)?.is_file() {
        return Err(Failure::failed(format!("{}: is no plain file; name one", file.display())));
    }
    let mut contents = Vec::new();
    opened.take(MAX_BYTES as u64 + 1).read_to_end(&mut contents).map_err(failed)?;
    Checkpoint::parse(&contents).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
}

fn exists(file: &Path) -> Failure {
    Failure::new(Exit::Refused, format!("{}: exists; name another file, or replace it with --force", file.display()))
}

fn failed(file: &Path, error: &io::Error) -> Failure {
    let mend = match error.kind() {
        ErrorKind::PermissionDenied => {
            return Failure::new(
                Exit::NoPermission,
                format!("{}: {error}; name a file that this user may use, or use sudo", file.display()),
            );
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => "; there is no such file or folder",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "; make room there, or name a file elsewhere"
        }
        _ => "",
    };
    Failure::failed(format!("{}: {error}{mend}", file.display()))
}
