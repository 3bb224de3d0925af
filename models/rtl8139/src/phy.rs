//! The PHY inside the chip: basic mode and auto-negotiation registers (datasheet, BMCR to CSCR), the link.
//!
//! The partner can do everything that 100BASE-TX and 10BASE-T know, and negotiation takes no time.

use crate::regs::mii;

/// Link partner: acknowledge, pause, 100 and 10 Mbit/s in both duplex modes, IEEE 802.3.
const PARTNER: u16 = 0x45e1;
/// ANAR after reset: pause not advertised, both speeds in both duplex modes, IEEE 802.3.
const ANAR_DEFAULT: u16 = 0x01e1;
/// 100BASE-TX bits of ANAR.
const ANAR_100: u16 = 0x0180;
/// Full duplex bits of ANAR.
const ANAR_FULL: u16 = 0x0140;
/// ANER: the partner negotiates.
const LP_NW_ABLE: u16 = 1;
/// CSCR after reset: TPI link enable, heartbeat, jabber, forced 100 link good.
const CSCR_DEFAULT: u16 = 0x03c0;
/// CSCR: a connection is there.
const CON_STATUS: u16 = 1 << 3;

#[derive(Debug)]
pub(crate) struct Phy {
    bmcr: u16,
    pub(crate) anar: u16,
    link: bool,
    /// The link failed since BMSR was read last.
    failed: bool,
    disconnects: u16,
    pub(crate) nwaytr: u16,
    cscr: u16,
}

impl Phy {
    pub(crate) fn new(link: bool) -> Self {
        Self { bmcr: mii::ANE, anar: ANAR_DEFAULT, link, failed: false, disconnects: 0, nwaytr: 0, cscr: CSCR_DEFAULT }
    }

    pub(crate) const fn link(&self) -> bool {
        self.link
    }

    pub(crate) fn set_link(&mut self, up: bool) {
        if self.link && !up {
            self.failed = true;
            self.disconnects = self.disconnects.wrapping_add(1);
        }
        self.link = up;
    }

    const fn negotiated(&self) -> bool {
        self.link && self.bmcr & mii::ANE != 0
    }

    /// 10 Mbit/s, as MSR shows it.
    pub(crate) const fn slow(&self) -> bool {
        self.bmcr() & mii::SPD_SET == 0
    }

    pub(crate) const fn bmcr(&self) -> u16 {
        if !self.negotiated() {
            return self.bmcr;
        }
        let speed = if self.anar & ANAR_100 != 0 { mii::SPD_SET } else { 0 };
        let duplex = if self.anar & ANAR_FULL != 0 { mii::DUPLEX } else { 0 };
        self.bmcr & !(mii::SPD_SET | mii::DUPLEX) | speed | duplex
    }

    /// `unlocked`: 9346CR allows to write bits 13, 12 and 8.
    pub(crate) fn write_bmcr(&mut self, value: u16, unlocked: bool) {
        if value & mii::RESET != 0 {
            (self.bmcr, self.anar) = (mii::ANE, ANAR_DEFAULT);
        } else if unlocked {
            self.bmcr = value & (mii::SPD_SET | mii::ANE | mii::DUPLEX);
        }
    }

    /// Reading shows a link that failed in the meantime once.
    pub(crate) fn read_bmsr(&mut self) -> u16 {
        let link = self.link && !std::mem::take(&mut self.failed);
        mii::ABILITIES | if link { mii::LINK } else { 0 } | if self.negotiated() { mii::AN_COMPLETE } else { 0 }
    }

    pub(crate) const fn anlpar(&self) -> u16 {
        if self.negotiated() { PARTNER } else { 0 }
    }

    pub(crate) const fn aner(&self) -> u16 {
        if self.negotiated() { LP_NW_ABLE } else { 0 }
    }

    /// The disconnect counter; reading clears it.
    pub(crate) fn read_dis(&mut self) -> u16 {
        std::mem::take(&mut self.disconnects)
    }

    pub(crate) const fn cscr(&self) -> u16 {
        self.cscr | if self.link { CON_STATUS } else { 0 }
    }

    pub(crate) fn write_cscr(&mut self, value: u16) {
        self.cscr = value & !CON_STATUS;
    }
}
