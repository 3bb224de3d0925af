//! The spaces behind registers: EEPROM and PHY. Each access is told, waited for, and fetched.

use udrv_driver::mii::{self, Media};
use udrv_driver::{Cx, Error, Link, MacAddress, Micros};

use crate::regs::{device, epromctrl, phyctrl};
use crate::state::State;

/// Looks before the first pause, and that: no more than a slow control transfer takes.
const QUICK: u32 = 5;
const PAUSE: Micros = Micros(500);
/// For one access: some 100 control transfers are what other drivers give it.
const DEADLINE: Micros = Micros(50_000);
/// The PHY in the chip. An external one is not driven.
const PHY: u32 = 1;

/// The address in the EEPROM, or zeros if it is none or the EEPROM does not answer.
pub(crate) fn mac(cx: &Cx<'_, State>) -> Result<MacAddress, Error> {
    let mut mac = [0; 6];
    for (word, bytes) in mac.chunks_exact_mut(2).enumerate() {
        cx.regs.write(device::EPROMCTRL, 0)?;
        cx.regs.write(device::EPROMOFFSET, word as u8)?;
        cx.regs.write(device::EPROMCTRL, epromctrl::READ)?;
        match wait(cx, device::EPROMCTRL, epromctrl::DONE) {
            Err(Error::Timeout { .. }) => return Ok(MacAddress([0; 6])),
            other => other?,
        }
        bytes.copy_from_slice(&cx.regs.read(device::EPROMDATA)?.to_le_bytes());
    }
    let mac = MacAddress(mac);
    Ok(if mac.is_station() { mac } else { MacAddress([0; 6]) })
}

/// Reads a register of the PHY.
fn read(cx: &Cx<'_, State>, register: u8) -> Result<u16, Error> {
    access(cx, u32::from(phyctrl::READ | register) << 24)?;
    cx.regs.read(device::PHYDATA)
}

/// Writes a register of the PHY.
fn write(cx: &Cx<'_, State>, register: u8, value: u16) -> Result<(), Error> {
    access(cx, u32::from(phyctrl::WRITE | register) << 24 | u32::from(value) << 8)
}

fn access(cx: &Cx<'_, State>, what: u32) -> Result<(), Error> {
    cx.regs.write(device::PHYCTRL, 0)?;
    cx.regs.write(device::PHYACCESS, what | PHY)?;
    wait(cx, device::PHYCTRL, phyctrl::DONE)
}

/// All ones are not the absence of a device here: a transfer that fails is.
fn wait(cx: &Cx<'_, State>, register: udrv_driver::Reg<u8>, bit: u8) -> Result<(), Error> {
    let end = cx.clock.now()? + DEADLINE.0;
    let mut looks = 0;
    loop {
        looks += 1;
        let value = cx.regs.read(register)?;
        if value & bit != 0 {
            return Ok(());
        }
        if cx.clock.now()? >= end {
            return Err(Error::Timeout { register: register.offset(), value: value.into() });
        }
        if looks >= QUICK {
            cx.clock.pause(PAUSE)?;
        }
    }
}

/// Has a PHY negotiate that does not.
pub(crate) fn wake(cx: &Cx<'_, State>) -> Result<(), Error> {
    match mii::to_negotiate(read(cx, mii::BMCR)?) {
        Some(control) => write(cx, mii::BMCR, control),
        None => Ok(()),
    }
}

/// State of the link. That there was none since it was last asked is not remembered here: BMSR latches it, and is read twice.
pub(crate) fn link(cx: &Cx<'_, State>) -> Result<Link, Error> {
    let mut bmsr = read(cx, mii::BMSR)?;
    if bmsr & mii::bmsr::LINK == 0 {
        bmsr = read(cx, mii::BMSR)?;
    }
    if bmsr & mii::bmsr::LINK == 0 || bmsr == u16::MAX {
        return Ok(Link::default());
    }
    let (bmcr, anar, anlpar) = (read(cx, mii::BMCR)?, read(cx, mii::ANAR)?, read(cx, mii::ANLPAR)?);
    let (speed, full_duplex) = Media { bmcr, bmsr, anar, anlpar, gbcr: 0, gbsr: 0 }.mode();
    Ok(Link { up: true, speed, full_duplex })
}
