//! A udrvd of the demo's own: started and waited for.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use super::{
    control::{Any, Control},
    error::{Error, Result},
    process::{PATIENCE, Process},
    wait,
};

/// A udrvd. Dropping it kills it.
pub(super) struct Daemon {
    process: Process,
    socket: PathBuf,
}

impl Daemon {
    /// Starts `program` on `device` with its control socket in `directory` and its log in the file `log`.
    pub(super) fn start(
        program: &Path,
        device: &str,
        directory: &Path,
        log: PathBuf,
        urgency: &[&str],
        arguments: &[&str],
        stdin: Stdio,
    ) -> Result<Daemon> {
        let process = Process::start("udrvd", program, log, urgency, |command| {
            command.args(["run", device]).args(arguments).env("UDRV_RUNTIME_DIR", directory).stdin(stdin);
        })?;
        // a path in the device's name is no path in the socket's
        let name = device.replace('%', "%25").replace('/', "%2F");
        Ok(Daemon { process, socket: directory.join(format!("{name}.sock")) })
    }

    /// Waits for its control socket. `patience` is for each answer.
    pub(super) fn connect(&mut self, patience: Duration) -> Result<Control> {
        let what = || "udrvd's control socket".to_owned();
        wait::until(what, PATIENCE, || match self.ended()? {
            Some(status) => Err(Error::Wrong(format!("udrvd ended at once: {status}{}", self.last_words()))),
            None => Control::connect(&self.socket, patience),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// Asks it to stop and waits for it.
    pub(super) fn stop(self) -> Result<()> {
        self.process.stop()
    }

    /// Stops it at the end of a run. Gives the process that was started, and the one that answers then: none, 0. What is wrong is added to
    /// `problems`.
    pub(super) fn finish(mut self, control: &mut Control, problems: &mut Vec<String>) -> Result<[u32; 2]> {
        let last = match (control.status::<Any>(), self.ended()?) {
            (Ok(status), None) => status.pid,
            (status, ended) => {
                let how = ended.map_or("it does not answer".to_owned(), |status| status.to_string());
                problems.push(format!("udrvd is gone: {how}{}", self.last_words()));
                status.map_or(0, |status| status.pid)
            }
        };
        let pids = [self.pid(), last];
        if let Err(error) = self.stop() {
            problems.push(error.to_string());
        }
        Ok(pids)
    }

    /// Ends it, whatever it is at.
    pub(super) fn kill(&mut self) {
        self.process.kill();
    }

    /// The last line of its log, as a clause.
    pub(super) fn last_words(&self) -> String {
        self.process.last_words()
    }
}
