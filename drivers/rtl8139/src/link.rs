//! State of the link, from what MSR and the PHY registers say.
//!
//! No registers here, and nothing is set: the chip negotiates by itself from power-on and after a loss of link, and a
//! software reset does not touch the PHY (section 5.4). Not here: forced media.

use udrv_driver::Link;

use crate::regs::{mii, msr};

/// What was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Media {
    /// MSR.
    pub(crate) msr: u8,
    /// BMCR.
    pub(crate) bmcr: u16,
    /// BMSR.
    pub(crate) bmsr: u16,
    /// ANAR.
    pub(crate) anar: u16,
    /// ANLPAR.
    pub(crate) anlpar: u16,
}

impl Media {
    /// What it means.
    pub(crate) fn link(self) -> Link {
        if self.msr & msr::LINKB != 0 {
            return Link::default();
        }
        let speed = if self.msr & msr::SPEED_10 != 0 { 10 } else { 100 };
        Link { up: true, speed, full_duplex: self.full_duplex() }
    }

    /// Negotiated: the best that both can do (IEEE 802.3 annex 28B), half if the partner does not negotiate.
    /// Else what BMCR says.
    fn full_duplex(self) -> bool {
        if self.bmcr & mii::BMCR_ANE == 0 || self.bmsr & mii::BMSR_AN_COMPLETE == 0 {
            return self.bmcr & mii::BMCR_DUPLEX != 0;
        }
        let common = self.anar & self.anlpar;
        common & mii::TX_FULL != 0 || common & mii::TX_HALF == 0 && common & mii::T_FULL != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEGOTIATED: Media = Media { msr: 0, bmcr: 0x1000, bmsr: 0x782d, anar: 0x01e1, anlpar: 0x45e1 };

    fn duplex(media: Media) -> (u32, bool) {
        let link = media.link();
        assert!(link.up);
        (link.speed, link.full_duplex)
    }

    #[test]
    fn linkb_is_inverted() {
        assert_eq!(Media { msr: msr::LINKB, ..NEGOTIATED }.link(), Link::default());
        assert!(NEGOTIATED.link().up);
    }

    #[test]
    fn negotiated() {
        let slow = Media { msr: msr::SPEED_10, ..NEGOTIATED };
        assert_eq!(duplex(NEGOTIATED), (100, true));
        assert_eq!(duplex(Media { anlpar: 0x40a1, ..NEGOTIATED }), (100, false), "100 half and 10 half");
        assert_eq!(duplex(Media { anlpar: 0x40e1, ..NEGOTIATED }), (100, false), "100 half goes before 10 full");
        assert_eq!(duplex(Media { anlpar: 0x4061, ..slow }), (10, true));
        assert_eq!(duplex(Media { anlpar: 0x4021, ..slow }), (10, false));
        assert_eq!(duplex(Media { anlpar: 0, ..NEGOTIATED }), (100, false), "partner does not negotiate");
    }

    #[test]
    fn forced_or_not_finished() {
        assert_eq!(duplex(Media { bmcr: 0x2100, ..NEGOTIATED }), (100, true));
        assert_eq!(duplex(Media { bmcr: 0x2000, ..NEGOTIATED }), (100, false));
        assert_eq!(duplex(Media { bmsr: 0x780d, ..NEGOTIATED }), (100, false));
    }
}
