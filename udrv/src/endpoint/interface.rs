//! What a TAP and a TUN have in common: an interface of the host whose other end is a descriptor of this process.
//!
//! One that existed before (persistent, made by the administrator) gets back what we changed of it, see [`Interface::put_back`];
//! one that we made vanishes with its last descriptor.
//!
//! **Why not a library.** tun-rs 2.8 was read for this: it has no TUNSETCARRIER, creates `/dev/net/tun` itself when
//! it is missing (and ignores whether that worked), and its errors do not tell "taken" from "not a TAP" with the name
//! in it. The ioctls are a page of code (`if_ioctl.rs`), so they are ours.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;

use serde::{Deserialize, Serialize};

use libc::{IFF_NO_PI, IFF_PROMISC, IFF_TAP, IFF_TUN, IFF_UP, IFF_VNET_HDR, c_int, c_short};

use super::if_ioctl::{self, IfName};
use super::watch::LinkWatch;
use super::{EndpointError, vnet};

/// Flag of TUNGETIFF: the interface stays without a descriptor (`IFF_PERSIST` of `<linux/if_tun.h>`).
const IFF_PERSIST: c_int = libc::IFF_PERSIST;

/// Frames or packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ethernet frames, each with a `virtio_net_hdr` before it.
    Tap,
    /// IP packets, and nothing before them.
    Tun,
}

impl Kind {
    /// As people write it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Tap => "TAP",
            Kind::Tun => "TUN",
        }
    }

    /// As `ip tuntap` takes it.
    pub(super) const fn mode(self) -> &'static str {
        match self {
            Kind::Tap => "tap",
            Kind::Tun => "tun",
        }
    }

    const fn flags(self) -> c_int {
        match self {
            Kind::Tap => IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
            Kind::Tun => IFF_TUN | IFF_NO_PI,
        }
    }
}

/// What a persistent interface was like before us. Plain data: a successor that adopts it is given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TapPrior {
    /// Its MAC address, if we changed it.
    pub mac: Option<[u8; 6]>,
    /// Its MTU in bytes, if we changed it.
    pub mtu: Option<u32>,
    /// Whether it was up, if we changed that.
    pub up: Option<bool>,
    /// Whether it was promiscuous, if we changed that.
    #[serde(default)]
    pub promiscuous: Option<bool>,
}

/// An attached interface.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) file: File,
    pub(super) control: UnixDatagram,
    pub(super) name: IfName,
    pub(super) prior: TapPrior,
    pub(super) persistent: bool,
    watch: LinkWatch,
    /// Nobody has listened for a while.
    missed: bool,
}

impl Interface {
    /// Attaches to the interface `name`, creating it if there is none. A `%d` in the name becomes the first free number.
    pub(super) fn open(name: &str, kind: Kind) -> Result<Self, EndpointError> {
        let wanted = check_name(name)?;
        let control = control(name)?;
        let existed = if_ioctl::exists(control.as_fd(), &wanted).map_err(io_error("look-up", name))?;
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun").map_err(open_error)?;
        let got = if_ioctl::tun_attach(file.as_fd(), &wanted, kind.flags() as c_short)
            .map_err(|error| attach_error(name, kind, existed, error))?;
        Self::attached(file, control, &got, kind, TapPrior::default())
    }

