//! The PHY inside the chip, and the state of the link.
//!
//! The PHY negotiates by itself from power-on and after a loss of link, and a reset of the chip does not touch it
//! (section 13.4.1, CTRL.RST). STATUS says what came of it. So MDIC is used only to wake a PHY that somebody has put to
//! sleep, or forced. Not here: forced media, and what is advertised.

use udrv_driver::mii;
use udrv_driver::{Cx, Error, Link, Micros};

use crate::regs::{self, mdic, status};
use crate::state::State;

/// For an MDIC command: 64 clocks of 400 ns.
const MDIC_DEADLINE: Micros = Micros(10_000);

/// Lets the PHY negotiate, if it does not.
pub(crate) fn wake_phy(cx: &Cx<'_, State>) -> Result<(), Error> {
    if let Some(wanted) = mii::to_negotiate(command(cx, mii::BMCR, mdic::OP_READ)?) {
        command(cx, mii::BMCR, mdic::OP_WRITE | u32::from(wanted))?;
    }
    Ok(())
}

/// One access to a PHY register; gives the data field.
fn command(cx: &Cx<'_, State>, register: u8, operation: u32) -> Result<u16, Error> {
    cx.regs.write(regs::MDIC, operation | mdic::PHY | u32::from(register) << mdic::REG_SHIFT)?;
    match cx.regs.wait(regs::MDIC, MDIC_DEADLINE, |value| value & (mdic::R | mdic::E) != 0)? {
        value if value & mdic::E != 0 => Err(Error::Nonsense { register: regs::MDIC.offset(), value }),
        value => Ok(value as u16),
    }
}

/// What STATUS says of the link (section 13.4.2).
pub(crate) fn link(value: u32) -> Link {
    if value & status::LU == 0 {
        return Link::default();
    }
    let speed = [10, 100, 1000, 1000][(value >> status::SPEED_SHIFT & 0b11) as usize];
    Link { up: true, speed, full_duplex: value & status::FD != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_a_link() {
        for value in 0..=0xffff_u32 {
            let link = link(value);
            assert_eq!(link.up, value & 2 != 0);
            assert_eq!(link.full_duplex, value & 3 == 3);
            let speed = if value & 2 == 0 { 0 } else { [10, 100, 1000, 1000][value as usize >> 6 & 3] };
            assert_eq!(link.speed, speed);
        }
    }
}
