//! IPv4, TCP and UDP as far as their checksums go: where they are, whether they are right, making them right.

/// Two addresses: the type is behind them.
pub(crate) const ADDRESSES: usize = 12;
/// Type and tag of a VLAN.
pub(crate) const TAG: usize = 4;
/// Type of a VLAN tag.
pub(crate) const TAG_TYPE: [u8; 2] = [0x81, 0x00];
const IPV4: [u8; 2] = [0x08, 0x00];
/// Protocols.
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
/// Shortest headers.
const IPV4_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// Fields of the headers, bytes from their start.
pub(crate) const IPV4_LENGTH: usize = 2;
pub(crate) const IPV4_ID: usize = 4;
const IPV4_FRAGMENT: usize = 6;
const IPV4_PROTOCOL: usize = 9;
const IPV4_CHECKSUM: usize = 10;
const IPV4_ADDRESSES: usize = 12;
const TCP_OFFSET: usize = 12;
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

/// One's complement sum of 16-bit big-endian words (RFC 1071); an odd last byte is the high one of its word.
fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|w| u64::from(w[0]) << 8 | u64::from(w.get(1).copied().unwrap_or(0))).sum()
}

/// Folds carries in.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// The field of 16 bits at `at`, which is in the frame.
pub(crate) fn get16(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

/// Writes the field of 16 bits at `at`, which is in the frame.
pub(crate) fn put16(frame: &mut [u8], at: usize, value: u16) {
    frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// An IPv4 packet in a frame. Both its headers are whole; what it says of its length is another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ipv4 {
    /// Where its header begins, bytes from the frame's start.
    pub(crate) start: usize,
    /// Where that of TCP or UDP does.
    pub(crate) body: usize,
    /// Where its length says that it ends.
    end: usize,
    pub(crate) protocol: u8,
    /// A part of a packet: nothing is known of TCP or UDP.
    fragment: bool,
}

impl Ipv4 {
    /// Finds one in a frame, with or without a VLAN tag.
    pub(crate) fn find(frame: &[u8]) -> Option<Self> {
        let tagged = frame.get(ADDRESSES..)?.starts_with(&TAG_TYPE);
        let at = if tagged { ADDRESSES + TAG } else { ADDRESSES };
        if !frame.get(at..)?.starts_with(&IPV4) {
            return None;
        }
        let start = at + IPV4.len();
        let header = frame.get(start..)?.first_chunk::<IPV4_HEADER>()?;
        let length = usize::from(header[0] & 0xf) * 4;
        if header[0] >> 4 != 4 || length < IPV4_HEADER || frame.len() < start + length {
            return None;
        }
        Some(Self {
            start,
            body: start + length,
            end: start + usize::from(get16(header, IPV4_LENGTH)),
            protocol: header[IPV4_PROTOCOL],
            fragment: get16(header, IPV4_FRAGMENT) & 0x3fff != 0,
        })
    }

    /// Where the checksum of TCP or UDP is, if the packet has one of this protocol, is whole and no fragment.
    fn checksum_at(&self, frame: &[u8], protocol: u8) -> Option<usize> {
        let (least, at) = if protocol == TCP { (TCP_HEADER, TCP_CHECKSUM) } else { (UDP_HEADER, UDP_CHECKSUM) };
        let fits = self.body + least <= self.end && self.end <= frame.len();
        (self.protocol == protocol && !self.fragment && fits).then_some(self.body + at)
    }

    /// Where the payload of TCP begins, if there is a whole header.
    pub(crate) fn tcp_payload(&self, frame: &[u8]) -> Option<usize> {
        let length = usize::from(frame.get(self.body + TCP_OFFSET)? >> 4) * 4;
        let whole = length >= TCP_HEADER && self.body + length <= frame.len();
        (self.protocol == TCP && !self.fragment && whole).then_some(self.body + length)
    }

    /// Sum over pseudo header and body, checksum and all.
    fn sum_body(&self, frame: &[u8]) -> u64 {
        let addresses = &frame[self.start + IPV4_ADDRESSES..][..8];
        let body = &frame[self.body..self.end];
        sum(addresses) + u64::from(self.protocol) + body.len() as u64 + sum(body)
    }

    /// Whether the header's checksum is right.
    pub(crate) fn header_is_good(&self, frame: &[u8]) -> bool {
        fold(sum(&frame[self.start..self.body])) == 0xffff
    }

    /// Whether the checksum of TCP or UDP is right; `None` if there is nothing to look at. UDP may have none.
    pub(crate) fn body_is_good(&self, frame: &[u8], protocol: u8) -> Option<bool> {
        let at = self.checksum_at(frame, protocol)?;
        let absent = protocol == UDP && get16(frame, at) == 0;
        Some(absent || fold(self.sum_body(frame)) == 0xffff)
    }

    /// Makes the header's checksum right, whatever stood there.
    pub(crate) fn insert_header(&self, frame: &mut [u8]) {
        put16(frame, self.start + IPV4_CHECKSUM, 0);
        let checksum = !fold(sum(&frame[self.start..self.body]));
        put16(frame, self.start + IPV4_CHECKSUM, checksum);
    }

    /// Makes the checksum of TCP or UDP right, whatever stood there; nothing if the packet has none.
    pub(crate) fn insert_body(&self, frame: &mut [u8], protocol: u8) {
        let Some(at) = self.checksum_at(frame, protocol) else { return };
        put16(frame, at, 0);
        let checksum = !fold(self.sum_body(frame));
        // In UDP 0 means that there is none.
        put16(frame, at, if protocol == UDP && checksum == 0 { 0xffff } else { checksum });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_rfc_1071() {
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
        assert_eq!(fold(sum(&[0x12, 0x34, 0x56])), 0x6834);
    }

    #[test]
    fn every_short_frame_is_survived() {
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0, 0, 1, 8, 0, 0x46, 0, 0, 60, 0, 0, 0, 0, 64, TCP, 0, 0]);
        frame.resize(80, 0x55);
        for length in 0..=frame.len() {
            let mut frame = frame[..length].to_vec();
            let Some(packet) = Ipv4::find(&frame) else { continue };
            assert_eq!((packet.start, packet.body), (18, 42));
            packet.insert_header(&mut frame);
            assert!(packet.header_is_good(&frame));
            packet.insert_body(&mut frame, TCP);
            packet.insert_body(&mut frame, UDP);
            assert_eq!(packet.body_is_good(&frame, TCP), (length >= 78).then_some(true));
            assert_eq!(packet.body_is_good(&frame, UDP), None);
            packet.tcp_payload(&frame);
        }
    }
}
