//! Where everything lies in DMA memory, and what stands in descriptors and behind received frames.
//!
//! No registers and no memory here: numbers in, numbers out.
//!
//! ```text
//!  0         256         1280        1312      1536      1792     4096       36864
//!  | receive | transmit  | interrupt | packets | headers | unused | buffers  |
//! ```
//!
//! A frame to send is a transfer of two descriptors: its length in two bytes, for which each descriptor has a place of its
//! own among the headers, and the frame. The chip knows the end of a transfer by a short packet. One whose last packet would
//! be full has a third descriptor with a byte of 0, which lies behind the length. Some chips go by the length and send what it
//! says; others go by what comes, and then this byte reaches the wire, behind the frame. So it must be none that says something.
//!
//! A received transfer is the frame, its CRC, and four bytes: twelve bits of length, a status, and a byte that means nothing.
//! Of the length some say that it counts these four too, and some that it does not. Drivers that do not look at it go by the
//! transfer, and so does this one; a transfer that is neither length has lost something.

use udrv_driver::Error;
use udrv_driver::ring::step;
use udrv_driver::usb::{CHAIN, DESCRIPTOR_BYTES, OWN, status};

/// Numbers of the rings.
pub(crate) const RX_RING: usize = 0;
pub(crate) const TX_RING: usize = 1;
pub(crate) const INTERRUPT_RING: usize = 2;

/// Receive descriptors.
pub(crate) const RX: u32 = 16;
/// Transmit descriptors, two or three a frame.
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
pub(crate) const HEADER_BYTES: u32 = 2;
/// Bytes behind one that would end with a full packet.
pub(crate) const PAD_BYTES: u32 = 1;
/// Bytes of a bulk packet: 64, or a multiple on a faster bus.
const BULK: u32 = 64;
/// Bytes behind a received frame, CRC and status.
const CRC: u32 = 4;
const STATUS: u32 = 4;
/// The longest frame, with VLAN tag and without CRC.
pub(crate) const LONGEST: u32 = 1518;
/// The shortest, without CRC.
const SHORTEST: u32 = 60;

/// In the third byte behind a frame: too short, CRC, alignment. That it is long is no error: it may have a VLAN tag.
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

/// Where the length of a frame stands whose first descriptor is `index`, and behind it a byte of 0.
pub(crate) fn header(index: usize) -> u32 {
    HEADERS_PLACE + index as u32 % TX * 4
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
    /// The endpoint does not work any more, and why.
    Broken(Error),
}

/// See there. `room`: bytes that it could be, at most.
pub(crate) fn told(words: u64, room: u32) -> Told {
    let (length, control) = (words as u32, (words >> 32) as u32);
    match control & !OWN & !CHAIN {
        _ if control & OWN != 0 => Told::Nothing,
        status::DONE if length <= room => Told::Done(length),
        status::DONE | status::OVERFLOW => Told::Bad,
        status::GONE => Told::Broken(Error::Gone),
        _ => Told::Broken(Error::Bus),
    }
}

/// Descriptors of a frame of `length` bytes to send.
pub(crate) fn descriptors(length: u32) -> u32 {
    if (HEADER_BYTES + length).is_multiple_of(BULK) { 3 } else { 2 }
}

/// Where in a transfer of `bytes` its status begins; `None` if it is too short to have one.
pub(crate) fn status_at(bytes: u32) -> Option<u32> {
    bytes.checked_sub(STATUS)
}

/// The length of the frame that a transfer of `bytes` begins with; `None`: there is none, or a bad one. `last` is the word at
/// [`status_at`].
pub(crate) fn frame(bytes: u32, last: u32) -> Option<u32> {
    let (length, counted) = (bytes.checked_sub(CRC + STATUS)?, last & 0xfff);
    let is_whole = counted == bytes || counted + STATUS == bytes;
    let is_good = is_whole && last >> 16 & RX_ERRORS == 0;
    (is_good && (SHORTEST..=LONGEST).contains(&length)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_in_its_place() {
        const { assert!(INTERRUPT_PLACE == 1280 && PACKETS_PLACE == 1312 && BUFFERS_PLACE + RX * BUFFER == BYTES) };
        const { assert!(PACKETS_PLACE + INTERRUPTS * PACKET <= HEADERS_PLACE && HEADERS_PLACE + TX * 4 <= 1792) };
        for index in [0, 1, RX - 1, RX, TX - 1, TX, u32::MAX] {
            assert!(rx_place(index) < TX_PLACE && buffer(index) >= BUFFERS_PLACE && buffer(index) + BUFFER <= BYTES);
            assert!((TX_PLACE..INTERRUPT_PLACE).contains(&tx_place(index as usize)));
            assert!((HEADERS_PLACE..1792).contains(&header(index as usize)) && next(index) < RX);
            assert!((INTERRUPT_PLACE..PACKETS_PLACE).contains(&interrupt_place(index)));
            assert!((PACKETS_PLACE..HEADERS_PLACE).contains(&packet(index)));
        }
    }

    #[test]
    fn the_last_packet_is_short() {
        for length in SHORTEST..=LONGEST {
            let pad = (descriptors(length) - 2) * PAD_BYTES;
            assert!(!(HEADER_BYTES + length + pad).is_multiple_of(64), "{length}");
        }
        assert_eq!([60, 61, 62, 63, 126].map(descriptors), [2, 2, 3, 2, 3]);
        const { assert!(HEADER_BYTES + PAD_BYTES <= 4) };
    }

    #[test]
    fn what_a_controller_can_say() {
        let words = |length: u32, control: u32| u64::from(length) | u64::from(control) << 32;
        assert_eq!(told(words(64, OWN), 2048), Told::Nothing);
        assert_eq!(told(words(64, OWN | status::DONE), 2048), Told::Nothing);
        assert_eq!(told(words(64, status::DONE), 2048), Told::Done(64));
        assert_eq!(told(words(2049, status::DONE), 2048), Told::Bad);
        assert_eq!(told(words(0, status::OVERFLOW), 2048), Told::Bad);
        assert_eq!(told(words(64, status::GONE), 2048), Told::Broken(Error::Gone));
        for broken in [status::NONE, status::STALLED, status::CANCELLED, status::FAILED, status::REFUSED, 99] {
            assert_eq!(told(words(64, broken), 2048), Told::Broken(Error::Bus), "{broken}");
        }
    }

    /// Every length that the chip can claim in transfers of every length: what is delivered lies within.
    #[test]
    fn no_length_leads_outside() {
        let mut frames = 0;
        for bytes in 0..=BUFFER {
            for claimed in 0..0x1000 {
                if let Some(length) = frame(bytes, claimed) {
                    assert!((60..=1518).contains(&length) && length + CRC + STATUS == bytes);
                    assert!(claimed == bytes || claimed + STATUS == bytes);
                    frames += 1;
                }
            }
        }
        assert_eq!(frames, 2 * 1459);
        assert_eq!((frame(68, 64), frame(68, 68), frame(68, 67)), (Some(60), Some(60), None));
        assert_eq!((frame(67, 63), frame(1526, 1522), frame(1527, 1523)), (None, Some(1518), None));
        for (error, is_error) in [(1, false), (2, false), (4, true), (8, true), (16, true)] {
            assert_eq!(frame(68, 64 | error << 16).is_none(), is_error, "{error}");
        }
        assert_eq!((status_at(3), status_at(4)), (None, Some(0)));
    }
}
