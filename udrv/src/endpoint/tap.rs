//! The TAP endpoint: an Ethernet interface of the host whose other end is this process.
//!
//! A TAP that existed before (persistent, made by the administrator) gets back the MAC, MTU and up/down state which
//! it had, as far as we changed them, when this is dropped or [`Tap::restore`]d; one that we made vanishes with its
//! last descriptor. A process that hands the descriptor to a successor calls [`Tap::leave`] instead: then nothing is
//! touched, not even the carrier.
//!
//! Each frame has a `virtio_net_hdr` before it (`vnet.rs`), in which the host leaves checksums and segments to the device,
//! and hears that checksums were found right, and that a packet is several segments. It costs ten bytes a frame where the device can do neither.
//!
//! Not here: several queues, addresses and routes (the administrator's).

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;

use tracing::warn;
use udrv_driver::{Offload, Offloads};

use super::if_ioctl;
use super::interface::{Interface, Kind, TapPrior};
use super::{EndpointError, Header, HostCounts, Legacy, Merged, NetEndpoint, Received, Sent};
use super::{Wanted, received, sent, vnet};
use crate::dma::{DmaError, DmaRegion};

/// Flags of TUNSETOFFLOAD (`<linux/if_tun.h>`): what may be left to whoever reads the frames.
const TUN_F_CSUM: u32 = 0x01;
const TUN_F_TSO4: u32 = 0x02;
const TUN_F_TSO6: u32 = 0x04;

/// An attached TAP.
#[derive(Debug)]
pub struct Tap {
    interface: Interface,
    /// The MAC address that we gave it.
    given_mac: Option<[u8; 6]>,
}

impl Tap {
    /// Attaches to the TAP `name`, creating it if there is none. A `%d` in the name becomes the first free number.
    ///
    /// # Errors
    /// [`EndpointError`]: bad name, no TUN driver, no permission, taken, or another kind of interface.
    pub fn open(name: &str) -> Result<Self, EndpointError> {
        Ok(Tap { interface: Interface::open(name, Kind::Tap)?, given_mac: None })
    }

    /// Goes on with a TAP whose descriptor a process before this one left: carrier, queue and frames in it are as
    /// they were. `prior` is what that process got from [`Tap::leave`].
    ///
    /// # Errors
    /// When the descriptor is no plain TAP.
    pub fn adopt(fd: OwnedFd, prior: TapPrior) -> Result<Self, EndpointError> {
        Tap::adopt_given(fd, prior, None)
    }

    /// [`Tap::adopt`] of one that has been given a MAC address.
    pub(super) fn adopt_given(fd: OwnedFd, prior: TapPrior, given_mac: Option<[u8; 6]>) -> Result<Self, EndpointError> {
        Ok(Tap { interface: Interface::adopt(fd.into(), Kind::Tap, prior)?, given_mac })
    }

    /// The interface's name, with `%d` filled in.
    #[must_use]
    pub fn interface(&self) -> &str {
        self.interface.as_str()
    }

    /// Whether the interface stays when this is closed.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.interface.persistent
    }

    /// Its MAC address.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn mac(&self) -> Result<[u8; 6], EndpointError> {
        self.interface.mac()
    }

    /// Its MTU in bytes.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn mtu(&self) -> Result<u32, EndpointError> {
        self.interface.mtu()
    }

    /// Whether the administrator (or [`NetEndpoint::set_up`]) has it up.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn is_up(&self) -> Result<bool, EndpointError> {
        self.interface.is_up()
    }

    /// Puts back what was changed on a TAP that was there before us, and closes it. Dropping does the same and can
    /// only log an error.
    ///
    /// # Errors
    /// The first step that failed; the others are tried all the same.
    pub fn restore(mut self) -> Result<(), EndpointError> {
        self.interface.put_back()
    }

    /// Gives a duplicate of the descriptor away and closes this one, with nothing put back: for a successor, which
    /// needs both for [`Tap::adopt`].
    ///
    /// # Errors
    /// When the process has no room for another descriptor; everything is put back then.
    pub fn leave(mut self) -> Result<(OwnedFd, TapPrior), EndpointError> {
        let fd = self.interface.file.as_fd().try_clone_to_owned().map_err(self.interface.error("dup"))?;
        Ok((fd, std::mem::take(&mut self.interface.prior))) // with nothing in `prior`, Drop puts nothing back
    }
}

impl NetEndpoint for Tap {
    fn name(&self) -> String {
        self.interface.as_str().to_owned()
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.interface.file.as_fd()
    }

    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError> {
        let room = to.len();
        let mut spill = [0u8; 1]; // filled only by a frame that is too long, which the kernel would cut without a word
        let mut header = [0; vnet::HEADER];
        let parts = &mut [IoSliceMut::new(&mut header), IoSliceMut::new(to), IoSliceMut::new(&mut spill)];
        let got = self.interface.file.read_vectored(parts).map(|len| len.saturating_sub(vnet::HEADER));
        let got = got.map_err(|source| DmaError::Io { operation: "read", source });
        let got = got.and_then(|len| if len > room { Err(DmaError::Cut { room }) } else { Ok(len) });
        received(got, "receive", || self.interface.as_str().to_owned())
    }

    fn recv_into(&mut self, region: &DmaRegion, offset: u64, max_len: usize) -> Result<Received, EndpointError> {
        self.recv_offloaded(region, offset, max_len, &Header::default()).map(|(received, _)| received)
    }

