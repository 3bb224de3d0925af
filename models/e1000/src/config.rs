//! Which chip, and what is soldered around it.

use std::time::Duration;

/// Members of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// 82540EM, copper: 8086:100e, PHY M88E1011.
    #[default]
    I82540Em,
    /// 82545EM, copper: 8086:100f, PHY M88E1011.
    I82545Em,
    /// 82544GC, copper: 8086:100c, PHY M88E1000. Has no EERD, its EEPROM's pins need not be asked for, and it does not
    /// check IPv6.
    I82544Gc,
}

impl Variant {
    /// PCI device id; the vendor is 0x8086.
    #[must_use]
    pub const fn device(self) -> u16 {
        match self {
            Variant::I82540Em => 0x100e,
            Variant::I82545Em => 0x100f,
            Variant::I82544Gc => 0x100c,
        }
    }

    /// PCI revision id.
    #[must_use]
    pub const fn revision(self) -> u8 {
        match self {
            Variant::I82540Em | Variant::I82544Gc => 2,
            Variant::I82545Em => 1,
        }
    }

    /// PHY identifier, both halves, its revision 0.
    #[must_use]
    pub const fn phy_id(self) -> u32 {
        match self {
            Variant::I82540Em | Variant::I82545Em => 0x0141_0c20,
            Variant::I82544Gc => 0x0141_0c30,
        }
    }

    /// The 82544 comes before what the 82540 brought.
    pub(crate) const fn is_82544(self) -> bool {
        matches!(self, Variant::I82544Gc)
    }
}

/// How to build a card.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which chip.
    pub variant: Variant,
    /// Station address in the EEPROM.
    pub mac: [u8; 6],
    /// Reads of registers, of whichever, after a reset was asked for until CTRL no longer shows RST. The reset itself is
    /// over at once, and writes take effect.
    pub reset_polls: u32,
    /// Time that a register read takes on the bus, spent spinning. Zero by default; a real PCI read is about 1 us.
    pub read_cost: Duration,
    /// Time that a register write takes.
    pub write_cost: Duration,
}

impl Config {
    /// The default with another chip.
    #[must_use]
    pub fn of(variant: Variant) -> Self {
        Self { variant, ..Self::default() }
    }
}

impl Default for Config {
    /// An 82540EM with address 52:54:00:12:34:56; one poll sees RST; a bus that costs nothing.
    fn default() -> Self {
        Self {
            variant: Variant::default(),
            mac: [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
            reset_polls: 1,
            read_cost: Duration::ZERO,
            write_cost: Duration::ZERO,
        }
    }
}
