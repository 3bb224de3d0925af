//! The same with protection off: each fault in a udrvd of its own, and how that dies.

use std::{
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::{
    Stage,
    control::Status,
    daemon::Daemon,
    error::{Error, Result},
    figures::Unprotected,
    plan::{FAULTS, Injection},
    wait,
};

/// A udrvd that does not answer for so long hangs.
const HANGS: Duration = Duration::from_secs(2);
/// How long traffic may take to reach the fault.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tries each fault.
pub(super) fn try_all(stage: &Stage) -> Result<Vec<Unprotected>> {
    FAULTS.iter().map(|fault| try_one(stage, fault)).collect()
}

fn try_one(stage: &Stage, fault: &'static str) -> Result<Unprotected> {
    let (mut daemon, card) = stage.start(&format!("unprotected-{fault}.log"), &["--protect", "never"])?;
    let mut control = daemon.connect(HANGS)?;
    let status = control.status()?;
    if status.protected {
        return Err(Error::Wrong("udrvd --protect never says that it is protected".to_owned()));
    }
    let streams = stage.streams(card, &status, Instant::now())?;
    wait::until(
        || "traffic without protection".to_owned(),
        PATIENCE,
        || Ok(streams.bytes().iter().all(|bytes| *bytes > 256 * 1024).then_some(())),
    )?;
    let injection = Injection { entry: "transmit", fault, point: "middle", by_call: false, after_bytes: 0 };
    // traffic may reach it before the answer is written, and then there is none
    let mut armed = Some(control.inject(&injection, 1));
    let what = || format!("any effect of {fault} without protection");
    let (outcome, fatal) = wait::until(what, PATIENCE, || {
        let answer = armed.take().unwrap_or(Ok(())).and_then(|()| control.status());
        effect(&mut daemon, answer)
    })?;
    // the streams cannot go on, and are abandoned
    Ok(Unprotected { fault, outcome, fatal })
}

/// What has become of it, if anything has, by its answer. It is asked over and over, for one that hangs looks as
/// healthy as any.
fn effect(daemon: &mut Daemon, answer: Result<Status>) -> Result<Option<(String, bool)>> {
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
