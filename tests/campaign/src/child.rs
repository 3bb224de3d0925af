//! A trial in a process of its own, by fork: whatever a mutant does ends with it.
//!
//! Forking is sound here because this process has one thread and has not started the engine: all that the child needs beyond that it
//! makes itself. Trials share nothing but what was there before the first of them.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// What it has written, all of it.
    Said(Vec<u8>),
    /// A panic went out of the trial: its message, with its place.
    Panicked(String),
    /// By this signal, or with this exit code.
    Died(String),
    /// It used up its time.
    Hung,
}

/// After so much time in which it has said nothing it is looked whether a trial waits for what does not come. Time in it is its own:
/// nothing waits for longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Exit code of a child that a panic has ended.
const PANICKED: i32 = 101;

/// Runs `work` in a process of its own, without a guard and unheard.
///
/// # Errors
/// No process.
pub(crate) fn fork_plainly(work: impl FnOnce()) -> io::Result<Pid> {
    // SAFETY: as in Child::start.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => leave(match catch_unwind(AssertUnwindSafe(work)) {
            Ok(()) => 0,
            Err(_) => PANICKED,
        }),
    }
}

fn leave(code: i32) -> ! {
    // SAFETY: ends the process; what the parent has at exit is not the child's to run.
    unsafe { libc::_exit(code) }
}

/// A trial that runs.
pub(crate) struct Child {
    pid: Pid,
    from: io::PipeReader,
    said: Vec<u8>,
}

impl Child {
    /// Starts `trial`; what it gives is what the child says. It may use so many seconds of a processor.
    ///
    /// # Errors
    /// No process, or no pipe.
    pub(crate) fn start(seconds: u32, trial: impl FnOnce() -> Vec<u8>) -> io::Result<Child> {
        let (from, mut to) = io::pipe()?;
        // SAFETY: this process has one thread (see the module's text), so the child may do what it likes.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Child { pid: child, from, said: Vec::new() }),
            ForkResult::Child => {
                drop(from);
                let message = Arc::new(Mutex::new(String::new()));
                let noted = message.clone();
                // the first says why; what follows while it unwinds does not matter
                std::panic::set_hook(Box::new(move |panic| {
                    if let Ok(mut noted) = noted.try_lock()
                        && noted.is_empty()
                    {
                        *noted = panic.to_string();
                    }
                }));
                let (said, code) = match catch_unwind(AssertUnwindSafe(|| {
                    confine(seconds.into());
                    trial()
                })) {
                    Ok(said) => (said, 0),
                    Err(_) => (message.lock().map(|text| text.clone().into_bytes()).unwrap_or_default(), PANICKED),
                };
                let _ = to.write_all(&said);
                leave(code)
            }
        }
    }

    /// If the thread with the driver sleeps: what it has used of a processor by now, in the kernel's ticks.
    fn asleep(&self) -> io::Result<Option<[u64; 2]>> {
        let stat = std::fs::read_to_string(format!("/proc/{0}/task/{0}/stat", self.pid))?;
        // behind the name, which may be anything: the state, and eleven fields on the two times
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let time = |at: usize| fields.get(at)?.parse().ok();
        let times = time(11).zip(time(12)).ok_or_else(|| io::Error::other("/proc/*/stat is not understood"))?;
        Ok((fields[0] == "S").then_some(times.into()))
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// The kernel does not say.
    pub(crate) fn wait(mut self) -> io::Result<End> {
        let mut last = None;
        loop {
            let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
            if poll(&mut [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)], timeout)? == 0 {
                let now = self.asleep()?;
                if now.is_some() && now == last {
                    // its own child: nobody else's process has this number while it was not waited for
                    kill(self.pid, Signal::SIGKILL)?;
                }
                last = now;
                continue;
            }
            let mut bytes = [0; 4096];
            match self.from.read(&mut bytes)? {
                0 => break,
                count => self.said.extend_from_slice(&bytes[..count]),
            }
        }
        Ok(match waitpid(self.pid, None)? {
            // by the limit of processor time, soft or hard, or from here; nobody else sends these two
            WaitStatus::Signaled(_, Signal::SIGXCPU | Signal::SIGKILL, _) => End::Hung,
            WaitStatus::Signaled(_, signal, _) => End::Died(signal.to_string()),
            WaitStatus::Exited(_, 0) => End::Said(self.said),
            WaitStatus::Exited(_, PANICKED) => End::Panicked(String::from_utf8_lossy(&self.said).into_owned()),
            WaitStatus::Exited(_, code) => End::Died(format!("exit code {code}")),
            other => End::Died(format!("{other:?}")),
        })
    }
}

/// What it may use, and what is heard of it: what a runtime has to say of a process that ends is no news here.
fn confine(seconds: u64) {
    if let Ok(nothing) = File::options().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stderr(nothing);
    }
    for (resource, soft, hard) in [
        (Resource::RLIMIT_CPU, seconds, seconds + 1),
        (Resource::RLIMIT_CORE, 0, 0),
        (Resource::RLIMIT_FSIZE, 1 << 26, 1 << 26),
    ] {
        let _ = setrlimit(resource, soft, hard);
    }
    crate::guard::confine();
}
