//! Received TCP segments that follow one another, made one long packet: the host then goes through its network stack
//! once for all of them, and acknowledges once. What a kernel's driver leaves to generic receive offload.
//!
//! A packet is made only of what cutting it again would give back: the headers of all segments are the same but for the
//! fields that count (sequence number, IPv4's identification, lengths, checksums, PSH of the last), they lack nothing between
//! them, all but the last have the same payload, and every checksum is right. Where IPv4's "don't fragment" is set the
//! identification means nothing (RFC 6864, section 4.1) and is not looked at. Nothing is copied but the headers: the payload
//! stays where the device has put it.
//!
//! Frames of a connection keep their order. Not here: tags, options of IPv4, extension headers of IPv6, UDP.

use udrv_driver::Offload;

use crate::dma::{DmaRegion, MAX_PIECES};
use crate::host::{BUDGET, Delivered};

/// Connections that are put together at the same time.
const TRAINS: usize = 4;
/// The longest headers: Ethernet, IPv6, TCP with all options.
const HEADERS: usize = ETHERNET + 40 + 60;
const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Protocol number, and next header.
const TCP: u8 = 6;
/// "Don't fragment" in IPv4's fragment word; all others of it must be clear.
const DONT_FRAGMENT: u16 = 0x4000;
/// Flags of TCP.
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
/// Where in TCP's header: sequence number, data offset, flags, checksum.
const SEQUENCE: usize = 4;
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;
const CHECKSUM: usize = 16;
const _: () = assert!(BUDGET as usize <= MAX_PIECES, "what one call delivers can be one packet");
/// The longest IP packet, bytes: its length field is of 16 bits, and the host counts IPv6's header in.
const LONGEST: usize = 65_535;

/// What goes up.
#[derive(Debug)]
pub(crate) enum Up<'a> {
    /// A frame as it came.
    Frame(Delivered),
    /// A packet of several.
    Packet(Packet<'a>),
}

/// A packet of several segments.
#[derive(Debug)]
pub(crate) struct Packet<'a> {
    /// All of its headers. TCP's checksum field holds the sum of the pseudo header.
    pub(crate) headers: &'a [u8],
    /// Its payload: places in the region, and bytes.
    pub(crate) pieces: &'a [(u64, usize)],
    /// How it would be cut.
    pub(crate) offload: Offload,
    /// Bytes of the frames that it is made of.
    pub(crate) frame_bytes: u64,
    /// Which frames those are, of those that the call has delivered: a bit each.
    pub(crate) frames: u64,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Merger {
    /// Packets that may still grow, oldest first.
    open: Vec<Train>,
    /// Kept to be used again.
    spare: Vec<Train>,
}

impl Merger {
    /// With nothing in it.
    pub(crate) fn new() -> Merger {
        let spare = (0..TRAINS).map(|_| Train::default()).collect();
        Merger { open: Vec::with_capacity(TRAINS), spare }
    }

