//! The spaces behind registers: EEPROM and PHY. Each access is told in one control transfer, waited for in one or more, and
//! fetched in another: bytes that come together with the end of an access may be older than it.

use udrv_driver::mii::{self, Media};
use udrv_driver::{Cx, Error, Link, MacAddress, Micros, Reg};

use crate::regs::{device, epromctrl, phyctrl};
use crate::state::State;

/// Looks before the first pause, and that: no more than a slow control transfer takes.
const QUICK: u32 = 5;
const PAUSE: Micros = Micros(500);
/// For one access: some 100 control transfers are what other drivers give it.
const DEADLINE: Micros = Micros(50_000);
/// The PHY in the chip, or beside it on the boards of the chip's maker.
const PHY: u32 = 1;

/// The address in the EEPROM, or zeros if it is none or the EEPROM does not answer.
pub(crate) fn mac(cx: &Cx<'_, State>) -> Result<MacAddress, Error> {
    let mut mac = [0; 6];
    for (word, bytes) in (0..).zip(mac.chunks_exact_mut(2)) {
        cx.regs.write(device::EPROMACCESS, u32::from(epromctrl::READ) << 24 | word)?;
        match wait(cx, device::EPROMCTRL, epromctrl::DONE) {
            Err(Error::Timeout { .. }) => return Ok(MacAddress([0; 6])),
            other => other?,
        };
        bytes.copy_from_slice(&cx.regs.read(device::EPROMDATA)?.to_le_bytes());
    }
    let mac = MacAddress(mac);
    Ok(if mac.is_station() { mac } else { MacAddress([0; 6]) })
}

/// Reads a register of the PHY.
fn read(cx: &Cx<'_, State>, register: u8) -> Result<u16, Error> {
    access(cx, phyctrl::READ | register, 0)?;
    cx.regs.read(device::PHYDATA)
}

fn access(cx: &Cx<'_, State>, control: u8, data: u16) -> Result<(), Error> {
    cx.regs.write(device::PHYACCESS, u32::from(control) << 24 | u32::from(data) << 8 | PHY)?;
    wait(cx, device::PHYCTRL, phyctrl::DONE)
}

/// All ones are not the absence of a device here: a transfer that fails is.
fn wait(cx: &Cx<'_, State>, register: Reg<u8>, bit: u8) -> Result<(), Error> {
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
        Some(control) => access(cx, phyctrl::WRITE | mii::BMCR, control),
        None => Ok(()),
    }
}

/// State of the link. That there was none since it was last asked is not remembered here: BMSR latches it, and is read twice.
pub(crate) fn link(cx: &Cx<'_, State>) -> Result<Link, Error> {
    let mut bmsr = read(cx, mii::BMSR)?;
    if bmsr & mii::bmsr::LINK == 0 {
        bmsr = read(cx, mii::BMSR)?;
    }
    // all ones: there is no PHY
    if bmsr & mii::bmsr::LINK == 0 || bmsr == u16::MAX {
        return Ok(Link::default());
    }
    let (bmcr, anar, anlpar) = (read(cx, mii::BMCR)?, read(cx, mii::ANAR)?, read(cx, mii::ANLPAR)?);
    Ok(Media { bmcr, bmsr, anar, anlpar, ..Media::default() }.link(true))
}
