//! The same with protection off: each fault in a udrvd of its own, how that dies, and what of the path is missing until the next one
//! reports.
//!
//! The next one is started the moment that the last one's end is seen, sooner than any supervisor of services would.

use std::time::{Duration, Instant};

use super::{
    super::{
        ending::{HANGS, provoke},
        error::Result,
        plan::FAULTS,
        wait,
    },
    figures::Unprotected,
    hand::Hand,
    injecting::{end_of_leg, let_walk},
    stage::Mouse,
    walk::{Leg, Point},
};

/// How long the mouse may take to report to another udrvd.
const PATIENCE: Duration = Duration::from_secs(10);
/// Reports before a fault.
const BEFORE: u64 = 4;

/// What came of it.
pub(super) struct Died {
    pub(super) all: Vec<Unprotected>,
    /// Where what came out was after each report, and when the faults struck.
    pub(super) points: Vec<Point>,
    pub(super) struck: Vec<Point>,
}

/// Tries each fault, in a leg of its own.
pub(super) fn try_all(mouse: &Mouse<'_>, hand: &mut Hand, legs: &[Leg]) -> Result<Died> {
    let start = |which: &str| mouse.drive(which, &["--protect", "never"]);
    let mut died = Died { all: Vec::new(), points: vec![[0, 0]], struck: Vec::new() };
    let (mut daemon, mut record) = start("-first")?;
    let mut control = daemon.connect(HANGS)?;
    for (fault, leg) in FAULTS.into_iter().zip(legs) {
        let began = record.place();
        hand.walk(leg)?;
        let_walk(hand, &mut record, BEFORE)?;
        let end = provoke(&mut daemon, &mut control, "interrupt", fault)?;
        let ended = Instant::now();
        record.follow()?;
        let struck = record.place();
        let walked = [struck[0] - began[0], struck[1] - began[1]];
        append(&mut died.points, record.points());
        died.struck.extend(died.points.last());
        // one that lives on has memory that is not as it was
        daemon.kill();
        let (resets, _) = hand.state()?;
        (daemon, record) = start(&format!("-after-{fault}"))?;
        control = daemon.connect(HANGS)?;
        // what marks the end of the leg must not come before
        let what = || "reports of the mouse for another udrvd".to_owned();
        wait::until(what, PATIENCE, || Ok(matches!(hand.state()?, (now, true) if now > resets).then_some(())))?;
        let seen = end_of_leg(hand, &mut record)?;
        let missing = (0..2).map(|axis| (leg.by[axis] - walked[axis] - seen.by[axis]).unsigned_abs()).sum();
        let silent_ms = ended.elapsed().as_secs_f64() * 1e3;
        died.all.push(Unprotected { end, silent_ms, missing });
    }
    daemon.stop()?;
    append(&mut died.points, record.points());
    Ok(died)
}

/// Goes on where it was: each udrvd begins at nothing.
fn append(points: &mut Vec<Point>, more: Vec<Point>) {
    let last = points.last().copied().unwrap_or_default();
    points.extend(more.into_iter().map(|point| [last[0] + point[0], last[1] + point[1]]));
}
