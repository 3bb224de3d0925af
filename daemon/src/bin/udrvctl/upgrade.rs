//! `upgrade`.

use std::path::PathBuf;
use std::time::Duration;

use udrv_daemon::client::PATIENCE;
use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_device_within, show_answer};
use crate::exit::Failure;

/// For the new program to get ready and to take over, and for the old one to take the device back.
const WAYS: Duration = Duration::from_secs(60);

/// Have another process go on with a device, of the udrvd that is installed now: the device is not reset, and frames wait.
///
/// Where the new one does not work the old one goes on, and says why (exit code 1).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device. May be left out if there is one.
    device: Option<String>,
    /// Run this program instead of the one that is installed where the old one was started. For root alone.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// For so long the old one waits whether the new one works, to take the device back if not.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=600))]
    probation: u64,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let probation = Duration::from_secs(self.probation);
        let request = Request::Upgrade { binary: self.binary.clone(), probation: probation.as_millis() as u64 };
        let answer = ask_device_within(self.device.as_deref(), request, PATIENCE + WAYS + probation)?;
        show_answer(answer, Show { json, long: false })
    }
}
