//! Bringing the chip to a known state: everything that writes commands outside of traffic.
//!
//! The one known state is that after a software reset (CR.RST): receiver and transmitter off, the turn at descriptor 0
//! in both rings, causes and mask clear. Everything starts from there, and so does `restore`, unless the chip goes on
//! where the state has it: see [`is_in_step`].

use udrv_driver::ring::TxRing;
use udrv_driver::{Cx, Dma, Error, Micros, USUAL_MTU};

use crate::regs::{self, config4, cpcr, cr, cr9346, etthr, isr, mitigate, rcr, tcr, tppoll};
use crate::ring;
use crate::state::State;
use crate::traffic;
use crate::version::Bus;

/// For CR.RST to clear itself: the chip takes microseconds; this is what other drivers give it.
const RESET_DEADLINE: Micros = Micros(10_000);

/// MPC has 24 bits.
const MPC_MASK: u32 = 0x00ff_ffff;

/// Silence: no interrupts, no DMA, from any state and without looking at ours. The link stays.
///
/// CR goes to 0 first, for a chip whose reset hangs: then it has at least been told to stop.
///
/// What the framework has a shadow of is written afterwards though the reset has cleared it: the framework does not
/// know that, and would go on taking its shadow for what the chip holds. The rings' addresses are not, see [`aim`].
pub(crate) fn halt(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(regs::IMR, 0)?;
    cx.regs.write(regs::CR, 0)?;
    cx.regs.write(regs::CR, cr::RST)?;
    cx.regs.wait(regs::CR, RESET_DEADLINE, |value| value & cr::RST == 0)?;
    cx.regs.write(regs::IMR, 0)?;
    cx.regs.write(regs::RMS, 0)
}

/// The rings' addresses from the state, with the chip off: from `probe` on they are never others. A call that has
/// switched the chip on and fails is undone, but for CR and RCR, which nobody can undo: until `restore` comes the chip
/// looks for descriptors where it was told to before.
pub(crate) fn aim(cx: &Cx<'_, State>) -> Result<(), Error> {
    let base = cx.dma.bus_address(cx.state.memory)?;
    cx.regs.write(regs::TNPDS_HIGH, 0)?;
    cx.regs.write(regs::TNPDS_LOW, base + ring::TX_PLACE)?;
    cx.regs.write(regs::RDSAR_HIGH, 0)?;
    cx.regs.write(regs::RDSAR_LOW, base)
}

/// Halts the chip and gives every kept buffer back: as sent where its descriptor says so, else as lost. What the chip has
/// counted is taken first: a reset clears it.
pub(crate) fn shut_down(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    take_missed(cx)?;
    halt(cx)?;
    if cx.state.memory != Dma::NONE {
        aim(cx)?;
    }
    // rings that were written anew say nothing of these
    if cx.state.tx.used() != 0 && has_turn(cx)? {
        traffic::give_back_sent(cx)?;
    }
    cx.state.tx.lose_all(cx.net, &mut cx.state.stats)?;
    cx.state.tx = TxRing::new();
    (cx.state.next, cx.state.stuck) = (0, 0);
    Ok(())
}

/// From the state after a reset to receiving and sending.
///
/// In this order: both rings and their addresses, upper halves first, so that a chip that is turned on finds them; CR
/// before TCR and RCR, which keep nothing on the older chips while it is off; RCR last, for until then it accepts
/// nothing.
pub(crate) fn start(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let version = cx.state.version().ok_or(Error::NotReady)?;
    write_mac(cx)?;
    write_multicast(cx)?;
    write_rings(cx)?;
    cx.regs.write(regs::CR9346, cr9346::CONFIG_WRITE)?;
    write_settings(cx)?;
    cx.regs.write(regs::RMS, cx.state.room().size() as u16)?;
    if version.has_jumbo_bit {
        let others = cx.regs.read(regs::CONFIG4)? & !config4::JUMBO;
        let jumbo = if is_jumbo(cx.state.mtu) { config4::JUMBO } else { 0 };
        cx.regs.write(regs::CONFIG4, others | jumbo)?;
    }
    cx.regs.write(regs::ETTHR, etthr::WHOLE)?;
    cx.regs.write(regs::CR9346, cr9346::LOCKED)?;
    cx.regs.write(regs::CR, cr::TE | cr::RE)?;
    cx.regs.write(regs::TCR, tcr::RUN)?;
    cx.regs.write(regs::RCR, receive_mode(cx.state))?;
    cx.regs.write(regs::IMR, isr::CAUSES)
}

/// Whether another MTU asks for another ring, or for what is said before the chip is turned on: then the chip has to
/// be reset, which ends what is in flight.
pub(crate) fn is_set_up_anew(state: &State, mtu: u32) -> bool {
    let size = ring::Room::of(mtu, state.vlan).size();
    size != state.room().size() || is_jumbo(mtu) != is_jumbo(state.mtu)
}

/// Above the usual.
fn is_jumbo(mtu: u32) -> bool {
    mtu > USUAL_MTU
}

