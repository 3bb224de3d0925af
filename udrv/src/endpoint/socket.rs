//! An endpoint without the kernel's network: one end of a pair of AF_UNIX packet sockets.
//!
//! For tests, and for machines without `/dev/net/tun`: whoever holds the other end sends and receives whole Ethernet
//! frames. SOCK_SEQPACKET, because it keeps frames apart and, other than SOCK_DGRAM, tells when the other end has
//! closed. MAC, MTU, carrier and up/down are only remembered: nobody is there to act on them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};

use super::{EndpointError, Legacy, NetEndpoint, Received, Sent, received, sent};
use crate::dma::DmaError;

/// The longest frame: what a TAP takes at most.
const MAX_FRAME: usize = 65_535 + 14;

/// One end of a packet socket pair.
#[derive(Debug)]
pub struct SocketEndpoint {
    fd: OwnedFd,
    mac: [u8; 6],
    mtu: u32,
    carrier: bool,
    up: bool,
}

impl SocketEndpoint {
    /// A new pair: the endpoint, and the end for whoever plays the host. Both non-blocking, close-on-exec.
    ///
    /// # Errors
    /// When the process has no room for more descriptors.
    pub fn pair() -> Result<(Self, OwnedFd), EndpointError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (near, far) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|e| EndpointError::io("socketpair", "socket", e.into()))?;
        Ok((Self::from_fd(near)?, far))
    }

    /// An endpoint over a connected packet socket made elsewhere. Becomes non-blocking.
    ///
    /// # Errors
    /// When the descriptor is not such a socket.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, EndpointError> {
        let kind = nix::sys::socket::getsockopt(&fd, nix::sys::socket::sockopt::SockType)
            .map_err(|e| EndpointError::io("SO_TYPE", "socket", e.into()))?;
        if kind != SockType::SeqPacket && kind != SockType::Datagram {
            return Err(EndpointError::BadName { name: "socket".to_owned(), why: "it is not a socket of packets" });
        }
        let socket = std::os::unix::net::UnixDatagram::from(fd);
        socket.set_nonblocking(true).map_err(|e| EndpointError::io("O_NONBLOCK", "socket", e))?;
        Ok(SocketEndpoint { fd: socket.into(), mac: [0; 6], mtu: 1500, carrier: false, up: false })
    }

    /// The MAC address last set; all zero before.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The MTU last set in bytes; 1500 before.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// The carrier last set; off before.
    #[must_use]
    pub fn carrier(&self) -> bool {
        self.carrier
    }

    /// Up or down as last set; down before.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    fn check_len(len: usize) -> Result<(), EndpointError> {
        // A packet of no bytes would look like the end of the connection on the other side.
        if len == 0 || len > MAX_FRAME {
            return Err(EndpointError::NoFrame { name: "socket".to_owned(), len });
        }
        Ok(())
    }
}

