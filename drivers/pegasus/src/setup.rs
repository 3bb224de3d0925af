//! Bringing chip and rings to a known state: everything that writes commands outside of traffic.

use udrv_driver::usb::{self, DESCRIPTOR_BYTES, OWN};
use udrv_driver::{Cx, Dma, Error, Level, Micros};

use crate::regs::{device, ethctrl0, ethctrl1, ethctrl2, gpio, iphyc, pegasus_ii};
use crate::ring::{self, INTERRUPT_RING, RX_RING, TX_RING};
use crate::state::State;
use crate::traffic;

/// For a reset of the MAC: the chip's maker gives it a millisecond, and does not look.
const RESET_DEADLINE: Micros = Micros(20_000);
/// How long the internal PHY is held in reset.
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

/// Resets the MAC of a chip that is halted: what it has received and not sent is gone, and registers below EPROMACCESS
/// are clear. ETHCTRL2 and ETHID have to be written after it, for the framework's shadow.
pub(crate) fn reset(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(device::ETHCTRL1, ethctrl1::RESET)?;
    end_reset(cx)
}

/// Waits for the end of a reset that is under way, perhaps.
///
/// Pins are not known to stay. They are put to where they were: that is nothing to a PHY that runs, whose link stays.
pub(crate) fn end_reset(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.wait(device::ETHCTRL1, RESET_DEADLINE, |value| value & ethctrl1::RESET == 0)?;
    cx.regs.write(device::GPIO, gpio::PHY_RUNS)
}

/// Resets the PHY, and tells a Pegasus II what it must be told once after power-on. Once only: a call that fails in the middle
/// of it leaves a chip that `restore` knows nothing of, so no chip that works is brought there.
///
/// # Errors
/// [`Error::NotThisDevice`] for an ADM8513, beside those of the bus.
pub(crate) fn wake(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    if cx.state.awake == 0 {
        wake_phy(cx)?;
        cx.state.awake = 1;
    }
    Ok(())
}

fn wake_phy(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(device::GPIO, gpio::PHY_RESET)?;
    cx.regs.write(device::GPIO, gpio::PHY_RUNS)?;
    if cx.regs.read(usb::DEVICE_ID)? & 0xffff == AN986 {
        return Ok(());
    }
    cx.regs.write(device::RXFC, pegasus_ii::RXFC)?;
    cx.regs.write(device::IPHYC, iphyc::RESET)?;
    for _ in 0..WAKING {
        cx.clock.pause(WAKING_STEP)?;
    }
    cx.regs.write(device::IPHYC, iphyc::ON)?;
    cx.regs.write(device::REG83, pegasus_ii::KEPT)?;
    if cx.regs.read(device::REG83)? == pegasus_ii::KEPT {
        cx.log(Level::Error, format_args!("the chip is an ADM8513, which this driver does not drive"));
        return Err(Error::NotThisDevice);
    }
    cx.regs.write(device::TEST, pegasus_ii::TEST)?;
    cx.regs.write(device::REG83, pegasus_ii::REG83)?;
    cx.regs.write(device::REG84, pegasus_ii::REG84)
}

/// Halts the chip and gives every kept buffer back as lost.
pub(crate) fn shut_down(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    halt(cx)?;
    cx.state.tx.lose_all(cx.net, &mut cx.state.stats)?;
    cx.state.tx = Default::default();
    (cx.state.given, cx.state.next, cx.state.next_interrupt) = ([0; 3], 0, 0);
    Ok(())
}

/// From reset to where the state says that it is.
pub(crate) fn resume(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    if cx.state.opened != 0 {
        return start(cx);
    }
    write_mac(cx)?;
    cx.regs.write(device::ETHCTRL2, receive_mode(cx.state))
}

/// From halted to receiving and sending: rings first.
pub(crate) fn start(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    write_rings(cx)?;
    set_right(cx)
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
        let place = ring::interrupt_place(index);
        cx.dma.write_u64(memory, place, ring::place(base + ring::packet(index), ring::PACKET))?;
        cx.dma.hand_over(memory, place + 12, OWN)?;
    }
    traffic::give(cx, RX_RING, ring::RX)?;
    traffic::give(cx, INTERRUPT_RING, ring::INTERRUPTS)
}

/// Whether the controller has been given what the state says, and all endpoints work. It costs no control transfer.
pub(crate) fn is_in_step(cx: &Cx<'_, State>) -> Result<bool, Error> {
    if cx.state.opened == 0 {
        return Ok(false);
    }
    for (count, given) in usb::RING_COUNT.into_iter().zip(cx.state.given) {
        if cx.regs.read(count)? != given {
            return Ok(false);
        }
    }
    Ok(traffic::broken(cx)?.is_none() && !traffic::is_silent(cx)?)
}

/// Whether the chip itself may have lost its way: the device has erred, or the state is an older one. What a call that failed has
/// done to it ends with its rings, and a reset would clear what others have set: this driver knows nothing of flow control and of
/// what wakes.
pub(crate) fn is_astray(cx: &Cx<'_, State>) -> Result<bool, Error> {
    // no mark is this driver's own: there are some only where nobody knows
    Ok(cx.marks.marked(0)? != 0)
}

/// Registers from the state, of a chip whose rings are right: each of them in any case, for what the chip has is not known
/// to a call that follows a failed one. What the framework has written back it may not have reached the chip with, and a
/// state of an older generation is one that the chip was not set to.
pub(crate) fn set_right(cx: &Cx<'_, State>) -> Result<(), Error> {
    write_mac(cx)?;
    write_media(cx)?;
    write_receive_mode(cx)
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

/// ETHCTRL1 as the link is.
pub(crate) fn write_media(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(device::ETHCTRL1, cx.state.media as u8)
}

/// What is received, of a chip that is on: the mode first, then the receiver.
pub(crate) fn write_receive_mode(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(device::ETHCTRL2, receive_mode(cx.state))?;
    let multicast = if cx.state.multicast | cx.state.promiscuous != 0 { ethctrl0::ALL_MULTICAST } else { 0 };
    let on = ethctrl0::TX | ethctrl0::RX | ethctrl0::STATUS_APPENDED | ethctrl0::RX_CRC;
    cx.regs.write(device::ETHCTRL0, on | multicast)
}

/// ETHCTRL2 as the state wants it.
fn receive_mode(state: &State) -> u8 {
    ethctrl2::EP3_CLEARS | if state.promiscuous != 0 { ethctrl2::PROMISCUOUS } else { 0 }
}
