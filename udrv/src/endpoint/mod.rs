//! Where the frames of a network device go: an endpoint that looks to Linux like an Ethernet NIC.
//!
//! [`Tap`] is the drop-in NIC; [`Tun`] has IP packets and one neighbour; [`SocketEndpoint`] is a pair of packet sockets for tests and for machines without
//! `/dev/net/tun`. All are non-blocking: poll [`NetEndpoint::as_fd`], then take frames until [`Received::Empty`].
//! What can normally happen to a frame is an outcome, not an error: [`Sent`] and [`Received`] say which.
//!
//! Not here: endpoints of sound ([`sound`]) and input ([`input`]); copies between a ring and an endpoint, which is
//! why both directions also work straight on a [`DmaRegion`].

mod error;
mod if_ioctl;
pub mod input;
mod interface;
mod neighbours;
mod socket;
pub mod sound;
mod tap;
mod tun;
mod vnet;
mod watch;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU8;

pub use error::EndpointError;
pub use interface::TapPrior;
pub use socket::SocketEndpoint;
pub use tap::Tap;
pub use tun::Tun;

use serde::{Deserialize, Serialize};
use udrv_driver::{Offload, Offloads};

use crate::dma::{DmaError, DmaRegion};

/// What became of a frame that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Taken.
    Done,
    /// No room now (EAGAIN, ENOBUFS): drop it, or keep it and poll for writing.
    Full,
    /// The interface is down: frames have nowhere to go. Not an error: the administrator may do that.
    Down,
    /// The other side has closed (sockets only).
    Closed,
}

/// What a receive brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// A whole frame of this many bytes.
    Frame(usize),
    /// A frame that was longer than the room for it. It is lost; count it.
    Cut,
    /// Nothing is waiting.
    Empty,
    /// The other side has closed (sockets only).
    Closed,
}

/// Room for what an endpoint reads before a frame, in memory that outlives the process: [`NetEndpoint::recall`] needs it.
pub type Header = [AtomicU8; 16];

/// How much has gone between host and endpoint, as the host counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostCounts {
    /// Packets that the host has taken.
    pub taken: u64,
    /// Frames that it has given, longer ones than there was room for included.
    pub given: u64,
    /// Their bytes.
    pub given_bytes: u64,
}

/// TCP segments of one connection that follow one another, as one packet.
#[derive(Debug, Clone, Copy)]
pub struct Merged<'a> {
    /// Headers up to the end of TCP's, with the lengths of the whole; TCP's checksum is the sum of the pseudo header.
    pub headers: &'a [u8],
    /// The payload: offsets in the region, and bytes.
    pub pieces: &'a [(u64, usize)],
    /// How it would be cut again.
    pub offload: Offload,
}

/// What the administrator wants the interface to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// MAC address.
    pub mac: [u8; 6],
    /// MTU in bytes, without the Ethernet header.
    pub mtu: u32,
    /// Everything on the wire: a bridge or a packet capture has asked for it.
    pub promiscuous: bool,
}

/// A network interface as the host sees it: frames without FCS, at least 14 bytes.
pub trait NetEndpoint: Send {
    /// For people: the interface's name.
    fn name(&self) -> String;

    /// To poll.
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// Takes a frame that the host sends, into `to`.
    ///
    /// # Errors
    /// [`EndpointError`] when the endpoint itself is broken.
    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError>;

    /// Takes a frame that the host sends, straight into `region` at `offset`, at most `max_len` bytes.
    ///
    /// # Errors
    /// As [`NetEndpoint::recv`], and when the place is outside the region.
    fn recv_into(&mut self, region: &DmaRegion, offset: u64, max_len: usize) -> Result<Received, EndpointError> {
        received(region.read_packet(self.as_fd(), offset, max_len), "receive", || self.name())
    }

    /// Gives the host a frame.
    ///
    /// # Errors
    /// [`EndpointError`] when the endpoint itself is broken, or the frame is no frame.
    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError>;

    /// Gives the host the `len` bytes at `offset` of `region`, without a copy of ours.
    ///
    /// # Errors
    /// As [`NetEndpoint::send`], and when the place is outside the region.
    fn send_from(&mut self, region: &DmaRegion, offset: u64, len: usize) -> Result<Sent, EndpointError> {
        sent(region.write_to_fd(self.as_fd(), offset, len), len, "send", || self.name())
    }

    /// Says what the device can do for the host, before the first frame.
    ///
    /// # Errors
    /// When the host refuses.
    fn set_offloads(&mut self, offloads: Offloads) -> Result<(), EndpointError> {
        let _ = offloads;
        Ok(())
    }

    /// As [`NetEndpoint::recv_into`], with what the host leaves to the device: never more than
    /// [`NetEndpoint::set_offloads`] said. What comes before the frame goes to `header`.
    ///
    /// # Errors
    /// As there.
    fn recv_offloaded(
        &mut self,
        region: &DmaRegion,
        offset: u64,
        max_len: usize,
        header: &Header,
    ) -> Result<(Received, Offload), EndpointError> {
        let _ = header;
        Ok((self.recv_into(region, offset, max_len)?, Offload::default()))
    }

    /// What [`NetEndpoint::recv_offloaded`] would have said of a frame of `length` bytes by the host's count, if its process
    /// had not died behind the read. `header` is an allegation.
    fn recall(&self, length: usize, max_len: usize, header: &Header) -> (Received, Offload) {
        let _ = header;
        (if length > max_len { Received::Cut } else { Received::Frame(length) }, Offload::default())
    }

    /// As [`NetEndpoint::send_from`], for a frame whose TCP or UDP checksum was found right.
    ///
    /// # Errors
    /// As there.
    fn send_checked(&mut self, region: &DmaRegion, offset: u64, len: usize) -> Result<Sent, EndpointError> {
        self.send_from(region, offset, len)
    }

