//! `regs`.

use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

/// Registers: names, kinds, and what is known of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device. May be left out if there is one.
    device: Option<String>,
    /// Read from the device too, where reading changes nothing.
    #[arg(long)]
    live: bool,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let request = Request::Regs { live: self.live };
        ask_and_show(self.device.as_deref(), request, Show { json, long: false })
    }
}
