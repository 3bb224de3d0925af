//! What a successor is given: descriptors of the device, and those of the daemon itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use udrv::keep::Inherited;

/// The lock of the device.
pub const HOUSE_LOCK: &str = "udrvd-lock";
/// The control socket, which listens.
pub const HOUSE_CONTROL: &str = "udrvd-control";
/// The socket for metrics, which listens.
pub const HOUSE_METRICS: &str = "udrvd-metrics";

/// What the daemon itself has, whatever becomes of its device.
#[derive(Debug, Default)]
pub struct House {
    /// Descriptors with their names.
    pub fds: Vec<(&'static str, OwnedFd)>,
    /// Files that lead to the control socket, and are removed with it.
    pub control_files: Vec<PathBuf>,
    /// Where metrics are shown, in words.
    pub metrics_place: Option<String>,
}

/// The device's, by name.
#[derive(Debug, Default)]
pub(super) struct Parts(Mutex<Vec<(String, OwnedFd)>>);

impl Parts {
    pub(super) fn of(inherited: &Inherited) -> io::Result<Parts> {
        let own = |name: &str| {
            let fd = inherited.get(name).map(|fd| fd.try_clone_to_owned()).transpose()?;
            Ok(fd.map(|fd| (name.to_owned(), fd)))
        };
        let all = inherited.names().filter_map(|name| own(name).transpose()).collect::<io::Result<_>>()?;
        Ok(Parts(Mutex::new(all)))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, OwnedFd)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn keep(&self, name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
        let fd = fd.try_clone_to_owned()?;
        let mut parts = self.lock();
        parts.retain(|(other, _)| other != name);
        parts.push((name.to_owned(), fd));
        Ok(())
    }

    pub(super) fn forget(&self, names: &[&str]) {
        self.lock().retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// For this process to go on with.
    pub(super) fn inherited(&self) -> io::Result<Inherited> {
        let mut inherited = Inherited::default();
        for (name, fd) in self.lock().iter() {
            inherited.insert(name.clone(), fd.try_clone()?);
        }
        Ok(inherited)
    }

    /// Hands them all, and what is of the house, to `f`.
    pub(super) fn with<R>(&self, house: &House, f: impl FnOnce(Vec<String>, &[BorrowedFd<'_>]) -> R) -> R {
        let parts = self.lock();
        let ours = parts.iter().map(|(name, fd)| (name.as_str(), fd.as_fd()));
        let all = ours.chain(house.fds.iter().map(|(name, fd)| (*name, fd.as_fd())));
        let (names, fds): (Vec<String>, Vec<BorrowedFd<'_>>) = all.map(|(name, fd)| (name.to_owned(), fd)).unzip();
        f(names, &fds)
    }
}
