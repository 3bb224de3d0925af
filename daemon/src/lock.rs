//! One daemon for a device: a file beside the control sockets that it has locked, with its number in it.
//!
//! The lock goes with the process, however it ends, so a file that was left behind is no holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;

use crate::pair::HOUSE_LOCK;
use crate::protocol::file_name;

/// Why the device is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error(
        "{device} has another daemon already, {holder}; udrvctl status {device} shows it, and kill {holder_number} ends it"
    )]
    Held {
        /// The device.
        device: String,
        /// Who, in words.
        holder: String,
        /// Its process id, or PID.
        holder_number: String,
    },
    /// The file cannot be made.
    #[error("lock {path}: {source}; set UDRV_RUNTIME_DIR to a directory that you may write")]
    Io {
        /// Which.
        path: PathBuf,
        /// errno.
        #[source]
        source: io::Error,
    },
}

/// A device of this process's own. Let go on drop.
pub struct DeviceLock {
    file: File,
    path: PathBuf,
    /// The file stays: another process has the lock too.
    stays: bool,
}

impl DeviceLock {
    /// Locks `device`, by a file in a directory that is there.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(directory: &Path, device: &str) -> Result<DeviceLock, LockError> {
        let path = directory.join(format!("{}.lock", file_name(device)));
        let io = |source| LockError::Io { path: path.clone(), source };
        loop {
            let mut options = OpenOptions::new();
            let mut file =
                options.read(true).write(true).create(true).truncate(false).mode(0o644).open(&path).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(device, &mut file)),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
            // one who has gone may have taken the name away before it let go
            if !is_at(&file, &path) {
                continue;
            }
            let mut lock = DeviceLock { file, path, stays: false };
            lock.sign()?;
            return Ok(lock);
        }
    }

    /// One that a process before this one has: a lock belongs to the open file, and not to a process.
    #[must_use]
    pub fn inherit(directory: &Path, device: &str, file: OwnedFd) -> DeviceLock {
        let path = directory.join(format!("{}.lock", file_name(device)));
        DeviceLock { file: file.into(), path, stays: true }
    }

    /// Whoever is refused is told that it is this process.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn sign(&mut self) -> Result<(), LockError> {
        let file = &mut self.file;
        let written = file.set_len(0).and_then(|()| file.rewind());
        let written = written.and_then(|()| writeln!(file, "{}", std::process::id()));
        self.stays = false;
        written.map_err(|source| LockError::Io { path: self.path.clone(), source })
    }

    /// What a successor needs of it.
    ///
    /// # Errors
    /// No room for descriptors.
    pub fn part(&self) -> io::Result<(&'static str, OwnedFd)> {
        Ok((HOUSE_LOCK, self.file.try_clone()?.into()))
    }

    /// A successor has it.
    pub fn leave(mut self) {
        self.stays = true;
    }
}

/// Whether a daemon has the device. Makes no file, and follows no link: root asks this in a directory of udrvd's.
#[must_use]
pub fn is_held(directory: &Path, device: &str) -> bool {
    let path = directory.join(format!("{}.lock", file_name(device)));
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

impl Drop for DeviceLock {
    fn drop(&mut self) {
        if !self.stays {
            // still locked: nobody else can have made it anew
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let numbers = |data: std::fs::Metadata| (data.dev(), data.ino());
    let (Ok(ours), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    numbers(ours) == numbers(there)
}

fn held(device: &str, file: &mut File) -> LockError {
    let mut text = String::new();
    let _ = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    // it may have locked and not written yet
    let number = text.trim().parse::<u32>().ok();
    LockError::Held {
        device: device.to_owned(),
        holder: number.map_or("a process that has only just begun".to_owned(), |pid| format!("process {pid}")),
        holder_number: number.map_or("PID".to_owned(), |pid| pid.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is_and_what_was_left_behind_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let take = |device: &str| DeviceLock::take(directory.path(), device);
        let first = take("vfio-user:/run/card.sock").unwrap();
        let error = take("vfio-user:/run/card.sock").map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        let other = take("model:x").unwrap();
        assert!(is_held(directory.path(), "model:x") && !is_held(directory.path(), "model:y"));
        drop((first, other));
        assert!(!is_held(directory.path(), "model:x"));
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
        std::fs::write(directory.path().join("model:x.lock"), "4194305\n").unwrap();
        drop(take("model:x").unwrap());
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
    }

    /// Of many who come and go there is one at a time.
    #[test]
    fn there_is_one_at_a_time() {
        use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
        let directory = tempfile::tempdir().unwrap();
        let (inside, taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while taken.load(SeqCst) < 2000 {
                        let Ok(lock) = DeviceLock::take(directory.path(), "model:x") else { continue };
                        assert_eq!(inside.fetch_add(1, SeqCst), 0);
                        taken.fetch_add(1, SeqCst);
                        inside.fetch_sub(1, SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
