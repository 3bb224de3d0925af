//! Where the demo is played: a mouse in a process of its own with a hand on it, and one udrvd after the other at its line.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;

use super::{
    super::{
        Args,
        daemon::Daemon,
        error::{Doing, Error, Result},
        process::{Process, URGENT},
    },
    hand::Hand,
    record::Record,
};

/// CPU time that a call may use, if nothing else is said, milliseconds.
pub(super) const DEADLINE_MS: u64 = 20;
/// Counts an inch, at which the hand's eighths of a millimetre are counts; and reports a second.
const RESOLUTION: &str = "200";
pub(super) const RATE: u64 = 100;

/// All that each run needs.
pub(super) struct Stage {
    udrvd: PathBuf,
    udrvctl: PathBuf,
    model: String,
    /// For logs and records.
    folder: PathBuf,
    /// For sockets.
    private: TempDir,
    deadline: String,
}

impl Stage {
    pub(super) fn set(programs: [PathBuf; 2], folder: &Path, args: &Args) -> Result<Stage> {
        let private = tempfile::tempdir().doing(|| "make a folder for sockets".to_owned())?;
        let [udrvd, udrvctl] = programs;
        let deadline = args.deadline.unwrap_or(DEADLINE_MS).to_string();
        Ok(Stage { udrvd, udrvctl, model: args.model.clone(), folder: folder.to_owned(), private, deadline })
    }

    /// Plugs a mouse in, and puts a hand on it.
    pub(super) fn mouse(&self, name: &'static str) -> Result<(Mouse<'_>, Hand)> {
        let [line, hand] = ["line", "hand"].map(|part| self.private.path().join(format!("{name}.{part}")));
        let log = self.folder.join(format!("input-{name}-mouse.log"));
        let mut process = Process::start("udrvctl", &self.udrvctl, log, URGENT, |command| {
            command.args(["model", "serve", &self.model]).arg(&line).arg("--line").arg("--hand").arg(&hand);
            command.stdout(Stdio::piped());
        })?;
        // it says a line when clients can connect
        let mut said = String::new();
        let stdout = process.child.stdout.take().ok_or_else(|| Error::Wrong("udrvctl has no output".to_owned()))?;
        BufReader::new(stdout).read_line(&mut said).doing(|| "wait for the mouse".to_owned())?;
        if said.is_empty() {
            return Err(Error::Wrong(format!("the mouse is not served{}", process.last_words())));
        }
        let hand = Hand::connect(&hand)?;
        Ok((Mouse { stage: self, name, process, line }, hand))
    }
}

/// A mouse that is served.
pub(super) struct Mouse<'a> {
    stage: &'a Stage,
    name: &'static str,
    process: Process,
    line: PathBuf,
}

impl Mouse<'_> {
    /// Starts a udrvd at its line, and opens the record of what that gives.
    pub(super) fn drive(&self, which: &str, arguments: &[&str]) -> Result<(Daemon, Record)> {
        let device = format!("serio-line:{}", self.line.display());
        let file = self.stage.folder.join(format!("input-{}{which}.jsonl", self.name));
        let record = Record::new(&file)?;
        let (rate, file) = (RATE.to_string(), file.to_string_lossy());
        let own =
            ["--record-events", &file, "--rate", &rate, "--resolution", RESOLUTION, "--deadline", &self.stage.deadline];
        let log = self.stage.folder.join(format!("input-{}{which}.log", self.name));
        let arguments = [&own[..], arguments].concat();
        let private = self.stage.private.path();
        let daemon = Daemon::start(&self.stage.udrvd, &device, private, log, URGENT, &arguments, Stdio::null())?;
        Ok((daemon, record))
    }

    /// Unplugs it.
    pub(super) fn end(self) -> Result<()> {
        self.process.stop()
    }
}
