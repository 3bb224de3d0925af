//! USB: a host controller in software, over a device that libusb or a model carries.
//!
//! ```text
//!   [driver] -- registers, rings in DMA memory --> controller.rs, ring.rs -- control requests, transfers --> UsbDevice
//!                                                                     libusb/ -- usbfs --> device, or a model
//! ```

pub mod controller;
mod endpoints;
#[cfg(test)]
mod fake;
pub mod libusb;
mod memory;
mod ring;

pub use controller::Controller;
