//! Walking the rings: what the chip is done with. See `ring.rs` for what may be written when.

use udrv_driver::{AROUND_MTU, Buffer, Cx, Error, TxFrame};

use crate::ring::{self, Cursor, Received};
use crate::state::State;
use crate::{offload, regs};

/// Puts a frame into the transmit ring, in front of whose tail it lies until TDT is rung.
pub(crate) fn send(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    if frame.offload.segment == 0 && frame.length > cx.state.mtu + AROUND_MTU {
        return Err(Error::Unsupported);
    }
    if frame.offload.checksum_start == 0 {
        cx.state.tx.free_but(1).ok_or(Error::Busy)?;
        cx.net.keep(frame)?;
        return put(cx, [frame.bus_address.into(), ring::send(frame.length, cx.state.vlan)], frame.buffer);
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
        put(cx, offload::piece(&frame, index, cx.state.vlan), buffer)?;
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
    while received < budget {
        let (next, behind) = look(cx)?;
        match next {
            Next::Nothing => break,
            Next::Frame { first, length, end } => {
                deliver(cx, first, length, end)?;
                received += 1;
            }
            Next::Foreign | Next::Beginning => {}
            Next::Bad => cx.state.stats.rx_errors += 1,
        }
        cx.state.rx = behind;
    }
    give_back(cx, start)?;
    Ok(received)
}

/// What is next in the receive ring.
enum Next {
    /// Nothing, or not all of a frame.
    Nothing,
    /// A good frame: its first descriptor, its length with CRC, and the second word of its last descriptor.
    Frame { first: u32, length: u32, end: u64 },
    /// A good one of another VLAN.
    Foreign,
    /// The beginning of a bad one, whose end may not be there.
    Beginning,
    /// The end of a bad one.
    Bad,
}

/// Looks, and says where the cursor is behind that. Bounded by the longest frame.
fn look(cx: &Cx<'_, State>) -> Result<(Next, Cursor), Error> {
    let (mtu, vlan) = (cx.state.mtu, cx.state.vlan);
    let mut cursor = cx.state.rx;
    let (first, mut length) = (cursor.next, 0);
    while let Some(index) = cursor.look() {
        let word = cx.dma.read_u64(cx.state.memory, ring::rx_word(index))?;
        let was_inside = cursor.inside != 0;
        cursor.take();
        match ring::received(word) {
            Received::Nothing => break,
            Received::Part if !was_inside && length + ring::BUFFER <= ring::longest(mtu) => length += ring::BUFFER,
            Received::Part | Received::Torn => {
                cursor.inside = 1;
                return Ok((Next::Beginning, cursor));
            }
            Received::End(bytes) => {
                cursor.inside = 0;
                length += bytes;
                let next = match () {
                    () if was_inside || !ring::is_frame(length, mtu, vlan) => Next::Bad,
                    () if !ring::is_of_vlan(word, vlan) => Next::Foreign,
                    () => Next::Frame { first, length, end: word },
                };
                return Ok((next, cursor));
            }
            Received::Bad => {
                cursor.inside = 0;
                return Ok((Next::Bad, cursor));
            }
        }
    }
    Ok((Next::Nothing, cx.state.rx))
}

/// Delivers the frame that begins in buffer `first`.
fn deliver(cx: &Cx<'_, State>, first: u32, length: u32, end: u64) -> Result<(), Error> {
    let (place, length) = (ring::rx_buffer(first), length - ring::CRC);
    let before_the_end = ring::SPARE_PLACE - place;
    if length > before_the_end {
        join(cx, length - before_the_end)?;
    }
    if ring::is_checked(end) {
        cx.net.deliver_checked(cx.state.memory, place, length)
    } else {
        cx.net.deliver(cx.state.memory, place, length)
    }
}

/// Copies the first `bytes` of buffer 0 and on to behind the last. The writes come together: after one, reading takes the
/// long way.
fn join(cx: &Cx<'_, State>, bytes: u32) -> Result<(), Error> {
    const AT_ONCE: usize = 32;
    for at in (0..bytes).step_by(8 * AT_ONCE) {
        let place = |n: usize| at + 8 * n as u32;
        let mut words = [0; AT_ONCE];
        for (n, word) in words.iter_mut().enumerate() {
            *word = cx.dma.read_u64(cx.state.memory, ring::BUFFERS_PLACE + place(n))?;
        }
        for (n, word) in words.into_iter().enumerate() {
            cx.dma.write_u64(cx.state.memory, ring::SPARE_PLACE + place(n), word)?;
        }
    }
    Ok(())
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
