//! `trace`.

use std::path::PathBuf;

use clap::Subcommand;
use udrv_daemon::protocol::Request;

use crate::ask::{Show, ask_and_show};
use crate::exit::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Begin one: pcap with link type 147, a packet an access.
    Start {
        /// The device.
        device: String,
        /// The file, which must not exist.
        file: PathBuf,
        /// Longest file, in MiB.
        #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=65_536))]
        limit: u64,
    },
    /// End it.
    Stop {
        /// The device. May be left out if there is one.
        device: Option<String>,
    },
    /// How it is.
    Status {
        /// The device. May be left out if there is one.
        device: Option<String>,
    },
}

impl Action {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        let (device, request) = match self {
            Action::Start { device, file, limit } => {
                let file = std::path::absolute(file)
                    .map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
                (Some(device.as_str()), Request::TraceStart { file, limit: limit << 20 })
            }
            Action::Stop { device } => (device.as_deref(), Request::TraceStop),
            Action::Status { device } => (device.as_deref(), Request::Trace),
        };
        ask_and_show(device, request, Show { json, long: false })
    }
}
