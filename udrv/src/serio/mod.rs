//! Serio: PS/2 devices as the framework drives them.
//!
//! Such a device has no registers and raises no interrupts: it has a line of bytes, on which its answers and what it sends by
//! itself come mixed, and nothing says where a command ends. The [`controller`] makes of that what a driver knows: the registers
//! of `udrv_driver::serio`, and an event when a byte has come. It knows nothing but [`udrv_bus::SerioPort`]; a port of
//! serio_raw in the kernel and a model in this process are the same to it.
//!
//! | file | concern |
//! |---|---|
//! | `commands.rs` | whether the commands that a driver declares can be registers |
//! | `line.rs` | answers and data told apart, deadlines, a device that has left |
//! | `raw/` | serio_raw in the kernel |
//! | `socket.rs` | a line whose other end is a process |
//! | `controller.rs` | all of it as a [`crate::device::Device`] |

mod commands;
pub mod controller;
#[cfg(test)]
pub(crate) mod fake;
mod line;
#[cfg(test)]
mod mouse_tests;
pub mod raw;
pub mod socket;

pub use commands::CommandError;
