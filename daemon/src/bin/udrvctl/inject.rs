//! `inject`.

use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

/// Make the driver fault: a real fault, in its own code.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device.
    device: String,
    /// Entry point, for example transmit.
    entry: String,
    /// null-write, wild-write, divide-by-zero, stack-overflow, endless-loop or panic.
    fault: String,
    /// Where in the entry point: start, middle or end.
    #[arg(long, default_value = "middle", value_name = "POINT")]
    at: String,
    /// How many calls that reach the place, one after the other; 0 disarms.
    #[arg(long, default_value_t = 1)]
    times: u32,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let request = Request::Inject {
            entry: self.entry.clone(),
            fault: self.fault.clone(),
            point: self.at.clone(),
            times: self.times,
        };
        ask_and_show(Some(&self.device), request, Show { json, long: false })
    }
}
