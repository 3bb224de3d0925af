//! `struct virtio_net_hdr`, which goes before each frame of a TAP that was attached with `IFF_VNET_HDR`: ten bytes in the
//! host's byte order (virtio 1.2, section 5.1.6, in its legacy form).

use udrv_driver::Offload;

/// Bytes of it.
pub(super) const HEADER: usize = 10;

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;

/// What the host leaves to the chip. `None`: something that it was not told it may.
pub(super) fn parse(header: [u8; HEADER]) -> Option<Offload> {
    let [flags, gso, _, _, size @ .., s0, s1, o0, o1] = header;
    let mut offload = Offload::default();
    if flags & NEEDS_CSUM != 0 {
        offload.checksum_start = u16::from_ne_bytes([s0, s1]);
        offload.checksum_offset = u16::from_ne_bytes([o0, o1]);
    }
    match gso {
        GSO_NONE => {}
        GSO_TCPV4 | GSO_TCPV6 if offload.checksum_start != 0 => {
            offload.segment = u16::from_ne_bytes(size);
            offload.ipv6 = gso == GSO_TCPV6;
            if offload.segment == 0 {
                return None;
            }
        }
        _ => return None,
    }
    Some(offload)
}

/// For a frame to the host: its checksums were `checked`, or not.
pub(super) fn to_host(checked: bool) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = if checked { DATA_VALID } else { 0 };
    header
}

/// For TCP segments that go to the host as one packet, with checksums that were found right: the host would have to fill
/// them in if it cut the packet, and does not look at them if it keeps it.
pub(super) fn segments_to_host(offload: Offload) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = NEEDS_CSUM;
    header[1] = if offload.ipv6 { GSO_TCPV6 } else { GSO_TCPV4 };
    let fields = [offload.headers, offload.segment, offload.checksum_start, offload.checksum_offset];
    for (to, value) in header[2..].chunks_exact_mut(2).zip(fields) {
        to.copy_from_slice(&value.to_ne_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: u8, gso: u8, size: u16, start: u16, offset: u16) -> [u8; HEADER] {
        let mut header = [flags, gso, 0x55, 0x55, 0, 0, 0, 0, 0, 0];
        for (at, value) in [(4, size), (6, start), (8, offset)] {
            header[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        }
        header
    }

    #[test]
    fn what_the_host_asks_for() {
        let plain = Offload::default();
        assert_eq!(parse([0; HEADER]), Some(plain));
        assert_eq!(parse(header(0, 0, 0, 34, 16)), Some(plain), "without the flag the rest means nothing");
        let sum = Offload { checksum_start: 34, checksum_offset: 16, ..plain };
        assert_eq!(parse(header(1, 0, 9, 34, 16)), Some(sum));
        assert_eq!(parse(header(1, 1, 1448, 34, 16)), Some(Offload { segment: 1448, ..sum }));
        assert_eq!(parse(header(1, 4, 1428, 54, 16)).map(|offload| offload.ipv6), Some(true));
    }

    #[test]
    fn what_it_was_not_told_it_may() {
        for (flags, gso, size) in [(1, 1, 0), (0, 1, 1448), (1, 3, 1448), (1, 5, 1448), (1, 0x81, 1448), (1, 2, 1)] {
            assert_eq!(parse(header(flags, gso, size, 34, 16)), None, "{flags} {gso} {size}");
        }
    }

    #[test]
    fn segments_are_told_as_the_host_tells_them() {
        for ipv6 in [false, true] {
            let asked =
                Offload { checksum_start: 34, checksum_offset: 16, segment: 1448, headers: 66, ip_start: 14, ipv6 };
            let header = segments_to_host(asked);
            assert_eq!(parse(header), Some(Offload { headers: 0, ip_start: 0, ..asked }));
            assert_eq!(u16::from_ne_bytes([header[2], header[3]]), 66);
        }
    }

    #[test]
    fn any_bytes_are_read() {
        for byte in 0..=u8::MAX {
            let _ = parse([byte; HEADER]);
        }
        assert_eq!(to_host(true)[0], 2);
        assert_eq!(to_host(false), [0; HEADER]);
    }
}
