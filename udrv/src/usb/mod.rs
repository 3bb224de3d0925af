//! USB devices.

pub mod libusb;
