//! `status`.

use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

/// State and counters of a device.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device, as udrvd was given it. May be left out if there is one.
    device: Option<String>,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let request = Request::Status;
        ask_and_show(self.device.as_deref(), request, Show { json, long: false })
    }
}
