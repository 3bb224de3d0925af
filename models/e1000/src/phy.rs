//! The PHY in the chip, a Marvell M88E1011 or M88E1000 at MDI address 1, and MDIC, the way to it (manual, MDIC and PHY
//! registers).
//!
//! The partner can do everything that 1000BASE-T, 100BASE-TX and 10BASE-T know, and negotiation takes no time: what
//! starts it is a link that fails and is back at once.

use crate::chip::E1000;
use crate::regs::{icr, mdic, mii};

/// Address of the internal PHY.
const ADDRESS: u32 = 1;
/// BMSR bits that never change: 100 and 10 Mbit/s in both duplex modes, extended status, no preamble needed,
/// auto-negotiation, extended registers.
const ABILITIES: u16 = 0x7949;
/// Link partner: next page, acknowledge, pause, 100 and 10 Mbit/s in both duplex modes, IEEE 802.3.
const PARTNER: u16 = 0xc5e1;
/// ANER: both can send next pages, one was received, the partner negotiates.
const NEGOTIATED: u16 = 0x000f;
/// ANER: we can send next pages.
const NEXT_PAGE_ABLE: u16 = 0x0004;
/// GSTATUS: master, both receivers fine.
const GIGABIT_RUNS: u16 = 0x7000;
/// GSTATUS: the partner knows 1000BASE-T in both duplex modes.
const PARTNER_GIGABIT: u16 = 0x0c00;
/// ESTATUS: 1000BASE-T in both duplex modes.
const GIGABIT_ABLE: u16 = 0x3000;
/// ANAR after reset: both pauses, both speeds in both duplex modes, IEEE 802.3.
const ANAR_DEFAULT: u16 = 0x0de1;
/// GCON after reset: 1000BASE-T in both duplex modes is advertised.
const GCON_DEFAULT: u16 = 0x0300;
/// PSCON after reset: crossover is found automatically.
const PSCON_DEFAULT: u16 = 0x0060;
/// EPSCON after reset: downshift counters, 25 MHz.
const EPSCON_DEFAULT: u16 = 0x0d60;
/// PINTS: link status changed.
const LINK_CHANGED: u16 = 1 << 10;

#[derive(Debug)]
pub(crate) struct Phy {
    id: u32,
    registers: [u16; 32],
    cable: bool,
    /// The link failed since BMSR was read last.
    failed: bool,
}

/// What two ends agree on: 0, 1, 2 for 10, 100, 1000 Mbit/s; full duplex.
pub(crate) type Mode = (u32, bool);

impl Phy {
    pub(crate) fn new(id: u32, cable: bool) -> Self {
        let mut phy = Self { id, registers: [0; 32], cable, failed: false };
        phy.set_defaults();
        phy
    }

