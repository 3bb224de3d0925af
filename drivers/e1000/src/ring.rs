//! Descriptor rings: where they lie, what stands in them, and whose a descriptor is.
//!
//! No registers and no memory here: numbers in, numbers out, so that every word a chip can write has been tried.
//!
//! ```text
//!  0           4096        5120      8192                                 8192 + 256 * 2048
//!  | receive   | transmit  | unused  | buffer 0 | buffer 1 | ...          | seven spare ones |
//! ```
//!
//! Descriptors are those of the legacy format, sections 3.2.3 and 3.3.3, 16 bytes: the bus address, and a second word
//! with length, commands and status. Receive descriptor n has buffer n for good.
//!
//! A frame longer than a buffer takes several descriptors, and fills each buffer but the last: so it lies in one piece,
//! whatever the MTU, and memory for long frames is memory for short ones. Only where it goes on in buffer 0 it does not;
//! then that part is copied into the spare buffers. A poll meets that once at most, for it sees each descriptor once.
//!
//! # Memory is not rolled back
//!
//! An abort puts back the state and drops the doorbells. What a failed call has written into a descriptor stays. So a
//! call may write only into descriptors that nobody reads until the doorbell of a call that committed, and only what
//! the next attempt can do without:
//!
//! - **Transmit.** A descriptor is filled at the tail. The chip does not look behind its tail, and the tail moves on
//!   commit. If the call fails, the next one fills the same descriptor. DD, by which a frame is known to be sent, is
//!   only read; it is wiped by whoever fills the descriptor again, and that is after the call that completed the frame
//!   has committed: only then is the descriptor free.
//! - **Receive.** DD says that a frame is there. Were it wiped by the call that delivers the frame, and that call fails,
//!   the retry would not see the frame: it would be lost, and the receiver stuck at its place. So `poll` leaves alone
//!   what it delivers, and gives back what the polls *before* it have: their frames have gone up.
//!
//! ```text
//!          tail            next                                tail
//!   chip's  |  delivered by |  full, to be delivered | empty   |
//!           |  earlier polls|  by this poll          |         |
//!           |<-- wiped and -->|                       chip's -->|
//!              given back
//! ```
//!
//! Wiping twice is wiping once: a poll that fails behind it has changed nothing that counts, for RDT is not rung and
//! the descriptors are still ours. The walk begins at `next` and ends at `tail` at the latest, so what was delivered
//! and not wiped yet, with DD set, is never taken for a new frame. What a poll delivers stays with us until the next
//! poll, which is at most its budget: 64 of 256. The chip has the rest.
//!
//! Between the frames going up and RDT being rung, both on commit, nothing is overwritten either: RDT gives back the
//! buffers of earlier polls only.
//!
//! The tail never catches up with the head: to the chip that is an empty ring. One descriptor is always ours.

use udrv_driver::AROUND_MTU;
use udrv_driver::ring::step;
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Receive descriptors.
pub(crate) const RX: u32 = 256;
/// Transmit descriptors.
pub(crate) const TX: u32 = 64;
/// Bytes of a descriptor.
pub(crate) const DESCRIPTOR: u32 = 16;
/// Bytes of a receive buffer: RCTL.BSIZE.
pub(crate) const BUFFER: u32 = 2048;

/// Where the transmit ring begins, bytes. The receive ring is at 0.
pub(crate) const TX_PLACE: u32 = RX * DESCRIPTOR;
/// Where the buffers begin, bytes: a page of their own.
pub(crate) const BUFFERS_PLACE: u32 = 8192;
/// Where the spare ones begin, bytes: behind the last.
pub(crate) const SPARE_PLACE: u32 = BUFFERS_PLACE + RX * BUFFER;
/// How many: those of the longest frame but one.
const SPARE: u32 = longest(MAX_MTU).div_ceil(BUFFER) - 1;
/// Bytes of all of it.
pub(crate) const BYTES: u32 = SPARE_PLACE + SPARE * BUFFER;
/// The chip asks for 16; a page keeps rings and buffers from straddling one.
pub(crate) const ALIGNMENT: u32 = 4096;

