//! Just enough of rtnetlink(7) to give an interface an address and set it up: no `ip` is needed.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    net::if_::if_nametoindex,
    sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket},
};

use super::error::{Doing, Result};

// <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_addr.h>, <linux/if.h>
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NLMSG_HEADER: usize = 16;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFF_UP: u32 = 1;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;

/// Gives `interface` an address, sets it up, and so makes a route to its network.
pub(super) fn configure(interface: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
    let index = if_nametoindex(interface).doing(|| format!("find the interface {interface}"))?;
    let doing = |what: &str| format!("{what} of {interface} over netlink");
    let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute);
    let fd = fd.doing(|| doing("settings"))?;
    transact(&fd, &new_address(index, address, prefix)).doing(|| doing("address"))?;
    transact(&fd, &set_up(index)).doing(|| doing("set-up"))
}

/// ifaddrmsg: family, prefix length, flags, scope (0: global), index; then the address twice, as it has no peer.
fn new_address(index: u32, address: Ipv4Addr, prefix: u8) -> Vec<u8> {
    let mut body = vec![AF_INET, prefix, 0, 0];
    body.extend(index.to_ne_bytes());
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        let octets = address.octets();
        body.extend((4 + octets.len() as u16).to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(octets);
    }
    message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &body)
}

/// ifinfomsg: family, padding, device type (0: any), index, flags, mask of the flags that change.
fn set_up(index: u32) -> Vec<u8> {
    let mut body = vec![AF_UNSPEC, 0, 0, 0];
    body.extend([index, IFF_UP, IFF_UP].iter().flat_map(|word| word.to_ne_bytes()));
    message(RTM_NEWLINK, 0, &body)
}

/// nlmsghdr: length, type, flags, sequence number, port of the sender (0: the kernel sets it).
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = ((NLMSG_HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

fn transact(fd: &OwnedFd, request: &[u8]) -> io::Result<()> {
    send(fd.as_raw_fd(), request, MsgFlags::empty())?;
    let mut answer = [0; 4096];
    let length = recv(fd.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    acknowledged(&answer[..length])
}

/// nlmsgerr: the answer to a request that wants one is an error number, negative, or 0.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let malformed =
        || io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is too short or of another kind");
    let kind = answer.get(4..6).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes);
    let code = answer.get(NLMSG_HEADER..NLMSG_HEADER + 4).and_then(|b| b.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, code) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(code)) => Err(io::Error::from_raw_os_error(-code)),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_lengths_and_answers_are_read() {
        let address = new_address(7, Ipv4Addr::new(10, 0, 2, 15), 24);
        assert_eq!(address.len(), 16 + 8 + 2 * 8);
        assert_eq!(address[..4], 40_u32.to_ne_bytes());
        assert_eq!(address[16..20], [2, 24, 0, 0]);
        assert_eq!(address[28..32], [10, 0, 2, 15]);
        assert_eq!(set_up(7).len(), 16 + 16);

        let answer = |kind: u16, code: i32| [&[0; 4][..], &kind.to_ne_bytes(), &[0; 10], &code.to_ne_bytes()].concat();
        assert!(acknowledged(&answer(NLMSG_ERROR, 0)).is_ok());
        assert_eq!(acknowledged(&answer(NLMSG_ERROR, -1)).unwrap_err().raw_os_error(), Some(1));
        assert!(acknowledged(&answer(RTM_NEWLINK, 0)).is_err());
        assert!(acknowledged(&[0; 8]).is_err());
    }
}
