//! Second versions of `transmit` and `poll`: recovery blocks, for when the first fault again and again.
//!
//! Plain and slow: one frame at a time goes out. Everything else is as in the first: one may follow the other at any
//! call, with frames under way in both directions.
//!
//! No code is shared with the first versions, for what shares code shares its faults: only the state, with the
//! framework's transmit ring in it, and `regs.rs`, which is the datasheet. So there is arithmetic here that is also in
//! `ring.rs` and `traffic.rs`; that is meant, and a test sees that it stays so. What may be written into descriptors,
//! and when, is told in `ring.rs`.
//!
//! No places to inject faults: those are in the first versions. A fault that is armed there stays armed while these
//! run, which is what shows that they do not run into it.

use udrv_driver::{Cx, Error, TxFrame};

use crate::regs;
use crate::state::State;

/// Where the transmit ring begins: behind 256 receive descriptors of 16 bytes.
const SEND: u32 = 0x1000;
/// Where the count of what has moved a ring stands: behind 64 transmit descriptors.
const COUNT: u32 = 0x1400;
/// Where the buffers begin.
const ROOM: u32 = 0x2000;

/// Instead of `transmit`: a frame goes when the one before it is completed. OWN, FS and LS are the bits 31, 29 and 28,
/// EOR is bit 30.
pub(crate) fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    if cx.state.opened == 0 {
        return Err(Error::NotReady);
    }
    if frame.length > cx.state.mtu + 18 {
        return Err(Error::Unsupported);
    }
    if cx.state.tx.used() != 0 {
        return Err(Error::Busy);
    }
    let index = cx.state.tx.next() as u32;
    let place = SEND + 16 * index;
    let end = if index == 63 { 0x4000_0000 } else { 0 };
    // TAGC, and the tag in the order of the wire
    let [high, low] = (cx.state.vlan as u16).to_be_bytes();
    let tag = if cx.state.vlan == 0 { 0 } else { u32::from_le_bytes([high, low, 2, 0]) };
    cx.dma.write_u32(cx.state.memory, place + 4, tag)?;
    cx.dma.write_u64(cx.state.memory, place + 8, frame.bus_address.into())?;
    cx.net.keep(frame)?;
    cx.state.tx.claim(frame.buffer);
    cx.dma.hand_over(cx.state.memory, place, 0xb000_0000 | end | frame.length)?;
    cx.state.turn = cx.state.turn.wrapping_add(1);
    cx.dma.hand_over(cx.state.memory, COUNT, cx.state.turn as u32)?;
    cx.regs.write(regs::TPPOLL, 0x40)
}

/// Instead of `poll`. It takes what is in the ring up to the budget, as the first does: to the class fewer means that
/// there are no more, and the rest would lie there until the next interrupt.
pub(crate) fn poll(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    if cx.state.opened == 0 {
        return Ok(0);
    }
    let before = cx.state.stats.tx_frames;
    while let Some((index, buffer)) = cx.state.tx.oldest() {
        if cx.dma.read_u32(cx.state.memory, SEND + 16 * index as u32)? >> 31 != 0 {
            break;
        }
        cx.net.complete(buffer, true)?;
        cx.state.tx.release();
        cx.state.stats.tx_frames += 1;
    }
    // what rings while a frame ends may be lost
    if cx.state.stats.tx_frames != before && cx.state.tx.used() != 0 {
        cx.regs.write(regs::TPPOLL, 0x40)?;
    }
    let (mut received, mut looked) = (0, 0);
    let longest = cx.state.mtu + 22;
    // buffers, and bytes of each
    let (count, size) = match longest {
        0..=2048 => (256, 2048),
        2049..=4096 => (128, 4096),
        _ => (64, 8192),
    };
    while received < budget && looked < count {
        let index = cx.state.next % count;
        let words = cx.dma.read_u64(cx.state.memory, 16 * index)?;
        let (word, [high, low, flags, _]) = (words as u32, ((words >> 32) as u32).to_le_bytes());
        if word >> 31 != 0 {
            break;
        }
        let length = word % 0x4000;
        let (vlan, shortest) = if cx.state.vlan == 0 { (0, 64) } else { (cx.state.vlan, 60) };
        let is_whole = word >> 28 & 3 == 3;
        // none of RWT, RES, RUNT and CRC
        if !is_whole || word >> 19 & 0xf != 0 || !(shortest..=longest).contains(&length) {
            cx.state.stats.rx_errors += 1;
        } else if vlan == 0 || flags & 1 != 0 && u32::from(u16::from_be_bytes([high, low]) % 4096) == vlan {
            cx.net.deliver(cx.state.memory, ROOM + size * index, length - 4)?;
            received += 1;
        }
        if vlan != 0 {
            cx.dma.hand_over(cx.state.memory, 16 * index + 4, 0)?;
        }
        let back = if index == count - 1 { 0xc000_0000 | size } else { 0x8000_0000 | size };
        cx.dma.hand_over(cx.state.memory, 16 * index, back)?;
        cx.state.next = (index + 1) % count;
        looked += 1;
    }
    cx.state.stats.rx_frames += u64::from(received);
    if looked != 0 || cx.state.stats.tx_frames != before {
        cx.state.turn = cx.state.turn.wrapping_add(1);
        cx.dma.hand_over(cx.state.memory, COUNT, cx.state.turn as u32)?;
    }
    Ok(received)
}