/// Shortest frame with CRC: IEEE 802.3. The chip drops shorter ones.
const SHORTEST: u32 = 64;
/// A VLAN tag.
const TAG: u32 = 4;
/// CRC behind a frame, bytes.
pub(crate) const CRC: u32 = 4;
/// The largest MTU, bytes: frames of 16,128 bytes with header and CRC.
pub(crate) const MAX_MTU: u32 = 16_128 - 14 - CRC;
/// The longest frame of which two fit into what PBA usually leaves for transmission, bytes.
pub(crate) const FIFO_HOLDS_TWO: u32 = 8192;

/// Longest frame with CRC, and a VLAN tag. With RCTL.LPE clear the chip drops longer ones than the usual.
pub(crate) const fn longest(mtu: u32) -> u32 {
    mtu + AROUND_MTU + CRC
}

/// Whether a frame of `length` bytes with CRC is one: without its tag it may be shorter than others.
pub(crate) fn is_frame(length: u32, mtu: u32, vlan: u32) -> bool {
    let shortest = if vlan == 0 { SHORTEST } else { SHORTEST - TAG };
    (shortest..=longest(mtu)).contains(&length)
}

/// Where the second word of receive descriptor `index` is.
pub(crate) fn rx_word(index: u32) -> u32 {
    index % RX * DESCRIPTOR + 8
}

/// Where the buffer of receive descriptor `index` is.
pub(crate) fn rx_buffer(index: u32) -> u32 {
    BUFFERS_PLACE + index % RX * BUFFER
}

/// Where transmit descriptor `index` is.
pub(crate) fn tx_place(index: usize) -> u32 {
    TX_PLACE + index as u32 % TX * DESCRIPTOR
}

/// Second word of a receive descriptor, section 3.2.3: length in bits 0 to 15, checksum, status from 32, errors from 40.
mod rx {
    /// Descriptor done.
    pub(super) const DD: u64 = 1 << 32;
    /// End of packet.
    pub(super) const EOP: u64 = 1 << 33;
    /// IXSM: the chip has not looked at checksums.
    pub(super) const IXSM: u64 = 1 << 34;
    /// VP: it has taken out a VLAN tag, whose 16 bits are from 48.
    pub(super) const VP: u64 = 1 << 35;
    /// TCPCS: it has looked at that of TCP or UDP.
    pub(super) const TCPCS: u64 = 1 << 37;
    /// TCPE and IPE: that, or the IP header's, is wrong.
    pub(super) const SUMS: u64 = 0x60 << 40;
    /// CE, SE, SEQ, CXE and RXE. Not TCPE and IPE: those are of checksums inside the frame, and for others to judge.
    pub(super) const ERRORS: u64 = 0x97 << 40;
}

/// Second word of a transmit descriptor, section 3.3.3: length, CSO, commands from bit 24, status from 32.
mod tx {
    /// End of packet, insert FCS, report status.
    pub(super) const COMMAND: u64 = (1 << 0 | 1 << 1 | 1 << 3) << 24;
    /// Descriptor done.
    pub(super) const DD: u64 = 1 << 32;
    /// VLE: put in the VLAN tag from bit 48.
    pub(super) const VLE: u64 = 1 << 30;
    /// Excess collisions, late collision, and (82544) transmit underrun: the frame did not get out.
    pub(super) const FAILED: u64 = 0b111 << 33;
}

/// What the second word of a receive descriptor says, bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// The chip has not filled it.
    Nothing,
    /// A buffer full, and the frame goes on in the next descriptor.
    Part,
    /// It goes on though the buffer is not full: no frame that can be.
    Torn,
    /// The end of a good frame: so many bytes of it are in this buffer.
    End(u32),
    /// The end of a bad one.
    Bad,
}

/// Reads it.
pub(crate) fn received(word: u64) -> Received {
    let length = word as u32 & 0xffff;
    match (is_empty(word), word & rx::EOP == 0) {
        (true, _) => Received::Nothing,
        (false, true) if length == BUFFER => Received::Part,
        (false, true) => Received::Torn,
        (false, false) if word & rx::ERRORS != 0 || length > BUFFER => Received::Bad,
        (false, false) => Received::End(length),
    }
}

