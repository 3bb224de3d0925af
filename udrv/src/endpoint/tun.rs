//! The TUN endpoint: an interface of the host that has IP packets and no Ethernet, whose other end is a card with one
//! neighbour on its cable.
//!
//! What the host sends goes to that neighbour, whatever its address: a machine at the other end, or a router. What the
//! neighbour asks by ARP and neighbour solicitation is answered here for the addresses that the interface has
//! (`neighbours.rs`); everything else that is not IP is lost. Nothing is left to the chip, and nothing merged: whoever wants
//! that, or several neighbours, wants a TAP.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use tracing::warn;

use super::interface::{Interface, Kind};
use super::{EndpointError, NetEndpoint, Received, Sent, Wanted, neighbours, received, sent};
use crate::dma::{DmaError, DmaRegion};

/// Bytes before a packet: two addresses and the type.
const HEADER: usize = 14;
/// Answers that wait to be sent; further questions are not answered and will be asked again.
const ANSWERS: usize = 32;
/// The longest question about neighbours, bytes: one with a link layer address, and room for options.
const QUESTION: usize = 128;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// An attached TUN.
#[derive(Debug)]
pub struct Tun {
    interface: Interface,
    /// Whom everything goes to.
    neighbour: [u8; 6],
    /// The card's address.
    mac: [u8; 6],
    answers: VecDeque<Vec<u8>>,
}

impl Tun {
    /// Attaches to the TUN `name`, creating it if there is none; packets go to the station `neighbour`. A `%d` in the name
    /// becomes the first free number.
    ///
    /// # Errors
    /// [`EndpointError`]: bad name, no TUN driver, no permission, taken, or another kind of interface.
    pub fn open(name: &str, neighbour: [u8; 6]) -> Result<Self, EndpointError> {
        let interface = Interface::open(name, Kind::Tun)?;
        Ok(Tun { interface, neighbour, mac: [0; 6], answers: VecDeque::new() })
    }

    /// The header of a packet that begins with this byte. `None`: it is of no IP that is known.
    fn header(&self, first: u8) -> Option<[u8; HEADER]> {
        let ether_type = match first >> 4 {
            4 => IPV4,
            6 => IPV6,
            _ => return None,
        };
        let mut header = [0; HEADER];
        header[..6].copy_from_slice(&self.neighbour);
        header[6..12].copy_from_slice(&self.mac);
        header[12..].copy_from_slice(&ether_type);
        Some(header)
    }

    /// What is to be done with a frame that begins so.
    fn judge(&self, beginning: &[u8]) -> Frame {
        let (Some(to), Some(ether_type)) = (beginning.get(..6), beginning.get(12..HEADER)) else {
            return Frame::Foreign;
        };
        if to[0] & 1 == 0 && to != self.mac {
            return Frame::Foreign;
        }
        if neighbours::is_question(beginning) {
            return Frame::Question;
        }
        if ether_type == IPV4 || ether_type == IPV6 { Frame::Packet } else { Frame::Foreign }
    }

    fn note(&mut self, question: &[u8]) {
        if self.answers.len() < ANSWERS
            && let Some(answer) = neighbours::answer(question, self.mac, |ip| has_address(self.interface.as_str(), ip))
        {
            self.answers.push_back(answer);
        }
    }
}

/// What a frame from the cable is.
enum Frame {
    /// A packet for the host.
    Packet,
    /// Somebody wants to know who has an address.
    Question,
    /// Nothing for an interface without Ethernet.
    Foreign,
}

/// Whether the interface has this address now.
fn has_address(interface: &str, wanted: IpAddr) -> bool {
    let Ok(addresses) = nix::ifaddrs::getifaddrs() else { return false };
    addresses.filter(|address| address.interface_name == interface).filter_map(|address| address.address).any(
        |address| {
            address.as_sockaddr_in().is_some_and(|v4| IpAddr::V4(v4.ip()) == wanted)
                || address.as_sockaddr_in6().is_some_and(|v6| IpAddr::V6(v6.ip()) == wanted)
        },
    )
}

