//! Second versions of `transmit` and `poll`: recovery blocks, for when the first fault again and again.
//!
//! Plain and slow: one frame at a time goes out. Everything else is as in the first: one may follow the other at any
//! call, with frames under way in both directions.
//!
//! No code is shared with the first versions, for what shares code shares its faults: only the state, with the
//! framework's transmit ring in it, and the registers of the controller. So there is arithmetic here that is also in
//! `ring.rs` and `traffic.rs`; that is meant, and a test sees that it stays so. What stands where, and why, is told in
//! `ring.rs`.
//!
//! No places to inject faults: those are in the first versions. A fault that is armed there stays armed while these
//! run, which is what shows that they do not run into it.

use udrv_driver::{Buffer, Cx, Error, TxFrame, usb};

use crate::state::State;

/// Where the transmit ring begins: behind 16 receive descriptors of 16 bytes.
const SEND: u32 = 0x100;
/// Where lengths of frames stand, each in four bytes of which two are used.
const LENGTHS: u32 = 0x600;
/// Where the receive buffers begin, of 2 KiB each.
const ROOM: u32 = 0x1000;

/// Instead of `transmit`: a frame goes when the one before it is completed. In the last word of a descriptor OWN is bit 31,
/// and bit 30 says that the next belongs to it.
pub(crate) fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    if cx.state.opened == 0 {
        return Err(Error::NotReady);
    }
    if frame.length > 1518 {
        return Err(Error::Unsupported);
    }
    if cx.state.tx.used() != 0 {
        return Err(Error::Busy);
    }
    let index = cx.state.tx.next() as u32;
    let length = LENGTHS + 4 * index;
    let length_at = cx.dma.bus_address(cx.state.memory)? + length;
    let (second, third) = (SEND + (index + 1) % 64 * 16, SEND + (index + 2) % 64 * 16);
    // the upper two bytes are those of 0 that a third descriptor sends one of
    cx.dma.write_u32(cx.state.memory, length, frame.length)?;
    cx.dma.write_u64(cx.state.memory, SEND + 16 * index, 2 << 32 | u64::from(length_at))?;
    cx.dma.write_u64(cx.state.memory, second, u64::from(frame.length) << 32 | u64::from(frame.bus_address))?;
    cx.dma.write_u64(cx.state.memory, third, 1 << 32 | u64::from(length_at + 2))?;
    cx.net.keep(frame)?;
    // two bytes and the frame would fill whole packets of 64
    let is_full = frame.length % 64 == 62;
    cx.state.tx.claim(Buffer::NONE);
    if is_full {
        cx.state.tx.claim(Buffer::NONE);
    }
    cx.state.tx.claim(frame.buffer);
    cx.dma.hand_over(cx.state.memory, SEND + 16 * index + 12, 0xc000_0000)?;
    if is_full {
        cx.dma.hand_over(cx.state.memory, second + 12, 0xc000_0000)?;
        cx.dma.hand_over(cx.state.memory, third + 12, 0x8000_0000)?;
    } else {
        cx.dma.hand_over(cx.state.memory, second + 12, 0x8000_0000)?;
    }
    cx.state.given[1] = cx.state.given[1].wrapping_add(if is_full { 3 } else { 2 });
    cx.regs.write(usb::RING_DOORBELL[1], 1)
}

/// What the last two words of a descriptor say.
enum End {
    /// Not ended yet.
    No,
    /// As it should, with so many bytes.
    Well(u32),
    /// More came than there was room for.
    Overflow,
    /// The endpoint does not go on.
    Halted(Error),
}

fn end(cx: &Cx<'_, State>, place: u32) -> Result<End, Error> {
    let words = cx.dma.read_u64(cx.state.memory, place + 8)?;
    // CHAIN may stay
    Ok(match words >> 32 & 0xbfff_ffff {
        0x8000_0000.. => End::No,
        1 => End::Well(words as u32),
        3 => End::Overflow,
        5 => End::Halted(Error::Gone),
        _ => End::Halted(Error::Bus),
    })
}

/// Instead of `poll`. It takes what is in the ring up to the budget, as the first does: to the class fewer means that
/// there are no more, and the rest would lie there until the next interrupt.
pub(crate) fn poll(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    if cx.state.opened == 0 {
        return Ok(0);
    }
    let mut wrong = None;
    while let Some((last, buffer, descriptors)) = cx.state.tx.oldest_frame() {
        let sent = match end(cx, SEND + 16 * last as u32)? {
            End::No => break,
            End::Well(_) => true,
            End::Overflow => false,
            End::Halted(error) => {
                wrong = Some(error);
                break;
            }
        };
        cx.net.complete(buffer, sent)?;
        cx.state.tx.release_many(descriptors);
        cx.state.stats.tx_frames += u64::from(sent);
        cx.state.stats.tx_errors += u64::from(!sent);
    }
    let (mut received, mut looked) = (0, 0);
    while received < budget && looked < 16 {
        let index = cx.state.next % 16;
        let bytes = match end(cx, 16 * index)? {
            End::No => break,
            End::Well(bytes) => bytes,
            End::Overflow => 0,
            End::Halted(error) => {
                wrong = Some(error);
                break;
            }
        };
        let place = ROOM + 2048 * index;
        // 60 to 1518 bytes, CRC, and four bytes: length with or without these, runt or CRC or alignment, nothing
        let good = if (68..=1526).contains(&bytes) {
            let status = cx.dma.read_u32(cx.state.memory, place + bytes - 4)?;
            matches!(bytes.wrapping_sub(status % 4096), 0 | 4) && status >> 18 & 7 == 0
        } else {
            false
        };
        if good {
            cx.net.deliver(cx.state.memory, place, bytes - 8)?;
            received += 1;
        } else {
            cx.state.stats.rx_errors += 1;
        }
        cx.dma.hand_over(cx.state.memory, 16 * index + 12, 0x8000_0000)?;
        cx.state.next = (index + 1) % 16;
        looked += 1;
    }
    if looked != 0 {
        cx.state.given[0] = cx.state.given[0].wrapping_add(looked);
        cx.regs.write(usb::RING_DOORBELL[0], 1)?;
    }
    cx.state.stats.rx_frames += u64::from(received);
    match wrong {
        Some(error) if received == 0 => Err(error),
        _ => Ok(received),
    }
}
