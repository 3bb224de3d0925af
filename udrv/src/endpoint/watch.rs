//! Hearing that an interface was changed by someone else: rtnetlink's link group, as an alarm clock.
//!
//! What a message says is not read, only that there is one: whoever hears it asks the interface itself, which is right
//! even when messages were lost (`ENOBUFS`) or tell of other interfaces.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};

/// `RTMGRP_LINK` of `<linux/rtnetlink.h>`: interfaces that come, go and change.
const LINK_GROUP: u32 = 1;

/// See the module's text.
#[derive(Debug)]
pub(super) struct LinkWatch(OwnedFd);

impl LinkWatch {
    /// Listens in this process's network namespace. Needs no privilege.
    pub(super) fn new() -> io::Result<LinkWatch> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, LINK_GROUP))?;
        Ok(LinkWatch(fd))
    }

    /// Readable when something has changed.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Takes what has been said. True if it was anything.
    pub(super) fn quieten(&self) -> bool {
        let mut heard = false;
        let mut message = [0; 64]; // the rest of each is cut, and not missed
        loop {
            match recv(self.0.as_raw_fd(), &mut message, MsgFlags::empty()) {
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => heard = true,
                Err(_) => return heard,
            }
        }
    }
}
