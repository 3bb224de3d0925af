//! Waiting for a device to be plugged in: the kernel's messages about devices, as an alarm clock.
//!
//! What a message says is not read: whoever hears one looks at sysfs, which is right even when messages were lost. This
//! is not libusb's own notice of arrivals, which comes from the same messages: that needs a thread, and is too early where
//! udev has yet to give the node to us.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use nix::unistd::{AccessFlags, faccessat};

use super::error::OpenError;
use super::name::UsbName;
use super::sysfs::UsbSysfs;

/// Groups of the kernel's own messages and of udev's, which come once its rules are done.
const GROUPS: u32 = 1 | 2;
/// Where no messages come (a user namespace) this is how often one looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Waits for a device by name. To be made before one looks whether the device is there.
#[derive(Debug)]
pub struct Arrivals {
    name: UsbName,
    sysfs: UsbSysfs,
    socket: OwnedFd,
}

impl Arrivals {
    /// Starts to listen. Needs no privilege and no udev.
    ///
    /// # Errors
    /// [`OpenError::Io`] where netlink sockets are forbidden.
    pub fn new(name: UsbName) -> Result<Self, OpenError> {
        Self::at(UsbSysfs::default(), name)
    }

    fn at(sysfs: UsbSysfs, name: UsbName) -> Result<Self, OpenError> {
        let socket = listen().map_err(|source| OpenError::Io {
            operation: "listen for devices (netlink; in a systemd unit: RestrictAddressFamilies with AF_NETLINK)"
                .to_owned(),
            source,
        })?;
        Ok(Arrivals { name, sysfs, socket })
    }

    /// What is waited for.
    #[must_use]
    pub fn name(&self) -> &UsbName {
        &self.name
    }

    /// Whether the device is there, configured by the kernel, with a node that we may open. To be asked when
    /// [`Arrivals::as_fd`] is readable, which this ends, and once at the beginning.
    ///
    /// # Errors
    /// As [`UsbSysfs::find`], but a machine without USB is one without the device.
    pub fn is_here(&mut self) -> Result<bool, OpenError> {
        self.quieten();
        let device = match self.sysfs.find(&self.name) {
            Ok(device) => device,
            Err(OpenError::NoUsb { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(device) = device.filter(|device| device.configuration.is_some()) else { return Ok(false) };
        let ours = AccessFlags::R_OK | AccessFlags::W_OK;
        Ok(faccessat(nix::fcntl::AT_FDCWD, &self.sysfs.node(&device), ours, AtFlags::AT_EACCESS).is_ok())
    }

    /// Waits until it is.
    ///
    /// # Errors
    /// What stands in the way at the deadline: [`OpenError::NotPresent`], [`OpenError::NoPermission`], and the like.
    pub fn wait(&mut self, deadline: Instant) -> Result<(), OpenError> {
        while !self.is_here()? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.sysfs.require(&self.name).map(drop);
            }
            // rounded up, or the last millisecond would be spent looking
            let pause = left.min(LOOK_AGAIN) + Duration::from_millis(1);
            let pause = PollTimeout::try_from(pause).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], pause) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => {
                    return Err(OpenError::Io { operation: "wait for devices".to_owned(), source: error.into() });
                }
            }
        }
        Ok(())
    }

    /// Takes what has been said.
    fn quieten(&self) {
        let mut message = [0; 64]; // the rest of each is cut, and not missed
        loop {
            match recv(self.socket.as_raw_fd(), &mut message, MsgFlags::empty()) {
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for Arrivals {
    /// Readable when devices have come or gone: then ask [`Arrivals::is_here`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn listen() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkKObjectUEvent)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
    Ok(socket)
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
