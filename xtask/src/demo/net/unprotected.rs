//! The same with protection off: each fault in a udrvd of its own, and how that dies.

use std::time::{Duration, Instant};

use super::{
    Stage,
    ending::{HANGS, effect},
    error::{Error, Result},
    figures::Unprotected,
    plan::{FAULTS, Injection},
    status::{Net, Status},
    wait,
};

/// How long traffic may take to reach the fault.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tries each fault.
pub(super) fn try_all(stage: &Stage) -> Result<Vec<Unprotected>> {
    FAULTS.iter().map(|fault| try_one(stage, fault)).collect()
}

fn try_one(stage: &Stage, fault: &'static str) -> Result<Unprotected> {
    let (mut daemon, card) = stage.start(&format!("unprotected-{fault}.log"), &["--protect", "never"])?;
    let mut control = daemon.connect(HANGS)?;
    let status: Status = control.status()?;
    if status.protected {
        return Err(Error::Wrong("udrvd --protect never says that it is protected".to_owned()));
    }
    let streams = stage.streams(card, &status, Instant::now())?;
    wait::until(
        || "traffic without protection".to_owned(),
        PATIENCE,
        || Ok(streams.bytes().iter().all(|bytes| *bytes > 256 * 1024).then_some(())),
    )?;
    let injection = Injection { entry: "transmit", fault, point: "middle", by_call: false, after: 0 };
    // traffic may reach it before the answer is written, and then there is none
    let mut armed = Some(control.inject(&injection, 1));
    let what = || format!("any effect of {fault} without protection");
    let (outcome, fatal) = wait::until(what, PATIENCE, || {
        let answer = armed.take().unwrap_or(Ok(())).and_then(|()| control.status::<Net>());
        effect(&mut daemon, answer)
    })?;
    // the streams cannot go on, and are abandoned
    Ok(Unprotected { fault, outcome, fatal })
}
