//! Receive ring arithmetic.
//!
//! No registers and no memory here: numbers in, numbers out, so that every header a chip can write has been tried.
//!
//! ```text
//!  0              cursor                                    SIZE                SIZE + SLACK
//!  |   given back   | header | frame | CRC | pad | header ...  |  end of the last frame |
//! ```
//!
//! The header has four bytes: status (low half) and length with CRC (high half), section 5.1. The next one is at the
//! next multiple of four. With RCR.WRAP a frame that reaches SIZE goes on behind it, and the next header stands as far
//! behind 0 as the frame went behind SIZE.

/// Bytes of the ring in which headers stand: RCR.RBLEN = 32 KiB.
pub(crate) const SIZE: u32 = 32 * 1024;

/// Bytes behind it. The chip may use the 16 that RBLEN adds and the end of one frame. The datasheet speaks of 1.5 KiB
/// for that, but takes frames up to 4 KiB for good (LONG, section 5.1), and it is the wire that decides which come:
/// twice that much is still only memory.
pub(crate) const SLACK: u32 = 8 * 1024;

/// Alignment that the chip asks of RBSTART is 4; 256 keeps bursts within cache lines.
pub(crate) const ALIGNMENT: u32 = 256;

/// Header before a frame, and CRC behind it, in bytes.
pub(crate) const HEADER: u32 = 4;
/// See [`HEADER`].
pub(crate) const CRC: u32 = 4;

/// Shortest frame with CRC: IEEE 802.3. RCR.AR is off, so none shorter comes.
const SHORTEST: u32 = 64;
/// Longest frame with CRC: 1518, and 4 for a VLAN tag.
const LONGEST: u32 = 1522;

/// The length that stands in a header while the chip is still writing the frame.
const WRITING: u32 = 0xfff0;

/// CAPR is this much less than the place it means (section 5, CAPR; initial value 0xfff0 for 0).
const CAPR_BIAS: u16 = 16;

/// Bits of the status half that say good or bad: ROK, FAE, CRC, LONG, RUNT, ISE. The others tell the kind of address.
const VERDICT: u32 = 0x3f;
/// ROK, and none of the others.
const GOOD: u32 = 0x01;

/// What a header says, bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// A good frame of this many bytes, with CRC, all there.
    Frame(u32),
    /// The chip has not finished it, or says so.
    Writing,
    /// No good frame that this receiver accepts: the chip and the driver are not at the same place.
    Nonsense,
}

/// Reads a header that stands before `filled` bytes, itself included.
pub(crate) fn parse(header: u32, filled: u32) -> Header {
    let length = header >> 16;
    if length == WRITING {
        Header::Writing
    } else if header & VERDICT != GOOD || !(SHORTEST..=LONGEST).contains(&length) {
        Header::Nonsense
    } else if taken(length) > filled {
        Header::Writing
    } else {
        Header::Frame(length)
    }
}

/// Bytes from `cursor` to where CBR says that the chip writes next.
pub(crate) fn filled(cursor: u32, cbr: u16) -> u32 {
    u32::from(cbr).wrapping_sub(cursor) % SIZE
}

/// Bytes that a frame of `length` bytes with CRC takes in the ring.
pub(crate) fn taken(length: u32) -> u32 {
    (HEADER + length).next_multiple_of(4)
}

/// The place `bytes` behind `cursor`.
pub(crate) fn advance(cursor: u32, bytes: u32) -> u32 {
    cursor.wrapping_add(bytes) % SIZE
}

/// The place as CAPR wants it.
pub(crate) fn to_capr(cursor: u32) -> u16 {
    (cursor as u16).wrapping_sub(CAPR_BIAS)
}

/// The place that CAPR means; `None` if no header can stand there.
pub(crate) fn from_capr(capr: u16) -> Option<u32> {
    let cursor = u32::from(capr.wrapping_add(CAPR_BIAS));
    (cursor < SIZE && cursor.is_multiple_of(4)).then_some(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every header there is: what is delivered lies within ring and slack, and the next place is one for a header.
    #[test]
    fn no_header_leads_outside() {
        let mut frames = 0;
        for status in 0..=0xffff_u32 {
            // the verdict is all that matters of the status; the rest is tried with the lengths at the bounds
            let lengths: &mut dyn Iterator<Item = u32> = if status < 0x80 {
                &mut (0..=0xffff)
            } else {
                &mut [0, 4, 63, 64, 65, 1522, 1523, 0x8000, 0xffef, 0xfff0, 0xfff1, 0xffff].into_iter()
            };
            for length in lengths {
                match parse(length << 16 | status, SIZE) {
                    Header::Frame(told) => {
                        assert_eq!(told, length);
                        assert!(status & 0x3f == 1 && (64..=1522).contains(&length));
                        frames += 1;
                    }
                    Header::Writing => assert_eq!(length, 0xfff0),
                    Header::Nonsense => assert!(status & 0x3f != 1 || !(64..=1522).contains(&length)),
                }
            }
        }
        assert!(frames > 2 * (1522 - 64));
    }

    #[test]
    fn every_place_and_length_stays_inside() {
        for cursor in (0..SIZE).step_by(4) {
            for length in SHORTEST..=LONGEST {
                assert!(cursor + HEADER + length <= SIZE + SLACK);
                let step = taken(length);
                assert!(step.is_multiple_of(4) && step >= HEADER + length && step < HEADER + length + 4);
                let next = advance(cursor, step);
                assert!(next < SIZE && next.is_multiple_of(4));
                assert_eq!((next + SIZE - cursor) % SIZE, step);
            }
        }
    }

    #[test]
    fn a_frame_that_is_not_all_there_is_being_written() {
        for length in SHORTEST..=LONGEST {
            for filled in 0..2048 {
                let expected = if filled < taken(length) { Header::Writing } else { Header::Frame(length) };
                assert_eq!(parse(length << 16 | 1, filled), expected);
            }
        }
    }

    #[test]
    fn filled_is_less_than_the_ring_whatever_cbr_says() {
        for cursor in [0, 4, 0x4000, SIZE - 4] {
            for cbr in 0..=u16::MAX {
                let bytes = filled(cursor, cbr);
                assert!(bytes < SIZE);
                assert_eq!(advance(cursor, bytes), u32::from(cbr) % SIZE);
            }
        }
    }

    #[test]
    fn capr_is_its_own_inverse_and_refuses_the_rest() {
        let mut good = 0;
        for capr in 0..=u16::MAX {
            if let Some(cursor) = from_capr(capr) {
                assert_eq!(to_capr(cursor), capr);
                good += 1;
            }
        }
        assert_eq!(good, SIZE / 4);
        assert_eq!(to_capr(0), 0xfff0);
        assert_eq!(from_capr(0xffff), None, "a bus without a device");
    }
}
