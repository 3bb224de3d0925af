//! Starting a successor.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use nix::fcntl::AtFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{AccessFlags, faccessat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::parts::{House, Parts};
use super::wire::{Begin, Channel, FromSuccessor, Heard, ToSuccessor, VERSION};

/// Tells a process that it is a successor: the number of its descriptor that leads to the predecessor.
pub(super) const VARIABLE: &str = "UDRV_PREDECESSOR";
/// This very program, whatever its file is by now.
const ITSELF: &str = "/proc/self/exe";

/// For one that has closed its socket to end, milliseconds.
const END: u16 = 1000;

/// What a successor runs.
#[derive(Debug, Clone)]
pub struct Program {
    /// The command line, its name first.
    words: Vec<OsString>,
    /// Where it is installed.
    pub(super) path: PathBuf,
}

impl Program {
    /// This process's: `words` is its command line. To be called early: its file may be replaced any time.
    ///
    /// # Errors
    /// /proc is not there.
    pub fn of_this_process(words: &[OsString]) -> io::Result<Program> {
        let path = std::fs::read_link(ITSELF).map_err(|e| io::Error::new(e.kind(), format!("{ITSELF}: {e}")))?;
        Ok(Program { words: words.to_owned(), path: installed(path) })
    }

    /// The same, where a predecessor has told where it is installed: this process may run another file.
    #[must_use]
    pub(super) fn installed_at(self, path: PathBuf) -> Program {
        Program { path, ..self }
    }

    /// Starts one and gives it what it needs. `file`: what it runs instead of this very program.
    pub(super) fn start(
        &self,
        file: Option<&Path>,
        parts: &Parts,
        house: &House,
        probation: u64,
    ) -> io::Result<Candidate> {
        let (channel, theirs) = Channel::pair()?;
        let child = self.command(file.unwrap_or(Path::new(ITSELF)), theirs).spawn()?;
        let candidate = Candidate { pid: child.id(), child: Mutex::new(child), channel };
        let sent = parts.with(house, |names, fds| {
            let begin = Begin {
                version: VERSION,
                names,
                control_files: house.control_files.clone(),
                metrics_place: house.metrics_place.clone(),
                program: self.path.clone(),
                probation,
            };
            candidate.channel.send(&ToSuccessor::Begin(begin), fds)
        });
        match sent {
            // it has ended at once: how, is to be asked of it
            Ok(()) => Ok(candidate),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(candidate),
            Err(error) => {
                candidate.kill();
                Err(error)
            }
        }
    }

    /// The socket is its standard input: so it is started without a copy of this process being made, which would cost
    /// the device's thread a fault for each page that it writes to.
    fn command(&self, file: &Path, socket: OwnedFd) -> Command {
        let mut command = Command::new(file);
        if let Some((name, arguments)) = self.words.split_first() {
            command.arg0(name).args(arguments);
        }
        command.env(VARIABLE, "0").stdin(Stdio::from(socket));
        // what the service manager has told this process alone
        for name in ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        if sd_notify::watchdog_enabled().is_none() {
            command.env_remove("WATCHDOG_USEC");
        }
        command
    }
}

/// The file that is or was at a path that the kernel tells.
fn installed(path: PathBuf) -> PathBuf {
    const REPLACED: &[u8] = b" (deleted)";
    let bytes = path.as_os_str().as_bytes();
    match bytes.strip_suffix(REPLACED) {
        Some(before) if !path.exists() => OsString::from_vec(before.to_owned()).into(),
        _ => path,
    }
}

/// Whether a file can be run by this process.
pub(super) fn check(file: &Path) -> Result<(), String> {
    let shown = file.display();
    if !file.is_absolute() {
        return Err(format!("{shown} is not a path from the root"));
    }
    let data = std::fs::metadata(file).map_err(|e| format!("{shown}: {e}"))?;
    if !data.is_file() {
        return Err(format!("{shown} is no file"));
    }
    let may = faccessat(nix::fcntl::AT_FDCWD, file, AccessFlags::R_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS);
    may.map_err(|e| {
        let user = nix::unistd::geteuid();
        format!("{shown}: user {user}, who would run it, may not read and execute it ({e}): chmod 755 {shown}")
    })
}

/// A successor that was started.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) pid: u32,
    child: Mutex<Child>,
    pub(super) channel: Channel,
}

impl Candidate {
    /// The next that it says. `Err`: it says nothing any more, and why.
    pub(super) fn hear(&self, until: Option<Instant>) -> Result<FromSuccessor, String> {
        match self.channel.receive(until) {
            Ok(Heard::Message(message, _)) => Ok(message),
            Ok(Heard::Silence) => Err("it says nothing".to_owned()),
            Ok(Heard::Closed) => Err(format!("it has ended ({})", self.end())),
            Err(error) => Err(format!("what it says makes no sense: {error}")),
        }
    }

    pub(super) fn tell(&self, message: &ToSuccessor) -> io::Result<()> {
        self.channel.send(message, &[])
    }

    /// Ends it, if it has not ended, and says how it did.
    pub(super) fn kill(&self) -> String {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            _ => child.kill().and_then(|()| child.wait()),
        };
        ended.map_or_else(|error| error.to_string(), |status: ExitStatus| status.to_string())
    }

    /// The same for one that has closed its socket: how it ends by itself says more, so it has time for it.
    pub(super) fn end(&self) -> String {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        // not collected yet: the number is its own
        if let Some(Ok(process)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            let _ = poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], PollTimeout::from(END));
        }
        self.kill()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_was_replaced_is_found_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let there = directory.path().join("udrvd");
        assert_eq!(installed(there.clone()), there);
        let mut replaced = there.clone().into_os_string();
        replaced.push(" (deleted)");
        assert_eq!(installed(replaced.clone().into()), there);
        std::fs::write(&replaced, "").unwrap();
        assert_eq!(installed(replaced.clone().into()), PathBuf::from(replaced), "a strange name, and it is there");
    }

    #[test]
    fn a_program_is_a_file_that_can_be_run() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("udrvd");
        for (path, word) in
            [(Path::new("udrvd"), "from the root"), (file.as_path(), "No such file"), (directory.path(), "is no file")]
        {
            let why = check(path).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(check(&file).unwrap_err().contains("chmod 755"));
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        check(&file).unwrap();
    }
}
