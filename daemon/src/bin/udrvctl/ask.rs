//! What the commands that ask a daemon have in common.

use udrv_daemon::client::{ask, only_device};
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

/// Asks the daemon that drives the device, or the only one that runs, and shows what it says.
pub(crate) fn ask_and_show(device: Option<&str>, request: Request, how: Show) -> Result<(), Failure> {
    let directory = directory::of_client();
    let device = device.map_or_else(|| only_device(&directory), |device| Ok(device.to_owned()))?;
    match ask(&directory, &device, request)? {
        Response::Error { message } => Err(Failure::failed(message)),
        answer if how.json => print_json(&answer),
        Response::Status { status } => print(&show::status(&status)),
        Response::Faults { faults } => print(&show::faults(&faults, how.long)),
        Response::Regs { registers } => print(&show::registers(&registers)),
        Response::Policy { entries, quarantine } => print(&show::policy(&entries, &quarantine)),
        Response::Trace { trace } => print(&format!("{}\n", show::trace(trace.as_ref()))),
        Response::Set { setting, value } => print(&format!("{setting} {value}\n")),
        Response::Done => Ok(()),
    }
}
