//! [`RawSerioPort`]: open, bytes, close.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use udrv_bus::{BusError, SerioByte, SerioId, SerioPort};

use super::binding::Binding;
use super::error::OpenError;
use super::name::SerioName;
use super::stream::Stream;
use super::sysfs::{PortSummary, SerioSysfs};

/// How to open a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenOptions {
    /// Also one with a keyboard at its end.
    pub keyboard: bool,
}

/// A serio port of this machine, taken from the kernel's driver.
///
/// Dropping it closes it and gives it back to that driver; also if the device at its end has left.
#[derive(Debug)]
pub struct RawSerioPort {
    summary: PortSummary,
    // in this order: nobody listens when it is closed, and it is closed when it is given back
    stream: Stream,
    /// One process of ours at a time; the kernel would have several share the bytes.
    _node: Flock<File>,
    _binding: Binding,
}

impl RawSerioPort {
    /// Opens the port of a name: has serio_raw take it, and opens the node that it gets.
    ///
    /// # Errors
    /// [`OpenError`], which says what mends it. The kernel's driver has the port again then.
    pub fn open(name: &SerioName, options: OpenOptions) -> Result<RawSerioPort, OpenError> {
        RawSerioPort::open_in(&SerioSysfs::default(), name, options)
    }

    pub(super) fn open_in(sysfs: &SerioSysfs, name: &SerioName, options: OpenOptions) -> Result<Self, OpenError> {
        let summary = sysfs.require(name)?;
        let boxed = || Box::new(summary.clone());
        if summary.is_keyboard() && !options.keyboard {
            return Err(OpenError::Keyboard { port: boxed() });
        }
        let binding = Binding::take(sysfs, &summary)?;
        let path = sysfs.node(&summary.name).ok_or_else(|| OpenError::NoNode { port: boxed(), node: None })?;
        let opened = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(&path);
        let file = opened.map_err(|source| OpenError::node(&summary, path.clone(), source))?;
        let node = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
            Errno::EWOULDBLOCK => OpenError::Busy { port: boxed(), node: path.clone() },
            error => OpenError::Io { operation: format!("lock {}", path.display()), source: error.into() },
        })?;
        let listened = node.as_fd().try_clone_to_owned().and_then(Stream::start);
        let stream =
            listened.map_err(|source| OpenError::Io { operation: format!("listen to {}", path.display()), source })?;
        Ok(RawSerioPort { summary, stream, _node: node, _binding: binding })
    }

    /// The port as it was found.
    #[must_use]
    pub fn summary(&self) -> &PortSummary {
        &self.summary
    }
}

impl SerioPort for RawSerioPort {
    fn name(&self) -> String {
        format!("serio:{}", self.summary.name)
    }

    fn id(&self) -> SerioId {
        self.summary.id
    }

    fn write(&mut self, byte: u8) -> Result<(), BusError> {
        self.stream.write(byte)
    }

    fn read(&mut self, patience: Duration) -> Result<Option<SerioByte>, BusError> {
        self.stream.read(patience)
    }

    fn now(&self) -> Duration {
        self.stream.now()
    }

    fn announce(&mut self, event: Option<BorrowedFd<'_>>) -> Result<(), BusError> {
        self.stream.announce(event)
    }
}

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
