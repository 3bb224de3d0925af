//! A model in a process of its own, `udrvctl model serve`, for a guest to take for the card.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{error::Doing, workspace};
use crate::steps::Failure;

/// Speed of the wire in Mbit/s to a host that is not emulated. A guest that asks another process for each register is
/// slower than 100, and what a receive ring then loses says nothing about the model.
const TO_A_HOST: &str = "10";
/// The same to a card of the guest, which is as slow as the other.
const TO_A_CARD: &str = "100";
/// The same of an adapter on USB of full speed, which has 12 Mbit/s for everything.
const FROM_AN_ADAPTER: &str = "10";

/// A model that is served. Ended on drop, by its own process id.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    folder: TempDir,
}

/// What is at the jacks of a sound card.
#[derive(Debug, Clone)]
pub(crate) struct Jacks {
    /// What it plays.
    pub(crate) output: PathBuf,
    /// What it records.
    pub(crate) input: PathBuf,
    /// Percent of real time.
    pub(crate) pace: u32,
}

/// What is at the other end of its wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FarEnd {
    /// A host in the model's process.
    Host,
    /// A card of the guest: see [`Served::cable`].
    Card,
    /// The same, of an adapter on USB.
    CardOfAdapter,
}

impl Served {
    /// Starts `program`, which is `udrvctl`, and waits until the model can be connected to. Its log is
    /// `target/guest/SCENARIO-server.log`.
    pub(crate) fn start(program: &Path, model: &str, far_end: FarEnd, scenario: &str) -> Result<Served, Failure> {
        Served::launch(program, model, scenario, |command, folder| match far_end {
            FarEnd::Host => command.args(["--line-rate", TO_A_HOST]),
            FarEnd::Card => command.args(["--line-rate", TO_A_CARD, "--cable"]).arg(cable_in(folder)),
            FarEnd::CardOfAdapter => command.args(["--line-rate", FROM_AN_ADAPTER, "--cable"]).arg(cable_in(folder)),
        })
    }

    /// The same of a sound card.
    pub(crate) fn start_sound(program: &Path, model: &str, jacks: &Jacks, scenario: &str) -> Result<Served, Failure> {
        Served::launch(program, model, scenario, |command, _| {
            let command = command.arg("--output").arg(&jacks.output).arg("--input").arg(&jacks.input);
            command.args(["--pace", &jacks.pace.to_string()])
        })
    }

    /// The same of a mouse.
    pub(crate) fn start_mouse(program: &Path, model: &str, scenario: &str) -> Result<Served, Failure> {
        Served::launch(program, model, scenario, |command, folder| command.arg("--hand").arg(hand_in(folder)))
    }

    fn launch(
        program: &Path,
        model: &str,
        scenario: &str,
        options: impl for<'a> FnOnce(&'a mut Command, &TempDir) -> &'a mut Command,
    ) -> Result<Served, Failure> {
        let folder = tempfile::tempdir().doing(|| "make a folder for the socket".to_owned())?;
        let logs = workspace().join("target/guest");
        fs::create_dir_all(&logs).doing(|| format!("create {}", logs.display()))?;
        let log = logs.join(format!("{scenario}-server.log"));
        let log = File::create(&log).doing(|| format!("create {}", log.display()))?;
        // it must not outlive this program, however that ends
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command.args(["model", "serve", model]).arg(socket_in(&folder));
        options(&mut command, &folder);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        let child = child.doing(|| format!("start {}", program.display()))?;
        let mut served = Served { child, folder };
        let mut line = String::new();
        let pipe = served.child.stdout.take().expect("standard output is a pipe");
        BufReader::new(pipe).read_line(&mut line).doing(|| "read what udrvctl says".to_owned())?;
        if line.starts_with("serving") {
            Ok(served)
        } else {
            Err(Failure::Output(format!("udrvctl serves no {model}")))
        }
    }

    /// Ends it as a person would, so that what it writes is whole.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, Signal::SIGTERM).map_err(io::Error::from).doing(|| "send SIGTERM to udrvctl".to_owned())?;
        let status = self.child.wait().doing(|| "wait for udrvctl".to_owned())?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::Program { command: "udrvctl model serve".to_owned(), status })
        }
    }

    /// Where it is connected to as a card: for [`super::Guest::vfio_user`].
    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(&self.folder)
    }

    /// Where the hand on a mouse is told what to do.
    pub(crate) fn hand(&self) -> PathBuf {
        hand_in(&self.folder)
    }

    /// Where the other end of its wire is: for [`super::Guest::nic_at`].
    pub(crate) fn cable(&self) -> PathBuf {
        cable_in(&self.folder)
    }
}

fn hand_in(folder: &TempDir) -> PathBuf {
    folder.path().join("hand.sock")
}

fn socket_in(folder: &TempDir) -> PathBuf {
    folder.path().join("card.sock")
}

fn cable_in(folder: &TempDir) -> PathBuf {
    folder.path().join("cable.sock")
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
