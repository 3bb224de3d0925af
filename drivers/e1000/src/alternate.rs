//! Second versions of `transmit` and `poll`: recovery blocks, for when the first fault again and again.
//!
//! Plain and slow: one frame at a time goes out, and each received frame's place is worked out anew. Everything else is
//! as in the first: one may follow the other at any call, with frames under way in both directions.
//!
//! No code is shared with the first versions, for what shares code shares its faults: only the state, with the
//! framework's transmit ring in it, and `regs.rs`, which is the manual. So there is arithmetic here that is also in
//! `ring.rs` and `traffic.rs`; that is meant, and a test sees that it stays so. What may be written into descriptors,
//! and when, is told in `ring.rs`.
//!
//! No places to inject faults: those are in the first versions. A fault that is armed there stays armed while these
//! run, which is what shows that they do not run into it.

use udrv_driver::{Buffer, Cx, Error, TxFrame};

use crate::regs;
use crate::state::State;

/// Where the transmit ring begins: behind 256 receive descriptors of 16 bytes.
const SEND: u32 = 0x1000;
/// Where the buffers begin.
const ROOM: u32 = 0x2000;

/// Instead of `transmit`: a frame goes when the one before it is completed. Legacy descriptor (section 3.3.3) with EOP,
/// IFCS and RS.
pub(crate) fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    if cx.state.opened == 0 {
        return Err(Error::NotReady);
    }
    if frame.offload.segment == 0 && frame.length > cx.state.mtu + 18 {
        return Err(Error::Unsupported);
    }
    if cx.state.tx.used() != 0 {
        return Err(Error::Busy);
    }
    if frame.offload.checksum_start != 0 {
        return transmit_with_help(cx, frame);
    }
    let place = SEND + 16 * cx.state.tx.next() as u32;
    cx.dma.write_u64(cx.state.memory, place, frame.bus_address.into())?;
    let tag = tag(cx);
    cx.dma.write_u64(cx.state.memory, place + 8, 0x0b00_0000 | u64::from(frame.length) | tag)?;
    cx.net.keep(frame)?;
    cx.state.tx.claim(frame.buffer);
    cx.regs.write(regs::TDT, cx.state.tx.next() as u32)
}

/// VLE and the tag, if the host is in a VLAN.
fn tag(cx: &Cx<'_, State>) -> u64 {
    match u64::from(cx.state.vlan) {
        0 => 0,
        vlan => 0x4000_0000 | vlan << 48,
    }
}

/// The same for a frame with a checksum, or a packet to be cut: a context descriptor (section 3.3.6) and data descriptors
/// (section 3.3.7) of one page each, the last of four bytes. The context is always said, and forgotten.
fn transmit_with_help(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    let help = frame.offload;
    let cut = help.segment != 0;
    let checksum = u32::from(help.checksum_start) + u32::from(help.checksum_offset);
    if checksum > 255 || help.headers > 255 || u32::from(help.headers) >= frame.length {
        return Err(Error::Unsupported);
    }
    let (ip, tcp) = (help.ip_start as u8, help.checksum_start as u8);
    let mut where_sums_are = [0, 0, 0, 0, tcp, checksum as u8, 0, 0];
    let mut how_to_cut = 0x2000_0000_u64;
    if cut {
        let payload = u64::from(frame.length) - u64::from(help.headers);
        how_to_cut = 0x2500_0000 | payload | u64::from(help.headers) << 40 | u64::from(help.segment) << 48;
        where_sums_are[0] = ip;
        if !help.ipv6 {
            how_to_cut |= 0x0200_0000;
            [where_sums_are[1], where_sums_are[2]] = [ip.wrapping_add(10), tcp.wrapping_sub(1)];
        }
    }
    cx.net.keep(frame)?;
    cx.state.context = [0; 2];
    let mut at = cx.state.tx.next() as u32;
    cx.dma.write_u64(cx.state.memory, SEND + 16 * at, u64::from_le_bytes(where_sums_are))?;
    cx.dma.write_u64(cx.state.memory, SEND + 16 * at + 8, how_to_cut)?;
    cx.state.tx.claim(Buffer::NONE);
    // DTYP data, DEXT, IFCS, and POPTS with the checksums to fill in
    let common = match (cut, help.ipv6) {
        (false, _) => 0x0200_2210_0000,
        (true, true) => 0x0200_2610_0000,
        (true, false) => 0x0300_2610_0000,
    };
    let common = common | tag(cx);
    let before_last = if cut { frame.length - 4 } else { 0 };
    let mut done = 0;
    while done < frame.length {
        at = (at + 1) % 64;
        let is_last = done == before_last;
        let piece = if is_last { frame.length - done } else { (before_last - done).min(4096) };
        let end = if is_last { 0x0900_0000 } else { 0 };
        cx.dma.write_u64(cx.state.memory, SEND + 16 * at, u64::from(frame.bus_address) + u64::from(done))?;
        cx.dma.write_u64(cx.state.memory, SEND + 16 * at + 8, common | end | u64::from(piece))?;
        cx.state.tx.claim(if is_last { frame.buffer } else { Buffer::NONE });
        done += piece;
    }
    cx.regs.write(regs::TDT, cx.state.tx.next() as u32)
}

