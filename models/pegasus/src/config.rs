//! Which chip, and what is soldered around it.

use std::time::Duration;

use udrv_bus::UsbId;

/// Members of the family that speak the same language. The ADM8513 and ADM8515 put something before a received frame
/// that no public source describes fully: they are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// AN986, "Pegasus": the PHY is a chip of its own, held in reset by general purpose pin 0; the station address is
    /// not loaded.
    An986,
    /// ADM8511, "Pegasus II": a PHY inside, and the station address is loaded from the EEPROM.
    #[default]
    Adm8511,
}

impl Variant {
    /// `idVendor` and `idProduct` of ADMtek's own boards.
    #[must_use]
    pub const fn id(self) -> UsbId {
        let product = match self {
            Variant::An986 => 0x0986,
            Variant::Adm8511 => 0x8511,
        };
        UsbId { vendor: 0x07a6, product }
    }

    /// `bcdDevice`.
    pub(crate) const fn release(self) -> u16 {
        match self {
            Variant::An986 => 0x0100,
            Variant::Adm8511 => 0x0101,
        }
    }

    /// Identifier of the PHY: the AN986's is taken to be a common one of its time, the ADM8511's is ADMtek's.
    pub(crate) const fn phy_id(self) -> u32 {
        match self {
            Variant::An986 => 0x0022_561b,
            Variant::Adm8511 => 0x001d_2411,
        }
    }
}

/// How to build an adapter.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which chip.
    pub variant: Variant,
    /// Station address in the EEPROM; any, also one that no station may have.
    pub mac: [u8; 6],
    /// `bInterval` of endpoint 3, in the EEPROM too, milliseconds.
    pub interval: u8,
    /// Time that a control transfer takes, spent spinning. On a bus of full speed each is some frames of 1 ms at worst;
    /// with a host that works on them at once it is about 0.1 ms.
    pub control_cost: Duration,
    /// Reads of EthCtrl1 that still show the reset after it was asked for.
    pub reset_polls: u32,
    /// Reads of EpromCtrl that do not show that it is done.
    pub eprom_polls: u32,
    /// Reads of PhyCtrl that do not show that it is done.
    pub phy_polls: u32,
    /// Room of the receive FIFO, bytes.
    pub rx_fifo: usize,
}

impl Config {
    /// The default with another chip.
    #[must_use]
    pub fn of(variant: Variant) -> Self {
        Self { variant, ..Self::default() }
    }
}

impl Default for Config {
    /// An ADM8511 with address 52:54:00:12:34:56; 125 us a control transfer; one or two polls see what is under way; room
    /// for 16 long frames.
    fn default() -> Self {
        Self {
            variant: Variant::default(),
            mac: [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
            interval: 1,
            control_cost: Duration::from_micros(125),
            reset_polls: 2,
            eprom_polls: 1,
            phy_polls: 1,
            rx_fifo: 24 * 1024,
        }
    }
}

/// A name for people, lower case, and the usual adapter of that name.
pub type Variants = &'static [(&'static str, fn() -> Config)];

/// The chips of the family, the usual one first.
pub const VARIANTS: Variants =
    &[("adm8511", || Config::of(Variant::Adm8511)), ("an986", || Config::of(Variant::An986))];
