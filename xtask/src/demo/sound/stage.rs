//! Where the demo plays: a card in a process of its own, which records what it plays, and one udrvd after the other on it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;

use super::{
    Args,
    daemon::Daemon,
    error::{Doing, Error, Result},
    material::{self, Frame},
    process::{Process, URGENT},
};

/// How long the piece is: longer than any run.
const SECONDS: u64 = 120;
/// Milliseconds of a period, about: what a restart may cost.
pub(super) const PERIOD: &str = "40";
/// Periods of the ring, 320 ms of the 341 that a ring of 64 KiB can have: so long udrvd may be kept waiting by a machine that has other
/// things to do.
pub(super) const PERIODS: &str = "8";

/// CPU time that a call may use, if nothing else is said, milliseconds. To restore this card is two hundred accesses, and each goes
/// through a socket.
pub(super) const DEADLINE_MS: u64 = 20;

/// All that each run needs.
pub(super) struct Stage {
    udrvd: PathBuf,
    udrvctl: PathBuf,
    model: String,
    /// For logs and recordings.
    folder: PathBuf,
    /// For sockets, and the piece.
    private: TempDir,
    deadline: String,
}

impl Stage {
    pub(super) fn set(programs: [PathBuf; 2], folder: &Path, args: &Args) -> Result<Stage> {
        let private = tempfile::tempdir().doing(|| "make a folder for sockets".to_owned())?;
        material::write(&private.path().join("tone.wav"), SECONDS * u64::from(material::RATE))?;
        let [udrvd, udrvctl] = programs;
        let deadline = args.deadline.unwrap_or(DEADLINE_MS).to_string();
        Ok(Stage { udrvd, udrvctl, model: args.model.clone(), folder: folder.to_owned(), private, deadline })
    }

    /// Puts a card in its slot. What it plays is recorded into `sound-NAME.wav`, and what is silent between two sounds too.
    pub(super) fn card(&self, name: &'static str) -> Result<Card<'_>> {
        let socket = self.private.path().join(format!("{name}.card"));
        let recording = self.folder.join(format!("sound-{name}.wav"));
        let log = self.folder.join(format!("sound-{name}-card.log"));
        let mut process = Process::start("udrvctl", &self.udrvctl, log, URGENT, |command| {
            command.args(["model", "serve", &self.model]).arg(&socket).arg("--rests").arg("--output").arg(&recording);
            command.stdout(Stdio::piped());
        })?;
        // it says a line when clients can connect
        let mut line = String::new();
        let stdout = process.child.stdout.take().ok_or_else(|| Error::Wrong("udrvctl has no output".to_owned()))?;
        BufReader::new(stdout).read_line(&mut line).doing(|| "wait for the card".to_owned())?;
        if line.is_empty() {
            return Err(Error::Wrong(format!("the card is not served{}", process.last_words())));
        }
        Ok(Card { stage: self, name, process, socket, recording })
    }
}

/// A card that is served.
pub(super) struct Card<'a> {
    stage: &'a Stage,
    name: &'static str,
    process: Process,
    socket: PathBuf,
    recording: PathBuf,
}

impl Card<'_> {
    /// Starts a udrvd on it, which plays the piece from its beginning.
    pub(super) fn play(&self, which: &str, arguments: &[&str]) -> Result<Daemon> {
        let device = format!("vfio-user:{}", self.socket.display());
        let tone = self.stage.private.path().join("tone.wav");
        let tone = tone.to_string_lossy();
        let own = ["--play", &tone, "--period", PERIOD, "--periods", PERIODS, "--deadline", &self.stage.deadline];
        let log = self.stage.folder.join(format!("sound-{}{which}.log", self.name));
        let arguments = [&own[..], arguments].concat();
        Daemon::start(&self.stage.udrvd, &device, self.stage.private.path(), log, URGENT, &arguments, Stdio::null())
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Takes it out: what it has recorded.
    pub(super) fn end(self) -> Result<Vec<Frame>> {
        self.process.stop()?;
        material::read(&self.recording)
    }
}
