//! Asking one daemon.

use std::path::Path;
use std::time::Duration;

use udrv::report::FaultReport;
use udrv::run::Status;

use super::history::missing;
use crate::client::{ClientError, Connection};
use crate::protocol::{Request, Response};

/// What is known of it from before: the process, and the number of its newest fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) pid: u32,
    pub(super) faults: u64,
}

/// What was heard of it.
#[derive(Debug)]
pub(super) enum Heard {
    /// How it is, and faults that are new.
    Told(Box<Status>, Vec<FaultReport>),
    /// Nothing, for as long as it was waited.
    Silence,
    /// Nobody is there.
    Nobody,
    /// Why it does not say.
    Refused(String),
}

/// Asks the daemon whose socket is `name`. All of it may take `patience`.
pub(super) fn ask(directory: &Path, name: &str, known: Option<Known>, patience: Duration) -> Heard {
    match try_ask(directory, name, known, patience) {
        Ok(heard) => heard,
        Err(ClientError::Silent { .. }) => Heard::Silence,
        Err(ClientError::NotRunning { .. }) => Heard::Nobody,
        Err(error) => Heard::Refused(error.to_string()),
    }
}

fn try_ask(directory: &Path, name: &str, known: Option<Known>, patience: Duration) -> Result<Heard, ClientError> {
    let mut daemon = Connection::open(directory, name, patience)?;
    let status = match daemon.ask(Request::Glance)? {
        Response::Status { status, .. } => status,
        Response::Error { message } => return Ok(Heard::Refused(message)),
        other => return Ok(Heard::Refused(format!("an answer to something else: {other:?}"))),
    };
    let heard = known.filter(|known| known.pid == status.pid).map_or(0, |known| known.faults);
    let faults = match missing(heard, status.faults) {
        None => Vec::new(),
        Some(after) => match daemon.ask(Request::Faults { after, brief: true })? {
            Response::Faults { faults } => faults,
            _ => Vec::new(), // they are asked for again the next time
        },
    };
    Ok(Heard::Told(status, faults))
}
