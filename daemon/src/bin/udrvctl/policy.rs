//! `policy`.

use clap::Subcommand;
use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show it.
    Get {
        /// The device. May be left out if there is one.
        device: Option<String>,
    },
    /// Change it, from the next call on.
    Set {
        /// The device.
        device: String,
        /// always, never (a fault ends the daemon) or suspicious (after the first fault).
        mode: String,
        /// Entry point, for example poll. Left out: all of them.
        entry: Option<String>,
    },
}

impl Action {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let (device, request) = match self {
            Action::Get { device } => (device.as_deref(), Request::Policy),
            Action::Set { device, mode, entry } => {
                (Some(device.as_str()), Request::Protect { entry: entry.clone(), mode: mode.clone() })
            }
        };
        ask_and_show(device, request, Show { json, long: false })
    }
}
