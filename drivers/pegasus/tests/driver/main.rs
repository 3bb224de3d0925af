//! The driver against a small chip of its own: enough of an ADM8511, and of the controller that it hangs on, to see
//! every rule kept. What is tested of every driver, and the framework that it is tested in, is `udrv_driver_tests`; here
//! is what this one has for itself.

mod alternate;
mod chip;
mod control;
mod controller;
mod endpoints;
mod fake;
mod lifecycle;
mod traffic;
