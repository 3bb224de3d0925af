//! How a udrvd without protection ends.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use nix::sys::signal::Signal;
use serde::Serialize;

use super::{
    control::{Any, Control, Status},
    daemon::Daemon,
    error::{Error, Result},
    plan::Injection,
    wait,
};

/// How long the device may take to reach a fault.
const PATIENCE: Duration = Duration::from_secs(10);

/// A udrvd that does not answer for so long hangs.
pub(super) const HANGS: Duration = Duration::from_secs(2);

/// What became of it.
#[derive(Debug, Serialize)]
pub(super) struct Ending {
    pub(super) fault: &'static str,
    /// In words.
    pub(super) outcome: String,
    /// It did not live on as if nothing had been.
    pub(super) fatal: bool,
}

/// Has it fault in the middle of `entry` the next time that the device comes there, and sees what becomes of it. `control` waits
/// for an answer as long as [`HANGS`].
pub(super) fn provoke(
    daemon: &mut Daemon,
    control: &mut Control,
    entry: &'static str,
    fault: &'static str,
) -> Result<Ending> {
    if control.status::<Any>()?.protected {
        return Err(Error::Wrong("udrvd --protect never says that it is protected".to_owned()));
    }
    let injection = Injection { entry, fault, point: "middle", by_call: false, after: 0 };
    // the device may reach it before the answer is written, and then there is none
    let mut armed = Some(control.inject(&injection, 1));
    let what = || format!("any effect of {fault} without protection");
    let (outcome, fatal) = wait::until(what, PATIENCE, || {
        let answer = armed.take().unwrap_or(Ok(())).and_then(|()| control.status());
        effect(daemon, answer)
    })?;
    Ok(Ending { fault, outcome, fatal })
}

/// What has become of it, if anything has, by its answer. It is asked over and over, for one that hangs looks as
/// healthy as any.
fn effect(daemon: &mut Daemon, answer: Result<Status<Any>>) -> Result<Option<(String, bool)>> {
    match answer {
        Ok(status) if status.canary_intact => Ok(None),
        Ok(_) => Ok(Some(("lives on with memory of its own overwritten, and does not know".to_owned(), false))),
        // the socket closes a moment before the process can be waited for
        Err(Error::Io { .. } | Error::Wrong(_)) => {
            let ended = wait::until(|| "udrvd's end".to_owned(), HANGS, || daemon.ended())?;
            Ok(Some((describe(ended), true)))
        }
        Err(Error::Late { .. }) => match daemon.ended()? {
            Some(status) => Ok(Some((describe(status), true))),
            None => {
                daemon.kill();
                let text = format!("hangs: no answer within {} s, ended by our SIGKILL", HANGS.as_secs());
                Ok(Some((text, true)))
            }
        },
        Err(error) => Err(error),
    }
}

fn describe(status: ExitStatus) -> String {
    let core = if status.core_dumped() { " (core dumped)" } else { "" };
    match (status.signal().map(Signal::try_from), status.code()) {
        (Some(Ok(signal)), _) => format!("killed by {signal}{core}"),
        (_, Some(code)) => format!("exits with code {code}"),
        _ => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_described() {
        assert_eq!(describe(ExitStatus::from_raw(11)), "killed by SIGSEGV");
        assert_eq!(describe(ExitStatus::from_raw(0x80 | 6)), "killed by SIGABRT (core dumped)");
        assert_eq!(describe(ExitStatus::from_raw(101 << 8)), "exits with code 101");
    }
}
