//! The registers of a PHY that every PHY has, and what they say of the link: IEEE 802.3 clause 22, annex 28B, and
//! clause 40.5 for gigabit. How a chip's PHY is reached is its driver's.

use crate::Link;

/// Basic mode control.
pub const BMCR: u8 = 0;
/// Basic mode status.
pub const BMSR: u8 = 1;
/// PHY identifier, high half.
pub const PHYID1: u8 = 2;
/// PHY identifier, low half.
pub const PHYID2: u8 = 3;
/// Auto-negotiation advertisement.
pub const ANAR: u8 = 4;
/// Auto-negotiation link partner ability.
pub const ANLPAR: u8 = 5;
/// Auto-negotiation expansion.
pub const ANER: u8 = 6;
/// 1000BASE-T control.
pub const GBCR: u8 = 9;
/// 1000BASE-T status.
pub const GBSR: u8 = 10;

/// Bits of BMCR.
pub mod bmcr {
    /// Resets the PHY; clears itself.
    pub const RESET: u16 = 1 << 15;
    /// It hears itself.
    pub const LOOPBACK: u16 = 1 << 14;
    /// 100 Mbit/s, if there is no negotiation.
    pub const SPEED_100: u16 = 1 << 13;
    /// Auto-negotiation enable.
    pub const ANE: u16 = 1 << 12;
    /// Power down.
    pub const POWER_DOWN: u16 = 1 << 11;
    /// It is not connected to the MAC.
    pub const ISOLATE: u16 = 1 << 10;
    /// Restart auto-negotiation; clears itself.
    pub const RESTART: u16 = 1 << 9;
    /// Full duplex, if there is no negotiation.
    pub const DUPLEX: u16 = 1 << 8;
    /// 1000 Mbit/s, if there is no negotiation.
    pub const SPEED_1000: u16 = 1 << 6;
}

/// Bits of BMSR.
pub mod bmsr {
    /// Auto-negotiation is complete.
    pub const AN_COMPLETE: u16 = 1 << 5;
    /// There is a link; latched low until read.
    pub const LINK: u16 = 1 << 2;
}

/// Bits of ANAR and ANLPAR.
pub mod an {
    /// 100BASE-TX full duplex.
    pub const TX_FULL: u16 = 1 << 8;
    /// 100BASE-TX half duplex.
    pub const TX_HALF: u16 = 1 << 7;
    /// 10BASE-T full duplex.
    pub const T_FULL: u16 = 1 << 6;
    /// 10BASE-T half duplex.
    pub const T_HALF: u16 = 1 << 5;
    /// IEEE 802.3, the selector that all of them have.
    pub const SELECTOR: u16 = 1;
    /// All of 10 and 100 Mbit/s.
    pub const ALL: u16 = TX_FULL | TX_HALF | T_FULL | T_HALF | SELECTOR;
}

/// Bits of GBCR: what we can.
pub mod gbcr {
    /// 1000BASE-T full duplex.
    pub const FULL: u16 = 1 << 9;
    /// 1000BASE-T half duplex.
    pub const HALF: u16 = 1 << 8;
}

/// Bits of GBSR: what the partner can.
pub mod gbsr {
    /// 1000BASE-T full duplex.
    pub const FULL: u16 = 1 << 11;
    /// 1000BASE-T half duplex.
    pub const HALF: u16 = 1 << 10;
}

/// What BMCR must be told for a PHY to negotiate that somebody has put to sleep, cut off, or forced, and left so; `None` if it
/// negotiates by itself, as it does from power-on and after a loss of link.
#[must_use]
pub fn to_negotiate(control: u16) -> Option<u16> {
    const OFF: u16 = bmcr::POWER_DOWN | bmcr::LOOPBACK | bmcr::ISOLATE;
    let sleeps = control & OFF != 0 || control & bmcr::ANE == 0;
    sleeps.then_some(control & !(OFF | bmcr::RESET) | bmcr::ANE | bmcr::RESTART)
}

/// What was read of a PHY. Gigabit registers are 0 where there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Media {
    /// BMCR.
    pub bmcr: u16,
    /// BMSR.
    pub bmsr: u16,
    /// ANAR.
    pub anar: u16,
    /// ANLPAR.
    pub anlpar: u16,
    /// GBCR.
    pub gbcr: u16,
    /// GBSR.
    pub gbsr: u16,
}

