//! Packets with headers, and an Internet checksum of their own: nothing here is the model's.

use crate::bench::MAC;

/// One's complement sum, byte by byte: even bytes are high ones.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        assert!(part.len() % 2 == 0 || std::ptr::eq(*part, *parts.last().unwrap()), "only the last may be odd");
        for (i, byte) in part.iter().enumerate() {
            sum += u32::from(*byte) << if i % 2 == 0 { 8 } else { 0 };
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    sum as u16
}

/// Where headers begin in an untagged frame over IPv4 and IPv6.
pub(crate) const IP: usize = 14;
pub(crate) const L4_V4: usize = 34;
pub(crate) const L4_V6: usize = 54;

/// A TCP or UDP packet with every checksum 0.
pub(crate) fn packet(v6: bool, tcp: bool, payload: &[u8]) -> Vec<u8> {
    let l4 = if tcp { 20 } else { 8 } + payload.len();
    let protocol = if tcp { 6 } else { 17 };
    let mut p = MAC.to_vec();
    p.extend([2, 0, 0, 0, 0, 1]);
    if v6 {
        p.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        p.extend((l4 as u16).to_be_bytes());
        p.extend([protocol, 64]);
        p.extend((0..32).map(|i| 0xf0 ^ i));
    } else {
        p.extend([8, 0, 0x45, 0]);
        p.extend((20 + l4 as u16).to_be_bytes());
        p.extend([0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]);
    }
    p.extend([0x30, 0x39, 0, 80]);
    if tcp {
        // Sequence 0xffff_ff00, FIN, PSH, ACK.
        p.extend([0xff, 0xff, 0xff, 0, 1, 2, 3, 4, 0x50, 0x19, 0x20, 0, 0, 0, 0, 0]);
    } else {
        p.extend((l4 as u16).to_be_bytes());
        p.extend([0, 0]);
    }
    p.extend_from_slice(payload);
    p
}

const fn is_v6(p: &[u8]) -> bool {
    p[12] == 0x86
}

/// Header's start, protocol, addresses.
fn parts(p: &[u8]) -> (usize, u8, &[u8]) {
    if is_v6(p) { (L4_V6, p[20], &p[22..54]) } else { (L4_V4, p[23], &p[26..34]) }
}

/// The sum of the pseudo header with `length`.
pub(crate) fn pseudo(p: &[u8], length: usize) -> u16 {
    let (_, protocol, addresses) = parts(p);
    sum(&[addresses, &[0, protocol], &(length as u16).to_be_bytes()])
}

/// Where TCP or UDP keeps its checksum.
pub(crate) fn checksum_at(p: &[u8]) -> usize {
    let (l4, protocol, _) = parts(p);
    l4 + if protocol == 6 { 16 } else { 6 }
}

/// Whether both checksums are right.
pub(crate) fn is_right(p: &[u8]) -> (bool, bool) {
    let (l4, ..) = parts(p);
    let length = pseudo(p, p.len() - l4);
    let ip = is_v6(p) || sum(&[&p[IP..L4_V4]]) == 0xffff;
    (ip, sum(&[&length.to_be_bytes(), &p[l4..]]) == 0xffff)
}

/// The packet with its checksums.
pub(crate) fn complete(mut p: Vec<u8>) -> Vec<u8> {
    let (l4, ..) = parts(&p);
    let at = checksum_at(&p);
    let length = pseudo(&p, p.len() - l4);
    let transport = !sum(&[&length.to_be_bytes(), &p[l4..]]);
    p[at..at + 2].copy_from_slice(&transport.to_be_bytes());
    if !is_v6(&p) {
        let ip = !sum(&[&p[IP..L4_V4]]);
        p[24..26].copy_from_slice(&ip.to_be_bytes());
    }
    assert_eq!(is_right(&p), (true, true));
    p
}
