//! Bringing the chip to a known state: everything that writes commands outside of traffic.
//!
//! There are two ways. The thorough one is a reset (CTRL.RST, section 13.4.1): it stops DMA whatever the chip was at,
//! and all is set up from nothing. It makes the chip load its defaults from the EEPROM, which takes milliseconds. The
//! quick one is for `restore` when the chip stands where the state says it does: see [`in_step`].

use udrv_driver::ring::TxRing;
use udrv_driver::{Cx, Error, Micros, Reg, USUAL_MTU};

use crate::regs::{self, ctrl, icr, pba, rah, rctl, rxcsum, tctl, tipg, vet};
use crate::ring::{self, Cursor};
use crate::state::State;
use crate::{counters, eeprom, offload, traffic};

/// For CTRL.RST to clear itself: the chip takes a microsecond.
const RESET_DEADLINE: Micros = Micros(10_000);

/// For the chip to be done with what is under way. A full transmit ring takes 0.8 ms at 1 Gbit/s; what takes longer is
/// cut short by a reset.
const DRAIN_DEADLINE: Micros = Micros(1_000);

/// Silence: no interrupts, no DMA, from any state and without looking at ours. The link stays.
///
/// The enables go first, for a chip whose reset hangs: then it has at least been told to stop.
///
/// What the framework has a shadow of is written afterwards though the reset has cleared it: the framework does not
/// know that, and would go on taking its shadow for what the chip holds.
pub(crate) fn halt(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(regs::IMC, u32::MAX)?;
    cx.regs.write(regs::RCTL, 0)?;
    cx.regs.write(regs::TCTL, 0)?;
    // what is written during a reset that a call has left behind is lost
    let is_over = |value| value & ctrl::RST == 0;
    cx.regs.wait(regs::CTRL, RESET_DEADLINE, is_over)?;
    // the reset lets it count
    cx.regs.write(regs::PBA, fifo(cx.state))?;
    cx.regs.write(regs::CTRL, ctrl::RST)?;
    cx.regs.wait(regs::CTRL, RESET_DEADLINE, is_over)?;
    // what the EEPROM loads would go over what is written here
    eeprom::acquire(cx)?;
    eeprom::release(cx)?;
    let others = [regs::RCTL, regs::TCTL, regs::ITR, regs::VET, regs::RXCSUM];
    let rings = [regs::RDBAL, regs::RDBAH, regs::RDLEN, regs::TDBAL, regs::TDBAH, regs::TDLEN];
    for register in others.into_iter().chain(rings) {
        cx.regs.write(register, 0)?;
    }
    cx.regs.write(regs::TIPG, tipg::COPPER)?;
    // from here on STATUS tells of the link
    let control = cx.regs.read(regs::CTRL)?;
    cx.regs.write(regs::CTRL, control & !ctrl::OFF | ctrl::SLU)
}

/// Halts the chip and gives every kept buffer back: as sent where the chip says so, else as lost. What the chip has
/// counted is taken first: a reset clears it.
pub(crate) fn shut_down(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    counters::take(cx)?;
    halt(cx)?;
    traffic::complete_sent(cx)?;
    cx.state.tx.lose_all(cx.net, &mut cx.state.stats)
}

