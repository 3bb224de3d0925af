//! The PHY at MII address 1, the registers through which it is reached, the link.
//!
//! The partner can do everything that 100BASE-TX and 10BASE-T know. Negotiation takes as long as the wire says.

use crate::chip::Chip;
use crate::config::Variant;
use crate::regs::{self, gpio, mii, phy, phy_power};

/// Its MII address.
pub(crate) const ADDRESS: u8 = 1;
/// Both speeds in both duplex modes, preamble suppression, auto-negotiation, extended registers.
const ABILITIES: u16 = 0x7849;
/// After reset: both speeds in both duplex modes, IEEE 802.3.
const ANAR_DEFAULT: u16 = 0x01e1;
/// The partner: acknowledge, pause, both speeds in both duplex modes, IEEE 802.3.
const PARTNER: u16 = 0x45e1;
/// ANER: the partner negotiates.
const PARTNER_NEGOTIATES: u16 = 1;
/// Bits of BMCR that keep what is written.
const BMCR_KEPT: u16 = mii::LOOPBACK | mii::SPEED_100 | mii::ANE | mii::POWER_DOWN | mii::ISOLATE | mii::DUPLEX;

/// The PHY, and the access that is under way.
#[derive(Debug)]
pub(crate) struct Phy {
    bmcr: u16,
    anar: u16,
    /// Registers that keep what is written, for there are drivers that set such (16 and up).
    extra: [u16; 16],
    cable: bool,
    /// Power and reset pins let it work.
    alive: bool,
    /// The link failed since BMSR was read last.
    failed: bool,
    /// The link that was told last.
    told: bool,
    control: u8,
    left: Option<u32>,
    done: bool,
    flap_in: u32,
}

impl Phy {
    pub(crate) fn new(cable: bool) -> Self {
        let mut phy = Self {
            bmcr: 0,
            anar: 0,
            extra: [0; 16],
            cable,
            alive: false,
            failed: false,
            told: false,
            control: 0,
            left: None,
            done: false,
            flap_in: 0,
        };
        phy.set_defaults();
        phy
    }

    fn set_defaults(&mut self) {
        (self.bmcr, self.anar, self.extra) = (mii::ANE | mii::SPEED_100 | mii::DUPLEX, ANAR_DEFAULT, [0; 16]);
    }

    pub(crate) const fn link(&self) -> bool {
        self.alive && self.cable && self.bmcr & (mii::POWER_DOWN | mii::ISOLATE) == 0
    }

    pub(crate) const fn loops_back(&self) -> bool {
        self.alive && self.bmcr & mii::LOOPBACK != 0
    }

    const fn negotiated(&self) -> bool {
        self.link() && self.bmcr & mii::ANE != 0
    }

    fn read(&mut self, id: u32, at: u8) -> u16 {
        let if_negotiated = |negotiated: bool, value| if negotiated { value } else { 0 };
        match at {
            mii::BMCR => self.bmcr,
            mii::BMSR => {
                let failed = std::mem::take(&mut self.failed);
                let link = self.link() && !failed;
                let complete = if_negotiated(self.negotiated(), mii::AN_COMPLETE);
                ABILITIES | complete | if link { mii::LINK } else { 0 }
            }
            mii::ID1 => (id >> 16) as u16,
            mii::ID2 => id as u16,
            mii::ANAR => self.anar,
            mii::ANLPAR => if_negotiated(self.negotiated(), PARTNER),
            mii::ANER => if_negotiated(self.negotiated(), PARTNER_NEGOTIATES),
            16..=31 => self.extra[usize::from(at) - 16],
            _ => 0,
        }
    }

    /// Whether the link has to be found anew.
    fn write(&mut self, at: u8, value: u16) -> bool {
        match at {
            mii::BMCR => {
                let before = self.bmcr;
                if value & mii::RESET != 0 {
                    self.set_defaults();
                } else {
                    self.bmcr = value & BMCR_KEPT;
                }
                let anew = value & (mii::RESET | mii::RESTART) != 0 || before != self.bmcr;
                self.failed |= anew;
                anew
            }
            mii::ANAR => {
                self.anar = value;
                false
            }
            16..=31 => {
                self.extra[usize::from(at) - 16] = value;
                false
            }
            _ => false,
        }
    }
}

