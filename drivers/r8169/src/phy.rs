//! The PHY inside the chip, and the state of the link.
//!
//! The PHY negotiates by itself from power-on and after a loss of link; a reset of the chip does not touch it. PHYSTATUS
//! says what came of it. So PHYAR is used only to wake a PHY that somebody has put to sleep, or forced. Not here: forced
//! media, what is advertised, and the PHY settings that vendors' drivers write for better signals on long cables.

use udrv_driver::mii;
use udrv_driver::{Cx, Error, Link, Micros};

use crate::regs::{self, phyar, phystatus};
use crate::state::State;

/// For PHYAR: an access takes 64 clocks of 400 ns, and some.
const DEADLINE: Micros = Micros(10_000);
/// An access and its rest, with room.
const ACCESS: Micros = Micros(100);
/// Between the end of an access and the next.
const REST: Micros = Micros(20);

/// Lets the PHY negotiate, if it does not.
///
/// A call that has failed may have left an access under way, and PHYAR does not say so: its flag means one thing for a
/// read and the other for a write. So it is given the time that it takes.
pub(crate) fn wake(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.clock.pause(ACCESS)?;
    if let Some(wanted) = mii::to_negotiate(access(cx, mii::BMCR, None)?) {
        access(cx, mii::BMCR, Some(wanted))?;
    }
    Ok(())
}

/// One access to a PHY register: a write of a value, or a read. Gives the data field.
fn access(cx: &Cx<'_, State>, register: u8, value: Option<u16>) -> Result<u16, Error> {
    let flag = if value.is_some() { phyar::FLAG } else { 0 };
    let data = u32::from(value.unwrap_or(0));
    cx.regs.write(regs::PHYAR, flag | u32::from(register) << phyar::REG_SHIFT | data)?;
    let answer = cx.regs.wait(regs::PHYAR, DEADLINE, |word| word & phyar::FLAG != flag)?;
    cx.clock.pause(REST)?;
    Ok(answer as u16)
}

/// What PHYSTATUS says of the link. A link without a speed is one that is being negotiated.
pub(crate) fn link(status: u8) -> Link {
    let speeds = [(phystatus::SPEED_1000, 1000), (phystatus::SPEED_100, 100), (phystatus::SPEED_10, 10)];
    match speeds.into_iter().find(|(bit, _)| status & bit != 0) {
        Some((_, speed)) if status & phystatus::LINK != 0 => {
            Link { up: true, speed, full_duplex: status & phystatus::FULL != 0 }
        }
        _ => Link::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_a_link() {
        for status in 0..=u8::MAX {
            let link = link(status);
            assert_eq!(link.up, status & 2 != 0 && status & 0x1c != 0);
            assert_eq!(link.full_duplex, link.up && status & 1 != 0);
            assert_eq!(link.speed != 0, link.up);
        }
        assert_eq!(link(0x13), Link { up: true, speed: 1000, full_duplex: true });
        assert_eq!(link(0x0b), Link { up: true, speed: 100, full_duplex: true });
        assert_eq!(link(0x06), Link { up: true, speed: 10, full_duplex: false });
    }
}
