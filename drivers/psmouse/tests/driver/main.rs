//! The driver against the model of a mouse, behind the framework's controller, in the small framework of `udrv_driver_tests`
//! (`mouse.rs`). `scripted.rs` and `garbage.rs` have no mouse, but what one says.

mod abandoned;
mod detect;
mod garbage;
mod mouse;
mod movement;
mod plug;
mod restore;
mod scripted;
mod settings;
mod step;
mod versions;
