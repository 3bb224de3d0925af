//! Frames of which something is left to the chip: what stands in the descriptors that say so.
//!
//! No registers and no memory here: numbers in, numbers out. Such a frame takes several descriptors, in this order:
//!
//! ```text
//!  | context: where the checksums are, how to cut | data | data ... | data, the last: EOP, RS |
//! ```
//!
//! A context stays in force until the next (section 3.3.6), so it is left out where it is the same. It is remembered in the
//! state, which a call that fails puts back: contexts of such a call lie behind the tail and are never read.
//!
//! The last piece of a packet that is cut into segments has four bytes: members of the family report a descriptor as
//! done when its bytes are in the FIFO, and would so give back a buffer that they still read.

use udrv_driver::{Offload, TxFrame};

use crate::ring::tag;

/// Bytes that one data descriptor is given at most. The chip takes 16,288 (section 3.3.7).
const PIECE: u32 = 8 * 1024;
/// Bytes of the last piece of a packet that is cut.
const LAST: u32 = 4;

/// A context descriptor: its two words.
pub(crate) type Context = [u64; 2];

/// No context that there could be: what the chip has is not known.
pub(crate) const UNKNOWN: Context = [0; 2];

/// Bits of the second word of context and data descriptors, sections 3.3.6 and 3.3.7.
mod word {
    /// Commands: end of packet (data) or TCP (context), and the others that have the same place in both.
    pub(super) const EOP: u64 = 1 << 24;
    pub(super) const TCP: u64 = 1 << 24;
    /// Insert FCS (data) or IPv4 (context).
    pub(super) const IFCS: u64 = 1 << 25;
    pub(super) const IP: u64 = 1 << 25;
    /// TCP segmentation.
    pub(super) const TSE: u64 = 1 << 26;
    /// Report status.
    pub(super) const RS: u64 = 1 << 27;
    /// Not a legacy descriptor.
    pub(super) const DEXT: u64 = 1 << 29;
    /// DTYP: data.
    pub(super) const DATA: u64 = 1 << 20;
    /// POPTS: insert the IP checksum, and that of TCP or UDP.
    pub(super) const IXSM: u64 = 1 << 40;
    pub(super) const TXSM: u64 = 1 << 41;
}

/// The context of a frame; `None` if its headers are longer than the fields for them, which are of eight bits.
pub(crate) fn context(frame: &TxFrame) -> Option<Context> {
    let Offload { checksum_start, checksum_offset, segment, headers, ip_start, ipv6 } = frame.offload;
    let checksum = checksum_start.checked_add(checksum_offset)?;
    let [start, checksum, headers, ip] = [checksum_start, checksum, headers, ip_start].map(u8::try_from);
    let (start, checksum, headers, ip) = (u64::from(start.ok()?), u64::from(checksum.ok()?), headers.ok()?, ip.ok()?);
    // TUCSS, TUCSO; TUCSE 0 is the end of the packet
    let tcp_place = start << 32 | checksum << 40;
    if segment == 0 {
        return Some([tcp_place, word::DEXT]);
    }
    let payload = frame.length.checked_sub(headers.into()).filter(|bytes| *bytes != 0)?;
    let ip = u64::from(ip);
    // IPCSS, IPCSO, IPCSE: a header of IPv6 has no checksum
    let (ip_place, ip_flag) =
        if ipv6 { (ip, 0) } else { (ip | (ip + 10) << 8 | start.saturating_sub(1) << 16, word::IP) };
    let cut = u64::from(payload) | u64::from(headers) << 40 | u64::from(segment) << 48;
    Some([tcp_place | ip_place, cut | word::DEXT | word::TSE | word::TCP | ip_flag])
}

/// How many data descriptors the frame takes.
pub(crate) fn pieces(frame: &TxFrame) -> u32 {
    if frame.offload.segment == 0 { 1 } else { frame.length.saturating_sub(LAST).div_ceil(PIECE) + 1 }
}

/// Data descriptor `index` of the frame's [`pieces`]: its two words.
pub(crate) fn piece(frame: &TxFrame, index: u32, vlan: u32) -> [u64; 2] {
    let is_last = index + 1 >= pieces(frame);
    let (start, end) = match (frame.offload.segment, is_last) {
        (0, _) => (0, frame.length),
        (_, true) => (frame.length.saturating_sub(LAST), frame.length),
        (_, false) => (index * PIECE, (index * PIECE + PIECE).min(frame.length.saturating_sub(LAST))),
    };
    let address = u64::from(frame.bus_address) + u64::from(start);
    let mut second = u64::from(end - start) | word::DATA | word::DEXT | word::IFCS | word::TXSM | tag(vlan);
    if frame.offload.segment != 0 {
        second |= word::TSE;
        second |= if frame.offload.ipv6 { 0 } else { word::IXSM };
    }
    if is_last {
        second |= word::EOP | word::RS;
    }
    [address, second]
}

