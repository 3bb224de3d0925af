//! What the commands that ask a daemon have in common.

use std::time::Duration;

use udrv_daemon::client::{PATIENCE, ask_within, only_device};
use udrv_daemon::directory;
use udrv_daemon::protocol::{Request, Response};
use udrv_daemon::show;

use crate::exit::Failure;
use crate::output::{print, print_json};

/// How the answer is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Show {
    /// As JSON.
    pub(crate) json: bool,
    /// Fault reports with all that is known.
    pub(crate) long: bool,
}

/// Asks the daemon that drives the device, or the only one that runs. What it refuses is a failure.
pub(crate) fn ask_device(device: Option<&str>, request: Request) -> Result<Response, Failure> {
    ask_device_within(device, request, PATIENCE)
}

/// The same for what may take `patience`.
pub(crate) fn ask_device_within(
    device: Option<&str>,
    request: Request,
    patience: Duration,
) -> Result<Response, Failure> {
    let directory = directory::of_client();
    let device = device.map_or_else(|| only_device(&directory), |device| Ok(device.to_owned()))?;
    match ask_within(&directory, &device, request, patience)? {
        Response::Error { message } => Err(Failure::failed(message)),
        answer => Ok(answer),
    }
}

/// The same, and shows what it says.
pub(crate) fn ask_and_show(device: Option<&str>, request: Request, how: Show) -> Result<(), Failure> {
    show_answer(ask_device(device, request)?, how)
}

/// Shows what a daemon has said.
pub(crate) fn show_answer(answer: Response, how: Show) -> Result<(), Failure> {
    match answer {
        answer if how.json => print_json(&answer),
        Response::Status { status, standby } => {
            print(&format!("{}{}", show::status(&status), show::standby(standby.as_ref())))
        }
        Response::Faults { faults } => print(&show::faults(&faults, how.long)),
        Response::Regs { registers } => print(&show::registers(&registers)),
        Response::Policy { entries, quarantine } => print(&show::policy(&entries, &quarantine)),
        Response::Trace { trace } => print(&format!("{}\n", show::trace(trace.as_ref()))),
        Response::Set { setting, value } => print(&format!("{setting} {value}\n")),
        Response::Checkpoint { checkpoint } => print(&checkpoint.to_text()),
        Response::CheckpointRestored { restored } => print(&show::restored(&restored)),
        Response::Upgraded { from, to, gap_us } => print(&show::upgraded(&from, &to, gap_us)),
        Response::Done | Response::Error { .. } => Ok(()),
    }
}
