//! Descriptor rings: where they lie, what stands in them, and whose a descriptor is.
//!
//! No registers and no memory here: numbers in, numbers out, so that every word a chip can write has been tried.
//!
//! ```text
//!  0           4096        5120   5124      8192                                 8192 + 512 KiB
//!  | receive   | transmit  | turn | unused  | buffer 0 | buffer 1 | ...          |
//! ```
//!
//! A descriptor is 16 bytes: a first word with OWN, flags and length, a second for a VLAN tag, and a bus address of 64
//! bits. Receive descriptor n has buffer n.
//!
//! A buffer holds the longest frame of the MTU, so that a frame is in one: 256 buffers of 2 KiB, 128 of 4 KiB, or 64 of
//! 8 KiB. The chip could put a long frame into several, and would say so with FS and LS; but nobody is known to have let
//! it, and so a long frame costs no more than a short one. The price is a ring that is full after fewer short ones. RMS
//! is the buffer's size, so that no frame goes on in the next.
//!
//! # Whose a descriptor is
//!
//! There are no tail registers. OWN in the first word says whose a descriptor is, and a chip that is walking its ring
//! takes one that it finds without any doorbell. So the first word is written by `hand_over`: on commit, and not at all
//! if the call is aborted. Everything else in a descriptor of ours is written at once, for the chip does not look at it.
//!
//! - **Transmit.** Address and second word at once; first word with OWN on commit; then TPPOLL. A call that fails leaves
//!   a descriptor without OWN, which the next fills again. Without OWN and in use, it was sent.
//! - **Receive.** A descriptor without OWN has a frame. It is given back with OWN on commit, after the frame has gone
//!   up. If the call fails nothing is written, and the retry finds the frame where it was. That goes for the tag in its
//!   second word too, which is wiped on commit.
//!
//! While the chip is off (reset, no addresses, CR 0) it owns nothing whatever stands there: `setup.rs` writes whole
//! rings at once then, and turning the chip on is what hands them over.
//!
//! # Where the chip is
//!
//! No register tells whose turn it is in a ring. So there is a number behind the rings, and the same in the state: every
//! call that commits having moved a ring counts it up in both, and setting the chip up counts it up in memory at once,
//! whatever becomes of the call. While both are the same the chip goes on where the state says.

use udrv_driver::AROUND_MTU;
use udrv_driver::ring::step;

use crate::version::MAX_MTU;

/// Receive descriptors, at most.
pub(crate) const RX: u32 = 256;
/// Transmit descriptors.
pub(crate) const TX: u32 = 64;
/// Bytes of a descriptor.
const DESCRIPTOR: u32 = 16;
/// Bytes of a receive buffer, at least; a power of two.
const BUFFER: u32 = 2048;

/// Where the transmit ring begins, bytes. The receive ring is at 0.
pub(crate) const TX_PLACE: u32 = RX * DESCRIPTOR;
/// Where the number stands that says whether the chip is where the state has it.
pub(crate) const TURN: u32 = TX_PLACE + TX * DESCRIPTOR;
/// Where the buffers begin, bytes: a page of their own.
const BUFFERS_PLACE: u32 = 8192;
/// Bytes of all of it.
pub(crate) const BYTES: u32 = BUFFERS_PLACE + RX * BUFFER;
/// The chip asks for 256; a page keeps rings and buffers from straddling one.
pub(crate) const ALIGNMENT: u32 = 4096;

/// Shortest frame with CRC: IEEE 802.3. RCR lets no shorter ones pass.
const SHORTEST: u32 = 64;
/// A VLAN tag.
const TAG: u32 = 4;
/// CRC behind a frame, bytes.
pub(crate) const CRC: u32 = 4;

/// First word: the chip's.
const OWN: u32 = 1 << 31;
/// First word: last of the ring.
const EOR: u32 = 1 << 30;
/// First word: begins a frame.
const FS: u32 = 1 << 29;
/// First word: ends a frame.
const LS: u32 = 1 << 28;
/// First word of a received frame: RWT (too long), RES (any error), RUNT and CRC.
const ERRORS: u32 = 0b1111 << 19;
/// First word of a received frame: its length with CRC.
const LENGTH: u32 = 0x3fff;