#[cfg(test)]
mod tests {
    use udrv_driver::Buffer;

    use super::*;

    fn long(length: u32, ipv6: bool) -> TxFrame {
        let (ip_start, start) = (14, if ipv6 { 54 } else { 34 });
        let headers = start + 32;
        let offload = Offload { checksum_start: start, checksum_offset: 16, segment: 1448, headers, ip_start, ipv6 };
        TxFrame { buffer: Buffer(1), length, bus_address: 0x10_0000, offload }
    }

    /// The pieces are the frame: each byte once, in order, none longer than it may be, the end said at the end.
    #[test]
    fn pieces_make_the_frame() {
        for length in [67, 70, 100, 1514, 8191, 8192, 8195, 8196, 8197, 8200, 16_384, 16_388, 40_000, 65_553] {
            let frame = long(length, false);
            let (mut at, count) = (u64::from(frame.bus_address), pieces(&frame));
            assert!((2..=10).contains(&count), "{length}: {count}");
            for index in 0..count {
                let [address, second] = piece(&frame, index, 0);
                let bytes = second & 0xf_ffff;
                let last = index + 1 == count;
                assert_eq!(address, at, "{length}");
                assert!(bytes != 0 && bytes <= 8192 && (!last || bytes == 4), "{length}: {bytes}");
                assert_eq!(second & (word::EOP | word::RS), if last { word::EOP | word::RS } else { 0 });
                at += bytes;
            }
            assert_eq!(at - u64::from(frame.bus_address), u64::from(length));
        }
    }

    #[test]
    fn words_as_the_manual_has_them() {
        let frame = long(3000, false);
        // IPCSS 14, IPCSO 24, IPCSE 33, TUCSS 34, TUCSO 50; PAYLEN 2934, HDRLEN 66, MSS 1448, DEXT TSE IP TCP
        assert_eq!(context(&frame), Some([0x0000_3222_0021_180e, 0x05a8_4200_2700_0b76]));
        assert_eq!(piece(&frame, 0, 0), [0x10_0000, 0x0000_0300_2610_0bb4]);
        assert_eq!(piece(&frame, 1, 0), [0x10_0bb4, 0x0000_0300_2f10_0004]);
        assert_eq!(piece(&frame, 1, 4094), [0x10_0bb4, 0x0ffe_0300_6f10_0004]);
        // IPv6 has no header checksum
        assert_eq!(context(&long(3000, true)), Some([0x0000_4636_0000_000e, 0x05a8_5600_2500_0b62]));
        assert_eq!(piece(&long(3000, true), 0, 0)[1] & word::IXSM, 0);

        let offload = Offload { checksum_start: 34, checksum_offset: 6, ..Offload::default() };
        let plain = TxFrame { length: 100, offload, ..frame };
        assert_eq!(context(&plain), Some([0x0000_2822_0000_0000, 0x2000_0000]));
        assert_eq!((pieces(&plain), piece(&plain, 0, 0)), (1, [0x10_0000, 0x0000_0200_2b10_0064]));
        assert_ne!(context(&plain), Some(UNKNOWN));
    }

    #[test]
    fn headers_that_no_field_can_hold_are_refused() {
        let right = long(3000, false);
        let with = |change: &dyn Fn(&mut Offload)| {
            let mut frame = right;
            change(&mut frame.offload);
            context(&frame)
        };
        assert_eq!(with(&|offload| offload.checksum_start = 256), None);
        assert_eq!(with(&|offload| offload.checksum_offset = 222), None);
        assert_eq!(with(&|offload| offload.checksum_offset = u16::MAX), None);
        assert_eq!(with(&|offload| offload.headers = 256), None);
        assert_eq!(with(&|offload| offload.ip_start = 256), None);
        assert_eq!(context(&TxFrame { length: 66, ..right }), None, "nothing but headers");
    }

    #[test]
    fn no_frame_makes_it_panic() {
        for length in [0, 1, 3, 4, 5, 60, 8196, 70_000, u32::MAX] {
            for segment in [0, 1, u16::MAX] {
                let mut frame = long(length, false);
                frame.offload.segment = segment;
                let _ = context(&frame);
                for index in 0..pieces(&frame).min(20) {
                    let _ = piece(&frame, index, 4094);
                }
            }
        }
    }
}
