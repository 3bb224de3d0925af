//! State of the link, from what MSR and the PHY registers say.
//!
//! No registers here, and nothing is set: the chip negotiates by itself from power-on and after a loss of link, and a
//! software reset does not touch the PHY (section 5.4). Not here: forced media.

use udrv_driver::Link;
use udrv_driver::mii::Media;

use crate::regs::msr;

/// What they mean: MSR has link and speed, and only the PHY knows the duplex.
pub(crate) fn link(msr: u8, phy: Media) -> Link {
    if msr & msr::LINKB != 0 {
        return Link::default();
    }
    let speed = if msr & msr::SPEED_10 != 0 { 10 } else { 100 };
    let (_, full_duplex) = phy.mode();
    Link { up: true, speed, full_duplex }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEGOTIATED: Media = Media { bmcr: 0x1000, bmsr: 0x782d, anar: 0x01e1, anlpar: 0x45e1, gbcr: 0, gbsr: 0 };

    fn duplex(msr: u8, phy: Media) -> (u32, bool) {
        let link = link(msr, phy);
        assert!(link.up);
        (link.speed, link.full_duplex)
    }

    #[test]
    fn linkb_is_inverted() {
        assert_eq!(link(msr::LINKB, NEGOTIATED), Link::default());
        assert!(link(0, NEGOTIATED).up);
    }

    #[test]
    fn speed_is_the_macs_and_duplex_the_phys() {
        assert_eq!(duplex(0, NEGOTIATED), (100, true));
        assert_eq!(duplex(0, Media { anlpar: 0x40e1, ..NEGOTIATED }), (100, false), "100 half goes before 10 full");
        assert_eq!(duplex(msr::SPEED_10, Media { anlpar: 0x4061, ..NEGOTIATED }), (10, true));
        assert_eq!(duplex(msr::SPEED_10, Media { anlpar: 0x4021, ..NEGOTIATED }), (10, false));
        assert_eq!(duplex(0, Media { anlpar: 0, ..NEGOTIATED }), (100, false), "partner does not negotiate");
        assert_eq!(duplex(0, Media { bmcr: 0x2100, ..NEGOTIATED }), (100, true), "forced");
        assert_eq!(duplex(0, Media { bmsr: 0x780d, ..NEGOTIATED }), (100, false), "not finished");
    }
}
