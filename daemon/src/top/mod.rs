//! `udrvctl top`: all devices that udrvd drives, as they are now.
//!
//! ```text
//!   daemons <──glance, faults── ask.rs ──Heard──┐                       ┌──> draw/ ──> screen.rs (live.rs), or text (once.rs)
//!   keys ──────────────────── input.rs ─Action──┴─> model.rs ─summary.rs┘
//!                                                   rates.rs, history.rs
//! ```
//!
//! Daemons are asked for what they count anyway: neither driver nor device has anything to do with it. One that does not answer
//! keeps nobody waiting, each is asked on a thread of its own.

mod ask;
mod draw;
mod history;
mod input;
mod live;
mod model;
mod once;
mod rates;
pub mod screen;
mod summary;
#[cfg(test)]
mod testing;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use self::live::run;
pub use self::once::{Frame, once};

/// How long a daemon may take to answer: one that restores its device takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is looked at, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where control sockets are.
    pub directory: PathBuf,
    /// Devices by the names of their sockets. Empty: all that run.
    pub devices: Vec<String>,
    /// Time from one look to the next; rates are over this time.
    pub interval: Duration,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// Nobody could see it.
    #[error(
        "this is no terminal: udrvctl top --once prints one frame as plain text, and udrvctl status all of one device"
    )]
    NoTerminal,
    /// The terminal fails.
    #[error("terminal: {0}")]
    Terminal(#[source] io::Error),
    /// No thread, or no signals.
    #[error("cannot start: {0}")]
    Start(#[source] io::Error),
}
