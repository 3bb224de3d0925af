//! Injecting the planned faults, one after the other, while the streams run, and seeing each recovered.

use std::time::{Duration, Instant};

use super::{
    control::{Control, Report},
    error::{Error, Result},
    figures::Fault,
    plan::Injection,
    status::Status,
    streams::Streams,
    wait,
};

/// How long a fault may take to be reached, and a frame to go through after it: TCP may have to retransmit first.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it.
pub(super) struct Done {
    pub(super) faults: Vec<Fault>,
    pub(super) canary_intact: bool,
    /// What went wrong and is in no row.
    pub(super) problems: Vec<String>,
    /// From the first to the last.
    pub(super) took: Duration,
}

/// Injects `plan`. A fault that does not come about is a problem, and the next one is tried; a udrvd that does not
/// answer, or a stream that breaks, ends it. `epoch` is when the streams began.
pub(super) fn inject(
    plan: &[Injection],
    control: &mut Control,
    streams: &Streams,
    epoch: Instant,
    say: &mut dyn FnMut(usize),
) -> Done {
    let began = Instant::now();
    let mut done = Done { faults: Vec::new(), canary_intact: true, problems: Vec::new(), took: Duration::ZERO };
    for (index, injection) in plan.iter().enumerate() {
        let Injection { entry, fault, point, .. } = injection;
        if let Err(error) = one(injection, control, streams, epoch, &mut done) {
            done.problems.push(format!("{fault} at {point} of {entry}: {error}"));
            // a fault that is still armed must not strike later; if this fails too, nobody answers any more
            if streams.broken() || control.inject(injection, 0).is_err() {
                break;
            }
        }
        say(index + 1);
    }
    done.took = began.elapsed();
    done
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
    done.faults.push(row(injection, report, &before, &after, elapsed));
    Ok(())
}

/// `elapsed` is now, as the streams count, and `after` was got just now.
fn row(injection: &Injection, report: Report, before: &Status, after: &Status, elapsed: Duration) -> Fault {
    let ago = after.uptime.saturating_sub(report.at - report.to_error.min(report.at));
    Fault {
        entry: injection.entry,
        fault: injection.fault,
        point: injection.point,
        source: report.source,
        text: report.text,
        to_error_ns: report.to_error,
        to_next_frame_ns: report.to_next_frame,
        frames_lost: report.frames_lost,
        frames_missed: after.class.missed().saturating_sub(before.class.missed()),
        rung: report.rung,
        recovered: report.recovered,
        at_s: elapsed.saturating_sub(Duration::from_nanos(ago)).as_secs_f64(),
    }
}
