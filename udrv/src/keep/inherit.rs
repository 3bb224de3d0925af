//! Taking the descriptors that a predecessor has left with its keeper.
// Numbers of descriptors become descriptors.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, fcntl};

/// Descriptors below this are moved up: a program may want the numbers.
const HIGH: RawFd = 64;

/// How the names begin that are of a device.
const PREFIXES: [&str; 2] = ["udrv-", "vfio-"];

/// Descriptors by name.
#[derive(Debug, Default)]
pub struct Inherited {
    fds: BTreeMap<String, OwnedFd>,
    /// Names that came more than once, or that nobody knows.
    odd: Vec<String>,
}

impl Inherited {
    /// Takes what was passed to this process as `LISTEN_FDS`, `LISTEN_FDNAMES` and `LISTEN_PID` say (sd_listen_fds(3)):
    /// once, a second time there is nothing. To be called before any thread is started or file opened, for the numbers
    /// are those that the next ones get.
    ///
    /// # Errors
    /// The variables contradict each other, or a descriptor is not there.
    pub fn from_environment() -> io::Result<Inherited> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Ok(Inherited::default());
        }
        let mut inherited = Inherited::default();
        // others are for others: a control socket, for example
        let ours = |(_, name): &(RawFd, String)| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        for (fd, name) in sd_notify::listen_fds_with_names()?.filter(ours) {
            // SAFETY: the protocol gives these descriptors to this process, and nobody has taken them (TAKEN);
            // listen_fds_with_names has found each to be open, for it has set FD_CLOEXEC.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            let high = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(HIGH))?;
            // SAFETY: a new descriptor that nobody else knows.
            inherited.insert(name, unsafe { OwnedFd::from_raw_fd(high) });
        }
        Ok(inherited)
    }

    /// Adds one.
    pub fn insert(&mut self, name: String, fd: OwnedFd) {
        if let Some(first) = self.fds.insert(name.clone(), fd) {
            drop(first);
            self.odd.push(name);
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fds.is_empty()
    }

    /// The same, once more.
    ///
    /// # Errors
    /// No room for descriptors.
    pub fn duplicate(&self) -> io::Result<Inherited> {
        let fds = self.fds.iter().map(|(name, fd)| Ok((name.clone(), fd.try_clone()?)));
        Ok(Inherited { fds: fds.collect::<io::Result<_>>()?, odd: self.odd.clone() })
    }

    /// Takes one out.
    pub fn take(&mut self, name: &str) -> Option<OwnedFd> {
        self.fds.remove(name)
    }

    /// One of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.fds.get(name).map(AsFd::as_fd)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fds.keys().map(String::as_str)
    }

    /// Names that came more than once: which is meant cannot be told.
    #[must_use]
    pub fn twice(&self) -> &[String] {
        &self.odd
    }
}
