//! A device in a process of its own, and what one udrvd after the other needs that drives it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{
    Args,
    daemon::Daemon,
    error::{Doing, Error, Result},
    process::{Process, URGENT},
};
use crate::cargo;

/// CPU time that a call may use, if nothing else is said, milliseconds. Each access to the device goes through a socket, and to restore a
/// card may be two hundred of them.
const DEADLINE_MS: u64 = 20;

/// All that each run needs.
pub(super) struct Stage {
    udrvd: PathBuf,
    udrvctl: PathBuf,
    model: String,
    /// For what is kept: logs, recordings, records.
    folder: PathBuf,
    /// For what is not: sockets.
    private: TempDir,
    deadline_ms: u64,
}

/// Builds udrvd and udrvctl.
pub(super) fn build() -> Result<[PathBuf; 2]> {
    eprintln!("demo: building udrvd and udrvctl (release)");
    let programs = cargo::release_programs(&["udrv-daemon"], &["udrvd", "udrvctl"])?;
    programs.try_into().map_err(|_| Error::Wrong("there are two programs".to_owned()))
}

impl Stage {
    pub(super) fn set([udrvd, udrvctl]: [PathBuf; 2], folder: &Path, args: &Args) -> Result<Stage> {
        let private = tempfile::tempdir().doing(|| "make a folder for sockets".to_owned())?;
        let deadline_ms = args.deadline.unwrap_or(DEADLINE_MS);
        Ok(Stage { udrvd, udrvctl, model: args.model.clone(), folder: folder.to_owned(), private, deadline_ms })
    }

    pub(super) fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// The path of something that is kept.
    pub(super) fn kept(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The path of something that is gone with the stage.
    pub(super) fn private(&self, name: &str) -> PathBuf {
        self.private.path().join(name)
    }

    /// Serves the device at `socket`, with what `options` adds, and waits until it can be connected to. Its log is the file `log`.
    pub(super) fn serve(&self, socket: &Path, log: &str, options: impl FnOnce(&mut Command)) -> Result<Process> {
        let mut process = Process::start("udrvctl", &self.udrvctl, self.kept(log), URGENT, |command| {
            command.args(["model", "serve", &self.model]).arg(socket).stdout(Stdio::piped());
            options(command);
        })?;
        // it says a line when clients can connect
        let mut line = String::new();
        let stdout = process.child.stdout.take().ok_or_else(|| Error::Wrong("udrvctl has no output".to_owned()))?;
        BufReader::new(stdout).read_line(&mut line).doing(|| format!("wait for {}", self.model))?;
        if line.is_empty() {
            return Err(Error::Wrong(format!("{} is not served{}", self.model, process.last_words())));
        }
        Ok(process)
    }

    /// Starts a udrvd on `device`, which is served. Its log is the file `log`.
    pub(super) fn drive(&self, device: &str, log: &str, arguments: &[&str]) -> Result<Daemon> {
        let deadline = self.deadline_ms.to_string();
        let arguments = [&["--deadline", &deadline][..], arguments].concat();
        Daemon::start(&self.udrvd, device, self.private.path(), self.kept(log), URGENT, &arguments, Stdio::null())
    }
}
