//! What a device is to the framework: PCI functions, BARs, DMA memory, interrupts.
//!
//! One trait, [`PciFunction`], stands between the framework and whatever carries the device: kernel VFIO
//! (in `udrv`), or a device model in this process (under `models/`). A driver cannot tell which.
//! Nothing here does I/O; nothing here knows a driver.
#![forbid(unsafe_code)]

mod address;
mod error;
mod pci;

pub use address::{ParseAddressError, PciAddress};
pub use error::BusError;
pub use pci::{BarInfo, BarKind, DmaMapping, DmaMemory, PciFunction, PciId, ResetKind, Width};
