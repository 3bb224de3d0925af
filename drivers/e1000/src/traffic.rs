//! Walking the rings: what the chip is done with. See `ring.rs` for what may be written when.

use udrv_driver::{Cx, Error};

use crate::regs;
use crate::ring::{self, Cursor, Received};
use crate::state::State;

/// Gives back the buffers of what the chip has sent, oldest first: it serves its descriptors in turn.
///
/// DD is read in memory and not TDH in the chip: the manual does not promise that a descriptor before TDH was written
/// back, and a register read costs more than all of this.
pub(crate) fn complete_sent(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    for _ in 0..ring::TX {
        let Some((index, buffer)) = cx.state.tx.oldest() else { break };
        let Some(sent) = ring::sent(cx.dma.read_u64(cx.state.memory, ring::tx_place(index) + 8)?) else { break };
        cx.net.complete(buffer, sent)?;
        cx.state.tx.release();
        let stats = &mut cx.state.stats;
        *(if sent { &mut stats.tx_frames } else { &mut stats.tx_errors }) += 1;
    }
    Ok(())
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
                cx.net.deliver(cx.state.memory, ring::rx_buffer(index), length - ring::CRC)?;
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
