//! Which chip, and what is around it.

use std::time::Duration;

/// Members of the family that differ in what a driver can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// ES1371: 1274:1371, revision 2.
    #[default]
    Es1371,
    /// ES1373: 1274:1371, revision 8. Has registers for S/PDIF and the codec's reset.
    Es1373,
    /// CT5880: 1274:5880, revision 2. As the ES1373.
    Ct5880,
}

impl Variant {
    /// PCI device id; the vendor is Ensoniq.
    #[must_use]
    pub const fn device(self) -> u16 {
        match self {
            Variant::Es1371 | Variant::Es1373 => 0x1371,
            Variant::Ct5880 => 0x5880,
        }
    }

    /// PCI revision id.
    #[must_use]
    pub const fn revision(self) -> u8 {
        match self {
            Variant::Es1371 | Variant::Ct5880 => 0x02,
            Variant::Es1373 => 0x08,
        }
    }

    /// Whether it has registers for S/PDIF, and holds the codec in reset until STATUS.AC97_RST is set.
    #[must_use]
    pub const fn has_spdif(self) -> bool {
        !matches!(self, Variant::Es1371)
    }
}

/// What moves the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Time: 48,000 samples in a second at a pace of 100 (percent). A slower pace is for a driver in a guest that is
    /// itself slower than a machine.
    Real {
        /// Percent of real time; 0 stands still.
        pace: u32,
    },
    /// Only what [`crate::Ens1371Handle::advance_clock`] adds, in samples at 48 kHz.
    Manual,
}

impl Default for Clock {
    fn default() -> Self {
        Clock::Real { pace: 100 }
    }
}

/// How to build a card.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which chip.
    pub variant: Variant,
    /// What moves the samples.
    pub clock: Clock,
    /// Reads of CODEC that still show WIP after an access was started. The real link takes up to two frames, 42 us.
    pub codec_polls: u32,
    /// Time for which it shows WIP at least, by the system's clock whatever moves the samples. Zero by default.
    pub codec_time: Duration,
    /// Reads of SRC that still show RAM_BUSY after it was written.
    pub src_polls: u32,
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
    /// An ES1371 in real time; two polls see WIP, one RAM_BUSY; a bus that costs nothing.
    fn default() -> Self {
        Self {
            variant: Variant::default(),
            clock: Clock::default(),
            codec_polls: 2,
            codec_time: Duration::ZERO,
            src_polls: 1,
            read_cost: Duration::ZERO,
            write_cost: Duration::ZERO,
        }
    }
}
