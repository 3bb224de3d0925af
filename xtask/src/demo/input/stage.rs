//! Where the demo is played: a mouse in a process of its own with a hand on it, and one udrvd after the other at its line.

use std::path::PathBuf;

use super::{
    super::{daemon::Daemon, error::Result, process::Process, stage::Stage},
    hand::Hand,
    record::Record,
};

/// Counts an inch, at which the hand's eighths of a millimetre are counts; and reports a second.
const RESOLUTION: &str = "200";
pub(super) const RATE: u64 = 100;

/// A mouse that is served.
pub(super) struct Mouse<'a> {
    stage: &'a Stage,
    name: &'static str,
    process: Process,
    line: PathBuf,
}

impl Mouse<'_> {
    /// Plugs a mouse in, and puts a hand on it.
    pub(super) fn plug<'a>(stage: &'a Stage, name: &'static str) -> Result<(Mouse<'a>, Hand)> {
        let [line, hand] = ["line", "hand"].map(|part| stage.private(&format!("{name}.{part}")));
        let process = stage.serve(&line, &format!("input-{name}-mouse.log"), |command| {
            command.arg("--line").arg("--hand").arg(&hand);
        })?;
        Ok((Mouse { stage, name, process, line }, Hand::connect(&hand)?))
    }

    /// Starts a udrvd at its line, and opens the record of what that gives.
    pub(super) fn drive(&self, which: &str, arguments: &[&str]) -> Result<(Daemon, Record)> {
        let device = format!("serio-line:{}", self.line.display());
        let file = self.stage.kept(&format!("input-{}{which}.jsonl", self.name));
        let record = Record::new(&file)?;
        let (rate, file) = (RATE.to_string(), file.to_string_lossy());
        let own = ["--record-events", &file, "--rate", &rate, "--resolution", RESOLUTION];
        let log = format!("input-{}{which}.log", self.name);
        Ok((self.stage.drive(&device, &log, &[&own[..], arguments].concat())?, record))
    }

    /// Unplugs it.
    pub(super) fn end(self) -> Result<()> {
        self.process.stop()
    }
}
