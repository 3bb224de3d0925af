//! Which chip, and what is soldered around it.

use std::time::Duration;

/// Members of the family. All have the same descriptors; they differ in their bus, their version and a few habits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// RTL8169S: PCI, version 0x00800000.
    #[default]
    Rtl8169S,
    /// RTL8110S: PCI, version 0x04000000.
    Rtl8110S,
    /// RTL8169SB and RTL8110SB: PCI, version 0x10000000.
    Rtl8169Sb,
    /// RTL8169SC and RTL8110SC: PCI, version 0x18000000.
    Rtl8169Sc,
    /// The first RTL8168B: PCI Express, version 0x30000000. An overflow of its FIFO stops the receiver until a reset.
    Rtl8168B,
    /// The RTL8168B that came after it: PCI Express, version 0x38000000.
    Rtl8168Be,
}

impl Variant {
    /// All of them.
    pub const ALL: [Variant; 6] = [
        Variant::Rtl8169S,
        Variant::Rtl8110S,
        Variant::Rtl8169Sb,
        Variant::Rtl8169Sc,
        Variant::Rtl8168B,
        Variant::Rtl8168Be,
    ];

    /// Whether it is on PCI Express. BAR 0 is I/O either way.
    #[must_use]
    pub const fn is_pcie(self) -> bool {
        matches!(self, Variant::Rtl8168B | Variant::Rtl8168Be)
    }

    /// PCI device id; the vendor is 0x10ec.
    #[must_use]
    pub const fn device(self) -> u16 {
        if self.is_pcie() { 0x8168 } else { 0x8169 }
    }

    /// PCI revision id.
    #[must_use]
    pub const fn revision(self) -> u8 {
        if self.is_pcie() { 0x01 } else { 0x10 }
    }

    /// The BAR with the registers in memory space: 1 on PCI (256 bytes), 2 on PCI Express (4 KiB, 64 address bits).
    #[must_use]
    pub const fn memory_bar(self) -> u8 {
        if self.is_pcie() { 2 } else { 1 }
    }

    /// The version in TCR, in place; other drivers call it XID, shifted right by twenty bits.
    #[must_use]
    pub const fn version(self) -> u32 {
        match self {
            Variant::Rtl8169S => 0x0080_0000,
            Variant::Rtl8110S => 0x0400_0000,
            Variant::Rtl8169Sb => 0x1000_0000,
            Variant::Rtl8169Sc => 0x1800_0000,
            Variant::Rtl8168B => 0x3000_0000,
            Variant::Rtl8168Be => 0x3800_0000,
        }
    }

    /// PHY identifier, both halves: that of an RTL8211, or of an RTL8211B.
    #[must_use]
    pub const fn phy_id(self) -> u32 {
        match self {
            Variant::Rtl8169S | Variant::Rtl8110S => 0x001c_c910,
            _ => 0x001c_c912,
        }
    }

    /// FOVW stops the receiver until a reset.
    #[must_use]
    pub const fn overflow_stops(self) -> bool {
        matches!(self, Variant::Rtl8168B)
    }

    /// Frames above the usual length need a bit in CONFIG4.
    pub(crate) const fn has_jumbo_bit(self) -> bool {
        matches!(self, Variant::Rtl8168Be)
    }

    /// Ticks of TCTR in a microsecond: the bus clock.
    pub(crate) const fn ticks_per_us(self) -> u128 {
        if self.is_pcie() { 125 } else { 33 }
    }
}

/// What TCTR counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Real time: 33 MHz, on PCI Express 125. There is no thread behind it: TimerInt is noticed at the next register
    /// access, arriving frame or [`crate::R8169Handle::tick`].
    #[default]
    Real,
    /// Only what [`crate::R8169Handle::advance_clock`] adds.
    Manual,
}

/// How to build a card.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which chip.
    pub variant: Variant,
    /// Station address in the EEPROM.
    pub mac: [u8; 6],
    /// Reads of CR that still show RST after a reset was asked for.
    pub reset_polls: u32,
    /// Reads of PHYAR that show an access still under way. The real chip takes some 25 us.
    pub phy_polls: u32,
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
    /// An RTL8169S with address 52:54:00:12:34:56; three polls see RST, one sees PHYAR busy; real clock; a bus that
    /// costs nothing.
    fn default() -> Self {
        Self {
            variant: Variant::default(),
            mac: [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
            reset_polls: 3,
            phy_polls: 1,
            clock: Clock::default(),
            read_cost: Duration::ZERO,
            write_cost: Duration::ZERO,
        }
    }
}
