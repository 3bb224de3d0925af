//! `protect`.

use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

/// Change which calls of the driver are transactions, from the next one on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device.
    device: String,
    /// always, never (a fault ends the daemon) or suspicious (after the first fault).
    mode: String,
    /// Entry point, for example poll. Left out: all of them.
    entry: Option<String>,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let request = Request::Protect { entry: self.entry.clone(), mode: self.mode.clone() };
        ask_and_show(Some(&self.device), request, Show { json, long: false })
    }
}
