//! The sound class with the ENS1371's driver on its model.

mod device;
mod faults;
mod play;
mod record;
