//! Walking the rings: what the chip is done with. See `ring.rs` for what may be written when.

use udrv_driver::{Buffer, Cx, Error, TxFrame};

use crate::ring::{self, Cursor, Received};
use crate::state::State;
use crate::{offload, regs};

/// Puts a frame into the transmit ring, in front of whose tail it lies until TDT is rung.
pub(crate) fn send(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    if frame.offload.segment == 0 && frame.length > ring::LONGEST_SENT {
        return Err(Error::Unsupported);
    }
    if frame.offload.checksum_start == 0 {
        cx.state.tx.free_but(1).ok_or(Error::Busy)?;
        cx.net.keep(frame)?;
        return put(cx, [frame.bus_address.into(), ring::send(frame.length)], frame.buffer);
    }
    let context = offload::context(&frame).ok_or(Error::Unsupported)?;
    let pieces = offload::pieces(&frame);
    if cx.state.tx.room_but(1) < pieces + 1 {
        return Err(Error::Busy);
    }
    cx.net.keep(frame)?;
    if cx.state.context != context {
        put(cx, context, Buffer::NONE)?;
        cx.state.context = context;
    }
    for index in 0..pieces {
        let buffer = if index + 1 == pieces { frame.buffer } else { Buffer::NONE };
        put(cx, offload::piece(&frame, index), buffer)?;
    }
    Ok(())
}

/// Fills the next descriptor. Nothing of that can fail: one without a buffer would be completed some day.
fn put(cx: &mut Cx<'_, State>, [first, second]: [u64; 2], buffer: Buffer) -> Result<(), Error> {
    let place = ring::tx_place(cx.state.tx.next());
    cx.dma.write_u64(cx.state.memory, place, first)?;
    cx.dma.write_u64(cx.state.memory, place + 8, second)?;
    cx.state.tx.claim(buffer);
    Ok(())
}

/// Gives back the buffers of what the chip has sent, oldest first: it serves its descriptors in turn.
///
/// DD is read in memory and not TDH in the chip: the manual does not promise that a descriptor before TDH was written
/// back, and a register read costs more than all of this.
pub(crate) fn complete_sent(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let (dma, memory) = (cx.dma, cx.state.memory);
    let fate = |index| Ok(ring::sent(dma.read_u64(memory, ring::tx_place(index) + 8)?));
    cx.state.tx.complete(cx.net, &mut cx.state.stats, fate).map(drop)
}

/// Delivers at most `budget` frames, and gives the chip the buffers of those that were delivered before this call.
///
/// Bad frames are dropped on the way; there are no more descriptors than there are, so that ends.
pub(crate) fn receive(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    let start = cx.state.rx.next;
    let mut received = 0;
    while received < budget
        && let Some(index) = cx.state.rx.look()
    {
        let word = cx.dma.read_u64(cx.state.memory, ring::rx_word(index))?;
        match ring::received(word, cx.state.rx.inside != 0) {
            Received::Nothing => break,
            Received::Frame(length) => {
                let (place, length) = (ring::rx_buffer(index), length - ring::CRC);
                if ring::is_checked(word) {
                    cx.net.deliver_checked(cx.state.memory, place, length)?;
                } else {
                    cx.net.deliver(cx.state.memory, place, length)?;
                }
                received += 1;
            }
            Received::Part => cx.state.rx.inside = 1,
            Received::Bad => {
                cx.state.rx.inside = 0;
                cx.state.stats.rx_errors += 1;
            }
        }
        cx.state.rx.take();
    }
    give_back(cx, start)?;
    Ok(received)
}

/// Wipes the descriptors before `start`, in front of which everything has gone up, and rings for them. At the end of
/// the call, for memory that was written is not read in place any more.
fn give_back(cx: &mut Cx<'_, State>, start: u32) -> Result<(), Error> {
    let tail = Cursor::tail_for(start);
    if tail == cx.state.rx.tail {
        return Ok(());
    }
    for _ in 0..ring::RX {
        if cx.state.rx.tail == tail {
            break;
        }
        cx.dma.write_u64(cx.state.memory, ring::rx_word(cx.state.rx.tail), 0)?;
        cx.state.rx.tail = udrv_driver::ring::step(cx.state.rx.tail, ring::RX);
    }
    cx.regs.write(regs::RDT, tail)
}
