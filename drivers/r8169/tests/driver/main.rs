//! The driver against a small chip of its own: enough of an RTL8169SC to see every rule kept. What is tested of every
//! driver, and the framework that it is tested in, is `udrv_driver_tests`; here is what this one has for itself.

mod alternate;
mod chip;
mod control;
mod fake;
mod features;
mod lifecycle;
mod traffic;
