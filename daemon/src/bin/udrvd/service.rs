//! What the service manager is told. Without one (`NOTIFY_SOCKET`) nobody is.

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use udrv::run::Heartbeat;
use udrv_daemon::pair::is_supervised;

/// How long starting may take from each such message on.
const LONGER: Duration = Duration::from_secs(180);

/// What the control socket is called among those that a `.socket` unit hands over (`FileDescriptorName=`).
const CONTROL: &str = "control";

/// The control socket that a `.socket` unit has made, if one has.
///
/// # Errors
/// There is one of that name, and it is no listening Unix socket.
pub(crate) fn control_socket() -> Result<Option<UnixListener>, String> {
    // they are taken out of the environment with the descriptors
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut handed = ListenFd::from_env();
    let Some(place) = names.split(':').position(|name| name == CONTROL).filter(|place| *place < handed.len()) else {
        return Ok(None);
    };
    let wrong = |error: io::Error| {
        format!("the socket '{CONTROL}' of the .socket unit cannot be used: {error}; ListenStream= makes one")
    };
    handed.take_unix_listener(place).map_err(wrong)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Another process is the main one from now on; unless a supervisor is.
pub(crate) fn main_is(pid: u32) {
    if !is_supervised() {
        tell(&[NotifyState::MainPid(pid)]);
    }
}

/// What the service manager is told of a device that works.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    status: Arc<str>,
    /// The process before this one is the main one still: only it is heard.
    silent: Arc<AtomicBool>,
}

impl Service {
    /// `silent`: until it is ready.
    pub(crate) fn new(status: String, silent: bool) -> Service {
        Service { status: status.into(), silent: Arc::new(silent.into()) }
    }

    /// The device works, and this is the main process.
    pub(crate) fn ready(&self) {
        self.silent.store(false, Relaxed);
        let main = (!is_supervised()).then(|| NotifyState::MainPid(std::process::id()));
        let told: Vec<NotifyState<'_>> =
            main.into_iter().chain([NotifyState::Ready, NotifyState::Status(&self.status)]).collect();
        tell(&told);
    }

    /// The device works, and there is more to say.
    pub(crate) fn ready_but(&self, what: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(&format!("{}; {what}", self.status))]);
    }

    /// The sign of life that the service manager wants (`WatchdogSec=`), twice as often as it must be.
    pub(crate) fn heartbeat(&self) -> Option<Heartbeat> {
        let (every, silent) = (sd_notify::watchdog_enabled()? / 2, self.silent.clone());
        let beat = move || {
            if !silent.load(Relaxed) {
                alive();
            }
        };
        Some(Heartbeat { every, beat: Box::new(beat) })
    }
}

/// A sign of life, where one is wanted.
pub(crate) fn alive() {
    if sd_notify::watchdog_enabled().is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

/// It may take long until the device is there.
pub(crate) fn waiting(status: &str) {
    tell(&[NotifyState::ExtendTimeoutUsec(LONGER.as_micros() as u32), NotifyState::Status(status)]);
}

/// The configuration is being read again: [`Service::ready_but`] ends that.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "no monotonic clock"),
    }
}

/// The device is being stopped.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The device is being stopped, for good.
pub(crate) fn given_up(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}
