//! A udrvd of the demo's own: started, waited for, and never left behind.

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
    control::Control,
    error::{Doing, Error, Result},
    wait,
};

/// How long it may take to come up or to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// A udrvd. Dropping it kills it.
pub(super) struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Starts `program` on `device` with its control socket in `directory` and its log in the file `log`. It is killed when this
    /// program dies, however that happens.
    pub(super) fn start(
        program: &Path,
        device: &str,
        directory: &Path,
        log: PathBuf,
        arguments: &[&str],
        stdin: Stdio,
    ) -> Result<Daemon> {
        let stderr = File::create(&log).doing(|| format!("create {}", log.display()))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).args(["run", device]).args(arguments);
        command.env("UDRV_RUNTIME_DIR", directory).stdin(stdin).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().doing(|| "start setpriv (of util-linux) with udrvd".to_owned())?;
        Ok(Daemon { child, socket: directory.join(format!("{device}.sock")), log })
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
        self.child.id()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().doing(|| "wait for udrvd".to_owned())
    }

    /// Asks it to stop and waits for it.
    pub(super) fn stop(mut self) -> Result<()> {
        let pid = Pid::from_raw(self.child.id() as i32);
        kill(pid, Signal::SIGTERM).doing(|| "send SIGTERM to udrvd".to_owned())?;
        let status = wait::until(|| "udrvd's end after SIGTERM".to_owned(), PATIENCE, || self.ended())?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Wrong(format!("udrvd ended with {status} after SIGTERM{}", self.last_words())))
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

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
