//! The PHY in the chip, and PHYAR, the way to it (datasheet, PHYAR and PHY registers).
//!
//! The partner can do everything that 1000BASE-T, 100BASE-TX and 10BASE-T know, and negotiation takes no time: what
//! starts it is a link that fails and is back at once.

use model_card::Nic;

use crate::chip::R8169;
use crate::regs::{isr, mii, phyar, phystatus};

/// BMSR bits that never change: 100 and 10 Mbit/s in both duplex modes, extended status, no preamble needed,
/// auto-negotiation, extended registers.
const ABILITIES: u16 = 0x7949;
/// Link partner: acknowledge, pause, 100 and 10 Mbit/s in both duplex modes, IEEE 802.3.
const PARTNER: u16 = 0x45e1;
/// Pause, in ANAR and of the partner.
const PAUSE: u16 = 0x0400;
/// ANER: the partner negotiates.
const LP_NW_ABLE: u16 = 1;
/// GBSR: both receivers fine.
const GIGABIT_RUNS: u16 = 0x3000;
/// GBSR: the partner knows 1000BASE-T in both duplex modes.
const PARTNER_GIGABIT: u16 = 0x0c00;
/// GBESR: 1000BASE-T in both duplex modes.
const GIGABIT_ABLE: u16 = 0x3000;
/// ANAR after reset: both speeds in both duplex modes, pause, IEEE 802.3.
const ANAR_DEFAULT: u16 = 0x0de1;
/// GBCR after reset: 1000BASE-T in both duplex modes is advertised.
const GBCR_DEFAULT: u16 = 0x0300;
/// Pages that keep what is written to them, page 0 not counted.
const PAGES: usize = 15;

#[derive(Debug)]
pub(crate) struct Phy {
    id: u32,
    page: u16,
    registers: [u16; 32],
    pages: [[u16; 32]; PAGES],
    cable: bool,
    /// The link failed since BMSR was read last.
    failed: bool,
}

impl Phy {
    pub(crate) fn new(id: u32, cable: bool) -> Self {
        let mut phy = Self { id, page: 0, registers: [0; 32], pages: [[0; 32]; PAGES], cable, failed: false };
        phy.set_defaults();
        phy
    }

    fn set_defaults(&mut self) {
        self.registers = [0; 32];
        self.registers[usize::from(mii::BMCR)] = mii::ANE | mii::DUPLEX | mii::SPEED_1000;
        self.registers[usize::from(mii::ANAR)] = ANAR_DEFAULT;
        self.registers[usize::from(mii::GBCR)] = GBCR_DEFAULT;
    }

    const fn register(&self, at: u8) -> u16 {
        self.registers[at as usize]
    }

    const fn bmcr(&self) -> u16 {
        self.register(mii::BMCR)
    }

    pub(crate) const fn link(&self) -> bool {
        self.cable && self.bmcr() & mii::POWER_DOWN == 0
    }

    pub(crate) const fn loops_back(&self) -> bool {
        self.bmcr() & mii::LOOPBACK != 0
    }

    pub(crate) fn set_cable(&mut self, plugged: bool) {
        self.failed |= self.link() && !plugged;
        self.cable = plugged;
    }

    /// The link fails, though it may be back already.
    pub(crate) fn note_failure(&mut self) {
        self.failed = true;
    }

    const fn negotiated(&self) -> bool {
        self.link() && self.bmcr() & mii::ANE != 0
    }

    /// Bits of PHYSTATUS for speed and duplex mode: negotiated with a partner that can do everything, or as BMCR says.
    const fn mode(&self) -> u8 {
        let (bmcr, anar, gbcr) = (self.bmcr(), self.register(mii::ANAR), self.register(mii::GBCR));
        let (speed, full) = if bmcr & mii::ANE == 0 {
            let slow = if bmcr & mii::SPEED_100 != 0 { phystatus::SPEED_100 } else { phystatus::SPEED_10 };
            (if bmcr & mii::SPEED_1000 != 0 { phystatus::SPEED_1000 } else { slow }, bmcr & mii::DUPLEX != 0)
        } else if gbcr & 0x0300 != 0 {
            (phystatus::SPEED_1000, gbcr & 0x0200 != 0)
        } else if anar & 0x0180 != 0 {
            (phystatus::SPEED_100, anar & 0x0100 != 0)
        } else {
            (phystatus::SPEED_10, anar & 0x0040 != 0)
        };
        speed | if full { phystatus::FULL } else { 0 }
    }