impl Chip {
    /// A write of PhyCtrl: a command, or none. What was under way has ended.
    pub(crate) fn write_phy_ctrl(&mut self, value: u8) {
        self.phy.control = value & (phy::REGISTER | phy::READ | phy::WRITE);
        self.phy.left = (value & (phy::READ | phy::WRITE) != 0).then_some(self.config.phy_polls);
        self.phy.done = false;
        if self.phy.left == Some(0) && !self.trouble.on.phy_silent {
            self.finish_phy();
        }
    }

    /// A read of PhyCtrl.
    pub(crate) fn read_phy_ctrl(&mut self) -> u8 {
        if !self.trouble.on.phy_silent {
            match self.phy.left {
                Some(0) => self.finish_phy(),
                Some(left) => self.phy.left = Some(left - 1),
                None => {}
            }
        }
        self.phy.control | if self.phy.done { phy::DONE } else { 0 }
    }

    fn finish_phy(&mut self) {
        (self.phy.left, self.phy.done) = (None, true);
        let present =
            self.phy.alive && self.kept[usize::from(regs::PHY_ADDR)] == ADDRESS && !self.trouble.on.phy_absent;
        let register = self.phy.control & phy::REGISTER;
        let data = usize::from(regs::PHY_DATA);
        if self.phy.control & phy::READ != 0 {
            // Nobody drives the line: it is pulled up.
            let value = if present { self.phy.read(self.config.variant.phy_id(), register) } else { 0xffff };
            self.kept[data..data + 2].copy_from_slice(&value.to_le_bytes());
        } else if present {
            let value = u16::from_le_bytes([self.kept[data], self.kept[data + 1]]);
            if self.phy.write(register, value) {
                self.renegotiate();
            }
        }
    }

    /// The pins that let the PHY work may have changed.
    pub(crate) fn update_phy_power(&mut self) {
        let power = self.kept[usize::from(regs::PHY_POWER)];
        let pins = self.kept[usize::from(regs::GPIO0)];
        let alive = match self.config.variant {
            Variant::Adm8511 => power & (phy_power::ON | phy_power::RESET) == phy_power::ON,
            Variant::An986 => pins & (gpio::OUT0 | gpio::SELECT0) == gpio::OUT0 | gpio::SELECT0,
        };
        if alive == self.phy.alive {
            return;
        }
        if alive {
            self.phy.set_defaults();
        }
        self.phy.alive = alive;
        if alive {
            self.renegotiate();
        } else {
            self.phy.failed = true;
            self.notice_link();
        }
    }

    /// The cable was plugged in or pulled.
    pub(crate) fn set_cable(&mut self, plugged: bool) {
        self.phy.failed |= self.phy.link() && !plugged;
        self.phy.cable = plugged;
        self.notice_link();
    }

    /// Endpoint 3 has news when the link is another.
    fn notice_link(&mut self) {
        let up = self.phy.link();
        self.news |= std::mem::replace(&mut self.phy.told, up) != up;
    }

    /// The link fails and, if there is a cable, is back when both ends have negotiated.
    fn renegotiate(&mut self) {
        if self.port.negotiate() {
            self.set_cable(false);
            return;
        }
        self.news |= self.phy.told;
        self.notice_link();
    }

    /// One register access nearer to the next failure of the link.
    pub(crate) fn count_to_flap(&mut self) {
        let every = self.trouble.on.link_flaps;
        if every == 0 {
            self.phy.flap_in = 0;
            return;
        }
        self.phy.flap_in = if self.phy.flap_in == 0 { every } else { self.phy.flap_in } - 1;
        if self.phy.flap_in == 0 {
            self.phy.failed |= self.phy.link();
            self.renegotiate();
        }
    }
}