/// Whether the frame that ends with this word is of `vlan`. Without one all are: tags are the host's affair.
pub(crate) fn is_of_vlan(word: u64, vlan: u32) -> bool {
    vlan == 0 || word & rx::VP != 0 && (word >> 48) as u32 & 0xfff == vlan
}

/// Whether the chip has found the checksum of TCP or UDP right.
pub(crate) fn is_checked(word: u64) -> bool {
    word & (rx::IXSM | rx::TCPCS | rx::SUMS) == rx::TCPCS
}

/// Whether the chip has not filled the receive descriptor with this second word.
pub(crate) fn is_empty(word: u64) -> bool {
    word & rx::DD == 0
}

/// The second word of a transmit descriptor for a frame of `length` bytes.
pub(crate) fn send(length: u32, vlan: u32) -> u64 {
    tx::COMMAND | u64::from(length) | tag(vlan)
}

/// What a descriptor of any kind needs for the tag of `vlan`.
pub(crate) fn tag(vlan: u32) -> u64 {
    if vlan == 0 { 0 } else { tx::VLE | u64::from(vlan) << 48 }
}

/// What became of a frame, from the second word of its descriptor: `None` if the chip is not done with it, else whether
/// it got out.
pub(crate) fn sent(word: u64) -> Option<bool> {
    (word & tx::DD != 0).then_some(word & tx::FAILED == 0)
}

/// Whose the receive descriptors are, in the state. Any two indices below [`RX`] are one that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub(crate) struct Cursor {
    /// The descriptor to look at next.
    pub(crate) next: u32,
    /// RDT: the chip has those before it, and never this one.
    pub(crate) tail: u32,
    /// 1: in the middle of a frame that takes more than one descriptor, and is dropped.
    pub(crate) inside: u32,
}

impl Cursor {
    /// All but the last are the chip's, and it begins with the first.
    pub(crate) const fn new() -> Cursor {
        Cursor { next: 0, tail: RX - 1, inside: 0 }
    }

