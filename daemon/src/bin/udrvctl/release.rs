//! `release`.

use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

/// Let an entry point out of quarantine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device.
    device: String,
    /// Entry point. Left out: all of them.
    entry: Option<String>,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let request = Request::Release { entry: self.entry.clone() };
        ask_and_show(Some(&self.device), request, Show { json, long: false })
    }
}