impl Media {
    /// Speed in Mbit/s and full duplex, as negotiated or, without that, as BMCR says. Whether there is a link at all is
    /// asked elsewhere.
    #[must_use]
    pub fn mode(self) -> (u32, bool) {
        if self.bmcr & bmcr::ANE == 0 || self.bmsr & bmsr::AN_COMPLETE == 0 {
            let speed = match (self.bmcr & bmcr::SPEED_1000 != 0, self.bmcr & bmcr::SPEED_100 != 0) {
                (true, _) => 1000,
                (false, true) => 100,
                (false, false) => 10,
            };
            return (speed, self.bmcr & bmcr::DUPLEX != 0);
        }
        let both = |ours: u16, theirs: u16| self.gbcr & ours != 0 && self.gbsr & theirs != 0;
        if both(gbcr::FULL, gbsr::FULL) {
            return (1000, true);
        }
        if both(gbcr::HALF, gbsr::HALF) {
            return (1000, false);
        }
        // the best that both can; a partner that does not negotiate is half duplex
        let common = self.anar & self.anlpar;
        match common {
            _ if common & an::TX_FULL != 0 => (100, true),
            _ if common & an::TX_HALF != 0 => (100, false),
            _ => (10, common & an::T_FULL != 0),
        }
    }

    /// The same as a link, which there is if `up`.
    #[must_use]
    pub fn link(self, up: bool) -> Link {
        if !up {
            return Link::default();
        }
        let (speed, full_duplex) = self.mode();
        Link { up, speed, full_duplex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEGOTIATED: Media =
        Media { bmcr: 0x1140, bmsr: 0x796d, anar: 0x01e1, anlpar: 0x45e1, gbcr: 0x0300, gbsr: 0x0c00 };

    #[test]
    fn negotiated() {
        let fast = Media { gbsr: 0, ..NEGOTIATED };
        assert_eq!(NEGOTIATED.mode(), (1000, true));
        assert_eq!(Media { gbsr: 0x0400, ..NEGOTIATED }.mode(), (1000, false));
        assert_eq!(Media { gbcr: 0x0100, gbsr: 0x0800, ..NEGOTIATED }.mode(), (100, true), "nothing in common");
        assert_eq!(fast.mode(), (100, true));
        assert_eq!(Media { anlpar: 0x40a1, ..fast }.mode(), (100, false), "100 half and 10 half");
        assert_eq!(Media { anlpar: 0x40e1, ..fast }.mode(), (100, false), "100 half goes before 10 full");
        assert_eq!(Media { anlpar: 0x4061, ..fast }.mode(), (10, true));
        assert_eq!(Media { anlpar: 0, ..fast }.mode(), (10, false), "partner does not negotiate");
    }

    #[test]
    fn forced_or_not_finished() {
        assert_eq!(Media { bmcr: 0x2100, ..NEGOTIATED }.mode(), (100, true));
        assert_eq!(Media { bmcr: 0x2000, ..NEGOTIATED }.mode(), (100, false));
        assert_eq!(Media { bmcr: 0x0140, ..NEGOTIATED }.mode(), (1000, true));
        assert_eq!(Media { bmcr: 0x1000, bmsr: 0x7949, ..NEGOTIATED }.mode(), (10, false));
    }

    #[test]
    fn a_phy_that_does_not_negotiate_is_told_to() {
        for (control, told) in [
            (0x1140, None),
            (0x1940, Some(0x1340)),
            (0x5140, Some(0x1340)),
            (0x1540, Some(0x1340)),
            (0x0100, Some(0x1300)),
            (0x2900, Some(0x3300)),
            (0x8100, Some(0x1300)),
        ] {
            assert_eq!(to_negotiate(control), told, "{control:#06x}");
            assert_eq!(to_negotiate(told.unwrap_or(control) & !bmcr::RESTART), None);
        }
    }

    #[test]
    fn without_a_link_there_is_no_speed() {
        assert_eq!(NEGOTIATED.link(false), Link::default());
        assert_eq!(NEGOTIATED.link(true), Link { up: true, speed: 1000, full_duplex: true });
    }
}
