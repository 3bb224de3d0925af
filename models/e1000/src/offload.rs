//! What a context descriptor asks for: checksums to insert, a packet to cut into segments (manual, 3.3.6 and 3.5).
//!
//! Checksum fields are part of what is summed: the driver leaves in them 0 (IP) or the sum of the pseudo header (TCP,
//! UDP), when segmenting without its length, which the hardware adds.

use crate::checksum;
use crate::regs::txd;

/// Fields of the headers, bytes from their start.
const IPV4_LENGTH: usize = 2;
const IPV4_ID: usize = 4;
const IPV6_LENGTH: usize = 4;
const IPV6_HEADER: usize = 40;
const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 13;
const UDP_LENGTH: usize = 4;
/// FIN and PSH: on the last segment only.
const LAST_ONLY: u8 = 0b1001;

/// A context descriptor, taken apart.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    ip: Field,
    transport: Field,
    tcp: bool,
    ipv4: bool,
    header: usize,
    payload: usize,
    mss: usize,
}

/// One checksum: the bytes that it covers, and its place.
#[derive(Debug, Clone, Copy, Default)]
struct Field {
    start: usize,
    offset: usize,
    /// The last byte; 0 is the end of the packet.
    end: usize,
}

impl From<u32> for Field {
    fn from(word: u32) -> Self {
        let [start, offset, e0, e1] = word.to_le_bytes();
        Self { start: start.into(), offset: offset.into(), end: u16::from_le_bytes([e0, e1]).into() }
    }
}

impl From<[u32; 4]> for Context {
    fn from([ip, transport, command, rest]: [u32; 4]) -> Self {
        Self {
            ip: ip.into(),
            transport: transport.into(),
            tcp: command & txd::TCP != 0,
            ipv4: command & txd::IP != 0,
            header: (rest >> 8 & 0xff) as usize,
            payload: (command & 0xf_ffff) as usize,
            mss: (rest >> 16) as usize,
        }
    }
}

/// Sums `frame` from `start` to `end` (0: its end), adds `more`, and writes the complement at `offset`. A place that is
/// not in the frame: nothing. `nonzero`: 0 becomes 0xffff, as UDP wants it.
pub(crate) fn insert(frame: &mut [u8], start: usize, offset: usize, end: usize, more: u16, nonzero: bool) {
    let end = if end == 0 { frame.len() } else { frame.len().min(end + 1) };
    let Some(covered) = frame.get(start..end) else { return };
    let checksum = !checksum::fold(u64::from(checksum::sum(covered)) + u64::from(more));
    put(frame, offset, if nonzero && checksum == 0 { 0xffff } else { checksum });
}

/// Writes a field of 16 bits, if it lies in the frame.
fn put(frame: &mut [u8], at: usize, value: u16) {
    if let Some(field) = frame.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// Adds to a field of 16 bits.
fn add16(frame: &mut [u8], at: usize, more: usize) {
    if let Some(&[a, b]) = frame.get(at..).and_then(|f| f.first_chunk::<2>()) {
        put(frame, at, u16::from_be_bytes([a, b]).wrapping_add(more as u16));
    }
}

/// Adds to a field of 32 bits.
fn add32(frame: &mut [u8], at: usize, more: usize) {
    if let Some(field) = frame.get_mut(at..).and_then(|f| f.first_chunk_mut::<4>()) {
        *field = u32::from_be_bytes(*field).wrapping_add(more as u32).to_be_bytes();
    }
}

/// One segment of a packet.
pub(crate) struct Segment<'a> {
    context: &'a Context,
    header: &'a [u8],
    payload: &'a [u8],
    /// Which it is, and bytes of payload before it.
    number: usize,
    before: usize,
    last: bool,
}

impl Context {
    /// Inserts the checksums that are asked for; `more` is added to that of TCP or UDP.
    pub(crate) fn insert(&self, frame: &mut [u8], ip: bool, transport: bool, more: u16) {
        let Field { start, offset, end } = self.transport;
        if transport {
            insert(frame, start, offset, end, more, !self.tcp);
        }
        let Field { start, offset, end } = self.ip;
        if ip {
            insert(frame, start, offset, end, 0, false);
        }
    }

    /// Whether `packet` is as long as HDRLEN and PAYLEN say.
    pub(crate) const fn fits(&self, packet: &[u8]) -> bool {
        packet.len() == self.header + self.payload
    }

    /// The segments of `packet`; none if there is no MSS, or no payload behind the header.
    pub(crate) fn segments<'a>(&'a self, packet: &'a [u8]) -> impl Iterator<Item = Segment<'a>> {
        let (header, payload) = packet.split_at(self.header.min(packet.len()));
        let size = self.mss.max(1);
        let count = if self.mss == 0 { 0 } else { payload.len().div_ceil(size) };
        payload.chunks(size).take(count).enumerate().map(move |(number, payload)| Segment {
            context: self,
            header,
            payload,
            number,
            before: number * size,
            last: number + 1 == count,
        })
    }
}

impl Segment<'_> {
    /// Makes it a frame: header with its fields brought up to date, payload, checksums.
    pub(crate) fn build(&self, frame: &mut Vec<u8>, insert_ip: bool, insert_transport: bool) {
        let Context { ip, transport, tcp, ipv4, .. } = *self.context;
        frame.clear();
        frame.extend_from_slice(self.header);
        frame.extend_from_slice(self.payload);
        let behind = |start: usize| frame.len().saturating_sub(start) as u16;
        let (ip_length, transport_length) = (behind(ip.start), behind(transport.start));
        if ipv4 {
            put(frame, ip.start + IPV4_LENGTH, ip_length);
            add16(frame, ip.start + IPV4_ID, self.number);
        } else {
            put(frame, ip.start + IPV6_LENGTH, ip_length.saturating_sub(IPV6_HEADER as u16));
        }
        if tcp {
            add32(frame, transport.start + TCP_SEQUENCE, self.before);
            if let Some(flags) = frame.get_mut(transport.start + TCP_FLAGS).filter(|_| !self.last) {
                *flags &= !LAST_ONLY;
            }
        } else {
            put(frame, transport.start + UDP_LENGTH, transport_length);
        }
        self.context.insert(frame, insert_ip, insert_transport, transport_length);
    }
}
