//! udrvd and udrvctl as processes: how they start, refuse, are asked, stop and die.

mod adopt;
mod bad_input;
mod checkpoint;
mod config;
mod control;
mod daemon;
mod hand_back;
mod idle;
mod input;
mod journal;
mod json;
mod life;
mod look;
mod metrics;
mod mouse;
mod pair;
mod service;
mod settings;
mod sound;
mod tool;
mod top;
mod upgrade;
mod vfio_user;

use fgft as _; // the package's link arguments name a symbol that is there
