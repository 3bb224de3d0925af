//! `set`.

use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

/// Change a setting of a mouse, from now on and after each restart of its driver: the nearest that it has is taken.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device.
    device: String,
    /// rate (reports a second, at most), resolution (counts an inch) or scaling.
    setting: String,
    /// A number; of scaling 1:1 or 2:1 (fast movements count double).
    value: String,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let request = Request::Set { setting: self.setting.clone(), value: self.value.clone() };
        ask_and_show(Some(&self.device), request, Show { json, long: false })
    }
}
