//! The udrvd that drives a device: found by its control socket, ended, and started again.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use udrv::run::Status;

use super::super::System;
use super::within;
use crate::client::{ClientError, ask};
use crate::lock;
use crate::pair::SUPERVISOR;
use crate::protocol::{Request, Response, device_of_socket};

/// How long it may take to make its device quiet. The unit's `TimeoutStopSec=` is less.
const PATIENCE: Duration = Duration::from_secs(30);

/// A udrvd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Process id.
    pub pid: u32,
    /// The unit whose main process it is, or has as its supervisor.
    pub unit: Option<String>,
    /// What it calls its device.
    pub(super) name: String,
    runtime: PathBuf,
    /// As it was started, for people.
    command: String,
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Some(unit) => f.write_str(unit),
            None => write!(f, "udrvd (process {})", self.pid),
        }
    }
}

impl Daemon {
    /// Asks the one at a control socket who it is and how it is.
    pub(super) fn find(system: &System, runtime: &Path, socket: &Path) -> Result<(Daemon, Status), String> {
        let name = socket.file_name().and_then(|name| device_of_socket(name.to_str()?));
        let name = name.ok_or_else(|| format!("{} is no control socket", socket.display()))?;
        let status = match ask(runtime, &name, Request::Status).map_err(|error| error.to_string())? {
            Response::Status { status, .. } => *status,
            Response::Error { message } => return Err(message),
            _ => return Err(format!("{}: an answer that makes no sense", socket.display())),
        };
        let (pid, device) = (status.pid, status.device.clone());
        // who answers says which process it is: one of another user's it cannot be
        let unit = if owner(&system.path(format!("proc/{pid}"))) == owner(socket) { system.unit_of(pid) } else { None };
        Ok((Daemon { pid, unit, name: device, runtime: runtime.to_owned(), command: system.words(pid) }, status))
    }

    /// How it is ended, in the words of a shell.
    pub(super) fn ending(&self) -> String {
        match &self.unit {
            Some(unit) => format!("systemctl stop {unit}"),
            None => format!("kill {}  # {}", self.pid, self.command),
        }
    }

    /// Ends it: its device is quiet then, and its interface gone.
    pub(super) fn end(&self, system: &System) -> Result<(), String> {
        let not_heard = match &self.unit {
            Some(unit) => {
                system.kernel.manager(&["stop", unit]).map_err(|error| format!("systemctl stop {unit}: {error}"))?;
                None
            }
            None => match ask(&self.runtime, &self.name, Request::Stop) {
                Ok(Response::Error { message }) => return Err(format!("{self} does not stop: {message}")),
                Ok(_) | Err(ClientError::Answer { .. }) => None,
                // one that has died meanwhile hears nothing, and has ended too
                Err(error) => Some(error.to_string()),
            },
        };
        // the lock goes with the process
        if within(PATIENCE, || !lock::is_held(&self.runtime, &self.name)) {
            return Ok(());
        }
        Err(not_heard.unwrap_or_else(|| format!("{self} has not ended after {} s", PATIENCE.as_secs())))
    }

    /// Has it started again by whoever had started it.
    pub(super) fn start_again(&self, system: &System) -> Result<(), String> {
        match &self.unit {
            Some(unit) => {
                system.kernel.manager(&["start", unit]).map_err(|error| format!("systemctl start {unit}: {error}"))
            }
            // it may not have heard that it shall end
            None if lock::is_held(&self.runtime, &self.name) => Ok(()),
            None => Err(format!("udrvd has ended; start it again: {}", self.command)),
        }
    }
}

/// Whose it is.
fn owner(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|data| data.uid())
}

impl System {
    /// The service that a process is the main one of, or is supervised by the main one of.
    fn unit_of(&self, pid: u32) -> Option<String> {
        if !self.exists("run/systemd/system") {
            return None;
        }
        let groups = self.text(format!("proc/{pid}/cgroup"))?;
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let unit = path.rsplit('/').next().filter(|unit| unit.ends_with(".service"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ":_.-@\\".contains(c);
        if unit.starts_with('-') || !unit.chars().all(plain) {
            return None;
        }
        // a service that has merely started it, or a user's own, is another matter
        let main = self.kernel.main_pid(unit).ok()?;
        (main == pid || self.supervisor_of(pid) == Some(main)).then(|| unit.to_owned())
    }

    fn supervisor_of(&self, pid: u32) -> Option<u32> {
        let variables = std::fs::read(self.path(format!("proc/{pid}/environ"))).ok()?;
        let start = [SUPERVISOR.as_bytes(), b"="].concat();
        let number = variables.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(start.as_slice()))?;
        str::from_utf8(number).ok()?.parse().ok()
    }

    /// The command line of a process.
    fn words(&self, pid: u32) -> String {
        let text = std::fs::read(self.path(format!("proc/{pid}/cmdline"))).unwrap_or_default();
        let words = text.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy);
        words.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).collect()
    }
}
