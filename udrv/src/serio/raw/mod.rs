//! Serio ports through the kernel's serio_raw.
//!
//! [`RawSerioPort`] is the real hardware behind [`udrv_bus::SerioPort`]; [`SerioName`] says which port, [`OpenError`] why not, in one
//! line with what mends it.
//!
//! A port has a driver of the kernel (psmouse, atkbd), or none. Opening it here has serio_raw take that driver's place, which only
//! root may do; closing it gives the port back to the driver that it had. What is done in between goes through
//! `/dev/serio_rawN`: bytes, and nothing of parity or timeouts.
//!
//! | file | concern |
//! |---|---|
//! | `name.rs` | which port |
//! | `sysfs.rs` | what sysfs says of ports, and who drives them |
//! | `error.rs` | errors of an open |
//! | `binding.rs` | the port taken from its driver, and given back |
//! | `stream.rs` | bytes: the thread that hears them, and the queue between it and us |
//! | `port.rs` | all of it as a [`udrv_bus::SerioPort`] |

mod binding;
mod error;
mod name;
mod port;
pub(super) mod stream;
mod sysfs;

pub use error::OpenError;
pub use name::{ParseSerioNameError, SerioName};
pub use port::{OpenOptions, RawSerioPort};
pub use sysfs::{PortSummary, SerioSysfs};
