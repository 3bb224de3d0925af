//! What the host left to the chip, checked against the frame and prepared as [`udrv_driver::Offload`] promises.
//!
//! Lengths and offsets are the host kernel's, which is believed no more than a device: a frame that does not fit to them
//! is dropped before a driver sees it.

use udrv_driver::{Offload, Offloads};

use crate::dma::DmaRegion;

/// EtherTypes.
const VLAN: u16 = 0x8100;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Bytes of an Ethernet header, and of the tag in it.
const ETHERNET: usize = 14;
const TAG: usize = 4;
/// Where in a TCP header the checksum and the length of the header are.
const TCP_CHECKSUM: u16 = 16;
const TCP_LENGTH: usize = 12;
/// The shortest headers that end before TCP's, and the longest up to its end.
const HEADERS: usize = 256;

/// The frame of `length` bytes at `place` for a chip that can do `able`, on a wire where frames have `longest` bytes at
/// most: what is left to the chip, or `None` if the frame cannot be sent.
pub(crate) fn prepare(
    region: &DmaRegion,
    place: u64,
    length: usize,
    asked: Offload,
    able: Offloads,
    longest: usize,
) -> Option<Offload> {
    if asked.checksum_start == 0 {
        return (length <= longest && asked.segment == 0).then_some(asked);
    }
    let (start, offset) = (usize::from(asked.checksum_start), usize::from(asked.checksum_offset));
    if !able.tx_checksum || start < ETHERNET || start + offset + 2 > length {
        return None;
    }
    if asked.segment == 0 {
        return (length <= longest).then_some(asked);
    }
    let able = if asked.ipv6 { able.segment_ipv6 } else { able.segment_ipv4 };
    if !able || asked.checksum_offset != TCP_CHECKSUM {
        return None;
    }
    let mut headers = [0; HEADERS];
    let headers = &mut headers[..length.min(HEADERS)];
    region.copy_out(place, headers).ok()?;
    let (ip_start, end) = prepare_headers(headers, start, length, asked.ipv6)?;
    region.copy_in(place, &headers[..end]).ok()?;
    Some(Offload { headers: end as u16, ip_start: ip_start as u16, ..asked })
}