    /// PHYSTATUS.
    pub(crate) const fn status(&self) -> u8 {
        if !self.link() {
            return 0;
        }
        let pause = self.negotiated() && self.register(mii::ANAR) & PAUSE != 0;
        self.mode() | phystatus::LINK | if pause { phystatus::TX_FLOW | phystatus::RX_FLOW } else { 0 }
    }

    fn kept(&mut self, at: u8) -> Option<&mut u16> {
        let page = self.pages.get_mut(usize::from(self.page).checked_sub(1)?)?;
        page.get_mut(usize::from(at))
    }

    fn read(&mut self, at: u8) -> u16 {
        if at == mii::PAGE {
            return self.page;
        }
        if self.page != 0 {
            return self.kept(at).map_or(0, |register| *register);
        }
        let negotiated = self.negotiated();
        let if_negotiated = |value| if negotiated { value } else { 0 };
        match at {
            mii::BMSR => {
                let link = self.link() && !std::mem::take(&mut self.failed);
                ABILITIES | if link { mii::LINK } else { 0 } | if_negotiated(mii::AN_COMPLETE)
            }
            mii::ID1 => (self.id >> 16) as u16,
            mii::ID2 => self.id as u16,
            mii::ANLPAR => if_negotiated(PARTNER),
            mii::ANER => if_negotiated(LP_NW_ABLE),
            mii::GBSR => {
                let runs = self.mode() & phystatus::SPEED_1000 != 0;
                if_negotiated(PARTNER_GIGABIT | if runs { GIGABIT_RUNS } else { 0 })
            }
            mii::GBESR => GIGABIT_ABLE,
            _ => self.register(at),
        }
    }

    /// Whether the link has to be found anew.
    fn write(&mut self, at: u8, value: u16) -> bool {
        if at == mii::PAGE {
            self.page = value;
            return false;
        }
        if self.page != 0 {
            if let Some(register) = self.kept(at) {
                *register = value;
            }
            return false;
        }
        let before = self.bmcr();
        match at {
            mii::BMCR if value & mii::RESET != 0 => self.set_defaults(),
            mii::BMCR => self.registers[usize::from(at)] = value & !mii::RESTART,
            mii::BMSR | mii::ID1 | mii::ID2 | mii::ANLPAR | mii::ANER | mii::GBSR | mii::GBESR => {}
            _ => self.registers[usize::from(at)] = value,
        }
        let anew = at == mii::BMCR && (value & (mii::RESET | mii::RESTART) != 0 || before != self.bmcr());
        self.failed |= anew;
        anew
    }
}

impl R8169 {
    /// A write of PHYAR. An access that was under way has ended.
    pub(crate) fn write_phyar(&mut self, value: u32) {
        let at = (value >> phyar::REG_SHIFT & 31) as u8;
        let place = u32::from(at) << phyar::REG_SHIFT;
        if value & phyar::FLAG != 0 {
            let anew = self.phy.write(at, value as u16);
            self.phyar = place | value & 0xffff;
            if anew {
                self.renegotiate();
            }
        } else {
            self.phyar = phyar::FLAG | place | u32::from(self.phy.read(at));
        }
        self.phy_left = self.config.phy_polls.max(u32::from(self.parts.trouble.on.phyar_hangs));
    }

    /// A read of PHYAR: while the access is under way the flag is the wrong way round, and there is no data.
    pub(crate) fn read_phyar(&mut self) -> u32 {
        if self.phy_left == 0 {
            return self.phyar;
        }
        if !self.parts.trouble.on.phyar_hangs {
            self.phy_left -= 1;
        }
        (self.phyar ^ phyar::FLAG) & !0xffff
    }

    /// Tells a change of the link.
    pub(crate) fn notice_link(&mut self) {
        let up = self.phy.link();
        if std::mem::replace(&mut self.link, up) != up {
            self.isr |= isr::LINKCHG;
        }
    }

    /// The link fails and, if there is a cable, is back when both ends have
    /// negotiated.
    fn renegotiate(&mut self) {
        if self.port.negotiate() {
            self.set_link(false);
            return;
        }
        if self.link {
            self.isr |= isr::LINKCHG;
        }
        self.notice_link();
    }

    /// One register read nearer to the next failure of the link.
    pub(crate) fn count_to_flap(&mut self) {
        let every = self.parts.trouble.on.link_flaps;
        if every == 0 {
            self.flap_in = 0;
            return;
        }
        self.flap_in = if self.flap_in == 0 { every } else { self.flap_in } - 1;
        if self.flap_in == 0 {
            self.phy.note_failure();
            self.renegotiate();
        }
    }
}
