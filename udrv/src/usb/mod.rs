//! USB: a host controller in software, over a device that libusb or a model carries.
//!
//! ```text
//!   [driver] -- registers, rings in DMA memory --> controller.rs, ring.rs -- control requests, transfers --> UsbDevice
//! ```

pub mod controller;
mod memory;
mod ring;

pub use controller::Controller;