/// Second word of a transmit descriptor: TAGC, the tag in the lower half is put in.
const TAGC: u32 = 1 << 17;
/// Second word of a receive descriptor: TAVA, a tag was taken out and is in the lower half.
const TAVA: u32 = 1 << 16;
/// Of a tag, which VLAN: the rest is priority.
const VLAN: u32 = 0xfff;

/// Where receive descriptor `index` is.
pub(crate) fn rx_place(index: u32) -> u32 {
    index % RX * DESCRIPTOR
}

/// Where transmit descriptor `index` is.
pub(crate) fn tx_place(index: usize) -> u32 {
    TX_PLACE + index as u32 % TX * DESCRIPTOR
}

/// First word that gives transmit descriptor `index` to the chip, with a frame of `length` bytes.
pub(crate) fn send(index: usize, length: u32) -> u32 {
    OWN | FS | LS | length | unused(index)
}

/// First word of a transmit descriptor that has no frame.
pub(crate) fn unused(index: usize) -> u32 {
    if index as u32 == TX - 1 { EOR } else { 0 }
}

/// Second word of a transmit descriptor for a frame to `vlan`. The bytes of the tag are in the order of the wire.
pub(crate) fn tag(vlan: u32) -> u32 {
    if vlan == 0 { 0 } else { TAGC | u32::from((vlan as u16).swap_bytes()) }
}

/// Whether the frame whose receive descriptor has this second word is of `vlan`. Without one all are: tags are the
/// host's affair.
pub(crate) fn is_of_vlan(word: u32, vlan: u32) -> bool {
    vlan == 0 || word & TAVA != 0 && u32::from((word as u16).swap_bytes()) & VLAN == vlan
}

/// Whether the chip is done with the transmit descriptor with this first word. It does not say how it went: these chips
/// try until they have sent, or report TER.
pub(crate) fn is_sent(word: u32) -> bool {
    word & OWN == 0
}

/// What the first word of a receive descriptor says, bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// The chip has not filled it.
    Nothing,
    /// A good frame of this many bytes, with CRC, all in this buffer.
    Frame(u32),
    /// A part of a frame, a bad one, or one of a length that no frame has.
    Bad,
}

/// The receive ring of an MTU: how many buffers, how large, and what a frame in them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes of a buffer are 1 shifted so far.
    shift: u32,
    /// Lengths of frames with CRC. Longest: with header and a VLAN tag.
    shortest: u32,
    longest: u32,
}

impl Room {
    /// For an MTU. Where the chip takes tags out (`vlan` is not 0) a frame may be shorter.
    pub(crate) fn of(mtu: u32, vlan: u32) -> Room {
        let longest = mtu.min(MAX_MTU) + AROUND_MTU + CRC;
        let shift = longest.max(BUFFER).next_power_of_two().trailing_zeros();
        Room { shift, shortest: if vlan == 0 { SHORTEST } else { SHORTEST - TAG }, longest }
    }

    /// Bytes of a buffer.
    pub(crate) fn size(self) -> u32 {
        1 << self.shift
    }

    /// Descriptors in the ring: a power of two.
    pub(crate) fn count(self) -> u32 {
        (RX * BUFFER) >> self.shift
    }

    /// Descriptor `index`, bounded.
    pub(crate) fn bounded(self, index: u32) -> u32 {
        index & (self.count() - 1)
    }

    /// Where its buffer is.
    pub(crate) fn buffer(self, index: u32) -> u32 {
        BUFFERS_PLACE + (self.bounded(index) << self.shift)
    }

    /// The descriptor behind it.
    pub(crate) fn next(self, index: u32) -> u32 {
        step(index, self.count())
    }

    /// First word that gives it to the chip.
    pub(crate) fn empty(self, index: u32) -> u32 {
        OWN | self.size() | if index == self.count() - 1 { EOR } else { 0 }
    }

