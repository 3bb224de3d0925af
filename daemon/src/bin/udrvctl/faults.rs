//! `faults`.

use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

/// Fault reports, oldest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device. May be left out if there is one.
    device: Option<String>,
    /// Only those with a higher number.
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// All that is known: backtrace, processor registers, device registers written, time of each step.
    #[arg(long)]
    long: bool,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let request = Request::Faults { after: self.after, brief: false };
        ask_and_show(self.device.as_deref(), request, Show { json, long: self.long })
    }
}