impl NetEndpoint for Tun {
    fn name(&self) -> String {
        self.interface.as_str().to_owned()
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.interface.file.as_fd()
    }

    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError> {
        if let Some(answer) = self.answers.pop_front() {
            let Some(place) = to.get_mut(..answer.len()) else { return Ok(Received::Cut) };
            place.copy_from_slice(&answer);
            return Ok(Received::Frame(answer.len()));
        }
        let Some((header, packet)) = to.split_at_mut_checked(HEADER) else { return Ok(Received::Cut) };
        let room = packet.len();
        let got = read_whole(&mut self.interface.file, packet)
            .and_then(|len| if len > room { Err(DmaError::Cut { room }) } else { Ok(len) });
        let got = received(got, "receive", || self.interface.as_str().to_owned())?;
        let (Received::Frame(len), Some(&first)) = (got, packet.first()) else { return Ok(got) };
        let Some(made) = self.header(first) else { return Ok(Received::Cut) };
        header.copy_from_slice(&made);
        Ok(Received::Frame(HEADER + len))
    }

    fn recv_into(&mut self, region: &DmaRegion, offset: u64, max_len: usize) -> Result<Received, EndpointError> {
        let name = self.interface.as_str();
        let broken = |error| EndpointError::from_dma("receive", name, error);
        if let Some(answer) = self.answers.pop_front() {
            if answer.len() > max_len {
                return Ok(Received::Cut);
            }
            region.copy_in(offset, &answer).map_err(broken)?;
            return Ok(Received::Frame(answer.len()));
        }
        let Some(room) = max_len.checked_sub(HEADER) else { return Ok(Received::Cut) };
        let packet = offset + HEADER as u64;
        let got = region.read_packet(self.interface.file.as_fd(), packet, room);
        let got = received(got, "receive", || name.to_owned())?;
        let Received::Frame(len) = got else { return Ok(got) };
        let mut first = [0];
        region.copy_out(packet, &mut first).map_err(broken)?;
        let Some(header) = self.header(first[0]) else { return Ok(Received::Cut) };
        region.copy_in(offset, &header).map_err(broken)?;
        Ok(Received::Frame(HEADER + len))
    }

    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError> {
        let name = || self.interface.as_str().to_owned();
        match self.judge(frame) {
            Frame::Packet => {
                let packet = &frame[HEADER..];
                let done = (&self.interface.file).write(packet);
                let done = done.map_err(|source| DmaError::Io { operation: "write", source });
                sent(done, packet.len(), "send", name)
            }
            Frame::Question => {
                self.note(frame);
                Ok(Sent::Done)
            }
            Frame::Foreign if frame.len() < HEADER => Err(EndpointError::NoFrame { name: name(), len: frame.len() }),
            Frame::Foreign => Ok(Sent::Done),
        }
    }

    fn send_from(&mut self, region: &DmaRegion, offset: u64, len: usize) -> Result<Sent, EndpointError> {
        let name = || self.interface.as_str().to_owned();
        let mut beginning = [0; QUESTION];
        let beginning = &mut beginning[..len.min(QUESTION)];
        region.copy_out(offset, beginning).map_err(|error| EndpointError::from_dma("send", &name(), error))?;
        match self.judge(beginning) {
            Frame::Packet => {
                let bytes = len - HEADER;
                let done = region.write_to_fd(self.interface.file.as_fd(), offset + HEADER as u64, bytes);
                sent(done, bytes, "send", name)
            }
            Frame::Question => {
                self.note(beginning);
                Ok(Sent::Done)
            }
            Frame::Foreign if len < HEADER => Err(EndpointError::NoFrame { name: name(), len }),
            Frame::Foreign => Ok(Sent::Done),
        }
    }

    fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError> {
        self.mac = mac;
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
        Ok(Some(Wanted { mac: self.mac, mtu: self.interface.mtu()?, promiscuous: false }))
    }

    /// It has packets for the host alone.
    fn set_promiscuous(&mut self, _: bool) -> Result<bool, EndpointError> {
        Ok(false)
    }

    fn set_up(&mut self, up: bool) -> Result<(), EndpointError> {
        self.interface.set_up(up)
    }
}

/// `read(2)` of a packet, with one byte of room behind `to` that only a packet which is too long fills.
fn read_whole(file: &mut File, to: &mut [u8]) -> Result<usize, DmaError> {
    let mut spill = [0u8; 1];
    let read: io::Result<usize> = file.read_vectored(&mut [IoSliceMut::new(to), IoSliceMut::new(&mut spill)]);
    read.map_err(|source| DmaError::Io { operation: "read", source })
}

impl Drop for Tun {
    fn drop(&mut self) {
        if let Err(error) = self.interface.put_back() {
            warn!(%error, "putting back the TUN's state");
        }
    }
}

#[cfg(test)]
#[path = "tun_tests.rs"]
mod tests;
