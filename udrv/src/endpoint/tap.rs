//! The TAP endpoint: an Ethernet interface of the host whose other end is this process.
//!
//! A TAP that existed before (persistent, made by the administrator) gets back the MAC, MTU and up/down state which
//! it had, as far as we changed them, when this is dropped or [`Tap::restore`]d; one that we made vanishes with its
//! last descriptor. A process that hands the descriptor to a successor calls [`Tap::leave`] instead: then nothing is
//! touched, not even the carrier.
//!
//! **Why not a library.** tun-rs 2.8 was read for this: it has no TUNSETCARRIER, creates `/dev/net/tun` itself when
//! it is missing (and ignores whether that worked), and its errors do not tell "taken" from "not a TAP" with the name
//! in it. The ioctls are a page of code (`if_ioctl.rs`), so they are ours.
//!
//! Each frame has a `virtio_net_hdr` before it (`vnet.rs`), in which the host leaves checksums and segments to the device,
//! and hears that checksums were found right, and that a packet is several segments. It costs ten bytes a frame where the device can do neither.
//!
//! Not here: several queues, addresses and routes (the administrator's).

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;

use libc::{IFF_NO_PI, IFF_PROMISC, IFF_TAP, IFF_UP, c_int, c_short};
use tracing::warn;
use udrv_driver::{Offload, Offloads};

use super::if_ioctl::{self, IfName};
use super::watch::LinkWatch;
use super::{EndpointError, Merged, NetEndpoint, Received, Sent, Wanted, received, sent, vnet};
use crate::dma::{DmaError, DmaRegion};

/// Flag of TUNGETIFF: the interface stays without a descriptor (`IFF_PERSIST` of `<linux/if_tun.h>`).
const IFF_PERSIST: c_int = libc::IFF_PERSIST;
/// Flag of TUNGETIFF: frames have a `virtio_net_hdr` in front.
const IFF_VNET_HDR: c_int = libc::IFF_VNET_HDR;
/// Flags of TUNSETOFFLOAD (`<linux/if_tun.h>`): what may be left to whoever reads the frames.
const TUN_F_CSUM: u32 = 0x01;
const TUN_F_TSO4: u32 = 0x02;
const TUN_F_TSO6: u32 = 0x04;

/// What a persistent TAP was like before us. Plain data: a successor that adopts the TAP is given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TapPrior {
    /// Its MAC address, if we changed it.
    pub mac: Option<[u8; 6]>,
    /// Its MTU in bytes, if we changed it.
    pub mtu: Option<u32>,
    /// Whether it was up, if we changed that.
    pub up: Option<bool>,
}

/// An attached TAP.
#[derive(Debug)]
pub struct Tap {
    file: File,
    control: UnixDatagram,
    name: IfName,
    prior: TapPrior,
    persistent: bool,
    /// The MAC address that we gave it.
    given_mac: Option<[u8; 6]>,
    watch: LinkWatch,
}

impl Tap {
    /// Attaches to the TAP `name`, creating it if there is none. A `%d` in the name becomes the first free number.
    ///
    /// # Errors
    /// [`EndpointError`]: bad name, no TUN driver, no permission, taken, or another kind of interface.
    pub fn open(name: &str) -> Result<Self, EndpointError> {
        let wanted = check_name(name)?;
        let control = control(name)?;
        let existed = if_ioctl::exists(control.as_fd(), &wanted).map_err(io_error("look-up", name))?;
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun").map_err(open_error)?;
        let flags = (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR) as c_short;
        let got =
            if_ioctl::tun_attach(file.as_fd(), &wanted, flags).map_err(|error| attach_error(name, existed, error))?;
        Self::attached(file, control, &got, TapPrior::default())
    }