    fn set_offloads(&mut self, offloads: Offloads) -> Result<(), EndpointError> {
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let flags = flag(offloads.tx_checksum, TUN_F_CSUM)
            | flag(offloads.segment_ipv4, TUN_F_TSO4)
            | flag(offloads.segment_ipv6, TUN_F_TSO6);
        if_ioctl::tun_offload(self.interface.file.as_fd(), flags).map_err(self.interface.error("TUNSETOFFLOAD"))
    }

    fn recv_offloaded(
        &mut self,
        region: &DmaRegion,
        offset: u64,
        max_len: usize,
        header: &Header,
    ) -> Result<(Received, Offload), EndpointError> {
        let room = &header[..vnet::HEADER];
        let got = region.read_packet_behind(self.interface.file.as_fd(), room, offset, max_len);
        Ok(match received(got, "receive", || self.interface.as_str().to_owned())? {
            Received::Frame(length) => self.recall(length, max_len, header),
            other => (other, Offload::default()),
        })
    }

    fn recall(&self, length: usize, max_len: usize, header: &Header) -> (Received, Offload) {
        let bytes = std::array::from_fn(|at| header[at].load(Relaxed));
        match vnet::parse(bytes) {
            Some(offload) if length <= max_len => (Received::Frame(length), offload),
            // asked for what was not offered: a frame that is lost, as one too long is
            _ => (Received::Cut, Offload::default()),
        }
    }

    fn send_from(&mut self, region: &DmaRegion, offset: u64, len: usize) -> Result<Sent, EndpointError> {
        let done = region.write_behind(self.interface.file.as_fd(), &vnet::to_host(false), offset, len);
        sent(done, len, "send", || self.interface.as_str().to_owned())
    }

    fn send_checked(&mut self, region: &DmaRegion, offset: u64, len: usize) -> Result<Sent, EndpointError> {
        let done = region.write_behind(self.interface.file.as_fd(), &vnet::to_host(true), offset, len);
        sent(done, len, "send", || self.interface.as_str().to_owned())
    }

    fn takes_merged(&self) -> bool {
        true
    }

    fn send_merged(&mut self, region: &DmaRegion, packet: &Merged<'_>) -> Result<Sent, EndpointError> {
        let header = vnet::segments_to_host(packet.offload);
        let done = region.write_gathered(self.interface.file.as_fd(), &header, packet.headers, packet.pieces);
        let len = packet.headers.len() + packet.pieces.iter().map(|(_, bytes)| bytes).sum::<usize>();
        let done = done.map(|count| count.saturating_sub(vnet::HEADER));
        sent(done, len, "send", || self.interface.as_str().to_owned())
    }

    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError> {
        let done = self.interface.file.write_vectored(&[IoSlice::new(&vnet::to_host(false)), IoSlice::new(frame)]);
        let done = done.map(|len| len.saturating_sub(vnet::HEADER));
        let done = done.map_err(|source| DmaError::Io { operation: "write", source });
        sent(done, frame.len(), "send", || self.interface.as_str().to_owned())
    }

    fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError> {
        self.interface.set_mac(mac)?;
        self.given_mac = Some(mac);
        Ok(())
    }

    fn mtu(&self) -> Result<Option<u32>, EndpointError> {
        self.interface.mtu().map(Some)
    }

    fn set_mtu(&mut self, mtu: u32) -> Result<(), EndpointError> {
        self.interface.set_mtu(mtu)
    }

    fn set_carrier(&mut self, on: bool) -> Result<(), EndpointError> {
        self.interface.set_carrier(on)
    }

    fn set_link_mode(&mut self, speed: u32, full_duplex: bool) -> Result<(), EndpointError> {
        self.interface.set_link_mode(speed, full_duplex)
    }

    fn changes(&self) -> Option<BorrowedFd<'_>> {
        Some(self.interface.changes())
    }

    fn wanted(&mut self) -> Result<Option<Wanted>, EndpointError> {
        if !self.interface.was_changed()? {
            return Ok(None);
        }
        let mac = self.mac()?;
        if self.given_mac.is_some_and(|given| given != mac) {
            // the administrator's own, who does not want an older one back
            (self.interface.prior.mac, self.given_mac) = (None, None);
        }
        Ok(Some(Wanted { mac, mtu: self.interface.mtu()?, promiscuous: self.interface.is_promiscuous()? }))
    }

    fn set_promiscuous(&mut self, on: bool) -> Result<bool, EndpointError> {
        self.interface.set_promiscuous(on)?;
        self.interface.is_promiscuous()
    }

    fn set_up(&mut self, up: bool) -> Result<(), EndpointError> {
        self.interface.set_up(up)
    }

    fn counts(&self) -> Option<HostCounts> {
        let count = |what| {
            let path = format!("/sys/class/net/{}/statistics/{what}", self.interface.as_str());
            std::fs::read_to_string(path).ok()?.trim().parse().ok()
        };
        Some(HostCounts { taken: count("rx_packets")?, given: count("tx_packets")?, given_bytes: count("tx_bytes")? })
    }

    fn legacy(&self) -> Option<Legacy> {
        Some(Legacy::Tap { prior: self.interface.prior, given_mac: self.given_mac })
    }

    fn leave(&mut self) {
        self.interface.leave();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Err(error) = self.interface.put_back() {
            warn!(%error, "putting back the TAP's state");
        }
    }
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