    /// Reads its first word.
    pub(crate) fn received(self, word: u32) -> Received {
        let length = word & LENGTH;
        if word & OWN != 0 {
            Received::Nothing
        } else if word & (FS | LS) == FS | LS && word & ERRORS == 0 && (self.shortest..=self.longest).contains(&length)
        {
            Received::Frame(length)
        } else {
            Received::Bad
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MTU, bytes of a buffer, buffers.
    const ROOMS: [(u32, u32, u32); 6] = [
        (1500, 2048, 256),
        (2026, 2048, 256),
        (2027, 4096, 128),
        (4074, 4096, 128),
        (4075, 8192, 64),
        (7146, 8192, 64),
    ];

    #[test]
    fn a_buffer_holds_the_longest_frame() {
        for (mtu, size, count) in ROOMS {
            let room = Room::of(mtu, 0);
            assert_eq!((room.size(), room.count()), (size, count));
            assert!(room.longest <= size && room.longest == mtu + 22);
        }
        assert_eq!(Room::of(u32::MAX, 0).size(), 8192, "whatever stands in the state");
    }

    #[test]
    fn everything_lies_in_its_place() {
        const { assert!(TURN + 4 <= BUFFERS_PLACE && BYTES <= 1 << 20) };
        assert!(TX_PLACE.is_multiple_of(256) && BUFFER.is_multiple_of(8));
        for index in [0, 1, RX - 1, RX, u32::MAX] {
            assert!(rx_place(index) + DESCRIPTOR <= TX_PLACE);
            for room in ROOMS.map(|(mtu, ..)| Room::of(mtu, 0)) {
                assert!(room.next(index) < room.count() && room.bounded(index) < room.count());
                assert!(room.buffer(index) >= BUFFERS_PLACE && room.buffer(index) + room.size() <= BYTES);
            }
            let place = tx_place(index as usize);
            assert!(place >= TX_PLACE && place + DESCRIPTOR <= BUFFERS_PLACE);
        }
    }

    /// Every combination of flags, and lengths at all edges: what is delivered lies within its buffer.
    #[test]
    fn no_word_leads_outside() {
        let mut frames = 0;
        for flags in 0..1_u32 << 18 {
            for length in [0, 4, 59, 60, 63, 64, 65, 1522, 1523, 2048, 2049, 4096, 4097, 7168, 7169, 0x3fff] {
                let word = flags << 14 | length;
                let good = word & 0xb000_0000 == 0x3000_0000 && word & 0x0078_0000 == 0;
                for (mtu, vlan, lengths) in [(1500, 0, 64..=1522), (1500, 5, 60..=1522), (7146, 0, 64..=7168)] {
                    let expected = match word >> 31 {
                        1 => Received::Nothing,
                        _ if good && lengths.contains(&length) => Received::Frame(length),
                        _ => Received::Bad,
                    };
                    assert_eq!(Room::of(mtu, vlan).received(word), expected, "{word:#x}");
                    frames += u32::from(matches!(expected, Received::Frame(_)));
                }
            }
        }
        assert!(frames > 0);
    }

    #[test]
    fn tags_are_in_the_order_of_the_wire() {
        assert_eq!([tag(0), tag(5), tag(0x123)], [0, 0x2_0500, 0x2_2301]);
        assert!(is_of_vlan(0, 0) && is_of_vlan(u32::MAX, 0));
        assert!(is_of_vlan(0x1_2301, 0x123) && is_of_vlan(0x1_23e1, 0x123), "whatever its priority");
        assert!(!is_of_vlan(0x1_2301, 0x124) && !is_of_vlan(0x2301, 0x123) && !is_of_vlan(0x1_0000, 0x123));
    }

    #[test]
    fn only_the_last_ends_the_ring() {
        for (mtu, size, count) in ROOMS {
            let room = Room::of(mtu, 0);
            for index in 0..count {
                assert_eq!(room.empty(index), OWN | size | if index == count - 1 { EOR } else { 0 });
                assert_eq!(room.received(room.empty(index)), Received::Nothing);
            }
        }
        for index in 0..TX as usize {
            assert_eq!(send(index, 60) & EOR != 0, index == 63);
            assert_eq!(send(index, 1518) & LENGTH, 1518);
            assert!(!is_sent(send(index, 60)) && is_sent(send(index, 60) & !OWN) && is_sent(unused(index)));
        }
    }
}
