//! A program of ours that the demo has started: never left behind.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    error::{Doing, Error, Result},
    wait,
};

/// How long it may take to come up or to stop.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A process with its log in a file. Dropping it kills it.
pub(super) struct Process {
    name: &'static str,
    pub(super) child: Child,
    log: PathBuf,
}

/// As urgent as everything else.
pub(super) const USUAL: &[&str] = &[];
/// As urgent as PulseAudio makes itself, where that is allowed: what is heard has its time. Who may not is told so in the log, and goes on.
pub(super) const URGENT: &[&str] = &["nice", "-n", "-11"];

impl Process {
    /// Starts `program`, by `urgency`, with what `prepare` adds: arguments, environment, where input and output are if not nowhere. Its standard
    /// error is the file `log`. It is killed when this program dies, however that happens.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        log: PathBuf,
        urgency: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Process> {
        let stderr = File::create(&log).doing(|| format!("create {}", log.display()))?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .args(urgency)
            .arg(program)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        prepare(&mut command);
        let child = command.spawn().doing(|| format!("start setpriv (of util-linux) with {name}"))?;
        Ok(Process { name, child, log })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().doing(|| format!("wait for {}", self.name))
    }

    /// Asks it to stop and waits for it.
    pub(super) fn stop(mut self) -> Result<()> {
        let (name, pid) = (self.name, Pid::from_raw(self.child.id() as i32));
        kill(pid, Signal::SIGTERM).doing(|| format!("send SIGTERM to {name}"))?;
        let status = wait::until(|| format!("{name}'s end after SIGTERM"), PATIENCE, || self.ended())?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Wrong(format!("{name} ended with {status} after SIGTERM{}", self.last_words())))
    }

    /// Ends it, whatever it is at.
    pub(super) fn kill(&mut self) {
        // both fail only if it has ended and been waited for
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last line of its log, as a clause.
    pub(super) fn last_words(&self) -> String {
        let mut text = String::new();
        let read = File::open(&self.log).and_then(|mut file| file.read_to_string(&mut text));
        // where an argument is wrong the cause stands above a hint at `--help`
        let says = |line: &&str| !line.trim().is_empty() && !line.starts_with("For more information");
        match (read, text.lines().rfind(says)) {
            (Ok(_), Some(line)) => format!("; its last words: {line}"),
            _ => String::new(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
