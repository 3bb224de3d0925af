//! The driver against a small chip of its own: enough of an 82540EM and of the framework to see every rule kept.
//!
//! Not the model (that knows nothing of drivers, and this nothing of buses), and not the framework: a call that is
//! abandoned is one that panics here, and what would be undone is undone in a few lines.

mod alternate;
mod chip;
mod control;
mod eeprom;
mod fake;
mod features;
mod garbage;
mod lifecycle;
mod random;
mod receive;
mod transmit;
mod versions;
