//! The Internet checksum (RFC 1071), and what the receiver makes of it.

use crate::regs::rxd;

/// One's complement sum of 16-bit big-endian words; an odd last byte is the high one of its word.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|w| u64::from(w[0]) << 8 | u64::from(w.get(1).copied().unwrap_or(0)));
    fold(words.sum())
}

/// Folds carries in.
pub(crate) const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Where UDP keeps its checksum; 0 there is none.
const UDP_CHECKSUM: usize = 6;
/// Bytes of the fixed headers.
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enabled {
    /// IPv4 headers.
    pub(crate) ip: bool,
    /// TCP and UDP.
    pub(crate) transport: bool,
    /// TCP and UDP over IPv6.
    pub(crate) ipv6: bool,
}

/// Status and error bits for a packet that begins with its Ethernet type. IXSM if nothing was looked at.
pub(crate) fn verdict(typed: &[u8], enabled: Enabled) -> (u8, u8) {
    let (mut status, mut errors) = (0, 0);
    let mut note = |done: Option<bool>, flag, error| {
        if let Some(good) = done {
            status |= flag;
            errors |= if good { 0 } else { error };
        }
    };
    let packet = typed.get(2..).unwrap_or_default();
    match typed.first_chunk::<2>().map(|t| u16::from_be_bytes(*t)) {
        Some(IPV4) => {
            if let Some((header, body)) = ipv4(packet) {
                note(enabled.ip.then(|| sum(header) == 0xffff), rxd::IPCS, rxd::IPE);
                let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
                if enabled.transport && !fragment {
                    note(transport(header[9], &header[12..20], body), rxd::TCPCS, rxd::TCPE);
                }
            }
        }
        Some(IPV6) if enabled.transport && enabled.ipv6 => {
            if let Some((header, body)) = ipv6(packet) {
                note(transport(header[6], &header[8..40], body), rxd::TCPCS, rxd::TCPE);
            }
        }
        _ => {}
    }
    (if status == 0 { rxd::IXSM } else { status }, errors)
}

/// Header with options, and what its length says is the body.
fn ipv4(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = *packet.first()?;
    let header = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || header < IPV4_HEADER {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    packet.get(..total)?.split_at_checked(header)
}

fn ipv6(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = packet.first_chunk::<IPV6_HEADER>()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    packet.get(..IPV6_HEADER + length)?.split_at_checked(IPV6_HEADER)
}

/// Whether the checksum over pseudo header and `body` is good; `None` if there is none.
fn transport(protocol: u8, addresses: &[u8], body: &[u8]) -> Option<bool> {
    let least = match protocol {
        TCP => 20,
        UDP => 8,
        _ => return None,
    };
    if body.len() < least || (protocol == UDP && body[UDP_CHECKSUM..][..2] == [0, 0]) {
        return None;
    }
    let pseudo = u64::from(sum(addresses)) + u64::from(protocol) + body.len() as u64;
    Some(fold(pseudo + u64::from(sum(body))) == 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(sum(&[0x12, 0x34, 0x56]), 0x6834);
        assert_eq!(sum(&[]), 0);
    }
}