/// What `configure` has put into the state, as far as it may change while the chip is on. Neither register needs the lock.
pub(crate) fn write_settings(cx: &Cx<'_, State>) -> Result<(), Error> {
    let version = cx.state.version().ok_or(Error::NotReady)?;
    let bus = if version.bus == Bus::Pci { cpcr::MULRW } else { 0 };
    let chip = if version.is_s { cpcr::S_CHIPS } else { 0 };
    let tags = if cx.state.vlan != 0 { cpcr::RXVLAN } else { 0 };
    let (intt, mitigation) = mitigate::of(version.bus == Bus::Pcie, cx.state.speed, cx.state.interval.into());
    cx.regs.write(regs::CPCR, bus | chip | tags | (intt * cpcr::INTT))?;
    cx.regs.write(regs::INTRMITIGATE, mitigation)
}

/// From the state after a reset to where the state says that the chip is.
pub(crate) fn resume(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    if cx.state.opened != 0 { start(cx) } else { write_mac(cx) }
}

/// Whether the chip goes on where the state has it: no reset has come between them (CR would be 0, or the turn another),
/// no call has moved a ring that the state does not know of, and the chip has not asked for a reset.
pub(crate) fn is_in_step(cx: &Cx<'_, State>) -> Result<bool, Error> {
    if cx.state.opened == 0 || cx.state.stuck != 0 {
        return Ok(false);
    }
    if cx.regs.read_present(regs::CR)? & (cr::RST | cr::TE | cr::RE) != cr::TE | cr::RE {
        return Ok(false);
    }
    has_turn(cx)
}

/// Whether the rings in memory are as the state has them.
fn has_turn(cx: &Cx<'_, State>) -> Result<bool, Error> {
    Ok(cx.dma.read_u32(cx.state.memory, ring::TURN)? == cx.state.turn as u32)
}

/// What a failed call may have left wrong in a chip that goes on: the commands among the registers that calls beside
/// [`start`] write. Nothing in flight is lost, in either direction.
pub(crate) fn set_right(cx: &Cx<'_, State>) -> Result<(), Error> {
    write_mac(cx)?;
    write_multicast(cx)?;
    write_settings(cx)?;
    cx.regs.write(regs::RCR, receive_mode(cx.state))?;
    cx.regs.write(regs::IMR, isr::CAUSES)?;
    if cx.state.tx.used() != 0 {
        cx.regs.write(regs::TPPOLL, tppoll::NPQ)?;
    }
    Ok(())
}

/// Both rings as they are when nothing has come and nothing is to be sent, in memory and in the chip, which is off.
fn write_rings(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let (memory, base) = (cx.state.memory, cx.dma.bus_address(cx.state.memory)?);
    // in memory at once: if this call fails, the state has the old one
    cx.state.turn = u64::from(cx.dma.read_u32(memory, ring::TURN)?.wrapping_add(1));
    cx.dma.write_u32(memory, ring::TURN, cx.state.turn as u32)?;
    let room = cx.state.room();
    for index in 0..room.count() {
        let place = ring::rx_place(index);
        cx.dma.write_u64(memory, place, room.empty(index).into())?;
        cx.dma.write_u64(memory, place + 8, u64::from(base) + u64::from(room.buffer(index)))?;
    }
    for index in 0..ring::TX as usize {
        cx.dma.write_u64(memory, ring::tx_place(index), ring::unused(index).into())?;
    }
    aim(cx)
}

/// IDR from the state, if there is an address.
pub(crate) fn write_mac(cx: &Cx<'_, State>) -> Result<(), Error> {
    if !cx.state.mac.is_station() {
        return Ok(());
    }
    let (low, high) = cx.state.mac.to_registers();
    cx.regs.write(regs::CR9346, cr9346::CONFIG_WRITE)?;
    cx.regs.write(regs::IDR4, high)?;
    cx.regs.write(regs::IDR0, low)?;
    cx.regs.write(regs::CR9346, cr9346::LOCKED)
}

/// MAR from the state.
pub(crate) fn write_multicast(cx: &Cx<'_, State>) -> Result<(), Error> {
    let hash = if cx.state.promiscuous != 0 { u64::MAX } else { cx.state.multicast };
    let filter = filter(hash, cx.state.version().map_or(Bus::Pci, |version| version.bus));
    cx.regs.write(regs::MAR0, filter as u32)?;
    cx.regs.write(regs::MAR4, (filter >> 32) as u32)
}

/// MAR for a hash. On PCI bit n of the hash is bit n % 8 of MAR n / 8; on PCIe the eight registers stand in the other
/// order.
fn filter(hash: u64, bus: Bus) -> u64 {
    match bus {
        Bus::Pci => hash,
        Bus::Pcie => hash.swap_bytes(),
    }
}

/// RCR as the state wants it: own address and broadcast always.
pub(crate) fn receive_mode(state: &State) -> u32 {
    let everyone = if state.promiscuous != 0 { rcr::AAP | rcr::AM } else { 0 };
    let multicast = if state.multicast != 0 { rcr::AM } else { 0 };
    rcr::RUN | rcr::AB | rcr::APM | everyone | multicast
}

/// Takes the chip's count of missed frames into the state.
pub(crate) fn take_missed(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let missed = cx.regs.read_present(regs::MPC)?;
    if missed & MPC_MASK != 0 {
        cx.state.stats.rx_missed += u64::from(missed & MPC_MASK);
        cx.regs.write(regs::MPC, 0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_stands_the_other_way_round_on_pcie() {
        assert_eq!(filter(1 << 9, Bus::Pci), 1 << 9);
        assert_eq!(filter(1 << 9, Bus::Pcie), 1 << (48 + 1), "bit 1 of MAR 6 instead of MAR 1");
        assert_eq!(filter(u64::MAX, Bus::Pcie), u64::MAX);
    }
}
