//! Bringing chip and rings to a known state: everything that writes commands outside of traffic.

use udrv_driver::usb::{self, OWN};
use udrv_driver::{Cx, Dma, Error, Micros, usb::DESCRIPTOR_BYTES};

use crate::regs::{device, ethctrl0, ethctrl1, ethctrl2, gpio};
use crate::ring::{self, INTERRUPT_RING, RX_RING, TX_RING};
use crate::state::State;

/// For a reset of the MAC: 100 control transfers are what other drivers give it.
const RESET_DEADLINE: Micros = Micros(100_000);
/// Between two steps of waking a Pegasus II.
const WAKING: u32 = 5;
const WAKING_STEP: Micros = Micros(20_000);

/// `idProduct` of the AN986, the only one that is no Pegasus II.
const AN986: u32 = 0x0986;

/// No transfers, receiver and transmitter off: from any state and without looking at ours. The rings go first, for a device
/// that does not answer any more.
pub(crate) fn halt(cx: &Cx<'_, State>) -> Result<(), Error> {
    usb::RING_RESET.into_iter().take(3).try_for_each(|ring| cx.regs.write(ring, 1))?;
    usb::RING_SIZE.into_iter().take(3).try_for_each(|size| cx.regs.write(size, 0))?;
    cx.regs.write(device::ETHCTRL0, 0)
}

/// Resets the MAC and lets the PHY run. What a reset clears is written once more, for the framework's shadow.
pub(crate) fn reset(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(device::ETHCTRL1, ethctrl1::RESET)?;
    cx.regs.wait(device::ETHCTRL1, RESET_DEADLINE, |value| value & ethctrl1::RESET == 0)?;
    cx.regs.write(device::ETHCTRL0, 0)?;
    cx.regs.write(device::ETHCTRL2, 0)?;
    cx.regs.write(device::GPIO1, gpio::LEDS)?;
    cx.regs.write(device::GPIO0, gpio::PHY_RESET)?;
    cx.regs.write(device::GPIO0, gpio::PHY_RUNS)
}

/// What every Pegasus II must be told once after power-on. True: its received frames have their length first.
pub(crate) fn wake(cx: &Cx<'_, State>) -> Result<bool, Error> {
    /// What an ADM8513 keeps in REG83, and no other does.
    const KEPT: u8 = 0xa5;
    if cx.regs.read(usb::DEVICE_ID)? & 0xffff == AN986 {
        return Ok(false);
    }
    cx.regs.write(device::REG1D, 0)?;
    cx.regs.write(device::REG7B, 1)?;
    for _ in 0..WAKING {
        cx.clock.pause(WAKING_STEP)?;
    }
    cx.regs.write(device::REG7B, 2)?;
    cx.regs.write(device::REG83, KEPT)?;
    let length_first = cx.regs.read(device::REG83)? == KEPT;
    if length_first {
        cx.regs.write(device::REG83, 0)?;
    }
    cx.regs.write(device::REG80, 0xc0)?;
    cx.regs.write(device::REG83, 0xff)?;
    cx.regs.write(device::REG84, 1)?;
    cx.regs.write(device::REG81, 2)?;
    Ok(length_first)
}

/// Halts the chip and gives every kept buffer back as lost.
pub(crate) fn shut_down(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    halt(cx)?;
    cx.state.tx.lose_all(cx.net, &mut cx.state.stats)?;
    cx.state.tx = Default::default();
    (cx.state.given, cx.state.next, cx.state.next_interrupt, cx.state.stuck) = ([0; 3], 0, 0, 0);
    Ok(())
}

/// From halted to where the state says that it is.
pub(crate) fn resume(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    if cx.state.opened != 0 {
        return start(cx);
    }
    write_mac(cx)?;
    write_multicast(cx)
}

/// From halted to receiving and sending.
pub(crate) fn start(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    write_mac(cx)?;
    write_multicast(cx)?;
    write_rings(cx)?;
    write_media(cx)?;
    cx.regs.write(device::ETHCTRL2, receive_mode(cx.state))?;
    cx.regs.write(device::ETHCTRL0, mode(cx.state))
}

