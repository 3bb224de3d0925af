//! Walking the way leg by leg, with a planned fault in each, and seeing each recovered.

use std::time::{Duration, Instant};

use super::{
    super::{
        control::{Any, Control, Status},
        error::{Error, Result},
        injecting,
        plan::Injection,
        wait,
    },
    figures::{Fault, Walked},
    hand::{Hand, MARK},
    record::{Record, Seen},
    walk::Leg,
};

/// How long a fault may take to be reached, and the mouse to report after it; and a leg to be walked.
const PATIENCE: Duration = Duration::from_secs(10);

/// A leg is over by then.
const FIDGET: Duration = Duration::from_millis(300);

/// What came of it.
pub(super) type Done = injecting::Done<Walked>;

/// Injects `plan`, a fault to a leg. The first that does not come about ends it: its leg has no end.
pub(super) fn inject(
    plan: &[Injection],
    legs: &[Leg],
    hand: &mut Hand,
    control: &mut Control,
    record: &mut Record,
) -> Done {
    let mut legs = legs.iter();
    let one = |injection: &Injection, control: &mut Control, done: &mut Done| {
        let leg = legs.next().ok_or_else(|| Error::Wrong("the way has no leg for it".to_owned()))?;
        one(injection, leg, hand, control, record, done)
    };
    injecting::inject(plan, control, one, || true)
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

fn one(
    injection: &Injection,
    leg: &Leg,
    hand: &mut Hand,
    control: &mut Control,
    record: &mut Record,
    done: &mut Done,
) -> Result<()> {
    let before: Status<Any> = control.status()?;
    let bytes = hand.bytes_to_mouse()?;
    hand.walk(leg)?;
    let_walk(hand, record, injection.after)?;
    let report = control.strike(injection, before.faults, "a report", PATIENCE, fidget(hand))?;
    let bytes = hand.bytes_to_mouse()? - bytes;
    let struck = record.place();
    let seen = end_of_leg(hand, record)?;
    let after: Status<Any> = control.status()?;
    done.canary_intact &= after.canary_intact;
    done.faults.push(Fault::new(injection, report, Walked { bytes, leg: *leg, seen, struck }));
    Ok(())
}
