//! Where everything lies in DMA memory, and what stands in descriptors and behind received frames.
//!
//! No registers and no memory here: numbers in, numbers out.
//!
//! ```text
//!  0         256         1280        1312      1536                4096       36864
//!  | receive | transmit  | interrupt | packets | headers | unused  | buffers  |
//! ```
//!
//! A frame to send is a transfer of two descriptors: its length in two bytes, of which each descriptor pair has a place of its own
//! among the headers, and the frame. A transfer whose last packet would be full is a byte longer: the chip knows its end by a
//! short packet, and how much of it is the frame by the length before it.
//!
//! A received transfer is the frame, its CRC, and four bytes: twelve bits of length with CRC, and a status. An ADM8513 has
//! the length in two bytes before the frame, without the CRC.

use udrv_driver::ring::step;
use udrv_driver::usb::{CHAIN, DESCRIPTOR_BYTES, OWN, status};

/// Numbers of the rings.
pub(crate) const RX_RING: usize = 0;
pub(crate) const TX_RING: usize = 1;
pub(crate) const INTERRUPT_RING: usize = 2;

/// Receive descriptors.
pub(crate) const RX: u32 = 16;
/// Transmit descriptors, two a frame.
pub(crate) const TX: u32 = 64;
/// Descriptors for interrupt packets.
pub(crate) const INTERRUPTS: u32 = 2;

pub(crate) const TX_PLACE: u32 = RX * DESCRIPTOR_BYTES;
pub(crate) const INTERRUPT_PLACE: u32 = TX_PLACE + TX * DESCRIPTOR_BYTES;
/// Where interrupt packets go, and how long they are.
const PACKETS_PLACE: u32 = INTERRUPT_PLACE + INTERRUPTS * DESCRIPTOR_BYTES;
pub(crate) const PACKET: u32 = 8;
const HEADERS_PLACE: u32 = 1536;
const BUFFERS_PLACE: u32 = 4096;
/// Bytes of a receive buffer: a frame of 1518 bytes with VLAN tag and CRC, status and length around it, whole packets.
pub(crate) const BUFFER: u32 = 2048;
/// Bytes of all of it.
pub(crate) const BYTES: u32 = BUFFERS_PLACE + RX * BUFFER;
pub(crate) const ALIGNMENT: u32 = 4096;

/// Bytes before a frame to send.
const LENGTH_BYTES: u32 = 2;
/// Bytes behind a received one, CRC and status.
const CRC: u32 = 4;
const STATUS: u32 = 4;
/// Bytes of a bulk packet.
const BULK: u32 = 64;
/// The longest frame, with VLAN tag and without CRC.
const LONGEST: u32 = 1518;
/// The shortest, without CRC.
const SHORTEST: u32 = 60;

/// In the third byte behind a frame: too long or short, CRC, alignment.
const RX_ERRORS: u32 = 0x1c;

/// Where descriptor `index` of the receive ring is.
pub(crate) fn rx_place(index: u32) -> u32 {
    index % RX * DESCRIPTOR_BYTES
}

/// Where its buffer is.
pub(crate) fn buffer(index: u32) -> u32 {
    BUFFERS_PLACE + index % RX * BUFFER
}

/// The receive descriptor behind `index`.
pub(crate) fn next(index: u32) -> u32 {
    step(index, RX)
}

/// Where descriptor `index` of the transmit ring is.
pub(crate) fn tx_place(index: usize) -> u32 {
    TX_PLACE + index as u32 % TX * DESCRIPTOR_BYTES
}

/// Where the length of a frame stands whose first descriptor is `index`.
pub(crate) fn header(index: usize) -> u32 {
    HEADERS_PLACE + index as u32 % TX / 2 * 4
}

/// Where descriptor `index` of the interrupt ring is, and where its packet.
pub(crate) fn interrupt_place(index: u32) -> u32 {
    INTERRUPT_PLACE + index % INTERRUPTS * DESCRIPTOR_BYTES
}

/// See there.
pub(crate) fn packet(index: u32) -> u32 {
    PACKETS_PLACE + index % INTERRUPTS * PACKET
}

/// Words 0 and 1 of a descriptor.
pub(crate) fn place(address: u32, length: u32) -> u64 {
    u64::from(address) | u64::from(length) << 32
}

/// Words 2 and 3, as the controller has left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is the controller's.
    Nothing,
    /// So many bytes.
    Done(u32),
    /// Something was wrong with this transfer alone.
    Bad,
    /// The endpoint does not work.
    Broken,
}

/// See there. `room`: bytes that it could be, at most.
pub(crate) fn told(words: u64, room: u32) -> Told {
    let (length, control) = (words as u32, (words >> 32) as u32);
    match control & !OWN & !CHAIN {
        _ if control & OWN != 0 => Told::Nothing,
        status::DONE if length <= room => Told::Done(length),
        status::DONE | status::OVERFLOW => Told::Bad,
        _ => Told::Broken,
    }
}