    /// Goes on with a TAP whose descriptor a process before this one left: carrier, queue and frames in it are as
    /// they were. `prior` is what that process got from [`Tap::leave`].
    ///
    /// # Errors
    /// When the descriptor is no plain TAP.
    pub fn adopt(fd: OwnedFd, prior: TapPrior) -> Result<Self, EndpointError> {
        let (name, flags) = if_ioctl::tun_interface(fd.as_fd()).map_err(io_error("TUNGETIFF", "adopted descriptor"))?;
        if flags & IFF_TAP == 0 || flags & IFF_VNET_HDR == 0 {
            return Err(EndpointError::NotATap { name });
        }
        let mode =
            nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_GETFL).map_err(|e| io_error("F_GETFL", &name)(e.into()))?;
        let mode = nix::fcntl::OFlag::from_bits_retain(mode) | nix::fcntl::OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_SETFL(mode))
            .map_err(|e| io_error("F_SETFL", &name)(e.into()))?;
        let control = control(&name)?;
        Self::attached(fd.into(), control, &name, prior)
    }

    /// The interface's name, with `%d` filled in.
    #[must_use]
    pub fn interface(&self) -> &str {
        self.name.as_str()
    }

    /// Whether the interface stays when this is closed.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Its MAC address.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn mac(&self) -> Result<[u8; 6], EndpointError> {
        if_ioctl::mac(self.file.as_fd(), &self.name).map_err(self.error("reading the MAC address"))
    }

    /// Its MTU in bytes.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn mtu(&self) -> Result<u32, EndpointError> {
        if_ioctl::mtu(self.control.as_fd(), &self.name).map_err(self.error("reading the MTU"))
    }

    /// Whether the administrator (or [`NetEndpoint::set_up`]) has it up.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn is_up(&self) -> Result<bool, EndpointError> {
        let flags = if_ioctl::flags(self.control.as_fd(), &self.name).map_err(self.error("reading the flags"))?;
        Ok(flags & IFF_UP != 0)
    }

    /// Puts back what was changed on a TAP that was there before us, and closes it. Dropping does the same and can
    /// only log an error.
    ///
    /// # Errors
    /// The first step that failed; the others are tried all the same.
    pub fn restore(mut self) -> Result<(), EndpointError> {
        self.put_back()
    }

    /// Gives a duplicate of the descriptor away and closes this one, with nothing put back: for a successor, which
    /// needs both for [`Tap::adopt`].
    ///
    /// # Errors
    /// When the process has no room for another descriptor; everything is put back then.
    pub fn leave(mut self) -> Result<(OwnedFd, TapPrior), EndpointError> {
        let fd = self.file.as_fd().try_clone_to_owned().map_err(self.error("dup"))?;
        Ok((fd, std::mem::take(&mut self.prior))) // with nothing in `prior`, Drop puts nothing back
    }

    fn attached(file: File, control: UnixDatagram, name: &str, prior: TapPrior) -> Result<Self, EndpointError> {
        let (_, flags) = if_ioctl::tun_interface(file.as_fd()).map_err(io_error("TUNGETIFF", name))?;
        if_ioctl::tun_header_size(file.as_fd(), vnet::HEADER).map_err(io_error("TUNSETVNETHDRSZ", name))?;
        let watch = LinkWatch::new().map_err(io_error("listening for changes", name))?;
        let persistent = flags & IFF_PERSIST != 0;
        Ok(Tap { file, control, name: check_name(name)?, prior, persistent, given_mac: None, watch })
    }

    fn put_back(&mut self) -> Result<(), EndpointError> {
        if !self.persistent {
            return Ok(());
        }
        // the next who reads it may not know how
        if_ioctl::tun_offload(self.file.as_fd(), 0).map_err(self.error("TUNSETOFFLOAD"))?;
        let prior = std::mem::take(&mut self.prior);
        let mac = prior.mac.map_or(Ok(()), |mac| self.change_mac(mac).map(drop));
        let mtu = prior.mtu.map_or(Ok(()), |mtu| self.change_mtu(mtu).map(drop));
        let up = prior.up.map_or(Ok(()), |up| self.change_up(up).map(drop));
        mac.and(mtu).and(up)
    }

    /// Changes the MAC; returns what it was, or `None` if it was the same.
    fn change_mac(&self, mac: [u8; 6]) -> Result<Option<[u8; 6]>, EndpointError> {
        let before = self.mac()?;
        if before == mac {
            return Ok(None);
        }
        // On the TAP's own descriptor its owner may do this without CAP_NET_ADMIN.
        if_ioctl::set_mac(self.file.as_fd(), &self.name, mac).map_err(self.change_error("setting the MAC address"))?;
        Ok(Some(before))
    }

    /// Changes the MTU; returns what it was, or `None` if it was the same.
    fn change_mtu(&self, mtu: u32) -> Result<Option<u32>, EndpointError> {
        let before = self.mtu()?;
        if before == mtu {
            return Ok(None);
        }
        if_ioctl::set_mtu(self.control.as_fd(), &self.name, mtu).map_err(self.change_error("setting the MTU"))?;
        Ok(Some(before))
    }

    /// Changes up or down; returns what it was, or `None` if it was the same.
    fn change_up(&self, up: bool) -> Result<Option<bool>, EndpointError> {
        let flags = if_ioctl::flags(self.control.as_fd(), &self.name).map_err(self.error("reading the flags"))?;
        let wanted = if up { flags | IFF_UP } else { flags & !IFF_UP };
        if wanted == flags {
            return Ok(None);
        }
        if_ioctl::set_flags(self.control.as_fd(), &self.name, wanted)
            .map_err(self.change_error("bringing up or down"))?;
        Ok(Some(!up))
    }

    fn error(&self, what: &'static str) -> impl FnOnce(io::Error) -> EndpointError {
        io_error(what, self.name.as_str())
    }

    fn change_error(&self, what: &'static str) -> impl FnOnce(io::Error) -> EndpointError {
        let name = self.name.as_str().to_owned();
        move |error| match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => EndpointError::NoAdmin { name, what },
            _ => EndpointError::io(what, &name, error),
        }
    }
}

