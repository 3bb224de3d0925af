//! USB devices through libusb.
//!
//! [`LibusbDevice`] is the real hardware behind [`udrv_bus::UsbDevice`]; [`UsbName`] says which device, [`OpenError`] why
//! not, in one line with what mends it; [`Arrivals`] waits for one to be plugged in.
//!
//! libusb is started when a device is opened and not before; each device has a context of its own, and with it a thread of
//! libusb (the kernel's messages about devices that come and go; one for all contexts) and one of ours (transfers that
//! end). Which devices there are is read from sysfs, as for PCI: no udev is needed.
//!
//! Not here: isochronous transfers, streams, alternate settings, more than one interface.
//!
//! | file | concern |
//! |---|---|
//! | `name.rs` | which device: by port or by id |
//! | `sysfs.rs` | what sysfs and `/dev/bus/usb` say before anything is opened |
//! | `descriptors.rs` | what the device says of itself, bounded |
//! | `error.rs` | errors of an open; libusb's errors in the bus's words |
//! | `claim.rs` | the interface taken from the kernel, and given back |
//! | `queue.rs` | transfers under way and ended: what the two threads share |
//! | `engine.rs` | submit, reap, cancel |
//! | `raw.rs` | one libusb transfer: the one place with `unsafe` |
//! | `events.rs` | the thread that hears of transfers that end and of the device's leaving |
//! | `device.rs` | all of it as a [`udrv_bus::UsbDevice`] |
//! | `arrivals.rs` | waiting for a device to come |

mod arrivals;
mod claim;
mod descriptors;
mod device;
mod engine;
mod error;
mod events;
mod name;
mod queue;
mod raw;
mod sysfs;

pub use arrivals::Arrivals;
pub use descriptors::DescriptorError;
pub use device::{LibusbDevice, OpenOptions};
pub use error::OpenError;
pub use name::{ParseUsbNameError, PortPath, UsbName};
pub use sysfs::{DeviceSummary, UsbSysfs};
