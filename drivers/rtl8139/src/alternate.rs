//! Second versions of `transmit` and `poll`: recovery blocks, for when the first fault again and again.
//!
//! Plain and slow. One frame at a time goes out, and none before it is whole in the FIFO. Nothing is set up anew here:
//! what makes no sense is an error, and the class restores the device. That costs the frame in flight, and the class
//! gives up a device that needs it all the time, where the first versions go on. Everything else is as in those: one
//! may follow the other at any call, with frames under way in both directions.
//!
//! No code is shared with the first versions, for what shares code shares its faults: only the state, with the
//! framework's transmit ring in it, and `regs.rs`, which is the datasheet. So there is arithmetic here that is also in
//! `ring.rs` and `tx.rs`; that is meant, and a test sees that it stays so.
//!
//! No places to inject faults: those are in the first versions. A fault that is armed there stays armed while these
//! run, which is what shows that they do not run into it.

use udrv_driver::{Buffer, Cx, Error, TxFrame};

use crate::regs::{self, cr, rcr, tcr, tsd};
use crate::state::{Overflow, State};

/// Bytes of the ring in which headers stand, from what RCR says (section 5.8).
const RING: u32 = 8192 << (rcr::RBLEN_32K >> rcr::RBLEN_SHIFT);

/// Early transmit threshold of a whole frame, in units of 32 bytes (section 5.2): the longest that SIZE allows.
const WHOLE: u32 = tsd::LONGEST / 32;

/// Times that an aborted frame is sent again.
const AGAIN: u32 = 3;

/// Microseconds from a header to the end of its frame: eight times what the longest takes at 10 Mbit/s.
const OVERDUE: u64 = 10_000;

/// Instead of `transmit`: a frame goes when the one before it is completed.
pub(crate) fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    if cx.state.opened == 0 {
        return Err(Error::NotReady);
    }
    if frame.length > tsd::LONGEST {
        return Err(Error::Unsupported);
    }
    if cx.state.tx.ring.used() != 0 {
        return Err(Error::Busy);
    }
    let slot = cx.state.tx.ring.next();
    cx.regs.write(regs::TSAD[slot], frame.bus_address)?;
    cx.net.keep(frame)?;
    cx.state.tx.ring.claim(frame.buffer);
    // another threshold in each lap shows that the slot was handed over
    let threshold = WHOLE + cx.state.tx.lap % 4;
    if slot == 3 {
        cx.state.tx.lap = (cx.state.tx.lap % 4 + 1) % 4;
    }
    cx.regs.write(regs::TSD[slot], threshold << tsd::ERTXTH_SHIFT | frame.length)
}

/// Instead of `poll`. It takes what is in the ring up to the budget, as the first does: to the class fewer means that
/// there are no more, and the rest would lie there until the next interrupt.
pub(crate) fn poll(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    if cx.state.opened == 0 {
        return Ok(0);
    }
    while let Some((slot, buffer)) = cx.state.tx.ring.oldest()
        && complete(cx, slot, buffer)?
    {}
    let received = receive(cx, budget)?;
    if received != 0 {
        // CAPR is 16 less than the place it means (section 5)
        let place = if cx.state.cursor < 16 { cx.state.cursor + 0x1_0000 } else { cx.state.cursor };
        cx.regs.write(regs::CAPR, (place - 16) as u16)?;
    }
    if cx.state.overflow == Overflow::SEEN {
        cx.state.overflow = Overflow::DRAINED;
    }
    cx.state.stats.rx_frames += u64::from(received);
    Ok(received)
}

/// Gives the buffer of the oldest slot back if it was sent; says whether it was. Bits of TSD: section 5.2.
fn complete(cx: &mut Cx<'_, State>, slot: usize, buffer: Buffer) -> Result<bool, Error> {
    let status = cx.regs.read(regs::TSD[slot])?;
    if status == u32::MAX {
        return Err(Error::Gone);
    }
    if status & tsd::RESERVED != 0 {
        return Err(Error::Nonsense { register: regs::TSD[slot].offset(), value: status });
    }
    if status & tsd::TABT != 0 {
        return send_again(cx, slot, status).map(|()| false);
    }
    // OWN: it was read. One of the others: it was sent, with TUN at the second attempt
    if status & tsd::OWN == 0 || status & (tsd::TOK | tsd::TUN) == 0 {
        return Ok(false);
    }
    cx.net.complete(buffer, true)?;
    cx.state.tx.ring.release();
    cx.state.tx.retries = 0;
    cx.state.tx.abort_reported = 0;
    if status & tsd::TUN != 0 {
        cx.state.tx.early = WHOLE;
    }
    cx.state.stats.tx_frames += 1;
    cx.state.stats.collisions += u64::from(status >> tsd::NCC_SHIFT & tsd::NCC_MASK);
    Ok(true)
}

/// The transmitter stands at an aborted frame until TCR.CLRABT (section 5.7). TABT may stay after that, so it counts
/// again only when `interrupt` has seen a new one.
fn send_again(cx: &mut Cx<'_, State>, slot: usize, status: u32) -> Result<(), Error> {
    if cx.state.tx.retries != 0 && cx.state.tx.abort_reported == 0 {
        return Ok(());
    }
    if cx.state.tx.retries >= AGAIN {
        return Err(Error::Nonsense { register: regs::TSD[slot].offset(), value: status });
    }
    cx.state.tx.retries += 1;
    cx.state.tx.abort_reported = 0;
    cx.regs.write(regs::TCR, tcr::RUN | tcr::CLRABT)
}

/// Delivers frames from the ring. Header: status in the low half, length with CRC in the high half (section 5.1).
fn receive(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    let command = cx.regs.read(regs::CR)?;
    if command == cr::NOBODY {
        return Err(Error::Gone);
    }
    if command & cr::BUFE != 0 {
        return Ok(0);
    }
    let end = u32::from(cx.regs.read(regs::CBR)?) % RING;
    let mut received = 0;
    while received < budget {
        let at = cx.state.cursor;
        let header = cx.dma.read_u32(cx.state.ring, at)?;
        let length = header >> 16;
        // ROK alone of the six bits that judge; 64 to 1518 bytes, and a VLAN tag
        let good = header & 0x3f == 0x01 && (64..=1522).contains(&length);
        // behind header, frame and CRC, at a multiple of four; what lies behind the ring's end continues at its start
        let next = (at + 4 + length + 3) & !3;
        let there = if end >= at { end } else { end + RING };
        if good && next <= there {
            cx.net.deliver(cx.state.ring, at + 4, length - 4)?;
            cx.state.cursor = if next >= RING { next - RING } else { next };
            cx.state.waiting = 0;
            received += 1;
            continue;
        }
        // 0xfff0 stands there while the chip writes the frame
        let unfinished = good || length == 0xfff0;
        // frames before it go up first: restoring lets the chip write over them
        if received != 0 || unfinished && in_time(cx)? {
            break;
        }
        cx.state.stats.rx_errors += 1;
        cx.state.stats.rx_resets += 1;
        cx.state.waiting = 0;
        return Err(Error::Nonsense { register: at as u16, value: header });
    }
    Ok(received)
}

/// Whether the frame at the cursor may still be under way.
fn in_time(cx: &mut Cx<'_, State>) -> Result<bool, Error> {
    let now = cx.clock.now()?;
    if cx.state.waiting == 0 {
        cx.state.waiting = now;
    }
    Ok(now <= cx.state.waiting.saturating_add(OVERDUE))
}