impl NetEndpoint for Tap {
    fn name(&self) -> String {
        self.name.as_str().to_owned()
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError> {
        let room = to.len();
        let mut spill = [0u8; 1]; // filled only by a frame that is too long, which the kernel would cut without a word
        let mut header = [0; vnet::HEADER];
        let parts = &mut [IoSliceMut::new(&mut header), IoSliceMut::new(to), IoSliceMut::new(&mut spill)];
        let got = self.file.read_vectored(parts).map(|len| len.saturating_sub(vnet::HEADER));
        let got = got.map_err(|source| DmaError::Io { operation: "read", source });
        let got = got.and_then(|len| if len > room { Err(DmaError::Cut { room }) } else { Ok(len) });
        received(got, "receive", || self.interface().to_owned())
    }

    fn recv_into(&mut self, region: &DmaRegion, offset: u64, max_len: usize) -> Result<Received, EndpointError> {
        self.recv_offloaded(region, offset, max_len).map(|(received, _)| received)
    }

    fn set_offloads(&mut self, offloads: Offloads) -> Result<(), EndpointError> {
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let flags = flag(offloads.tx_checksum, TUN_F_CSUM)
            | flag(offloads.segment_ipv4, TUN_F_TSO4)
            | flag(offloads.segment_ipv6, TUN_F_TSO6);
        if_ioctl::tun_offload(self.file.as_fd(), flags).map_err(self.error("TUNSETOFFLOAD"))
    }

    fn recv_offloaded(
        &mut self,
        region: &DmaRegion,
        offset: u64,
        max_len: usize,
    ) -> Result<(Received, Offload), EndpointError> {
        let mut header = [0; vnet::HEADER];
        let got = region.read_packet_behind(self.file.as_fd(), &mut header, offset, max_len);
        let received = received(got, "receive", || self.interface().to_owned())?;
        match (received, vnet::parse(header)) {
            // asked for what was not offered: a frame that is lost, as one too long is
            (Received::Frame(_), None) => Ok((Received::Cut, Offload::default())),
            (Received::Frame(len), Some(offload)) => Ok((Received::Frame(len), offload)),
            (other, _) => Ok((other, Offload::default())),
        }
    }

    fn send_from(&mut self, region: &DmaRegion, offset: u64, len: usize) -> Result<Sent, EndpointError> {
        let done = region.write_behind(self.file.as_fd(), &vnet::to_host(false), offset, len);
        sent(done, len, "send", || self.interface().to_owned())
    }

    fn send_checked(&mut self, region: &DmaRegion, offset: u64, len: usize) -> Result<Sent, EndpointError> {
        let done = region.write_behind(self.file.as_fd(), &vnet::to_host(true), offset, len);
        sent(done, len, "send", || self.interface().to_owned())
    }

    fn takes_merged(&self) -> bool {
        true
    }

    fn send_merged(&mut self, region: &DmaRegion, packet: &Merged<'_>) -> Result<Sent, EndpointError> {
        let header = vnet::segments_to_host(packet.offload);
        let done = region.write_gathered(self.file.as_fd(), &header, packet.headers, packet.pieces);
        let len = packet.headers.len() + packet.pieces.iter().map(|(_, bytes)| bytes).sum::<usize>();
        let done = done.map(|count| count.saturating_sub(vnet::HEADER));
        sent(done, len, "send", || self.interface().to_owned())
    }

    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError> {
        let done = self.file.write_vectored(&[IoSlice::new(&vnet::to_host(false)), IoSlice::new(frame)]);
        let done = done.map(|len| len.saturating_sub(vnet::HEADER));
        let done = done.map_err(|source| DmaError::Io { operation: "write", source });
        sent(done, frame.len(), "send", || self.interface().to_owned())
    }

    fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError> {
        let before = self.change_mac(mac)?;
        self.prior.mac = self.prior.mac.or(before);
        self.given_mac = Some(mac);
        Ok(())
    }

    fn set_mtu(&mut self, mtu: u32) -> Result<(), EndpointError> {
        let before = self.change_mtu(mtu)?;
        self.prior.mtu = self.prior.mtu.or(before);
        Ok(())
    }

    fn set_carrier(&mut self, on: bool) -> Result<(), EndpointError> {
        if_ioctl::tun_carrier(self.file.as_fd(), on).map_err(self.change_error("setting the carrier"))
    }

    fn set_link_mode(&mut self, speed: u32, full_duplex: bool) -> Result<(), EndpointError> {
        if_ioctl::set_link_mode(self.control.as_fd(), &self.name, speed, full_duplex)
            .map_err(self.change_error("setting speed and duplex"))
    }

    fn changes(&self) -> Option<BorrowedFd<'_>> {
        Some(self.watch.as_fd())
    }

