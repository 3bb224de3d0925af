//! The host's end of a device's endpoint: what a kernel's network stack would be, and what it is told.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{MsgFlags, recv, send};
use udrv::endpoint::{EndpointError, NetEndpoint, Received, Sent, SocketEndpoint, Wanted};
use udrv_driver::{Offloads, USUAL_MTU};

use crate::PATIENCE;

/// What the device has told the endpoint, and what its administrator, the test, wants it to be.
#[derive(Debug)]
pub struct Told {
    /// The cable is in.
    pub carrier: AtomicBool,
    interface: Mutex<Wanted>,
    offloads: Mutex<Offloads>,
    /// The administrator has changed something.
    alarm: EventFd,
}

impl Told {
    fn interface(&self) -> MutexGuard<'_, Wanted> {
        self.interface.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of whoever plays the host.
pub struct HostEnd {
    fd: OwnedFd,
    /// What the device has told its end.
    pub told: Arc<Told>,
}

/// The device's end: a socket endpoint that remembers what it was told where the test can see it.
pub struct WatchedEndpoint {
    socket: SocketEndpoint,
    told: Arc<Told>,
}

/// A new pair.
///
/// # Panics
/// When there are no more descriptors.
#[must_use]
pub fn pair() -> (WatchedEndpoint, HostEnd) {
    let (socket, fd) = SocketEndpoint::pair().expect("a socket pair");
    let told = Arc::new(Told {
        carrier: AtomicBool::new(false),
        interface: Mutex::new(Wanted { mac: [0; 6], mtu: USUAL_MTU, promiscuous: false }),
        offloads: Mutex::new(Offloads::NONE),
        alarm: EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK).expect("an eventfd"),
    });
    (WatchedEndpoint { socket, told: told.clone() }, HostEnd { fd, told })
}

impl HostEnd {
    /// Sends a frame; false when the queue is full, or the device's end closed.
    ///
    /// # Panics
    /// When the socket is broken.
    #[must_use]
    pub fn try_send(&self, frame: &[u8]) -> bool {
        match send(self.fd.as_raw_fd(), frame, MsgFlags::MSG_NOSIGNAL) {
            Ok(_) => true,
            Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EPIPE | Errno::ECONNRESET) => false,
            Err(error) => panic!("the device's end of the endpoint: {error}"),
        }
    }

    /// Sends a frame, waiting for room.
    pub fn send(&self, frame: &[u8]) {
        crate::wait_until("room in the endpoint", || self.try_send(frame));
    }

    /// Takes a frame into `to` if one is there: its length.
    #[must_use]
    pub fn try_receive(&self, to: &mut [u8]) -> Option<usize> {
        recv(self.fd.as_raw_fd(), to, MsgFlags::empty()).ok().filter(|n| *n > 0)
    }

    /// The next frame, waiting no longer than `patience`.
    #[must_use]
    pub fn receive(&self, patience: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + patience;
        let mut frame = vec![0; 1 << 16];
        loop {
            if let Some(length) = self.try_receive(&mut frame) {
                frame.truncate(length);
                return Some(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let timeout = PollTimeout::try_from(left.min(PATIENCE)).unwrap_or(PollTimeout::MAX);
            let _ = poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)], timeout);
        }
    }

    /// The station address that the endpoint was told last.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.told.interface().mac
    }

    /// The MTU of the interface.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.told.interface().mtu
    }

    /// What the endpoint was told that is left to the chip.
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        *self.told.offloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the interface is to be, as the administrator and the device have left it. Nobody is told that this was asked.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        *self.told.interface()
    }

    /// The administrator changes the interface.
    ///
    /// # Panics
    /// When nobody has looked at it for far too long.
    pub fn administer(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.told.interface());
        self.told.alarm.write(1).expect("an eventfd");
    }

    /// Whether the endpoint was told that the cable is in.
    #[must_use]
    pub fn carrier(&self) -> bool {
        self.told.carrier.load(Relaxed)
    }
}

impl NetEndpoint for WatchedEndpoint {
    fn name(&self) -> String {
        self.socket.name()
    }
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError> {
        self.socket.recv(to)
    }
    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError> {
        self.socket.send(frame)
    }
    fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError> {
        self.told.interface().mac = mac;
        self.socket.set_mac(mac)
    }
    fn set_mtu(&mut self, mtu: u32) -> Result<(), EndpointError> {
        self.told.interface().mtu = mtu;
        self.socket.set_mtu(mtu)
    }
    fn set_offloads(&mut self, offloads: Offloads) -> Result<(), EndpointError> {
        *self.told.offloads.lock().unwrap_or_else(PoisonError::into_inner) = offloads;
        self.socket.set_offloads(offloads)
    }
    fn changes(&self) -> Option<BorrowedFd<'_>> {
        Some(self.told.alarm.as_fd())
    }
    fn wanted(&mut self) -> Result<Option<Wanted>, EndpointError> {
        Ok(self.told.alarm.read().is_ok().then(|| *self.told.interface()))
    }
    fn set_carrier(&mut self, on: bool) -> Result<(), EndpointError> {
        self.told.carrier.store(on, Relaxed);
        self.socket.set_carrier(on)
    }
    fn set_promiscuous(&mut self, on: bool) -> Result<bool, EndpointError> {
        self.told.interface().promiscuous = on;
        Ok(on)
    }
    fn set_up(&mut self, up: bool) -> Result<(), EndpointError> {
        self.socket.set_up(up)
    }
}