/// Empty rings, and all receive descriptors handed over.
fn write_rings(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let memory = cx.state.memory;
    let base = cx.dma.bus_address(memory)?;
    let rings = [
        (RX_RING, 0, ring::RX),
        (TX_RING, ring::TX_PLACE, ring::TX),
        (INTERRUPT_RING, ring::INTERRUPT_PLACE, ring::INTERRUPTS),
    ];
    for (ring, place, size) in rings {
        (0..size).try_for_each(|index| cx.dma.write_u32(memory, place + index * DESCRIPTOR_BYTES + 12, 0))?;
        cx.regs.write(usb::RING_BASE[ring], base + place)?;
        cx.regs.write(usb::RING_SIZE[ring], size)?;
    }
    for index in 0..ring::RX {
        cx.dma.write_u64(memory, ring::rx_place(index), ring::place(base + ring::buffer(index), ring::BUFFER))?;
        cx.dma.hand_over(memory, ring::rx_place(index) + 12, OWN)?;
    }
    for index in 0..ring::INTERRUPTS {
        cx.dma.write_u64(
            memory,
            ring::interrupt_place(index),
            ring::place(base + ring::packet(index), ring::PACKET),
        )?;
        cx.dma.hand_over(memory, ring::interrupt_place(index) + 12, OWN)?;
    }
    cx.regs.write(usb::RING_DOORBELL[RX_RING], 1)?;
    cx.regs.write(usb::RING_DOORBELL[INTERRUPT_RING], 1)?;
    cx.state.given = [ring::RX, 0, ring::INTERRUPTS];
    Ok(())
}

/// Whether the controller has been given what the state says, and all endpoints work.
pub(crate) fn is_in_step(cx: &Cx<'_, State>) -> Result<bool, Error> {
    if cx.state.opened == 0 || cx.state.stuck != 0 {
        return Ok(false);
    }
    for (count, given) in usb::RING_COUNT.into_iter().zip(cx.state.given) {
        if cx.regs.read(count)? != given {
            return Ok(false);
        }
    }
    Ok(cx.regs.read(usb::RING_SIZE[RX_RING])? == ring::RX)
}

/// Registers from the state, of a chip whose rings go on.
pub(crate) fn set_right(cx: &Cx<'_, State>) -> Result<(), Error> {
    write_mac(cx)?;
    write_multicast(cx)?;
    write_media(cx)?;
    cx.regs.write(device::ETHCTRL2, receive_mode(cx.state))?;
    cx.regs.write(device::ETHCTRL0, mode(cx.state))
}

/// ETHID from the state, but not before `probe` has put it there.
pub(crate) fn write_mac(cx: &Cx<'_, State>) -> Result<(), Error> {
    if !cx.state.mac.is_station() || cx.state.memory == Dma::NONE {
        return Ok(());
    }
    let (low, high) = cx.state.mac.to_registers();
    cx.regs.write(device::ETHID0, low)?;
    cx.regs.write(device::ETHID4, high as u16)
}

/// MAR from the state.
pub(crate) fn write_multicast(cx: &Cx<'_, State>) -> Result<(), Error> {
    let hash = reflected(cx.state.multicast);
    cx.regs.write(device::MAR0, hash as u32)?;
    cx.regs.write(device::MAR4, (hash >> 32) as u32)
}

/// The hash as the chip has it: it counts addresses by the low six bits of the reflected CRC, which are the top six of the
/// other, last one first.
fn reflected(hash: u64) -> u64 {
    (0..64_u64).filter(|bit| hash >> bit & 1 != 0).fold(0, |all, bit| all | 1 << ((bit as u8).reverse_bits() >> 2))
}

/// ETHCTRL1 as the link is.
pub(crate) fn write_media(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(device::ETHCTRL1, cx.state.media as u8)
}

/// ETHCTRL0 as the state wants it: all multicast where the hash says all.
pub(crate) fn mode(state: &State) -> u8 {
    let multicast = if state.multicast == u64::MAX { ethctrl0::ALL_MULTICAST } else { 0 };
    ethctrl0::TX | ethctrl0::RX | ethctrl0::STATUS_APPENDED | multicast
}

/// ETHCTRL2 as the state wants it.
pub(crate) fn receive_mode(state: &State) -> u8 {
    ethctrl2::EP3_CLEARS | if state.promiscuous != 0 { ethctrl2::PROMISCUOUS } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_turned_round() {
        assert_eq!((reflected(0), reflected(u64::MAX)), (0, u64::MAX));
        assert_eq!((reflected(1), reflected(1 << 1), reflected(1 << 32)), (1, 1 << 32, 1 << 1));
        assert_eq!(reflected(1 << 0b11_0100), 1 << 0b00_1011);
    }
}
