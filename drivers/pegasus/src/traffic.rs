//! Walking the rings: what has ended.

use udrv_driver::usb::{self, OWN};
use udrv_driver::{Cx, Error, Events};

use crate::ring::{self, INTERRUPT_RING, RX_RING, Told};
use crate::state::State;

/// In the first byte of an interrupt packet: a frame was not sent, for one of several reasons.
const TX_FAILED: u32 = 0xfc;

/// Words 2 and 3 of the descriptor at `place`.
fn words(cx: &Cx<'_, State>, place: u32) -> Result<u64, Error> {
    cx.dma.read_u64(cx.state.memory, place + 8)
}

/// Gives back the buffers of what was sent, and says of how many frames.
pub(crate) fn complete_sent(cx: &mut Cx<'_, State>) -> Result<u32, Error> {
    let (dma, memory) = (cx.dma, cx.state.memory);
    cx.state.tx.complete(cx.net, &mut cx.state.stats, |last| {
        Ok(match ring::told(dma.read_u64(memory, ring::tx_place(last) + 8)?, u32::MAX) {
            Told::Nothing => None,
            Told::Done(_) => Some(true),
            Told::Bad | Told::Broken => Some(false),
        })
    })
}

/// Delivers at most `budget` frames and gives their descriptors back. Bad frames are dropped on the way.
pub(crate) fn receive(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    let (memory, length_first) = (cx.state.memory, cx.state.length_first != 0);
    let (mut received, mut looked) = (0, 0);
    while received < budget && looked < ring::RX {
        let index = cx.state.next;
        let bytes = match ring::told(words(cx, ring::rx_place(index))?, ring::BUFFER) {
            Told::Nothing | Told::Broken => break,
            Told::Done(bytes) => bytes,
            Told::Bad => 0,
        };
        let buffer = ring::buffer(index);
        let frame = match ring::status_at(bytes) {
            Some(at) => {
                let (first, last) = (cx.dma.read_u32(memory, buffer)?, cx.dma.read_u32(memory, buffer + at)?);
                ring::frame(bytes, first, last, length_first)
            }
            None => None,
        };
        match frame {
            Some((at, length)) => {
                cx.net.deliver(memory, buffer + at, length)?;
                received += 1;
            }
            None => cx.state.stats.rx_errors += 1,
        }
        cx.dma.hand_over(memory, ring::rx_place(index) + 12, OWN)?;
        cx.state.next = ring::next(index);
        looked += 1;
    }
    if looked != 0 {
        give(cx, RX_RING, looked)?;
    }
    Ok(received)
}

/// Has the controller look at descriptors that are handed over with this call.
pub(crate) fn give(cx: &mut Cx<'_, State>, ring: usize, count: u32) -> Result<(), Error> {
    cx.state.given[ring] = cx.state.given[ring].wrapping_add(count);
    cx.regs.write(usb::RING_DOORBELL[ring], 1)
}

/// What interrupt packets say.
pub(crate) fn take_packets(cx: &mut Cx<'_, State>) -> Result<Events, Error> {
    let (memory, mut events, mut looked) = (cx.state.memory, Events::NONE, 0);
    while looked < ring::INTERRUPTS {
        let index = cx.state.next_interrupt;
        match ring::told(words(cx, ring::interrupt_place(index))?, ring::PACKET) {
            Told::Nothing | Told::Broken => break,
            Told::Done(ring::PACKET) => {
                let low = cx.dma.read_u32(memory, ring::packet(index))?;
                let high = cx.dma.read_u32(memory, ring::packet(index) + 4)?;
                let [sent, _, _, missed_high] = low.to_le_bytes();
                let [missed_low, link, ..] = high.to_le_bytes();
                cx.state.stats.tx_errors += u64::from(u32::from(sent) & TX_FAILED != 0);
                cx.state.stats.rx_missed += u64::from(missed_high & 0x7f) << 8 | u64::from(missed_low);
                if cx.state.link_byte != link.into() || u32::from(sent) & TX_FAILED != 0 {
                    cx.state.link_byte = link.into();
                    events = Events::LINK;
                }
            }
            Told::Done(_) | Told::Bad => {}
        }
        cx.dma.hand_over(memory, ring::interrupt_place(index) + 12, OWN)?;
        cx.state.next_interrupt = (index + 1) % ring::INTERRUPTS;
        looked += 1;
    }
    if looked != 0 {
        give(cx, INTERRUPT_RING, looked)?;
    }
    Ok(events)
}

/// Whether the endpoint that tells of the link does not work any more: what is next in its ring says so. Frames go without.
pub(crate) fn is_silent(cx: &Cx<'_, State>) -> Result<bool, Error> {
    Ok(ring::told(words(cx, ring::interrupt_place(cx.state.next_interrupt))?, ring::PACKET) == Told::Broken)
}

/// The same of those of frames.
pub(crate) fn is_broken(cx: &Cx<'_, State>) -> Result<bool, Error> {
    let mut broken = ring::told(words(cx, ring::rx_place(cx.state.next))?, ring::BUFFER) == Told::Broken;
    if let Some((last, ..)) = cx.state.tx.oldest_frame() {
        broken |= ring::told(words(cx, ring::tx_place(last))?, u32::MAX) == Told::Broken;
    }
    Ok(broken)
}
