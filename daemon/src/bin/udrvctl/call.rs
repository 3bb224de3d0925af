//! `call`.

use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

/// Call an entry point now, with the values in force.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device.
    device: String,
    /// Entry point, for example set_rx_mode.
    entry: String,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let request = Request::Call { entry: self.entry.clone() };
        ask_and_show(Some(&self.device), request, Show { json, long: false })
    }
}