/// Instead of `poll`. It takes what is in the ring up to the budget, as the first does: to the class fewer means that
/// there are no more, and the rest would lie there until the next interrupt.
pub(crate) fn poll(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    if cx.state.opened == 0 {
        return Ok(0);
    }
    while let Some((index, buffer, descriptors)) = cx.state.tx.oldest_frame() {
        let status = cx.dma.read_u32(cx.state.memory, SEND + 16 * index as u32 + 12)?;
        if status & 1 == 0 {
            break;
        }
        // EC, LC and TU (section 3.3.3.2)
        let lost = status & 0x0e != 0;
        cx.net.complete(buffer, !lost)?;
        cx.state.tx.release_many(descriptors);
        cx.state.stats.tx_errors += u64::from(lost);
        cx.state.stats.tx_frames += u64::from(!lost);
    }
    let gone_up = cx.state.rx.next;
    let received = take_frames(cx, budget)?;
    // the chip may have all before the one that stands before what has gone up
    let end = (gone_up + 255) % 256;
    if end != cx.state.rx.tail {
        while cx.state.rx.tail != end {
            cx.dma.write_u64(cx.state.memory, 16 * (cx.state.rx.tail % 256) + 8, 0)?;
            cx.state.rx.tail = (cx.state.rx.tail + 1) % 256;
        }
        cx.regs.write(regs::RDT, end)?;
    }
    cx.state.stats.rx_frames += u64::from(received);
    Ok(received)
}

/// Delivers frames. Status and errors stand in the fourth word of a descriptor, DD and EOP are its lowest bits (section
/// 3.2.3); the length, with CRC, in the third, and the VLAN tag at the end.
///
/// A frame is known by its end: descriptors are gone through until one has EOP, and their lengths added up. What cannot
/// be a frame is left behind at once, and `inside` says that its end is still to come.
fn take_frames(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    let longest = cx.state.mtu + 22;
    let mut received = 0;
    let (mut index, mut total) = (cx.state.rx.next % 256, 0);
    while received < budget && index != cx.state.rx.tail {
        // both at once: the length is of the same frame as the status
        let [a, b, _, _, status, errors, c, d] = cx.dma.read_u64(cx.state.memory, 16 * index + 8)?.to_le_bytes();
        if status & 1 == 0 {
            break;
        }
        let length = u32::from(u16::from_le_bytes([a, b]));
        let begin = cx.state.rx.next % 256;
        index = (index + 1) % 256;
        total += length;
        if status & 2 == 0 {
            // a buffer is full where a frame goes on behind it
            if cx.state.rx.inside != 0 || length != 2048 || total > longest {
                (cx.state.rx.next, cx.state.rx.inside, total) = (index, 1, 0);
            }
            continue;
        }
        let whole = cx.state.rx.inside == 0 && length <= 2048;
        let frame = lengths(cx.state.vlan, longest).contains(&total);
        (cx.state.rx.next, cx.state.rx.inside) = (index, 0);
        // CE, SE, SEQ, CXE, RXE
        if !whole || errors & 0x97 != 0 || !frame {
            cx.state.stats.rx_errors += 1;
        } else if cx.state.vlan == 0 || status & 8 != 0 && u32::from(u16::from_le_bytes([c, d]) % 4096) == cx.state.vlan
        {
            deliver(cx, begin, total - 4)?;
            received += 1;
        }
        total = 0;
    }
    Ok(received)
}

/// Lengths that a frame may have: a tag that was taken out is missing.
fn lengths(vlan: u32, longest: u32) -> core::ops::RangeInclusive<u32> {
    if vlan == 0 { 64..=longest } else { 60..=longest }
}

/// Delivers a frame. What of it is in the first buffers, behind the last, is copied to behind the last.
fn deliver(cx: &Cx<'_, State>, begin: u32, length: u32) -> Result<(), Error> {
    const END: u32 = ROOM + 2048 * 256;
    let start = ROOM + 2048 * begin;
    let mut at = END;
    while at < start + length {
        let word = cx.dma.read_u64(cx.state.memory, ROOM + at - END)?;
        cx.dma.write_u64(cx.state.memory, at, word)?;
        at += 8;
    }
    cx.net.deliver(cx.state.memory, start, length)
}
