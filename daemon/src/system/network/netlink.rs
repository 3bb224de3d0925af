//! Requests to the kernel and their answers, one after the other.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// More than the kernel puts into one datagram (32 KiB).
const DATAGRAM: usize = 64 * 1024;
/// How often a list is asked for that changes while it is given.
const ATTEMPTS: u32 = 8;

/// A socket to the kernel's networking, in this process's network namespace.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Netlink> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // the kernel looks through long lists, and not we; one that cannot gives us all
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Netlink { socket, sequence: 0 })
    }

    /// Has something changed.
    pub(super) fn change(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.send(message, flags | NLM_F_ACK)?;
        self.answers(|_| {}).map(|_| ())
    }

    /// Asks for a list: all of one moment.
    pub(super) fn list(&mut self, message: &RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..ATTEMPTS {
            let mut list = Vec::new();
            self.send(message.clone(), NLM_F_DUMP)?;
            if self.answers(|message| list.push(message))? {
                return Ok(list);
            }
        }
        Err(io::Error::other("what the kernel has changes faster than it can be read"))
    }

    /// Asks for an interface. `None`: there is none of that name or index.
    pub(super) fn link(&mut self, which: Link<'_>) -> io::Result<Option<LinkMessage>> {
        let mut message = LinkMessage::default();
        match which {
            Link::Named(name) => message.attributes.push(LinkAttribute::IfName(name.to_owned())),
            Link::Numbered(index) => message.header.index = index,
        }
        self.send(RouteNetlinkMessage::GetLink(message), NLM_F_ACK)?;
        let mut found = None;
        let asked = self.answers(|message| {
            if let RouteNetlinkMessage::NewLink(link) = message {
                found = Some(link);
            }
        });
        match asked {
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ENODEV as i32) => Ok(None),
            Err(error) => Err(error),
            Ok(_) => Ok(found),
        }
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(|_| ())
    }

    /// Takes all answers to the last request. False: something has changed between the first and the last.
    fn answers(&mut self, mut each: impl FnMut(RouteNetlinkMessage)) -> io::Result<bool> {
        let mut of_one_moment = true;
        loop {
            let mut datagram = Vec::with_capacity(DATAGRAM);
            let length = self.socket.recv(&mut datagram, 0)?;
            if length != datagram.len() {
                return Err(io::Error::other("the kernel's answer is longer than it should be"));
            }
            let mut rest = &datagram[..];
            while !rest.is_empty() {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|error| io::Error::other(format!("the kernel's answer is not understood: {error}")))?;
                let length = (message.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
                // an answer to a request that was given up before
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                of_one_moment &= message.header.flags & NLM_F_DUMP_INTR == 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => each(inner),
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(of_one_moment),
                    _ => {}
                }
            }
        }
    }
}

/// Which interface.
pub(super) enum Link<'a> {
    Named(&'a str),
    Numbered(u32),
}