/// From the state after a reset to receiving and sending.
///
/// Indices after a reset are 0. A chip in software may keep them (QEMU's does): TDH is set to where TDT stands, so that
/// there is nothing to send, and the transmit ring begins there. An old RDT does no harm, since all descriptors are
/// empty by then.
pub(crate) fn start(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    write_mac(cx)?;
    write_vlan(cx)?;
    let (memory, base) = (cx.state.memory, cx.dma.bus_address(cx.state.memory)?);
    for index in 0..ring::RX {
        let word = ring::rx_word(index);
        cx.dma.write_u64(memory, word - 8, u64::from(base) + u64::from(ring::rx_buffer(index)))?;
        cx.dma.write_u64(memory, word, 0)?;
    }
    cx.regs.write(regs::RDBAL, base)?;
    cx.regs.write(regs::RDLEN, ring::RX * ring::DESCRIPTOR)?;
    cx.regs.write(regs::RDH, 0)?;
    cx.state.rx = Cursor::new();
    cx.regs.write(regs::RDT, cx.state.rx.tail)?;

    cx.regs.write(regs::TDBAL, base + ring::TX_PLACE)?;
    cx.regs.write(regs::TDLEN, ring::TX * ring::DESCRIPTOR)?;
    let tail = cx.regs.read(regs::TDT)?;
    cx.state.tx = TxRing::starting_at(tail).ok_or(Error::Nonsense { register: regs::TDT.offset(), value: tail })?;
    cx.regs.write(regs::TDH, tail)?;
    cx.state.context = offload::UNKNOWN;

    cx.regs.write(regs::RXCSUM, rxcsum::RUN)?;
    cx.regs.write(regs::ITR, cx.state.itr)?;
    run(cx)
}

/// Lets it run: what is the same in both ways.
fn run(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(regs::TCTL, transmit_mode(cx.state))?;
    cx.regs.write(regs::RCTL, receive_mode(cx.state))?;
    cx.regs.write(regs::IMS, icr::CAUSES)
}

/// From the state after a reset to where the state says that the chip is.
pub(crate) fn resume(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    if cx.state.opened != 0 { start(cx) } else { write_mac(cx) }
}

/// From wherever a failed call has left the chip to where the state says that it is.
///
/// Most calls that can need this have changed an address or a mode and nothing else. Then nothing in flight is lost,
/// in either direction, and no descriptor is written.
pub(crate) fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    if cx.state.opened == 0 || !in_step(cx)? {
        shut_down(cx)?;
        return resume(cx);
    }
    traffic::complete_sent(cx)?;
    write_mac(cx)?;
    write_vlan(cx)?;
    run(cx)
}

/// Makes the chip what the state says after MTU, VLAN and ITR have changed in it; `fifo_before` is what PBA was. Another
/// PBA counts after a reset only, which ends what is in flight.
pub(crate) fn follow(cx: &mut Cx<'_, State>, fifo_before: u32) -> Result<(), Error> {
    if cx.state.opened == 0 {
        return Ok(());
    }
    if fifo(cx.state) != fifo_before {
        shut_down(cx)?;
        return resume(cx);
    }
    write_vlan(cx)?;
    cx.regs.write(regs::ITR, cx.state.itr)?;
    cx.regs.write(regs::RCTL, receive_mode(cx.state))
}

/// Whether the chip stands where the state says: nobody has halted or reset it, its tails are those that were rung, it has sent all that it
/// has, and it will put the next frame where the first empty descriptor is. The receiver is off afterwards.
///
/// A frame in progress is waited for: RDH and the descriptor are written at different times, and so are TDH and its.
/// Whatever does not fit in time is no state to go on from, and a reset is.
fn in_step(cx: &Cx<'_, State>) -> Result<bool, Error> {
    let (rx, tx, memory, dma) = (cx.state.rx, cx.state.tx, cx.state.memory, cx.dma);
    let next = tx.next() as u32;
    // after `halt` a chip in software may have kept its indices, and SLU is set: but the rings are gone
    let base = cx.dma.bus_address(memory)?;
    if cx.regs.read(regs::RDBAL)? != base || cx.regs.read(regs::TDBAL)? != base + ring::TX_PLACE {
        return Ok(false);
    }
    // a reset clears SLU: indices that are all 0 say nothing
    let set_up = cx.regs.read(regs::CTRL)? & (ctrl::SLU | ctrl::RST) == ctrl::SLU;
    if !set_up || cx.regs.read(regs::TDT)? != next || cx.regs.read(regs::RDT)? != rx.tail {
        return Ok(false);
    }
    let last = (next + ring::TX - 1) % ring::TX;
    let written_back = || {
        let word = dma.read_u64(memory, ring::tx_place(last as usize) + 8);
        tx.used() == 0 || word.is_ok_and(|word| ring::sent(word).is_some())
    };
    if !reaches(cx, regs::TDH, |head| head == next && written_back())? {
        return Ok(false);
    }
    cx.regs.write(regs::RCTL, receive_mode(cx.state) & !rctl::EN)?;
    let first_empty = || {
        let mut cursor = rx;
        for _ in 0..ring::RX {
            let Some(index) = cursor.look() else { break };
            if dma.read_u64(memory, ring::rx_word(index)).is_ok_and(ring::is_empty) {
                break;
            }
            cursor.take();
        }
        cursor.next
    };
    reaches(cx, regs::RDH, |head| head == first_empty())
}

