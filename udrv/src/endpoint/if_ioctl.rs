//! The ioctls of network interfaces and of `/dev/net/tun`, one safe function each, every result checked.
//!
//! Numbers and structures are those of libc. Nothing here decides anything: errno goes to the caller.
// Raw ioctls need unsafe: the compiler cannot see what the kernel does with a pointer. Each function passes a live
// local of the type that the request takes.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_char, c_int, c_short, c_ulong, ifreq};

/// A name that fits: at most 15 bytes, none of them NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IfName(String);

impl IfName {
    /// `None` when it is too long for `IFNAMSIZ` or has a NUL in it.
    pub(super) fn new(name: &str) -> Option<Self> {
        (name.len() < libc::IFNAMSIZ && !name.contains('\0')).then(|| IfName(name.to_owned()))
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn request(&self) -> ifreq {
        // SAFETY: ifreq is integers, arrays and a pointer: all zeroes is a value of it.
        let mut request: ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(self.0.bytes()) {
            *to = from as c_char; // `new` left room for the NUL
        }
        request
    }
}

/// # Safety
/// `number` must be a request that takes `struct ifreq` (or a prefix of it) and keeps no pointer.
unsafe fn with_ifreq(fd: BorrowedFd<'_>, number: c_ulong, request: &mut ifreq) -> io::Result<()> {
    // SAFETY: the caller vouches for the request; `request` is live and exclusive for the call.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), number, std::ptr::from_mut(request)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// TUNSETIFF: attaches a descriptor of `/dev/net/tun` to interface `name`, created if need be. Returns the name it got
/// (a `%d` is filled in by the kernel).
pub(super) fn tun_attach(tun: BorrowedFd<'_>, name: &IfName, flags: c_short) -> io::Result<String> {
    let mut request = name.request();
    request.ifr_ifru.ifru_flags = flags;
    // SAFETY: TUNSETIFF takes ifreq.
    unsafe { with_ifreq(tun, libc::TUNSETIFF, &mut request) }?;
    Ok(name_of(&request))
}

/// TUNGETIFF: name and flags (`IFF_TAP`, `IFF_PERSIST`, ...) of the attached interface.
pub(super) fn tun_interface(tun: BorrowedFd<'_>) -> io::Result<(String, c_int)> {
    let mut request = IfName(String::new()).request();
    // SAFETY: TUNGETIFF fills ifreq. Its number in the header says `unsigned int`, and the code copies a whole ifreq.
    unsafe { with_ifreq(tun, libc::TUNGETIFF, &mut request) }?;
    // SAFETY: TUNGETIFF wrote the flags member; any bits are a c_short.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok((name_of(&request), c_int::from(flags)))
}

/// TUNSETCARRIER.
pub(super) fn tun_carrier(tun: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let on = c_int::from(on);
    // SAFETY: TUNSETCARRIER reads one int, which is live for the call.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETCARRIER, std::ptr::from_ref(&on)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// TUNSETVNETHDRSZ: bytes of the header before each frame.
pub(super) fn tun_header_size(tun: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = c_int::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: TUNSETVNETHDRSZ reads one int, which is live for the call.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETVNETHDRSZ, std::ptr::from_ref(&bytes)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// TUNSETOFFLOAD: `TUN_F_CSUM` and the like.
pub(super) fn tun_offload(tun: BorrowedFd<'_>, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes a number, no pointer.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETOFFLOAD, c_ulong::from(flags)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// SIOCGIFINDEX: whether an interface of this name exists in the network namespace of `socket`.
pub(super) fn exists(socket: BorrowedFd<'_>, name: &IfName) -> io::Result<bool> {
    // SAFETY: SIOCGIFINDEX takes ifreq.
    match unsafe { with_ifreq(socket, libc::SIOCGIFINDEX, &mut name.request()) } {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(false),
        Err(error) => Err(error),
    }
}

/// SIOCGIFHWADDR: the MAC address.
pub(super) fn mac(fd: BorrowedFd<'_>, name: &IfName) -> io::Result<[u8; 6]> {
    let mut request = name.request();
    // SAFETY: SIOCGIFHWADDR takes ifreq.
    unsafe { with_ifreq(fd, libc::SIOCGIFHWADDR, &mut request) }?;
    // SAFETY: SIOCGIFHWADDR wrote the address member; any bytes are a sockaddr.
    let data = unsafe { request.ifr_ifru.ifru_hwaddr.sa_data };
    Ok(std::array::from_fn(|i| data[i] as u8))
}

/// SIOCSIFHWADDR. On the descriptor of a TAP this needs no capability, on a socket CAP_NET_ADMIN.
pub(super) fn set_mac(fd: BorrowedFd<'_>, name: &IfName, mac: [u8; 6]) -> io::Result<()> {
    let mut request = name.request();
    let mut address = libc::sockaddr { sa_family: libc::ARPHRD_ETHER, sa_data: [0; 14] };
    for (to, from) in address.sa_data.iter_mut().zip(mac) {
        *to = from as c_char;
    }
    request.ifr_ifru.ifru_hwaddr = address;
    // SAFETY: SIOCSIFHWADDR takes ifreq with the address member set.
    unsafe { with_ifreq(fd, libc::SIOCSIFHWADDR, &mut request) }
}

/// SIOCGIFMTU, bytes.
pub(super) fn mtu(socket: BorrowedFd<'_>, name: &IfName) -> io::Result<u32> {
    let mut request = name.request();
    // SAFETY: SIOCGIFMTU takes ifreq.
    unsafe { with_ifreq(socket, libc::SIOCGIFMTU, &mut request) }?;
    // SAFETY: SIOCGIFMTU wrote the mtu member; any bits are a c_int.
    Ok(unsafe { request.ifr_ifru.ifru_mtu }.cast_unsigned())
}

/// SIOCSIFMTU, bytes.
pub(super) fn set_mtu(socket: BorrowedFd<'_>, name: &IfName, mtu: u32) -> io::Result<()> {
    let mut request = name.request();
    request.ifr_ifru.ifru_mtu = c_int::try_from(mtu).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: SIOCSIFMTU takes ifreq with the mtu member set.
    unsafe { with_ifreq(socket, libc::SIOCSIFMTU, &mut request) }
}

/// SIOCGIFFLAGS: `IFF_UP` and the rest.
pub(super) fn flags(socket: BorrowedFd<'_>, name: &IfName) -> io::Result<c_int> {
    let mut request = name.request();
    // SAFETY: SIOCGIFFLAGS takes ifreq.
    unsafe { with_ifreq(socket, libc::SIOCGIFFLAGS, &mut request) }?;
    // SAFETY: SIOCGIFFLAGS wrote the flags member; any bits are a c_short.
    Ok(c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
}

/// SIOCSIFFLAGS; takes the low 16 bits, which are all that this ioctl knows.
pub(super) fn set_flags(socket: BorrowedFd<'_>, name: &IfName, flags: c_int) -> io::Result<()> {
    let mut request = name.request();
    request.ifr_ifru.ifru_flags = flags as c_short;
    // SAFETY: SIOCSIFFLAGS takes ifreq with the flags member set.
    unsafe { with_ifreq(socket, libc::SIOCSIFFLAGS, &mut request) }
}

/// `struct ethtool_cmd` of `<linux/ethtool.h>`: every driver's settings in the form that the kernel has always taken.
#[repr(C)]
#[derive(Default)]
struct EthtoolCmd {
    cmd: u32,
    supported: u32,
    advertising: u32,
    speed: u16,
    duplex: u8,
    port: u8,
    phy_address: u8,
    transceiver: u8,
    autoneg: u8,
    mdio_support: u8,
    maxtxpkt: u32,
    maxrxpkt: u32,
    speed_hi: u16,
    eth_tp_mdix: u8,
    eth_tp_mdix_ctrl: u8,
    lp_advertising: u32,
    reserved: [u32; 2],
}

/// SIOCETHTOOL with ETHTOOL_SSET: what ethtool(8) and sysfs shall say of the link. `speed` in Mbit/s. A TAP keeps it and
/// does nothing with it.
pub(super) fn set_link_mode(socket: BorrowedFd<'_>, name: &IfName, speed: u32, full_duplex: bool) -> io::Result<()> {
    const ETHTOOL_SSET: u32 = 2;
    let [low, high] = [speed as u16, (speed >> 16) as u16];
    let mut command = EthtoolCmd {
        cmd: ETHTOOL_SSET,
        speed: low,
        speed_hi: high,
        duplex: full_duplex.into(),
        autoneg: 1,
        ..EthtoolCmd::default()
    };
    let mut request = name.request();
    request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut command).cast();
    // SAFETY: SIOCETHTOOL takes ifreq with a pointer to a command, here one of the size that ETHTOOL_SSET has; it is live
    // for the call, and the kernel keeps no pointer.
    unsafe { with_ifreq(socket, libc::SIOCETHTOOL as c_ulong, &mut request) }
}

fn name_of(request: &ifreq) -> String {
    let bytes: Vec<u8> = request.ifr_name.iter().map(|c| *c as u8).take_while(|b| *b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// PACKET_ADD_MEMBERSHIP: has all that interface number `index` has, until it is closed, as a capture. SIOCGIFFLAGS does not show that.
#[cfg(test)]
pub(super) fn capture(index: u32) -> io::Result<std::os::fd::OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let fd = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    let request = libc::packet_mreq {
        mr_ifindex: index as c_int,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    // SAFETY: PACKET_ADD_MEMBERSHIP reads a packet_mreq, which is live for the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_ADD_MEMBERSHIP,
            std::ptr::from_ref(&request).cast(),
            size_of_val(&request) as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(fd) }
}
