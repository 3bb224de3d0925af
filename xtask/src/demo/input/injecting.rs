//! Walking the way leg by leg, with a planned fault in each, and seeing each recovered.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{
    super::{
        control::{self, Control, Report},
        error::Result,
        plan::Injection,
        say_how_many, wait,
    },
    figures::Fault,
    hand::{Hand, MARK},
    record::{Record, Seen},
    walk::Leg,
};

/// How long a fault may take to be reached, and the mouse to report after it; and a leg to be walked.
const PATIENCE: Duration = Duration::from_secs(10);

/// A leg is over by then.
const FIDGET: Duration = Duration::from_millis(300);

/// Nothing of a status is looked at that is the class's own.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Any {}

pub(super) type Status = control::Status<Any>;

/// What came of it.
pub(super) struct Done {
    pub(super) faults: Vec<Fault>,
    pub(super) canary_intact: bool,
    /// What went wrong and is in no row.
    pub(super) problems: Vec<String>,
    /// From the first to the last.
    pub(super) took: Duration,
}

/// Who takes part.
pub(super) struct Party<'a> {
    pub(super) hand: &'a mut Hand,
    pub(super) control: &'a mut Control,
    pub(super) record: &'a mut Record,
}

/// Injects `plan`, a fault to a leg. The first that does not come about ends it.
pub(super) fn inject(plan: &[Injection], legs: &[Leg], mut party: Party<'_>) -> Done {
    let began = Instant::now();
    let mut done = Done { faults: Vec::new(), canary_intact: true, problems: Vec::new(), took: Duration::ZERO };
    for (index, (injection, leg)) in plan.iter().zip(legs).enumerate() {
        let Injection { entry, fault, point, .. } = injection;
        match one(injection, leg, &mut party) {
            Ok((row, canary_intact)) => {
                done.faults.push(row);
                done.canary_intact &= canary_intact;
            }
            Err(error) => {
                done.problems.push(format!("{fault} at {point} of {entry}: {error}"));
                break;
            }
        }
        say_how_many(index + 1, plan.len());
    }
    done.took = began.elapsed();
    done
}

/// Has the hand fidget now and then, for as long as it is waited for.
fn fidget(hand: &mut Hand) -> impl FnMut() -> Result<()> {
    let mut last = Instant::now();
    move || {
        if last.elapsed() < FIDGET {
            return Ok(());
        }
        last = Instant::now();
        hand.fidget()
    }
}

/// Waits for so many reports more.
pub(super) fn let_walk(hand: &mut Hand, record: &mut Record, reports: u64) -> Result<()> {
    let goal = record.reports() + reports;
    let what = || format!("{reports} reports of the mouse");
    let mut fidget = fidget(hand);
    wait::until(what, PATIENCE, || {
        fidget()?;
        record.follow()?;
        Ok((record.reports() >= goal).then_some(()))
    })
}

/// Walks a leg to its end, which the mark tells: what came out since the last one.
pub(super) fn end_of_leg(hand: &mut Hand, record: &mut Record) -> Result<Seen> {
    hand.mark()?;
    let what = || format!("the {MARK} button at the end of a leg");
    wait::until(what, PATIENCE, || {
        record.follow()?;
        Ok(record.leg())
    })
}

fn one(injection: &Injection, leg: &Leg, party: &mut Party<'_>) -> Result<(Fault, bool)> {
    let before: Status = party.control.status()?;
    let bytes = party.hand.bytes_to_mouse()?;
    party.hand.walk(leg)?;
    let_walk(party.hand, party.record, injection.after)?;
    let fidget = fidget(party.hand);
    let report = party.control.strike(injection, before.faults, "a report", PATIENCE, fidget)?;
    let bytes = party.hand.bytes_to_mouse()? - bytes;
    let struck = party.record.place();
    let seen = end_of_leg(party.hand, party.record)?;
    let after: Status = party.control.status()?;
    Ok((row(injection, report, leg, bytes, seen, struck), after.canary_intact))
}

fn row(injection: &Injection, report: Report, leg: &Leg, bytes: u64, seen: Seen, struck: [i64; 2]) -> Fault {
    Fault {
        entry: injection.entry,
        fault: injection.fault,
        point: injection.point,
        source: report.source,
        text: report.text,
        to_error_ns: report.to_error,
        to_next_report_ns: report.to_next_frame,
        register_reads: report.reads,
        register_writes: report.writes,
        bytes,
        rung: report.rung,
        recovered: report.recovered,
        leg: *leg,
        seen,
        struck,
    }
}
