//! Walking the rings: what goes in, and what has ended.

use udrv_driver::usb::{self, CHAIN, OWN};
use udrv_driver::{Buffer, Cx, Error, Events, TxFrame};

use crate::ring::{self, INTERRUPT_RING, RX_RING, TX_RING, Told};
use crate::state::State;

/// In the first byte of an interrupt packet: a frame was not sent, for one of several reasons.
const TX_FAILED: u8 = 0xfc;

/// Words 2 and 3 of the descriptor at `place`.
fn words(cx: &Cx<'_, State>, place: u32) -> Result<u64, Error> {
    cx.dma.read_u64(cx.state.memory, place + 8)
}

/// Fills descriptors for a frame.
pub(crate) fn fill(cx: &mut Cx<'_, State>, frame: TxFrame, descriptors: u32) -> Result<(), Error> {
    let (memory, first) = (cx.state.memory, cx.state.tx.next());
    let header = ring::header(first);
    let length_at = cx.dma.bus_address(memory)? + header;
    cx.dma.write_u32(memory, header, frame.length)?;
    let parts = [
        ring::place(length_at, ring::HEADER_BYTES),
        ring::place(frame.bus_address, frame.length),
        ring::place(length_at + ring::HEADER_BYTES, ring::PAD_BYTES),
    ];
    for (index, part) in (first..).zip(parts).take(descriptors as usize) {
        cx.dma.write_u64(memory, ring::tx_place(index), part)?;
    }
    cx.net.keep(frame)?;
    (1..descriptors).for_each(|_| cx.state.tx.claim(Buffer::NONE));
    cx.state.tx.claim(frame.buffer);
    Ok(())
}

/// Hands over the descriptors from `first` on.
pub(crate) fn send(cx: &mut Cx<'_, State>, first: usize, descriptors: u32) -> Result<(), Error> {
    for part in 1..=descriptors {
        let chain = if part == descriptors { 0 } else { CHAIN };
        let place = ring::tx_place(first + part as usize - 1);
        cx.dma.hand_over(cx.state.memory, place + 12, OWN | chain)?;
    }
    give(cx, TX_RING, descriptors)
}

/// Has the controller look at descriptors that are handed over with this call.
pub(crate) fn give(cx: &mut Cx<'_, State>, ring: usize, count: u32) -> Result<(), Error> {
    cx.state.given[ring] = cx.state.given[ring].wrapping_add(count);
    cx.regs.write(usb::RING_DOORBELL[ring], 1)
}

/// Gives back the buffers of what was sent. Descriptors of an endpoint that does not work any more stay.
pub(crate) fn complete_sent(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let (dma, memory) = (cx.dma, cx.state.memory);
    let fate = |last| {
        Ok(match ring::told(dma.read_u64(memory, ring::tx_place(last) + 8)?, u32::MAX) {
            Told::Nothing | Told::Broken(_) => None,
            Told::Done(_) => Some(true),
            Told::Bad => Some(false),
        })
    };
    cx.state.tx.complete(cx.net, &mut cx.state.stats, fate).map(drop)
}

/// Delivers at most `budget` frames and gives their descriptors back. Bad frames are dropped on the way.
pub(crate) fn receive(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    let memory = cx.state.memory;
    let (mut received, mut looked) = (0, 0);
    while received < budget && looked < ring::RX {
        let index = cx.state.next;
        let bytes = match ring::told(words(cx, ring::rx_place(index))?, ring::BUFFER) {
            Told::Nothing | Told::Broken(_) => break,
            Told::Done(bytes) => bytes,
            Told::Bad => 0,
        };
        let buffer = ring::buffer(index);
        let frame = match ring::status_at(bytes) {
            Some(at) => ring::frame(bytes, cx.dma.read_u32(memory, buffer + at)?),
            None => None,
        };
        match frame {
            Some(length) => {
                cx.net.deliver(memory, buffer, length)?;
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

/// What interrupt packets say.
///
/// The count of lost frames is the chip's own since the last packet. Of frames that were not sent it says only that there were
/// some, so they are counted too low. Reading the registers that the packet is made of would tell no more, and costs a control
/// transfer.
pub(crate) fn take_packets(cx: &mut Cx<'_, State>) -> Result<Events, Error> {
    let (memory, mut events, mut looked) = (cx.state.memory, Events::NONE, 0);
    while looked < ring::INTERRUPTS {
        let index = cx.state.next_interrupt;
        match ring::told(words(cx, ring::interrupt_place(index))?, ring::PACKET) {
            Told::Nothing | Told::Broken(_) => break,
            Told::Done(ring::PACKET) => {
                let packet = cx.dma.read_u64(memory, ring::packet(index))?;
                let [sent, _, _, lost_high, lost_low, link, ..] = packet.to_le_bytes();
                let failed = sent & TX_FAILED != 0;
                cx.state.stats.tx_errors += u64::from(failed);
                cx.state.stats.rx_missed += u64::from(u16::from_be_bytes([lost_high & 0x7f, lost_low]));
                // on some boards this byte says nothing; but a frame that is not sent may have found no carrier
                if failed || cx.state.link_byte != link.into() {
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
    let told = ring::told(words(cx, ring::interrupt_place(cx.state.next_interrupt))?, ring::PACKET);
    Ok(matches!(told, Told::Broken(_)))
}

/// Why an endpoint of frames does not work any more, if one does not.
pub(crate) fn broken(cx: &Cx<'_, State>) -> Result<Option<Error>, Error> {
    let sent = cx.state.tx.oldest_frame().map(|(last, ..)| (ring::tx_place(last), u32::MAX));
    let received = (ring::rx_place(cx.state.next), ring::BUFFER);
    for (place, room) in [Some(received), sent].into_iter().flatten() {
        if let Told::Broken(error) = ring::told(words(cx, place)?, room) {
            return Ok(Some(error));
        }
    }
    Ok(None)
}
