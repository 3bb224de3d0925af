//! The driver against a small chip of its own: enough of each of the family to see every rule kept. The framework that it is
//! tested in is `udrv_driver_tests`. `sound.rs` has the model of the chip instead, to hear what comes of it.

mod abandoned;
mod alternate;
mod chip;
mod controls;
mod converter;
mod fake;
mod garbage;
mod lifecycle;
mod sound;
mod streams;
