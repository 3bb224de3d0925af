//! Where the demo plays: a card in a process of its own, which records what it plays, and one udrvd after the other on it.

use std::path::PathBuf;

use super::{
    super::stage::Stage,
    daemon::Daemon,
    error::Result,
    material::{self, Frame},
    process::Process,
};

/// How long the piece is: longer than any run.
const SECONDS: u64 = 120;
/// Milliseconds of a period, about: what a restart may cost.
const PERIOD: &str = "40";
/// Periods of the ring, 320 ms of the 341 that a ring of 64 KiB can have: so long udrvd may be kept waiting by a machine that has other
/// things to do.
const PERIODS: &str = "8";
/// The piece, while it is played.
const TONE: &str = "tone.wav";

/// Writes the piece.
pub(super) fn write_tone(stage: &Stage) -> Result<()> {
    material::write(&stage.private(TONE), SECONDS * u64::from(material::RATE))
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
    /// Puts a card in its slot. What it plays is recorded into `sound-NAME.wav`, and what is silent between two sounds too.
    pub(super) fn insert<'a>(stage: &'a Stage, name: &'static str) -> Result<Card<'a>> {
        let socket = stage.private(&format!("{name}.card"));
        let recording = stage.kept(&format!("sound-{name}.wav"));
        let process = stage.serve(&socket, &format!("sound-{name}-card.log"), |command| {
            command.arg("--rests").arg("--output").arg(&recording);
        })?;
        Ok(Card { stage, name, process, socket, recording })
    }

    /// Starts a udrvd on it, which plays the piece from its beginning.
    pub(super) fn play(&self, which: &str, arguments: &[&str]) -> Result<Daemon> {
        let device = format!("vfio-user:{}", self.socket.display());
        let tone = self.stage.private(TONE);
        let own = ["--play", &tone.to_string_lossy(), "--period", PERIOD, "--periods", PERIODS];
        let log = format!("sound-{}{which}.log", self.name);
        self.stage.drive(&device, &log, &[&own[..], arguments].concat())
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