/// Bytes to transfer of a frame of `length` bytes, without those before it.
pub(crate) fn padded(length: u32) -> u32 {
    if (length + LENGTH_BYTES).is_multiple_of(BULK) { length + 1 } else { length }
}

/// What stands before a frame.
pub(crate) const HEADER_BYTES: u32 = LENGTH_BYTES;

/// Where in a transfer of `bytes` its status begins; `None` if it is too short to have one.
pub(crate) fn status_at(bytes: u32) -> Option<u32> {
    bytes.checked_sub(STATUS)
}

/// The frame in a transfer: where it begins and its length. `None`: there is none, or a bad one. `first` is the first word of
/// the transfer, `last` the one at [`status_at`].
pub(crate) fn frame(bytes: u32, first: u32, last: u32, length_first: bool) -> Option<(u32, u32)> {
    if last >> 16 & RX_ERRORS != 0 {
        return None;
    }
    let (at, length, behind) = if length_first {
        (LENGTH_BYTES, first & 0xfff, STATUS)
    } else {
        (0, (last & 0xfff).checked_sub(CRC)?, CRC + STATUS)
    };
    let fits = at + length + behind <= bytes;
    (fits && (SHORTEST..=LONGEST).contains(&length)).then_some((at, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_in_its_place() {
        const { assert!(INTERRUPT_PLACE == 1280 && PACKETS_PLACE == 1312 && BUFFERS_PLACE + RX * BUFFER == BYTES) };
        const {
            assert!(PACKETS_PLACE + INTERRUPTS * PACKET <= HEADERS_PLACE && HEADERS_PLACE + TX / 2 * 4 <= BUFFERS_PLACE)
        };
        for index in [0, 1, RX - 1, RX, TX - 1, TX, u32::MAX] {
            assert!(rx_place(index) < TX_PLACE && buffer(index) >= BUFFERS_PLACE && buffer(index) + BUFFER <= BYTES);
            assert!((TX_PLACE..INTERRUPT_PLACE).contains(&tx_place(index as usize)));
            assert!((HEADERS_PLACE..BUFFERS_PLACE).contains(&header(index as usize)) && next(index) < RX);
            assert!((INTERRUPT_PLACE..PACKETS_PLACE).contains(&interrupt_place(index)));
            assert!((PACKETS_PLACE..HEADERS_PLACE).contains(&packet(index)));
        }
    }

    #[test]
    fn the_last_packet_is_short() {
        for length in 60..=1518 {
            let all = padded(length) + HEADER_BYTES;
            assert!(!all.is_multiple_of(64) && padded(length) - length <= 1, "{length}");
        }
        assert_eq!((padded(60), padded(62), padded(126)), (60, 63, 127));
    }

    #[test]
    fn what_a_controller_can_say() {
        let words = |length: u32, control: u32| u64::from(length) | u64::from(control) << 32;
        assert_eq!(told(words(64, OWN), 2048), Told::Nothing);
        assert_eq!(told(words(64, OWN | status::DONE), 2048), Told::Nothing);
        assert_eq!(told(words(64, status::DONE), 2048), Told::Done(64));
        assert_eq!(told(words(2049, status::DONE), 2048), Told::Bad);
        assert_eq!(told(words(0, status::OVERFLOW), 2048), Told::Bad);
        for broken in [status::NONE, status::STALLED, status::CANCELLED, status::GONE, status::FAILED, 99] {
            assert_eq!(told(words(64, broken), 2048), Told::Broken, "{broken}");
        }
    }

    /// Every length that the chip can claim in transfers of every length: what is delivered lies within.
    #[test]
    fn no_length_leads_outside() {
        let mut frames = 0;
        for bytes in 0..=BUFFER {
            for claimed in (0..0x1000).step_by(7) {
                for (first, last, length_first) in [(0, claimed, false), (claimed, 0, true)] {
                    if let Some((at, length)) = frame(bytes, first, last, length_first) {
                        assert!(at + length + STATUS <= bytes && length >= 60);
                        frames += 1;
                    }
                }
            }
        }
        assert!(frames > 1000);
        assert_eq!(frame(68, 0, 64, false), Some((0, 60)));
        assert_eq!(frame(66, 60, 0, true), Some((2, 60)));
        assert_eq!(frame(67, 0, 64, false), None, "not all of it is there");
        for error in [4, 8, 16] {
            assert_eq!(frame(68, 0, 64 | error << 16, false), None);
        }
        assert_eq!((status_at(3), status_at(4)), (None, Some(0)));
    }
}