    /// What is behind a descriptor that is attached already, if it is of this kind.
    pub(super) fn adopt(file: File, kind: Kind, prior: TapPrior) -> Result<Self, EndpointError> {
        let (name, flags) =
            if_ioctl::tun_interface(file.as_fd()).map_err(io_error("TUNGETIFF", "adopted descriptor"))?;
        if flags & kind.flags() != kind.flags() {
            return Err(EndpointError::WrongKind { name, wanted: kind.name(), mode: kind.mode() });
        }
        let mode = nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_GETFL)
            .map_err(|e| io_error("F_GETFL", &name)(e.into()))?;
        let mode = nix::fcntl::OFlag::from_bits_retain(mode) | nix::fcntl::OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFL(mode))
            .map_err(|e| io_error("F_SETFL", &name)(e.into()))?;
        let control = control(&name)?;
        Ok(Interface { missed: true, ..Self::attached(file, control, &name, kind, prior)? })
    }

    fn attached(
        file: File,
        control: UnixDatagram,
        name: &str,
        kind: Kind,
        prior: TapPrior,
    ) -> Result<Self, EndpointError> {
        let (_, flags) = if_ioctl::tun_interface(file.as_fd()).map_err(io_error("TUNGETIFF", name))?;
        if kind == Kind::Tap {
            if_ioctl::tun_header_size(file.as_fd(), vnet::HEADER).map_err(io_error("TUNSETVNETHDRSZ", name))?;
        }
        let watch = LinkWatch::new().map_err(io_error("listening for changes", name))?;
        let persistent = flags & IFF_PERSIST != 0;
        Ok(Interface { file, control, name: check_name(name)?, prior, persistent, watch, missed: false })
    }

    pub(super) fn as_str(&self) -> &str {
        self.name.as_str()
    }

    /// Puts back what was changed on an interface that was there before us: the first step that failed, and the others are
    /// tried all the same.
    pub(super) fn put_back(&mut self) -> Result<(), EndpointError> {
        if !self.persistent {
            return Ok(());
        }
        // the next who reads it may not know how
        if_ioctl::tun_offload(self.file.as_fd(), 0).map_err(self.error("TUNSETOFFLOAD"))?;
        let prior = std::mem::take(&mut self.prior);
        let mac = prior.mac.map_or(Ok(()), |mac| self.change_mac(mac).map(drop));
        let mtu = prior.mtu.map_or(Ok(()), |mtu| self.change_mtu(mtu).map(drop));
        let up = prior.up.map_or(Ok(()), |up| self.change_up(up).map(drop));
        let promiscuous = prior.promiscuous;
        let promiscuous =
            promiscuous.map_or(Ok(()), |on| self.change_flag(IFF_PROMISC, on, "making it promiscuous").map(drop));
        mac.and(mtu).and(up).and(promiscuous)
    }

    /// What was changed on it is put back by a successor.
    pub(super) fn leave(&mut self) {
        self.persistent = false;
    }

    /// The MAC address of a TAP.
    pub(super) fn mac(&self) -> Result<[u8; 6], EndpointError> {
        if_ioctl::mac(self.file.as_fd(), &self.name).map_err(self.error("reading the MAC address"))
    }

    /// Its MTU in bytes.
    pub(super) fn mtu(&self) -> Result<u32, EndpointError> {
        if_ioctl::mtu(self.control.as_fd(), &self.name).map_err(self.error("reading the MTU"))
    }

    /// Whether it is up.
    pub(super) fn is_up(&self) -> Result<bool, EndpointError> {
        Ok(self.flags()? & IFF_UP != 0)
    }

    /// Whether somebody wants everything: the administrator, a bridge, a capture. SIOCGIFFLAGS knows of the first alone.
    pub(super) fn is_promiscuous(&self) -> Result<bool, EndpointError> {
        let flags = std::fs::read_to_string(format!("/sys/class/net/{}/flags", self.name.as_str())).ok();
        let flags = flags.and_then(|flags| c_int::from_str_radix(flags.trim().strip_prefix("0x")?, 16).ok());
        // without sysfs, or with that of another network namespace
        Ok(flags.map_or_else(|| self.flags(), Ok)? & IFF_PROMISC != 0)
    }

    /// Has the administrator want everything, or not; notes what it was.
    pub(super) fn set_promiscuous(&mut self, on: bool) -> Result<(), EndpointError> {
        let before = self.change_flag(IFF_PROMISC, on, "making it promiscuous")?;
        self.prior.promiscuous = self.prior.promiscuous.or(before);
        Ok(())
    }

    fn flags(&self) -> Result<c_int, EndpointError> {
        if_ioctl::flags(self.control.as_fd(), &self.name).map_err(self.error("reading the flags"))
    }

    /// Sets the MAC address of a TAP; notes what it was.
    pub(super) fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError> {
        let before = self.change_mac(mac)?;
        self.prior.mac = self.prior.mac.or(before);
        Ok(())
    }

    /// Sets the MTU; notes what it was.
    pub(super) fn set_mtu(&mut self, mtu: u32) -> Result<(), EndpointError> {
        let before = self.change_mtu(mtu)?;
        self.prior.mtu = self.prior.mtu.or(before);
        Ok(())
    }

    /// Brings it up or down; notes what it was.
    pub(super) fn set_up(&mut self, up: bool) -> Result<(), EndpointError> {
        let before = self.change_up(up)?;
        self.prior.up = self.prior.up.or(before);
        Ok(())
    }

    pub(super) fn set_carrier(&self, on: bool) -> Result<(), EndpointError> {
        if_ioctl::tun_carrier(self.file.as_fd(), on).map_err(self.change_error("setting the carrier"))
    }

    pub(super) fn set_link_mode(&self, speed: u32, full_duplex: bool) -> Result<(), EndpointError> {
        if_ioctl::set_link_mode(self.control.as_fd(), &self.name, speed, full_duplex)
            .map_err(self.change_error("setting speed and duplex"))
    }

    /// Readable when the administrator may have changed something.
    pub(super) fn changes(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Whether something may have been changed since this was asked last; its name is then what it is now.
    pub(super) fn was_changed(&mut self) -> Result<bool, EndpointError> {
        if !self.watch.quieten() && !std::mem::take(&mut self.missed) {
            return Ok(false);
        }
        let (name, _) = if_ioctl::tun_interface(self.file.as_fd()).map_err(self.error("TUNGETIFF"))?;
        self.name = check_name(&name)?;
        Ok(true)
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
        self.change_flag(IFF_UP, up, "bringing up or down")
    }

    /// Changes a flag; returns what it was, or `None` if it was the same.
    fn change_flag(&self, flag: c_int, on: bool, what: &'static str) -> Result<Option<bool>, EndpointError> {
        let flags = self.flags()?;
        let wanted = if on { flags | flag } else { flags & !flag };
        if wanted == flags {
            return Ok(None);
        }
        if_ioctl::set_flags(self.control.as_fd(), &self.name, wanted).map_err(self.change_error(what))?;
        Ok(Some(!on))
    }

    pub(super) fn error(&self, what: &'static str) -> impl FnOnce(io::Error) -> EndpointError {
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

/// Whether Linux takes the name.
pub(super) fn check_name(name: &str) -> Result<IfName, EndpointError> {
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
pub(super) fn control(name: &str) -> Result<UnixDatagram, EndpointError> {
    UnixDatagram::unbound().map_err(io_error("making a control socket", name))
}

pub(super) fn io_error(what: &'static str, name: &str) -> impl FnOnce(io::Error) -> EndpointError {
    let name = name.to_owned();
    move |error| EndpointError::io(what, &name, error)
}

pub(super) fn open_error(error: io::Error) -> EndpointError {
    match error.raw_os_error() {
        // ENODEV, ENXIO: the node is static and the module not loaded.
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => EndpointError::NoTun,
        Some(libc::EACCES | libc::EPERM) => EndpointError::NoTunPermission,
        _ => EndpointError::io("open", "/dev/net/tun", error),
    }
}

pub(super) fn attach_error(name: &str, kind: Kind, existed: bool, error: io::Error) -> EndpointError {
    let name = name.to_owned();
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => EndpointError::NoTapPermission {
            name,
            kind: kind.name(),
            mode: kind.mode(),
            user: nix::unistd::geteuid().as_raw(),
        },
        Some(libc::EBUSY) => EndpointError::Taken { name, kind: kind.name() },
        Some(libc::EINVAL) if existed => EndpointError::WrongKind { name, wanted: kind.name(), mode: kind.mode() },
        _ => EndpointError::io("TUNSETIFF", &name, error),
    }
}