impl NetEndpoint for SocketEndpoint {
    fn name(&self) -> String {
        "socket".to_owned()
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError> {
        // MSG_TRUNC: the true length is returned even if it did not fit.
        let got = recv(std::os::fd::AsRawFd::as_raw_fd(&self.fd), to, MsgFlags::MSG_TRUNC);
        let got = got.map_err(|e| dma_error("recv", e));
        let got = got.and_then(|len| if len > to.len() { Err(DmaError::Cut { room: to.len() }) } else { Ok(len) });
        received(got, "receive", || "socket".to_owned())
    }

    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError> {
        Self::check_len(frame.len())?;
        let done = send(std::os::fd::AsRawFd::as_raw_fd(&self.fd), frame, MsgFlags::MSG_NOSIGNAL);
        sent(done.map_err(|e| dma_error("send", e)), frame.len(), "send", || "socket".to_owned())
    }

    fn send_from(&mut self, region: &crate::dma::DmaRegion, offset: u64, len: usize) -> Result<Sent, EndpointError> {
        Self::check_len(len)?;
        // write(2) raises SIGPIPE on a closed socket; Rust's runtime ignores that signal from the start.
        sent(region.write_to_fd(self.fd.as_fd(), offset, len), len, "send", || "socket".to_owned())
    }

    fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError> {
        self.mac = mac;
        Ok(())
    }

    fn set_mtu(&mut self, mtu: u32) -> Result<(), EndpointError> {
        self.mtu = mtu;
        Ok(())
    }

    fn set_carrier(&mut self, on: bool) -> Result<(), EndpointError> {
        self.carrier = on;
        Ok(())
    }

    fn set_up(&mut self, up: bool) -> Result<(), EndpointError> {
        self.up = up;
        Ok(())
    }

    fn legacy(&self) -> Option<Legacy> {
        Some(Legacy::Socket)
    }
}

fn dma_error(operation: &'static str, errno: Errno) -> DmaError {
    DmaError::Io { operation, source: errno.into() }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::dma::DmaRegion;

    #[test]
    fn frames_stay_whole_both_ways() {
        let (mut near, far) = SocketEndpoint::pair().unwrap();
        let mut far = SocketEndpoint::from_fd(far).unwrap();
        let region = DmaRegion::new(4096, None).unwrap();
        region.copy_in(0, &[5; 60]).unwrap();
        let mut buffer = [0; 2000];
        assert_eq!(near.recv(&mut buffer).unwrap(), Received::Empty);
        assert_eq!(near.recv_into(&region, 100, 1000).unwrap(), Received::Empty);
        assert_eq!(near.send_from(&region, 0, 60).unwrap(), Sent::Done);
        assert_eq!(near.send(&[6; 1514]).unwrap(), Sent::Done);
        assert_eq!(far.recv(&mut buffer).unwrap(), Received::Frame(60));
        assert_eq!(far.recv_into(&region, 1000, 1514).unwrap(), Received::Frame(1514));
        let mut last = [0];
        region.copy_out(2513, &mut last).unwrap();
        assert_eq!((last, buffer[59]), ([6], 5));
    }

    #[test]
    fn long_frames_are_cut_empty_ones_refused_and_a_full_queue_told() {
        let (mut near, far) = SocketEndpoint::pair().unwrap();
        let mut far = SocketEndpoint::from_fd(far).unwrap();
        let region = DmaRegion::new(4096, None).unwrap();
        near.send(&[1; 61]).unwrap();
        near.send(&[1; 61]).unwrap();
        assert_eq!(far.recv(&mut [0; 60]).unwrap(), Received::Cut);
        assert_eq!(far.recv_into(&region, 0, 60).unwrap(), Received::Cut);
        assert!(near.send(&[]).is_err() && near.send_from(&region, 0, 0).is_err());
        assert!(matches!(near.send_from(&region, 4090, 60), Err(EndpointError::Region { .. })));
        let filled = (0..100_000).any(|_| near.send(&[0; 1514]).unwrap() == Sent::Full);
        assert!(filled);
    }

    #[test]
    fn a_closed_other_end_is_an_outcome_without_sigpipe() {
        let (mut near, far) = SocketEndpoint::pair().unwrap();
        drop(far);
        let region = DmaRegion::new(4096, None).unwrap();
        assert_eq!(near.recv(&mut [0; 60]).unwrap(), Received::Closed);
        assert_eq!(near.recv_into(&region, 0, 60).unwrap(), Received::Closed);
        assert_eq!(near.send(&[0; 60]).unwrap(), Sent::Closed);
        assert_eq!(near.send_from(&region, 0, 60).unwrap(), Sent::Closed);
    }

    #[test]
    fn settings_are_remembered_and_streams_refused() {
        let (mut near, far) = SocketEndpoint::pair().unwrap();
        near.set_mac([2, 0, 0, 0, 0, 1]).unwrap();
        near.set_mtu(576).unwrap();
        near.set_carrier(true).unwrap();
        near.set_up(true).unwrap();
        assert_eq!((near.mac(), near.mtu(), near.carrier(), near.is_up()), ([2, 0, 0, 0, 0, 1], 576, true, true));
        assert!(far.as_raw_fd() >= 0);
        let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(SocketEndpoint::from_fd(stream.into()).is_err());
        let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        assert!(SocketEndpoint::from_fd(file).is_err());
    }
}