    /// Gives `frames`, which one call has delivered, to `up`, put together where that is possible.
    pub(crate) fn merge(
        &mut self,
        region: &DmaRegion,
        frames: impl Iterator<Item = Delivered>,
        mut up: impl FnMut(Up<'_>),
    ) {
        for frame in frames {
            let Some(segment) = Segment::read(region, frame) else {
                // whatever it is, it overtakes nothing
                self.close_all(&mut up);
                up(Up::Frame(frame));
                continue;
            };
            let known = self.open.iter().position(|train| train.first.same_connection(&segment));
            let at = match known {
                Some(at) if self.open[at].append(&segment, frame) => at,
                other => {
                    if let Some(at) = other.or((self.open.len() == TRAINS).then_some(0)) {
                        self.close(at, &mut up);
                    }
                    let mut train = self.spare.pop().unwrap_or_default();
                    train.begin(segment, frame);
                    self.open.push(train);
                    self.open.len() - 1
                }
            };
            if self.open[at].is_complete {
                self.close(at, &mut up);
            }
        }
        self.close_all(&mut up);
    }

    fn close_all(&mut self, up: &mut impl FnMut(Up<'_>)) {
        while !self.open.is_empty() {
            self.close(0, up);
        }
    }

    fn close(&mut self, at: usize, up: &mut impl FnMut(Up<'_>)) {
        let mut train = self.open.remove(at);
        up(train.finish());
        self.spare.push(train);
    }
}

/// A TCP segment with payload that may be part of a longer one.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Its headers.
    headers: [u8; HEADERS],
    /// The same with zeros for what may differ between segments of one packet.
    alike: [u8; HEADERS],
    /// Where its TCP header begins, and ends.
    tcp: usize,
    end: usize,
    /// Where its payload is in the region, and its bytes.
    payload: (u64, usize),
}

impl Segment {
    /// Reads it. `None`: it is none, or a checksum is wrong.
    fn read(region: &DmaRegion, frame: Delivered) -> Option<Segment> {
        let length = frame.length as usize;
        let mut ether_type = [0; 2];
        region.copy_out(frame.place + 12, &mut ether_type).ok()?;
        let ipv6 = match u16::from_be_bytes(ether_type) {
            IPV4 => false,
            IPV6 => true,
            _ => return None,
        };
        let mut headers = [0; HEADERS];
        region.copy_out(frame.place, &mut headers[..length.min(HEADERS)]).ok()?;
        // what is not there reads as zeros, which is no header of any of these
        let (tcp, packet) = if ipv6 {
            let right = headers[ETHERNET] >> 4 == 6 && headers[ETHERNET + 6] == TCP;
            (ETHERNET + 40, right.then(|| 40 + word(&headers, ETHERNET + 4))?)
        } else {
            let ip = &headers[ETHERNET..ETHERNET + 20];
            let whole = word(ip, 6) as u16 & !DONT_FRAGMENT == 0;
            let right = ip[0] == 0x45 && ip[9] == TCP && whole && fold(add(0, ip)) == u16::MAX;
            (ETHERNET + 20, right.then(|| word(ip, 2))?)
        };
        let end = tcp + usize::from(headers[tcp + DATA_OFFSET] >> 4) * 4;
        let flags = headers[tcp + FLAGS];
        // the frame may be longer: a short one was padded
        let packet_end = ETHERNET + packet;
        let plain = headers[tcp + DATA_OFFSET] & 0x0f == 0 && flags & !PSH == ACK;
        if !plain || end < tcp + 20 || end >= packet_end || packet_end > length {
            return None;
        }
        let payload = (frame.place + end as u64, packet_end - end);
        let mut segment = Segment { headers, alike: headers, tcp, end, payload };
        if !frame.checked && !segment.checksum_is_right(region) {
            return None;
        }
        segment.blank();
        Some(segment)
    }

    fn blank(&mut self) {
        let (tcp, ipv6) = (self.tcp, self.ipv6());
        let alike = &mut self.alike;
        let ip: &[usize] = if ipv6 { &[4, 5] } else { &[2, 3, 4, 5, 10, 11] };
        ip.iter().for_each(|at| alike[ETHERNET + at] = 0);
        alike[tcp + SEQUENCE..tcp + SEQUENCE + 4].fill(0);
        alike[tcp + CHECKSUM..tcp + CHECKSUM + 2].fill(0);
        alike[tcp + FLAGS] &= !PSH;
    }

    fn ipv6(&self) -> bool {
        self.tcp != ETHERNET + 20
    }

    fn sequence(&self) -> u32 {
        let at = self.tcp + SEQUENCE;
        u32::from_be_bytes([self.headers[at], self.headers[at + 1], self.headers[at + 2], self.headers[at + 3]])
    }

    /// IPv4's identification, if it means anything.
    fn identification(&self) -> Option<u16> {
        let counts = !self.ipv6() && word(&self.headers, ETHERNET + 6) as u16 & DONT_FRAGMENT == 0;
        counts.then(|| word(&self.headers, ETHERNET + 4) as u16)
    }

    fn same_connection(&self, other: &Segment) -> bool {
        // both addresses, and both ports behind them
        let range = if self.ipv6() { ETHERNET + 8..ETHERNET + 44 } else { ETHERNET + 12..ETHERNET + 24 };
        self.tcp == other.tcp && self.headers[range.clone()] == other.headers[range]
    }

    fn is_alike(&self, other: &Segment) -> bool {
        self.end == other.end && self.alike[..self.end] == other.alike[..self.end]
    }

    /// The sum of the pseudo header for `length` bytes of TCP.
    fn pseudo_sum(&self, length: usize) -> u64 {
        let addresses = if self.ipv6() { ETHERNET + 8..ETHERNET + 40 } else { ETHERNET + 12..ETHERNET + 20 };
        add(u64::from(TCP) + length as u64, &self.headers[addresses])
    }

    fn checksum_is_right(&self, region: &DmaRegion) -> bool {
        let (mut place, mut left) = self.payload;
        let mut sum = add(self.pseudo_sum(self.end - self.tcp + left), &self.headers[self.tcp..self.end]);
        let mut chunk = [0; 256];
        while left > 0 {
            let now = left.min(chunk.len());
            if region.copy_out(place, &mut chunk[..now]).is_err() {
                return false;
            }
            sum = add(sum, &chunk[..now]);
            (place, left) = (place + now as u64, left - now);
        }
        fold(sum) == u16::MAX
    }
}

/// Segments that follow one another.
#[derive(Debug)]
struct Train {
    /// The first, and its frame.
    first: Segment,
    frame: Delivered,
    /// Payload: places and bytes.
    pieces: Vec<(u64, usize)>,
    /// Bytes of all payload, and of all frames.
    bytes: usize,
    frame_bytes: u64,
    frames: u64,
    /// PSH of the last.
    push: u8,
    /// Nothing may follow.
    is_complete: bool,
}

impl Default for Train {
    fn default() -> Train {
        let none = Segment { headers: [0; HEADERS], alike: [0; HEADERS], tcp: 0, end: 0, payload: (0, 0) };
        let frame = Delivered { place: 0, length: 0, checked: false, number: 0 };
        let pieces = Vec::with_capacity(BUDGET as usize);
        Train { first: none, frame, pieces, bytes: 0, frame_bytes: 0, frames: 0, push: 0, is_complete: false }
    }
}

impl Train {
    fn begin(&mut self, first: Segment, frame: Delivered) {
        self.pieces.clear();
        (self.first, self.frame, self.bytes, self.frame_bytes, self.frames) = (first, frame, 0, 0, 0);
        self.add(&first, frame);
    }

    fn add(&mut self, segment: &Segment, frame: Delivered) {
        self.frames |= 1 << (u32::from(frame.number) % u64::BITS);
        let (_, bytes) = segment.payload;
        self.pieces.push(segment.payload);
        self.bytes += bytes;
        self.frame_bytes += (segment.end + bytes) as u64;
        self.push = segment.headers[segment.tcp + FLAGS] & PSH;
        let full = self.pieces.len() == BUDGET as usize;
        self.is_complete = full || self.push != 0 || bytes < self.first.payload.1;
    }

    /// Adds what comes next. False: it does not belong to it.
    fn append(&mut self, segment: &Segment, frame: Delivered) -> bool {
        let first = &self.first;
        let (_, most) = first.payload;
        let (_, bytes) = segment.payload;
        let follows = segment.sequence() == first.sequence().wrapping_add(self.bytes as u32);
        let counted = first.identification().map(|first| first.wrapping_add(self.pieces.len() as u16));
        let fits = bytes <= most && first.end - ETHERNET + self.bytes + bytes <= LONGEST;
        let belongs = follows && fits && first.is_alike(segment) && segment.identification() == counted;
        if belongs {
            self.add(segment, frame);
        }
        belongs
    }

    fn finish(&mut self) -> Up<'_> {
        if self.pieces.len() == 1 {
            return Up::Frame(self.frame);
        }
        let (ipv6, tcp, end) = (self.first.ipv6(), self.first.tcp, self.first.end);
        let tcp_bytes = end - tcp + self.bytes;
        let sum = fold(self.first.pseudo_sum(tcp_bytes));
        let headers = &mut self.first.headers;
        if ipv6 {
            put(headers, ETHERNET + 4, tcp_bytes as u16);
        } else {
            put(headers, ETHERNET + 2, (20 + tcp_bytes) as u16);
            put(headers, ETHERNET + 10, 0);
            let ip_sum = !fold(add(0, &headers[ETHERNET..ETHERNET + 20]));
            put(headers, ETHERNET + 10, ip_sum);
        }
        put(headers, tcp + CHECKSUM, sum);
        headers[tcp + FLAGS] |= self.push;
        let offload = Offload {
            checksum_start: tcp as u16,
            checksum_offset: CHECKSUM as u16,
            segment: self.first.payload.1 as u16,
            headers: end as u16,
            ip_start: ETHERNET as u16,
            ipv6,
        };
        let (pieces, frame_bytes, frames) = (&self.pieces[..], self.frame_bytes, self.frames);
        Up::Packet(Packet { headers: &self.first.headers[..end], pieces, offload, frame_bytes, frames })
    }
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Adds big-endian words to a sum of the internet's kind; an odd byte at the end is the upper half of one.
fn add(mut sum: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        sum += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    }
    let mut last = [0; 4];
    let rest = words.remainder();
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_be_bytes(last))
}

/// The sum in sixteen bits.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
