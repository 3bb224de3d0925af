//! What a driver declares of its bus.

use crate::serio::SerioCommand;
use crate::usb::Endpoint;

/// The bus that a driver's devices are on, and what of them it uses there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// PCI and PCI Express.
    Pci {
        /// BARs that hold the registers; the first that exists is taken.
        bars: &'static [u8],
        /// Where several registers share an offset.
        pages: Option<Pages>,
    },
    /// USB: registers behind vendor requests on endpoint 0, and rings of transfers on others ([`crate::usb`]).
    Usb {
        /// `bRequest` of the vendor request that reads registers: `wIndex` is the first, the data are theirs.
        read: u8,
        /// `bRequest` of the one that writes them: `wIndex` is the first, the data are theirs. Of a single one `wValue` has
        /// the value too.
        write: u8,
        /// The endpoints that it uses, at most [`crate::usb::ENDPOINTS`]: the ring of each has its place in this list for
        /// a number.
        endpoints: &'static [Endpoint],
    },
    /// Serio: a PS/2 device ([`crate::serio`]).
    Serio {
        /// Its commands as registers.
        commands: &'static [SerioCommand],
    },
}

impl Bus {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Bus::Pci { .. } => "PCI",
            Bus::Usb { .. } => "USB",
            Bus::Serio { .. } => "serio",
        }
    }
}

/// Registers that share a window of offsets: another one says which of them are there. In a register map they are declared at
/// `page << 8 | offset`, with pages from 1 on, and that other register not at all: the framework writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// Offset of the register that chooses the page, 32 bits wide. A driver that reaches it writes the number of the page.
    pub selector: u8,
}