    fn wanted(&mut self) -> Result<Option<Wanted>, EndpointError> {
        if !self.watch.quieten() {
            return Ok(None);
        }
        // it may have been given another name
        let (name, _) = if_ioctl::tun_interface(self.file.as_fd()).map_err(self.error("TUNGETIFF"))?;
        self.name = check_name(&name)?;
        let flags = if_ioctl::flags(self.control.as_fd(), &self.name).map_err(self.error("reading the flags"))?;
        let mac = self.mac()?;
        if self.given_mac.is_some_and(|given| given != mac) {
            // the administrator's own, who does not want an older one back
            (self.prior.mac, self.given_mac) = (None, None);
        }
        Ok(Some(Wanted { mac, mtu: self.mtu()?, promiscuous: flags & IFF_PROMISC != 0 }))
    }

    fn set_up(&mut self, up: bool) -> Result<(), EndpointError> {
        let before = self.change_up(up)?;
        self.prior.up = self.prior.up.or(before);
        Ok(())
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Err(error) = self.put_back() {
            warn!(%error, "putting back the TAP's state");
        }
    }
}

fn check_name(name: &str) -> Result<IfName, EndpointError> {
    let bad = |why| EndpointError::BadName { name: name.to_owned(), why };
    if name.is_empty() {
        return Err(bad("it is empty"));
    }
    if name.bytes().any(|b| b == b'/' || b == b':' || b.is_ascii_whitespace() || b == 0) || name == "." || name == ".."
    {
        return Err(bad("slashes, colons, white space, '.' and '..' are not allowed"));
    }
    IfName::new(name).ok_or_else(|| bad("it is longer than 15 bytes"))
}

/// A socket for interface ioctls. AF_UNIX: any family does, and this one is always there.
fn control(name: &str) -> Result<UnixDatagram, EndpointError> {
    UnixDatagram::unbound().map_err(io_error("making a control socket", name))
}

fn io_error(what: &'static str, name: &str) -> impl FnOnce(io::Error) -> EndpointError {
    let name = name.to_owned();
    move |error| EndpointError::io(what, &name, error)
}

fn open_error(error: io::Error) -> EndpointError {
    match error.raw_os_error() {
        // ENODEV, ENXIO: the node is static and the module not loaded.
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => EndpointError::NoTun,
        Some(libc::EACCES | libc::EPERM) => EndpointError::NoTunPermission,
        _ => EndpointError::io("open", "/dev/net/tun", error),
    }
}

fn attach_error(name: &str, existed: bool, error: io::Error) -> EndpointError {
    let name = name.to_owned();
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            EndpointError::NoTapPermission { name, user: nix::unistd::geteuid().as_raw() }
        }
        Some(libc::EBUSY) => EndpointError::Taken { name },
        Some(libc::EINVAL) if existed => EndpointError::NotATap { name },
        _ => EndpointError::io("TUNSETIFF", &name, error),
    }
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
