//! Who is tested: a driver, and the model of its chip. Each scenario stands once, generic over [`Subject`], and
//! [`every_subject!`](crate::every_subject) makes a test of it for each.
//!
//! For a new driver: a module here with its [`Subject`], and a line in `every_subject!`.

use std::ops::RangeInclusive;

use model_card::{Chip, Nic};
use udrv_bus::Width;
use udrv_driver::NetDriver;

mod e1000;
mod r8169;
mod rtl8139;

pub use e1000::E1000;
pub use r8169::R8169;
pub use rtl8139::Rtl8139;

/// How to build the card of a subject.
pub type Config<S> = <<S as Subject>::Chip as Chip>::Config;

/// What the card of a subject can do wrong.
pub type Misbehave<S> = model_card::Misbehave<<<S as Subject>::Chip as Chip>::Switches>;

/// A register that can be read without an effect, and of that the bits that count.
#[derive(Debug, Clone, Copy)]
pub struct Register {
    /// Its datasheet name.
    pub name: &'static str,
    /// Where it is in [`Subject::BAR`].
    pub at: u32,
    /// How wide.
    pub width: Width,
    /// Which bits.
    pub mask: u32,
}

impl Register {
    /// All bits of it.
    #[must_use]
    pub const fn all(name: &'static str, at: u32, width: Width) -> Register {
        Register { name, at, width, mask: u32::MAX }
    }

    /// Some bits of it.
    #[must_use]
    pub const fn bits(name: &'static str, at: u32, width: Width, mask: u32) -> Register {
        Register { name, at, width, mask }
    }
}

/// A driver and the model of its chip.
pub trait Subject: Sized + 'static {
    /// The driver.
    type Driver: NetDriver + Send;
    /// The chip on the model's card.
    type Chip: Nic<Config: Default>;

    /// The BAR that the registers below are in.
    const BAR: u8;
    /// What the driver sets up: the same before a fault and after it.
    const SETUP: &'static [Register];
    /// What is 0 in a chip that is quiet: its receiver's and transmitter's enables, its interrupt mask.
    const QUIET: &'static [Register];
    /// Two registers of 32 bits with the station address, from its first byte (bits 0 to 7 of the first) on.
    const STATION: [u32; 2];
    /// Megabits a second of the model's link.
    const LINK_SPEED: u32;
    /// How many frames the driver takes while the transmitter stands still.
    const TX_ROOM: u64;
    /// How many of the longest frames it has room for that have come in and were not looked at.
    const RX_ROOM: u64;
    /// Registers that are tried full of garbage in traffic, and how seldom: one read in so many.
    const GARBAGE: &'static [(RangeInclusive<u32>, u32)];

    /// The usual card. Its station address is [`crate::frames::CARD`].
    #[must_use]
    fn config() -> Config<Self> {
        Config::<Self>::default()
    }

    /// A card for each chip of the model's family.
    #[must_use]
    fn variants() -> Vec<Config<Self>> {
        Self::Chip::VARIANTS.iter().map(|(_, config)| config()).collect()
    }
}

/// Makes a test of each scenario (a function that is generic over a [`Subject`]) for each subject, in a module with the
/// subject's name.
#[macro_export]
macro_rules! every_subject {
    ($($scenario:ident),+ $(,)?) => {
        $crate::one_subject!(e1000: E1000; $($scenario),+);
        $crate::one_subject!(r8169: R8169; $($scenario),+);
        $crate::one_subject!(rtl8139: Rtl8139; $($scenario),+);
    };
}

/// The tests of one subject: see [`every_subject!`](crate::every_subject).
#[macro_export]
macro_rules! one_subject {
    ($name:ident: $subject:ident; $($scenario:ident),+) => {
        mod $name {
            $(
                #[test]
                fn $scenario() {
                    super::$scenario::<$crate::subject::$subject>();
                }
            )+
        }
    };
}
