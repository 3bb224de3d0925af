//! Which chip, and what is soldered around it.

use std::time::Duration;

/// Members of the family that differ in what a driver can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// RTL8139C: PCI revision 0x10, hardware version 11101 00.
    #[default]
    Rtl8139C,
    /// RTL8139D (and 8100B): PCI revision 0x10, hardware version 11101 01.
    Rtl8139D,
    /// RTL8139C+ as QEMU shows it: PCI revision 0x20, hardware version 11101 10. Its C+ descriptor mode is not
    /// modelled, only the legacy mode that this chip has too.
    Rtl8139CPlusLegacy,
}

impl Variant {
    /// PCI revision id.
    #[must_use]
    pub const fn revision(self) -> u8 {
        match self {
            Variant::Rtl8139C | Variant::Rtl8139D => 0x10,
            Variant::Rtl8139CPlusLegacy => 0x20,
        }
    }

    /// TCR bits 30-26 and 23-22, in place.
    #[must_use]
    pub const fn hardware_version(self) -> u32 {
        0b11101 << 26
            | match self {
                Variant::Rtl8139C => 0b00 << 22,
                Variant::Rtl8139D => 0b01 << 22,
                Variant::Rtl8139CPlusLegacy => 0b10 << 22,
            }
    }
}

/// What TCTR counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Real time at 33 MHz. There is no thread behind it: TimerInt is noticed at the next register access,
    /// arriving frame or [`crate::Rtl8139Handle::tick`].
    #[default]
    Real,
    /// Only what [`crate::Rtl8139Handle::advance_clock`] adds.
    Manual,
}

/// How to build a card.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which chip.
    pub variant: Variant,
    /// Station address in the EEPROM.
    pub mac: [u8; 6],
    /// Reads of CR that still show RST after a reset was asked for. The real chip takes some microseconds.
    pub reset_polls: u32,
    /// What TCTR counts.
    pub clock: Clock,
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
    /// An RTL8139C with address 52:54:00:12:34:56; three polls see RST; real clock; a bus that costs nothing.
    fn default() -> Self {
        Self {
            variant: Variant::default(),
            mac: [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
            reset_polls: 3,
            clock: Clock::default(),
            read_cost: Duration::ZERO,
            write_cost: Duration::ZERO,
        }
    }
}
