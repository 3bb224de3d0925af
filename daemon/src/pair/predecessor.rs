//! The successor's side: what it was given, and its waiting.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::prctl::set_name;
use nix::sys::signal::SigSet;
use nix::unistd::dup2_stdin;
use udrv::keep::Inherited;

use super::parts::{HOUSE_CONTROL, HOUSE_LOCK, HOUSE_METRICS};
use super::program::{Program, VARIABLE};
use super::wire::{Begin, Channel, FromSuccessor, Heard, ToSuccessor, VERSION};
use crate::build;

/// What has become of the process before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has died.
    Died,
    /// It has let go, and waits for what becomes of it.
    LetGo,
    /// There is nothing to go on with: end.
    End,
}

/// The process that has started this one to go on with its device.
#[derive(Debug)]
pub struct Predecessor {
    pub(super) channel: Arc<Channel>,
    begin: Begin,
    fds: Vec<(String, OwnedFd)>,
}

impl Predecessor {
    /// If there is one. To be called before any thread is started: it is at standard input, which is nothing then.
    ///
    /// # Errors
    /// What it says makes no sense here, or it has gone before it said anything.
    pub fn of_this_process() -> io::Result<Option<Predecessor>> {
        let Some(number) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("{VARIABLE}: {why}"));
        if number != "0" {
            return Err(wrong("it is for a udrvd that another one starts, and 0 then".to_owned()));
        }
        name_this_process()?;
        // threads of a process that drives a device have them blocked, and what they start inherits that
        SigSet::empty().thread_set_mask()?;
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        dup2_stdin(File::open("/dev/null")?)?;
        let channel = Arc::new(Channel::of(socket));
        let heard = channel.receive(None).map_err(|error| wrong(error.to_string()))?;
        let Heard::Message(ToSuccessor::Begin(begin), fds) = heard else {
            return Err(wrong("the process that has started this one has gone".to_owned()));
        };
        let this = Predecessor { channel, fds: begin.names.iter().cloned().zip(fds).collect(), begin };
        if this.begin.version != VERSION {
            let why = format!("a process before this one speaks version {}, this one {VERSION}", this.begin.version);
            this.failed(&why);
            return Err(wrong(why));
        }
        if this.fds.len() != this.begin.names.len() {
            let why = "descriptors are missing".to_owned();
            this.failed(&why);
            return Err(wrong(why));
        }
        Ok(Some(this))
    }

    fn take(&mut self, name: &str) -> Option<OwnedFd> {
        let at = self.fds.iter().position(|(other, _)| other == name)?;
        Some(self.fds.remove(at).1)
    }

    /// The device's lock.
    pub fn lock(&mut self) -> Option<OwnedFd> {
        self.take(HOUSE_LOCK)
    }

    /// The control socket, and the files that lead to it.
    pub fn control(&mut self) -> Option<(OwnedFd, Vec<PathBuf>)> {
        self.take(HOUSE_CONTROL).map(|fd| (fd, self.begin.control_files.clone()))
    }

    /// The socket for metrics at `place`, if that is where they are shown.
    pub fn metrics(&mut self, place: &str) -> Option<OwnedFd> {
        let same = self.begin.metrics_place.as_deref() == Some(place);
        self.take(HOUSE_METRICS).filter(|_| same)
    }

    /// What is of the device.
    pub fn inherited(&mut self) -> Inherited {
        let mut inherited = Inherited::default();
        self.fds.retain(|(name, _)| ![HOUSE_LOCK, HOUSE_CONTROL, HOUSE_METRICS].contains(&name.as_str()));
        for (name, fd) in self.fds.drain(..) {
            inherited.insert(name, fd);
        }
        inherited
    }

    /// This program, which is installed where the predecessor says.
    #[must_use]
    pub fn program(&self, program: Program) -> Program {
        program.installed_at(self.begin.program.clone())
    }

    /// All is mapped.
    pub fn ready(&self) {
        self.tell(&FromSuccessor::Ready { build: build::of_this_process() });
    }

    /// It is of no use.
    pub fn failed(&self, why: &str) {
        self.tell(&FromSuccessor::Failed { why: why.to_owned() });
    }

    /// Waits until it dies or says something.
    #[must_use]
    pub fn wait(&self) -> Turn {
        match self.channel.receive(None) {
            Ok(Heard::Message(ToSuccessor::TakeOver, _)) => Turn::LetGo,
            Ok(Heard::Closed) => Turn::Died,
            Ok(Heard::Message(ToSuccessor::End, _)) => Turn::End,
            Ok(Heard::Message(ToSuccessor::Begin(_), _) | Heard::Silence) => Turn::End,
            Err(error) => {
                tracing::error!(%error, "what the process before this one says makes no sense");
                Turn::End
            }
        }
    }

    pub(super) fn probation_ms(&self) -> u64 {
        self.begin.probation
    }

    /// Whoever would hear it may have died, and then this process is told in another way.
    pub(super) fn tell(&self, message: &FromSuccessor) {
        let _ = self.channel.send(message, &[]);
    }
}

/// By its command line: its file may have been found by way of /proc/self/exe, and `pgrep udrvd` is to find it.
fn name_this_process() -> io::Result<()> {
    let word = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&word).file_name().unwrap_or_default().as_bytes();
    Ok(set_name(&CString::new(name)?)?)
}