    /// Whether [`NetEndpoint::send_merged`] is there.
    fn takes_merged(&self) -> bool {
        false
    }

    /// Gives the host several TCP segments as one packet, whose checksums were found right.
    ///
    /// # Errors
    /// As for [`NetEndpoint::send_from`]; always where [`NetEndpoint::takes_merged`] says no.
    fn send_merged(&mut self, region: &DmaRegion, packet: &Merged<'_>) -> Result<Sent, EndpointError> {
        let _ = region;
        let len = packet.headers.len() + packet.pieces.iter().map(|(_, bytes)| bytes).sum::<usize>();
        Err(EndpointError::NoFrame { name: self.name(), len })
    }

    /// Sets the MAC address.
    ///
    /// # Errors
    /// When the host refuses: not a unicast address, or no permission.
    fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError>;

    /// The MTU in bytes that the host has given it. `None`: nobody has.
    ///
    /// # Errors
    /// When the interface cannot be asked.
    fn mtu(&self) -> Result<Option<u32>, EndpointError> {
        Ok(None)
    }

    /// Sets the MTU in bytes, without the Ethernet header.
    ///
    /// # Errors
    /// When the host refuses: out of range, or no permission.
    fn set_mtu(&mut self, mtu: u32) -> Result<(), EndpointError>;

    /// Says whether the cable is in.
    ///
    /// # Errors
    /// When the host refuses.
    fn set_carrier(&mut self, on: bool) -> Result<(), EndpointError>;

    /// Says how fast the cable is, for those who ask the interface: `speed` in Mbit/s.
    ///
    /// # Errors
    /// When the host refuses: no permission.
    fn set_link_mode(&mut self, speed: u32, full_duplex: bool) -> Result<(), EndpointError> {
        let _ = (speed, full_duplex);
        Ok(())
    }

    /// Readable when the administrator may have changed something: ask [`NetEndpoint::wanted`] then. `None`: nobody
    /// changes anything.
    fn changes(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Quietens [`NetEndpoint::changes`] and says how the interface is to be. `None`: nothing was changed.
    ///
    /// # Errors
    /// When the interface cannot be asked: it is gone, or in another network namespace.
    fn wanted(&mut self) -> Result<Option<Wanted>, EndpointError> {
        Ok(None)
    }

    /// Has the interface want everything on the wire, or not. Gives whether it does: somebody else may want it still.
    ///
    /// # Errors
    /// When the host refuses: no permission.
    fn set_promiscuous(&mut self, on: bool) -> Result<bool, EndpointError> {
        Ok(on)
    }

    /// Brings the interface up or down.
    ///
    /// # Errors
    /// When the host refuses: no permission.
    fn set_up(&mut self, up: bool) -> Result<(), EndpointError>;

    /// What the host counts. `None`: it does not tell.
    fn counts(&self) -> Option<HostCounts> {
        None
    }

    /// What a successor needs beside the descriptor, for [`adopt`]. `None`: it ends with this process.
    fn legacy(&self) -> Option<Legacy> {
        None
    }

    /// A successor has its descriptor: a drop closes this one and puts nothing back.
    fn leave(&mut self) {}
}

/// What an endpoint leaves to a successor, beside its descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Legacy {
    /// A TAP: what it was like before us, and the address that we gave it.
    Tap {
        /// Its interface may have been there before.
        prior: TapPrior,
        /// The MAC address that it was given.
        given_mac: Option<[u8; 6]>,
    },
    /// One end of a pair of sockets.
    Socket,
}

/// Goes on with the endpoint of a process that has died: carrier, queue and frames in it are as they were.
///
/// # Errors
/// The descriptor is of another kind.
pub fn adopt(fd: OwnedFd, legacy: &Legacy) -> Result<Box<dyn NetEndpoint>, EndpointError> {
    Ok(match legacy {
        Legacy::Tap { prior, given_mac } => Box::new(Tap::adopt_given(fd, *prior, *given_mac)?),
        Legacy::Socket => Box::new(SocketEndpoint::from_fd(fd)?),
    })
}

/// The name is asked for only when something is wrong: making it may allocate, and this is done for every frame.
fn sent(
    result: Result<usize, DmaError>,
    len: usize,
    what: &'static str,
    name: impl FnOnce() -> String,
) -> Result<Sent, EndpointError> {
    match result {
        Ok(count) if count == len => Ok(Sent::Done),
        Ok(count) => Err(EndpointError::Short { name: name(), count, len }),
        Err(error) => match error.errno() {
            Some(libc::EAGAIN | libc::ENOBUFS) => Ok(Sent::Full),
            Some(libc::EIO) => Ok(Sent::Down), // tun's word for an interface that is not up
            Some(libc::EPIPE | libc::ECONNRESET | libc::ECONNREFUSED | libc::ENOTCONN) => Ok(Sent::Closed),
            _ => Err(EndpointError::from_dma(what, &name(), error)),
        },
    }
}

fn received(
    result: Result<usize, DmaError>,
    what: &'static str,
    name: impl FnOnce() -> String,
) -> Result<Received, EndpointError> {
    match result {
        Ok(0) => Ok(Received::Closed),
        Ok(len) => Ok(Received::Frame(len)),
        Err(DmaError::Cut { .. }) => Ok(Received::Cut),
        Err(error) => match error.errno() {
            Some(libc::EAGAIN) => Ok(Received::Empty),
            Some(libc::ECONNRESET) => Ok(Received::Closed),
            _ => Err(EndpointError::from_dma(what, &name(), error)),
        },
    }
}
