//! An eventfd of whoever is to be told that there is work.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::unistd::write;
use udrv_bus::BusError;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Event(OwnedFd);

impl Event {
    /// Our own hold on it: whose it is may close it.
    pub(crate) fn of(event: BorrowedFd<'_>) -> Result<Event, BusError> {
        let kept = event.try_clone_to_owned();
        kept.map(Event).map_err(|source| BusError::Io { operation: "dup of an eventfd".to_owned(), source })
    }

    /// Adds one.
    pub(crate) fn tell(&self) {
        // full only after 2^64 of them, and then it is readable, which is all it has to say
        let _full = write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
