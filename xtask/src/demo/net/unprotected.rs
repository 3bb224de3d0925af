//! The same with protection off: each fault in a udrvd of its own, and how that dies.

use std::time::{Duration, Instant};

use super::{
    Stage,
    ending::{Ending, HANGS, provoke},
    error::Result,
    plan::FAULTS,
    status::Status,
    wait,
};

/// How long traffic may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tries each fault.
pub(super) fn try_all(stage: &Stage) -> Result<Vec<Ending>> {
    FAULTS.iter().map(|fault| try_one(stage, fault)).collect()
}

fn try_one(stage: &Stage, fault: &'static str) -> Result<Ending> {
    let (mut daemon, card) = stage.start(&format!("unprotected-{fault}.log"), &["--protect", "never"])?;
    let mut control = daemon.connect(HANGS)?;
    let status: Status = control.status()?;
    let streams = stage.streams(card, &status, Instant::now())?;
    wait::until(
        || "traffic without protection".to_owned(),
        PATIENCE,
        || Ok(streams.bytes().iter().all(|bytes| *bytes > 256 * 1024).then_some(())),
    )?;
    // the streams cannot go on then, and are abandoned
    provoke(&mut daemon, &mut control, "transmit", fault)
}
