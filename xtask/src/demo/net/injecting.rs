//! Injecting the planned faults while the streams run, and seeing each recovered.

use std::time::{Duration, Instant};

use super::{
    super::injecting,
    control::{Control, Report},
    error::{Error, Result},
    figures::{Fault, Lost},
    plan::Injection,
    status::Status,
    streams::Streams,
    wait,
};

/// How long a fault may take to be reached, and a frame to go through after it: TCP may have to retransmit first.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it.
pub(super) type Done = injecting::Done<Lost>;

/// Injects `plan`. A stream that breaks ends it. `epoch` is when the streams began.
pub(super) fn inject(plan: &[Injection], control: &mut Control, streams: &Streams, epoch: Instant) -> Done {
    let one =
        |injection: &Injection, control: &mut Control, done: &mut Done| one(injection, control, streams, epoch, done);
    injecting::inject(plan, control, one, || streams.broken())
}

fn one(injection: &Injection, control: &mut Control, streams: &Streams, epoch: Instant, done: &mut Done) -> Result<()> {
    let goal = streams.bytes().map(|bytes| bytes + injection.after);
    wait::until(
        || "progress of both streams".to_owned(),
        PATIENCE,
        || {
            if streams.broken() {
                return Err(Error::Wrong("a stream has broken".to_owned()));
            }
            let [up, down] = streams.bytes();
            Ok((up >= goal[0] && down >= goal[1]).then_some(()))
        },
    )?;

    let before: Status = control.status()?;
    let report = control.strike(injection, before.faults, "a frame", PATIENCE, || Ok(()))?;
    let after: Status = control.status()?;
    let elapsed = epoch.elapsed();
    done.canary_intact &= after.canary_intact;
    let lost = lost(&report, &before, &after, elapsed);
    done.faults.push(Fault::new(injection, report, lost));
    Ok(())
}

/// `elapsed` is now, as the streams count, and `after` was got just now.
fn lost(report: &Report, before: &Status, after: &Status, elapsed: Duration) -> Lost {
    let ago = after.uptime.saturating_sub(report.at - report.to_error.min(report.at));
    Lost {
        frames_lost: report.frames_lost,
        frames_missed: after.class.missed().saturating_sub(before.class.missed()),
        at_s: elapsed.saturating_sub(Duration::from_nanos(ago)).as_secs_f64(),
    }
}