/// Prepares the `headers` of a TCP packet of `length` bytes, whose TCP header is at `start`. Gives where the IP header
/// begins and where TCP's ends.
fn prepare_headers(headers: &mut [u8], start: usize, length: usize, ipv6: bool) -> Option<(usize, usize)> {
    let word = |headers: &[u8], at: usize| Some(u16::from_be_bytes(*headers.get(at..)?.first_chunk()?));
    let tagged = word(headers, ETHERNET - 2)? == VLAN;
    let ip = if tagged { ETHERNET + TAG } else { ETHERNET };
    if word(headers, ip - 2)? != if ipv6 { IPV6 } else { IPV4 } || start < ip + 20 {
        return None;
    }
    let end = start + usize::from(*headers.get(start + TCP_LENGTH)? >> 4) * 4;
    if end < start + 20 || end > headers.len() || end >= length || length - start > usize::from(u16::MAX) {
        return None;
    }
    // IPv4: total length and header checksum; IPv6: payload length
    let zeroed: &[usize] = if ipv6 { &[4] } else { &[2, 10] };
    for at in zeroed {
        headers[ip + at..ip + at + 2].fill(0);
    }
    let sum_at = start + usize::from(TCP_CHECKSUM);
    let sum = u32::from(word(headers, sum_at)?) + u32::from(!((length - start) as u16));
    let folded = (sum & 0xffff) + (sum >> 16);
    headers[sum_at..sum_at + 2].copy_from_slice(&(folded as u16).to_be_bytes());
    Some((ip, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABLE: Offloads = Offloads { tx_checksum: true, segment_ipv4: true, segment_ipv6: false, rx_checksum: true };

    /// The sum of a TCP pseudo header over IPv4, as the host leaves it, of TCP header and payload of `length` bytes.
    fn pseudo(length: u16) -> u16 {
        let words = [0x0a00, 0x0001, 0x0a00, 0x0002, 0x0006, length];
        let sum: u32 = words.into_iter().map(u32::from).sum();
        ((sum & 0xffff) + (sum >> 16)) as u16
    }

    /// A TCP packet over IPv4, 10.0.0.1 to 10.0.0.2, with `options` bytes of TCP options.
    fn packet(length: usize, options: usize, tag: bool) -> (Vec<u8>, Offload) {
        let ip = if tag { 18 } else { 14 };
        let start = ip + 20;
        let mut frame = vec![0x77; length];
        if tag {
            frame[12..16].copy_from_slice(&[0x81, 0, 0, 5]);
        }
        frame[ip - 2..ip + 2].copy_from_slice(&[8, 0, 0x45, 0]);
        frame[start + 12] = ((20 + options) as u8 / 4) << 4;
        frame[start + 16..start + 18].copy_from_slice(&pseudo((length - start) as u16).to_be_bytes());
        let asked = Offload { checksum_start: start as u16, checksum_offset: 16, segment: 1448, ..Offload::default() };
        (frame, asked)
    }

    fn prepared(frame: &[u8], asked: Offload, able: Offloads) -> Option<(Vec<u8>, Offload)> {
        let region = DmaRegion::new(128 << 10, None).unwrap();
        region.copy_in(64, frame).unwrap();
        let offload = prepare(&region, 64, frame.len(), asked, able, 1518)?;
        let mut after = vec![0; frame.len()];
        region.copy_out(64, &mut after).unwrap();
        Some((after, offload))
    }

    #[test]
    fn a_long_packet_is_prepared_for_segments() {
        for (length, options, tag) in [(60_000, 12, false), (3000, 0, true), (65_535 + 34, 40, false)] {
            let (frame, asked) = packet(length, options, tag);
            let (after, offload) = prepared(&frame, asked, ABLE).unwrap();
            let ip = if tag { 18 } else { 14 };
            let start = ip + 20;
            let expected = Offload { headers: (start + 20 + options) as u16, ip_start: ip as u16, ..asked };
            assert_eq!(offload, expected);
            assert_eq!((&after[ip + 2..ip + 4], &after[ip + 10..ip + 12]), (&[0, 0][..], &[0, 0][..]));
            let sum = u16::from_be_bytes([after[start + 16], after[start + 17]]);
            assert_eq!(sum, pseudo(0), "{length}: the length is out of the sum");
            let changed = |at: &usize| frame[*at] != after[*at];
            let may: Vec<usize> = [ip + 2, ip + 3, ip + 10, ip + 11, start + 16, start + 17].to_vec();
            assert!((0..length).filter(changed).all(|at| may.contains(&at)));
        }
    }

    #[test]
    fn frames_that_go_as_they_are() {
        let frame = vec![1; 1518];
        assert_eq!(prepared(&frame, Offload::default(), Offloads::NONE), Some((frame.clone(), Offload::default())));
        let sum = Offload { checksum_start: 34, checksum_offset: 16, ..Offload::default() };
        assert_eq!(prepared(&frame, sum, ABLE), Some((frame.clone(), sum)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (frame, asked) = packet(3000, 12, false);
        let refused = |frame: &[u8], asked: Offload, able: Offloads| assert_eq!(prepared(frame, asked, able), None);
        refused(&vec![1; 1519], Offload::default(), ABLE);
        refused(&frame, asked, Offloads::NONE);
        refused(&frame, Offload { ipv6: true, ..asked }, Offloads { segment_ipv6: true, ..ABLE });
        refused(&frame, Offload { ipv6: true, ..asked }, ABLE);
        refused(&frame, Offload { segment: 0, ..asked }, ABLE);
        refused(&frame, Offload { checksum_offset: 6, ..asked }, ABLE);
        refused(&frame, Offload { checksum_start: 2990, ..asked }, ABLE);
        refused(&frame, Offload { checksum_start: 20, ..asked }, ABLE);
        refused(&frame[..66], asked, ABLE);
        for byte in [0x00, 0x40, 0xf0] {
            let mut frame = frame.clone();
            frame[34 + 12] = byte;
            let fits = byte == 0xf0;
            assert_eq!(prepared(&frame, asked, ABLE).is_some(), fits, "{byte:#x}");
        }
    }

    /// No frame and no request make it look or write outside.
    #[test]
    fn nothing_makes_it_panic() {
        for length in [14, 34, 54, 60, 255, 256, 257, 3000, 70_000] {
            for start in [0, 1, 13, 14, 34, 253, 254, 3000, u16::MAX] {
                for fill in [0x00, 0x08, 0x45, 0xff] {
                    let asked =
                        Offload { checksum_start: start, checksum_offset: 16, segment: 1, ..Offload::default() };
                    let _ = prepared(&vec![fill; length], asked, ABLE);
                    let _ = prepared(&vec![fill; length], Offload { ipv6: true, ..asked }, ABLE);
                }
            }
        }
    }
}