    fn set_defaults(&mut self) {
        self.registers = [0; 32];
        self.registers[usize::from(mii::BMCR)] = mii::ANE | mii::DUPLEX | mii::SPEED_1000;
        self.registers[usize::from(mii::ANAR)] = ANAR_DEFAULT;
        self.registers[usize::from(mii::GCON)] = GCON_DEFAULT;
        self.registers[usize::from(mii::PSCON)] = PSCON_DEFAULT;
        self.registers[usize::from(mii::EPSCON)] = EPSCON_DEFAULT;
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

    pub(crate) const fn loopback(&self) -> bool {
        self.bmcr() & mii::LOOPBACK != 0
    }

    pub(crate) fn set_cable(&mut self, plugged: bool) {
        let before = self.link();
        self.cable = plugged;
        if before != self.link() {
            self.note_failure();
        }
    }

    /// The link fails, though it may be back already.
    pub(crate) fn note_failure(&mut self) {
        self.failed = true;
        self.registers[usize::from(mii::PINTS)] |= LINK_CHANGED;
    }

    /// Reset by its pin or by BMCR.
    pub(crate) fn reset(&mut self) {
        self.set_defaults();
        self.note_failure();
    }

    const fn negotiated(&self) -> bool {
        self.link() && self.bmcr() & mii::ANE != 0
    }

    /// Speed and duplex mode: negotiated with a partner that can do everything, or as BMCR says.
    pub(crate) const fn mode(&self) -> Mode {
        let (bmcr, anar, gcon) = (self.bmcr(), self.register(mii::ANAR), self.register(mii::GCON));
        if bmcr & mii::ANE == 0 {
            let speed = if bmcr & mii::SPEED_1000 != 0 { 2 } else { (bmcr & mii::SPEED_100 != 0) as u32 };
            return (speed, bmcr & mii::DUPLEX != 0);
        }
        if gcon & 0x0300 != 0 {
            (2, gcon & 0x0200 != 0)
        } else if anar & 0x0180 != 0 {
            (1, anar & 0x0100 != 0)
        } else {
            (0, anar & 0x0040 != 0)
        }
    }

    fn read(&mut self, at: u8) -> u16 {
        let negotiated = self.negotiated();
        match at {
            mii::BMSR => {
                let link = self.link() && !std::mem::take(&mut self.failed);
                ABILITIES | if link { mii::LINK } else { 0 } | if negotiated { mii::AN_COMPLETE } else { 0 }
            }
            mii::ID1 => (self.id >> 16) as u16,
            mii::ID2 => self.id as u16,
            mii::ANLPAR => {
                if negotiated {
                    PARTNER
                } else {
                    0
                }
            }
            mii::ANER => {
                if negotiated {
                    NEGOTIATED
                } else {
                    NEXT_PAGE_ABLE
                }
            }
            mii::GSTATUS if negotiated => PARTNER_GIGABIT | if self.mode().0 == 2 { GIGABIT_RUNS } else { 0 },
            mii::GSTATUS => 0,
            mii::ESTATUS => GIGABIT_ABLE,
            mii::PSSTAT => self.specific_status(),
            mii::PINTS => std::mem::take(&mut self.registers[usize::from(mii::PINTS)]),
            _ => self.register(at & 31),
        }
    }

    const fn specific_status(&self) -> u16 {
        if !self.link() {
            return 0;
        }
        let (speed, full) = self.mode();
        let duplex = if full { mii::PS_DUPLEX } else { 0 };
        (speed as u16) << mii::PS_SPEED_SHIFT | duplex | mii::PS_RESOLVED | mii::PS_LINK
    }

    /// Whether the link has to be found anew.
    fn write(&mut self, at: u8, value: u16) -> bool {
        let before = self.bmcr();
        match at {
            // The M88 takes changes of its mode with a software reset: registers stay.
            mii::BMCR => self.registers[0] = value & !(mii::RESET | mii::RESTART),
            mii::BMSR | mii::ID1 | mii::ID2 | mii::ANLPAR | mii::ANER | mii::GSTATUS | mii::ESTATUS | mii::PSSTAT => {}
            mii::PINTS => {}
            _ => self.registers[usize::from(at & 31)] = value,
        }
        let anew = at == mii::BMCR && (value & (mii::RESET | mii::RESTART) != 0 || before != self.bmcr());
        if anew {
            self.note_failure();
        }
        anew
    }
}

impl E1000 {
    /// An access of the PHY; it is over at once.
    pub(crate) fn write_mdic(&mut self, value: u32) {
        self.mdic = value & !(mdic::READY | mdic::ERROR);
        if self.parts.trouble.on.mdic_hangs {
            return;
        }
        let at = (value >> mdic::REG_SHIFT & 31) as u8;
        let present = value >> mdic::PHY_SHIFT & 31 == ADDRESS;
        match value & (mdic::OP_READ | mdic::OP_WRITE) {
            mdic::OP_READ => {
                // Nobody drives the bus at another address.
                let data = if present { self.phy.read(at) } else { 0xffff };
                self.mdic = self.mdic & !0xffff | u32::from(data);
            }
            mdic::OP_WRITE if present => {
                if self.phy.write(at, value as u16) {
                    self.renegotiate();
                }
            }
            mdic::OP_WRITE => {}
            _ => self.mdic |= mdic::ERROR,
        }
        self.mdic |= mdic::READY | if present { 0 } else { mdic::ERROR };
        if value & mdic::INT != 0 {
            self.icr |= icr::MDAC;
        }
    }
}
