//! Walking the rings: what the chip is done with. See `ring.rs` for what is written when.

use udrv_driver::{Cx, Error};

use crate::regs::{self, tppoll};
use crate::ring::{self, Received};
use crate::state::State;

/// Gives back the buffers of what the chip has sent, and says of how many frames.
///
/// If there are more it is told so again: a TPPOLL that comes while it ends a frame is lost on some of these chips.
pub(crate) fn complete_sent(cx: &mut Cx<'_, State>) -> Result<u32, Error> {
    let sent = give_back_sent(cx)?;
    if sent != 0 && cx.state.tx.used() != 0 {
        cx.regs.write(regs::TPPOLL, tppoll::NPQ)?;
    }
    Ok(sent)
}

/// The same of a chip that is not told anything.
pub(crate) fn give_back_sent(cx: &mut Cx<'_, State>) -> Result<u32, Error> {
    let (dma, memory) = (cx.dma, cx.state.memory);
    cx.state.tx.complete(cx.net, &mut cx.state.stats, |index| {
        let word = dma.read_u32(memory, ring::tx_place(index))?;
        Ok(ring::is_sent(word).then_some(true))
    })
}

/// Delivers at most `budget` frames and gives their descriptors back. Bad frames are dropped on the way.
pub(crate) fn receive(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    let (mut received, room, vlan) = (0, cx.state.room(), cx.state.vlan);
    // no further than once around: what is given back reads as it was until the commit
    for _ in 0..room.count() {
        if received == budget {
            break;
        }
        let index = room.bounded(cx.state.next);
        // both at once: the tag is of the same frame as the length
        let words = cx.dma.read_u64(cx.state.memory, ring::rx_place(index))?;
        match room.received(words as u32) {
            Received::Nothing => break,
            Received::Frame(_) if !ring::is_of_vlan((words >> 32) as u32, vlan) => {}
            Received::Frame(length) => {
                cx.net.deliver(cx.state.memory, room.buffer(index), length - ring::CRC)?;
                received += 1;
            }
            Received::Bad => cx.state.stats.rx_errors += 1,
        }
        if vlan != 0 {
            cx.dma.hand_over(cx.state.memory, ring::rx_place(index) + 4, 0)?;
        }
        cx.dma.hand_over(cx.state.memory, ring::rx_place(index), room.empty(index))?;
        cx.state.next = room.next(index);
    }
    Ok(received)
}
