//! What a transmit descriptor asks for beside sending: checksums, and large sends (datasheet, transmit descriptors).

use crate::checksum::{self, IPV4_ID, IPV4_LENGTH, Ipv4, TCP, UDP};
use crate::regs::txd;

/// Fields of TCP, bytes from its start.
const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 13;
/// FIN and PSH: on the last segment only.
const LAST_ONLY: u8 = 0b1001;
/// MSS has eleven bits.
const MSS: u32 = 0x7ff;

/// Inserts the checksums that the first word asks for; in what is no IPv4 none.
pub(crate) fn insert(frame: &mut [u8], word: u32) {
    let Some(packet) = Ipv4::find(frame) else { return };
    if word & txd::TCPCS != 0 {
        packet.insert_body(frame, TCP);
    }
    if word & txd::UDPCS != 0 {
        packet.insert_body(frame, UDP);
    }
    if word & txd::IPCS != 0 {
        packet.insert_header(frame);
    }
}

/// A packet of TCP over IPv4 that is to be cut into frames.
pub(crate) struct LargeSend<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    ip: Ipv4,
    mss: usize,
}

impl<'a> LargeSend<'a> {
    /// `None` if it cannot be cut: no TCP over IPv4, no payload, or no MSS.
    pub(crate) fn find(packet: &'a [u8], word: u32) -> Option<Self> {
        let ip = Ipv4::find(packet)?;
        let (header, payload) = packet.split_at(ip.tcp_payload(packet)?);
        let mss = (word >> txd::MSS_SHIFT & MSS) as usize;
        (mss != 0 && !payload.is_empty()).then_some(Self { header, payload, ip, mss })
    }

    /// How many frames it makes.
    pub(crate) const fn count(&self) -> usize {
        self.payload.len().div_ceil(self.mss)
    }

    /// Builds frame `number`, with all its checksums.
    pub(crate) fn build(&self, number: usize, frame: &mut Vec<u8>) {
        let before = number * self.mss;
        let part = &self.payload[before..self.payload.len().min(before + self.mss)];
        frame.clear();
        frame.extend_from_slice(self.header);
        frame.extend_from_slice(part);
        let (ip, tcp) = (self.ip.start, self.ip.body);
        let length = (frame.len() - ip) as u16;
        checksum::put16(frame, ip + IPV4_LENGTH, length);
        let id = checksum::get16(frame, ip + IPV4_ID).wrapping_add(number as u16);
        checksum::put16(frame, ip + IPV4_ID, id);
        if let Some(sequence) = frame.get_mut(tcp + TCP_SEQUENCE..).and_then(|f| f.first_chunk_mut::<4>()) {
            *sequence = u32::from_be_bytes(*sequence).wrapping_add(before as u32).to_be_bytes();
        }
        if number + 1 != self.count() {
            frame[tcp + TCP_FLAGS] &= !LAST_ONLY;
        }
        insert(frame, txd::IPCS | txd::TCPCS);
    }
}
