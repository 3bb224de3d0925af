//! What a device is to the framework: PCI functions, BARs, DMA memory, interrupts; USB devices, transfers; serio
//! ports, bytes.
//!
//! One trait for each bus, [`PciFunction`], [`UsbDevice`] and [`SerioPort`], stands between the framework and whatever carries the
//! device: kernel VFIO, libusb or serio_raw (in `udrv`), or a device model in this process (under `models/`). A driver cannot tell
//! which.
//! Nothing here does I/O; nothing here knows a driver.
#![forbid(unsafe_code)]

mod address;
mod error;
mod pci;
mod serio;
mod usb;

pub use address::{ParseAddressError, PciAddress};
pub use error::BusError;
pub use pci::{BarInfo, BarKind, DmaMapping, DmaMemory, PciFunction, PciId, ResetKind, Width};
pub use serio::{SerioByte, SerioId, SerioPort};
pub use usb::{
    CONTROL_TIMEOUT, Completion, EndpointInfo, EndpointKind, Setup, Transfer, TransferStatus, UsbDevice, UsbId,
};