    /// What holds between calls: see `state.rs`.
    pub(crate) fn check(self) -> Result<(), &'static str> {
        if self.next >= RX {
            Err("rx.next: no descriptor")
        } else if self.tail >= RX {
            Err("rx.tail: no descriptor")
        } else if self.inside > 1 {
            Err("rx.inside: no flag")
        } else {
            Ok(())
        }
    }

    /// The descriptor to look at next; `None` if the chip has none left that it could have filled.
    pub(crate) fn look(self) -> Option<u32> {
        (self.next != self.tail).then_some(self.next % RX)
    }

    /// Steps behind it.
    pub(crate) fn take(&mut self) {
        self.next = step(self.next, RX);
    }

    /// Where the tail may be once everything before `next` has gone up.
    pub(crate) fn tail_for(next: u32) -> u32 {
        if next == 0 { RX - 1 } else { (next - 1) % RX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_in_its_place() {
        const { assert!(TX_PLACE + TX * DESCRIPTOR <= BUFFERS_PLACE && BYTES <= 1 << 20) };
        // RCTL.LPE, and a legacy transmit descriptor
        const { assert!(longest(MAX_MTU) <= 16_384 && MAX_MTU + AROUND_MTU <= 16_288 && SPARE == 7) };
        // RDLEN and TDLEN are multiples of 128
        assert!((RX * DESCRIPTOR).is_multiple_of(128) && (TX * DESCRIPTOR).is_multiple_of(128));
        for index in [0, 1, RX - 1, RX, u32::MAX] {
            assert!(rx_word(index) + 8 <= TX_PLACE && rx_word(index).is_multiple_of(8));
            assert!(rx_buffer(index) >= BUFFERS_PLACE && rx_buffer(index) + BUFFER <= BYTES);
            let place = tx_place(index as usize);
            assert!(place >= TX_PLACE && place + DESCRIPTOR <= BUFFERS_PLACE);
        }
    }

    /// Every status, error and length: what is delivered lies within its buffer.
    #[test]
    fn no_word_leads_outside() {
        let mut frames = 0;
        for status in 0..=0xff_u64 {
            for errors in 0..=0xff_u64 {
                for length in [0, 4, 63, 64, 65, 1518, 1522, 1523, 2047, 2048, 2049, 0xffff_u64] {
                    let word = errors << 40 | status << 32 | 0xabcd << 16 | length;
                    let good = errors & 0x97 == 0 && length <= 2048;
                    let expected = match (status & 1, status & 2) {
                        (0, _) => Received::Nothing,
                        (_, 0) if length == 2048 => Received::Part,
                        (_, 0) => Received::Torn,
                        _ if good => Received::End(length as u32),
                        _ => Received::Bad,
                    };
                    assert_eq!(received(word), expected, "{word:#x}");
                    frames += u32::from(matches!(expected, Received::End(_)));
                }
            }
        }
        assert!(frames > 0);
    }

    #[test]
    fn what_a_frame_is() {
        for (mtu, vlan, lengths) in [(1500, 0, 64..=1522), (9000, 0, 64..=9022), (1500, 5, 60..=1522)] {
            assert!((0..20_000).all(|length| is_frame(length, mtu, vlan) == lengths.contains(&length)));
        }
        assert!(is_of_vlan(0, 0) && is_of_vlan(u64::MAX, 0));
        let tagged = |tci: u64| tci << 48 | 1 << 35;
        assert!(is_of_vlan(tagged(5), 5) && is_of_vlan(tagged(0xe005), 5), "whatever its priority");
        assert!(!is_of_vlan(tagged(6), 5) && !is_of_vlan(5 << 48, 5) && !is_of_vlan(tagged(0), 5));
    }

    #[test]
    fn a_checksum_is_right_only_if_all_says_so() {
        for bits in 0..1 << 16_u64 {
            let (status, errors) = (bits & 0xff, bits >> 8);
            let right = status & 0x24 == 0x20 && errors & 0x60 == 0;
            assert_eq!(is_checked(errors << 40 | status << 32 | 1514), right);
        }
    }

    #[test]
    fn what_a_transmit_descriptor_says() {
        assert_eq!([send(60, 0), send(60, 5)], [0x0b00_003c, 0x0005_0000_4b00_003c]);
        assert_eq!(sent(send(1514, 4094)), None, "what was just written is not sent");
        assert_eq!(sent(send(1514, 0) | 1 << 32), Some(true));
        for failed in [1 << 33, 1 << 34, 1 << 35_u64] {
            assert_eq!(sent(send(60, 0) | 1 << 32 | failed), Some(false));
            assert_eq!(sent(send(60, 0) | failed), None);
        }
        assert_eq!(sent(u64::MAX), Some(false));
    }

    /// Whatever was taken and given back: the chip's part and ours are disjoint, and one is always ours.
    #[test]
    fn a_descriptor_is_one_sides() {
        let mut cursor = Cursor::new();
        let mut filled = 0;
        for round in 0..1000_u32 {
            // the chip fills what it has, we take some of it
            let room = (cursor.tail + RX - (cursor.next + filled) % RX) % RX;
            filled += (round * 7 % 256).min(room);
            let start = cursor.next;
            for _ in 0..(round * 5 % 64).min(filled) {
                assert!(cursor.look().is_some());
                cursor.take();
                filled -= 1;
            }
            cursor.tail = Cursor::tail_for(start);
            assert_eq!(cursor.check(), Ok(()));
            let ours = (cursor.next + RX - cursor.tail) % RX;
            assert!((1..=64).contains(&ours), "{ours}");
        }
    }

    #[test]
    fn a_ring_that_is_all_full_ends_at_the_tail() {
        let mut cursor = Cursor::new();
        let mut taken = 0;
        while cursor.look().is_some() {
            cursor.take();
            taken += 1;
        }
        assert_eq!(taken, RX - 1);
    }

    #[test]
    fn any_bytes_are_a_cursor_that_does_not_panic() {
        for word in [0, 1, 255, 256, 0x7fff_ffff, u32::MAX] {
            let mut cursor = Cursor { next: word, tail: 3, inside: word };
            assert!(cursor.look().is_none_or(|index| index < RX));
            assert!(Cursor::tail_for(word) < RX);
            cursor.take();
            assert!(cursor.next < RX);
        }
    }
}
