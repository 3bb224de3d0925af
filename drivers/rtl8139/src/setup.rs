//! Bringing the chip to a known state: everything that writes commands outside of traffic.
//!
//! The one known state is that after a software reset (CR.RST, section 5.4): receiver and transmitter off, ring empty,
//! the turn at slot 0, causes and mask clear. Everything starts from there, so `restore` has nothing to find out.

use udrv_driver::{Cx, Dma, Error, Micros};

use crate::regs::{self, cr, cr9346, isr, rcr, tcr};
use crate::ring;
use crate::state::{Overflow, State};

/// For CR to follow what was written: reset, receiver off, receiver on. The chip takes microseconds; this is what
/// other drivers give it.
const CR_DEADLINE: Micros = Micros(10_000);

/// MPC has 24 bits.
const MPC_MASK: u32 = 0x00ff_ffff;

/// Waits until CR is as `ready` wants it.
fn wait_cr(cx: &Cx<'_, State>, ready: impl Fn(u8) -> bool) -> Result<(), Error> {
    cx.regs.wait(regs::CR, CR_DEADLINE, ready).map(drop)
}

/// Silence: no interrupts, no DMA, from any state and without looking at ours.
///
/// CR goes to 0 first, for a chip whose reset hangs: then it has at least been told to stop.
///
/// TSAD is written afterwards though the reset has cleared it (section 5.4): the framework does not know that, and would
/// go on taking its shadow for what the chip holds. RBSTART is not, see [`aim`].
pub(crate) fn halt(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(regs::IMR, 0)?;
    cx.regs.write(regs::CR, 0)?;
    cx.regs.write(regs::CR, cr::RST)?;
    wait_cr(cx, |value| value & cr::RST == 0)?;
    regs::TSAD.into_iter().try_for_each(|address| cx.regs.write(address, 0))
}

/// RBSTART from the state, with the receiver off: from `probe` on it is never anything else. A call that has switched the
/// receiver on and fails is undone, but for CR and RCR, which nobody can undo: until `restore` comes the chip goes on
/// receiving, to what RBSTART held before.
pub(crate) fn aim(cx: &Cx<'_, State>) -> Result<(), Error> {
    let address = cx.dma.bus_address(cx.state.ring)?;
    cx.regs.write(regs::RBSTART, address)
}

/// Halts the chip and gives every kept buffer back as lost. What the chip has counted is taken first: a reset
/// clears it.
pub(crate) fn shut_down(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    take_missed(cx)?;
    halt(cx)?;
    if cx.state.ring != Dma::NONE {
        aim(cx)?;
    }
    cx.state.tx.ring.lose_all(cx.net, &mut cx.state.stats)?;
    cx.state.tx.reset();
    (cx.state.cursor, cx.state.waiting) = (0, 0);
    cx.state.overflow = Overflow::NONE;
    Ok(())
}

/// From the state after a reset to receiving and sending.
pub(crate) fn start(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    write_mac(cx)?;
    write_multicast(cx)?;
    write_ring(cx)?;
    // TCR and RCR keep nothing before the enables are set (section 5.4). Until RCR is written it accepts nothing
    cx.regs.write(regs::CR, cr::RE | cr::TE)?;
    wait_cr(cx, |value| value & (cr::RE | cr::TE) == cr::RE | cr::TE)?;
    cx.regs.write(regs::TCR, tcr::RUN)?;
    cx.regs.write(regs::RCR, receive_mode(cx.state))?;
    cx.regs.write(regs::IMR, isr::CAUSES)
}

/// From the state after a reset to where the state says that the chip is.
pub(crate) fn resume(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    if cx.state.opened != 0 { start(cx) } else { write_mac(cx) }
}

/// Sets the receiver up anew and leaves the transmitter alone. Not to be called after a frame was delivered in the
/// same call: the chip would write over it.
pub(crate) fn restart_receiver(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(regs::CR, cr::TE)?;
    wait_cr(cx, |value| value & cr::RE == 0)?;
    write_ring(cx)?;
    cx.regs.write(regs::CR, cr::RE | cr::TE)?;
    wait_cr(cx, |value| value & cr::RE != 0)?;
    cx.regs.write(regs::RCR, receive_mode(cx.state))
}

/// An empty ring, in the chip and in the state.
///
/// The first header is wiped: should the chip say that there is a frame before there is one, the old one is not taken
/// for it. CAPR is a doorbell and arrives on commit; until then it says the same by the reset.
fn write_ring(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    cx.dma.write_u32(cx.state.ring, 0, 0)?;
    cx.state.cursor = 0;
    aim(cx)?;
    cx.regs.write(regs::CAPR, ring::to_capr(0))
}

/// IDR from the state, but not before `probe` has put it there: a reset keeps IDR, and zeros in it would stay until the
/// next power-on. 9346CR is a lock that the datasheet asks for before changes of configuration (section 5.9).
pub(crate) fn write_mac(cx: &Cx<'_, State>) -> Result<(), Error> {
    if !cx.state.mac.is_station() {
        return Ok(());
    }
    let (low, high) = cx.state.mac.to_registers();
    cx.regs.write(regs::CR9346, cr9346::CONFIG_WRITE)?;
    cx.regs.write(regs::IDR0, low)?;
    cx.regs.write(regs::IDR4, high)?;
    cx.regs.write(regs::CR9346, cr9346::LOCKED)
}

/// MAR from the state. Bit n of the hash is bit n % 8 of MAR n / 8: little-endian, as the registers are.
pub(crate) fn write_multicast(cx: &Cx<'_, State>) -> Result<(), Error> {
    let hash = if cx.state.promiscuous != 0 { u64::MAX } else { cx.state.multicast };
    cx.regs.write(regs::MAR0, hash as u32)?;
    cx.regs.write(regs::MAR4, (hash >> 32) as u32)
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
