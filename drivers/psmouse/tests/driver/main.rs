//! The driver against the model of a mouse, behind the framework's controller, in the small framework of `udrv_driver_tests`. `scripted.rs`
//! and `garbage.rs` have no mouse, but what one says.

mod garbage;
mod scripted;
mod versions;
