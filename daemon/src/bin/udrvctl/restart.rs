//! `restart`.

use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

/// Restart the driver: probe the device anew and replay its configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device. May be left out if there is one.
    device: Option<String>,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let request = Request::Restart;
        ask_and_show(self.device.as_deref(), request, Show { json, long: false })
    }
}