/// Whether `register` comes to be as `ready` wants it.
fn reaches(cx: &Cx<'_, State>, register: Reg<u32>, ready: impl Fn(u32) -> bool) -> Result<bool, Error> {
    match cx.regs.wait(register, DRAIN_DEADLINE, ready) {
        Ok(_) => Ok(true),
        Err(Error::Timeout { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Empties the filters that this driver does not use. What they hold after power-on nobody promises (section 13.5).
pub(crate) fn clear_filters(cx: &Cx<'_, State>) -> Result<(), Error> {
    regs::MTA.into_iter().chain(regs::RA_OTHERS).try_for_each(|register| cx.regs.write(register, 0))
}

/// The station address from the state, if there is one. It does not count while it is half written.
pub(crate) fn write_mac(cx: &Cx<'_, State>) -> Result<(), Error> {
    if !cx.state.mac.is_station() {
        return cx.regs.write(regs::RAH0, 0);
    }
    let (low, high) = cx.state.mac.to_registers();
    cx.regs.write(regs::RAH0, 0)?;
    cx.regs.write(regs::RAL0, low)?;
    cx.regs.write(regs::RAH0, rah::AV | high)
}

/// The VLAN from the state: the filter, and that the chip takes tags out and puts them in. RCTL.VFE comes with
/// [`receive_mode`]; without it the filter does not count, and stays as it is.
fn write_vlan(cx: &Cx<'_, State>) -> Result<(), Error> {
    let vlan = cx.state.vlan;
    if vlan != 0 {
        for (word, register) in (0..).zip(regs::VFTA) {
            cx.regs.write(register, if word == vlan / 32 { 1 << (vlan % 32) } else { 0 })?;
        }
        cx.regs.write(regs::VET, vet::DOT1Q)?;
    }
    let control = cx.regs.read(regs::CTRL)?;
    let wanted = control & !ctrl::VME | if vlan != 0 { ctrl::VME } else { 0 };
    if wanted == control { Ok(()) } else { cx.regs.write(regs::CTRL, wanted) }
}

/// PBA as the state wants it.
pub(crate) fn fifo(state: &State) -> u32 {
    if ring::longest(state.mtu) > ring::FIFO_HOLDS_TWO { pba::JUMBO } else { pba::USUAL }
}

/// RCTL as the state wants it: own address and broadcast always.
pub(crate) fn receive_mode(state: &State) -> u32 {
    let everyone = if state.promiscuous != 0 { rctl::UPE | rctl::MPE } else { 0 };
    let multicast = if state.multicast != 0 { rctl::MPE } else { 0 };
    let long = if state.mtu > USUAL_MTU { rctl::LPE } else { 0 };
    let filtered = if state.vlan != 0 { rctl::VFE } else { 0 };
    rctl::RUN | everyone | multicast | long | filtered
}

/// TCTL as the state wants it.
pub(crate) fn transmit_mode(state: &State) -> u32 {
    if state.half_duplex != 0 { tctl::RUN_HALF } else { tctl::RUN_FULL }
}
