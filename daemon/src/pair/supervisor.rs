//! What a service manager takes for the service where there is a standby.
//!
//! systemd ends a service, with all its processes, when the main one dies. Where there is a standby the process that drives the device may
//! die, and so it must not be that one. A *supervisor* is: it starts the first udrvd, collects those that end, passes signals on, and
//! ends when none is left. It neither opens nor maps anything, so there is nothing that it could fail of.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use udrv::keep::Inherited;

use super::program::VARIABLE;
use crate::complaint::complain;

/// Tells a process and all that come after it that it has a supervisor: its process id.
pub(crate) const SUPERVISOR: &str = "UDRV_SUPERVISOR";

/// Whether this process has one: then another is the service manager's main process, and stays that.
#[must_use]
pub fn is_supervised() -> bool {
    std::env::var_os(SUPERVISOR).is_some()
}

/// Whether there is a service manager that hears this process.
#[must_use]
pub fn is_managed() -> bool {
    is_set("NOTIFY_SOCKET")
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Whether this process is to be one: a service manager has started it, and there shall be a standby.
#[must_use]
pub fn is_to_supervise(standby: bool) -> bool {
    standby && is_managed() && !is_supervised() && !is_set(VARIABLE)
}

/// Supervises a udrvd of this command line, its name first, and those that follow it. To be called before anything is opened: the first
/// gets the descriptors that were passed to this process. Returns how the last one has ended, as an exit code.
///
/// # Errors
/// It cannot be started.
pub fn supervise(words: &[OsString]) -> io::Result<u8> {
    // before there is any to be told of
    let mut signals = Signals::new([SIGCHLD, SIGTERM, SIGINT, SIGHUP])?;
    set_child_subreaper(true)?;
    start(words)?;
    // the first has them; those of this process would keep a device open that all others have closed
    drop(Inherited::from_environment()?);
    let (mut last, mut stops) = (0, None);
    for signal in &mut signals {
        match signal {
            SIGCHLD => match collect(&mut last) {
                Left::None => break,
                // whose predecessor has died meanwhile was not told
                Left::Some => stops.into_iter().for_each(pass_on),
            },
            SIGHUP => pass_on(Signal::SIGHUP),
            other => {
                let signal = if other == SIGINT { Signal::SIGINT } else { Signal::SIGTERM };
                stops = Some(signal);
                pass_on(signal);
            }
        }
    }
    Ok(last)
}

/// Not by way of /proc/self/exe: it is to be found by its name.
fn start(words: &[OsString]) -> io::Result<()> {
    let program = std::env::current_exe()?;
    // LISTEN_PID is the number of the one that takes the descriptors, which is not known before it is there
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "LISTEN_PID=$$; export LISTEN_PID; exec \"$@\"", "sh"]).arg(program).args(words.iter().skip(1));
    // that of a process which does not live: without it each may give signs of life
    command.env_remove("WATCHDOG_PID").env(SUPERVISOR, std::process::id().to_string());
    command.spawn().map(drop)
}

enum Left {
    None,
    Some,
}

/// Collects those that have ended; `last` is how the last one has.
fn collect(last: &mut u8) -> Left {
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => *last = u8::try_from(code).unwrap_or(u8::MAX),
            // as a shell has it
            Ok(WaitStatus::Signaled(_, signal, _)) => *last = 128 + signal as u8,
            Ok(WaitStatus::StillAlive) => return Left::Some,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return Left::None,
        }
    }
}

/// To children: one whose parent lives, a standby or a candidate, is that one's to tell.
fn pass_on(signal: Signal) {
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_else(|error| {
        complain("udrvd", &format!("/proc/thread-self/children: {error}; {signal} reaches nobody"));
        String::new()
    });
    for pid in children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()) {
        // one that has ended meanwhile is not collected yet: the number is its own
        let _ = kill(Pid::from_raw(pid), signal);
    }
}
