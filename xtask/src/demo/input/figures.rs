//! What the demo of a mouse found out, as it is printed for machines, and the verdict on it.
//!
//! What is right to fail on:
//!
//! - a count, a click or a press that is missing or too many where the fault was in a call that sends the mouse nothing; and a byte
//!   that was sent to it there;
//! - elsewhere more missing than the mouse was moved from the call until it reported again, and a report: a mouse that is given a
//!   command forgets what it has not told, and one that is reset says nothing;
//! - anything that was not: a path that goes where the hand did not, a button that is down when the hand has let go.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    super::{
        ending::Ending,
        figures::{self, Run},
        plan::FAULTS,
        words::Spread,
    },
    places,
    record::Seen,
    stage::RATE,
    walk::{LEG_MS, Leg, Point},
};

/// One injected fault.
pub(super) type Fault = figures::Fault<Walked>;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    pub(super) run: Run,
    /// It has a wheel: clicks are looked for.
    pub(super) wheel: bool,
    /// Of the protected run.
    pub(super) faults: Vec<Fault>,
    pub(super) by_fault: Vec<ByFault>,
    /// Faults in the middle of `interrupt` along the way of those below.
    pub(super) few: Vec<Fault>,
    /// The same, each recovered by a restart.
    pub(super) restarts: Vec<Fault>,
    pub(super) unprotected: Vec<Unprotected>,
    /// The picture, from the workspace's root.
    pub(super) picture: PathBuf,
}

/// The leg in which a fault struck. To a mouse's registers, accesses are its commands.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Walked {
    /// That the mouse was sent from the beginning of the leg until it reported again.
    pub(super) bytes: u64,
    /// What the hand did in the leg, and what came out.
    #[serde(skip)]
    pub(super) leg: Leg,
    pub(super) seen: Seen,
    /// Where on the path, of what came out.
    pub(super) struck: Point,
}

impl figures::Class for Walked {
    const NEXT: &'static str = "report";
}

/// What is said of all faults of a kind.
#[derive(Debug, Serialize)]
pub(super) struct ByFault {
    #[serde(flatten)]
    any: figures::ByFault,
    bytes: Spread,
}

/// The faults, by kind.
pub(super) fn by_fault(faults: &[Fault]) -> Vec<ByFault> {
    let bytes = |kind| Spread::of(faults.iter().filter(|f| f.fault == kind).map(|f| f.class.bytes));
    figures::by_fault(faults).into_iter().map(|any| ByFault { bytes: bytes(any.fault), any }).collect()
}

/// What became of a udrvd without protection.
#[derive(Debug, Serialize)]
pub(super) struct Unprotected {
    #[serde(flatten)]
    pub(super) end: Ending,
    /// From its end to the first report that the next one gave.
    pub(super) silent_ms: f64,
    /// Counts that are missing from the path.
    pub(super) missing: u64,
}

impl Walked {
    /// Counts of the leg that did not come out.
    pub(super) fn missing(&self) -> u64 {
        let axis = |axis: usize| (self.leg.by[axis] - self.seen.by[axis]).unsigned_abs();
        axis(0) + axis(1)
    }

    /// The path went where the hand did not.
    fn is_astray(&self) -> bool {
        (0..2).any(|axis| {
            let (hand, seen) = (self.leg.by[axis], self.seen.by[axis]);
            seen.abs() > hand.abs() || seen.signum() * hand.signum() < 0
        })
    }
}

impl Fault {
    /// How many counts may be missing: those in the time from the call to the next report, and in one report more on either side.
    fn may_miss(&self) -> u64 {
        let counts = self.class.leg.counts();
        let ms = self.to_next.ns.unwrap_or(0).max(self.to_error_ns) / 1_000_000 + 1 + 3 * 1000 / RATE;
        counts.min(counts * ms / u64::from(LEG_MS) + 2)
    }

    /// What is wrong with it. `wheel`: it has one.
    fn problems(&self, restarted: bool, wheel: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let mut say = |right: bool, what: String| {
            if !right {
                problems.push(what);
            }
        };
        let Walked { bytes, leg, seen, .. } = &self.class;
        let Seen { clicks, pressed, held, .. } = seen;
        say(held.is_empty(), format!("left buttons down: {}", held.join(", ")));
        say(!self.class.is_astray(), format!("led astray: by {:?} in place of {:?}", seen.by, leg.by));
        let others = pressed.keys().filter(|name| Some(name.as_str()) != leg.button).cloned().collect::<Vec<_>>();
        say(others.is_empty(), format!("pressed what the hand did not: {}", others.join(", ")));
        let missing = self.class.missing();
        if places::commands(self.entry) || restarted {
            let promised = self.may_miss();
            say(missing <= promised, format!("cost {missing} counts of the path, and may cost {promised}"));
        } else {
            say(missing == 0, format!("cost {missing} counts of the path"));
            say(*bytes == 0, format!("sent the mouse {bytes} bytes"));
            let expected = if wheel { leg.clicks.into() } else { 0 };
            say(*clicks == expected, format!("gave {clicks} clicks of the wheel in place of {expected}"));
            let times = leg.button.map(|button| pressed.get(button).copied().unwrap_or(0));
            say(times.is_none_or(|times| times == 1), format!("pressed a button {times:?} times"));
        }
        problems
    }
}

impl Figures {
    /// Adds what is not as it should be to the problems that are known, and so comes to the verdict.
    pub(super) fn judge(&mut self) {
        self.run.judge(&self.faults, self.unprotected.len());
        self.run.judge_each(&self.few, FAULTS.len(), "recovered by aborts");
        self.run.judge_restarts(&self.restarts);
        for (faults, restarted) in [(&self.faults, false), (&self.few, false), (&self.restarts, true)] {
            for fault in faults {
                let problems = fault.problems(restarted, self.wheel);
                self.run.problems.extend(problems.into_iter().map(|what| format!("{} {what}", fault.name())));
            }
        }
        self.run.conclude();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::figures::tests;
    use super::*;

    fn fault(entry: &'static str, kind: &'static str) -> Fault {
        let leg = Leg { by: [100, -50], button: Some("left"), clicks: 2 };
        let seen = Seen { by: leg.by, clicks: 2, pressed: [("left".to_owned(), 1)].into(), held: Vec::new() };
        let mut fault = tests::fault(entry, kind, Walked { bytes: 0, leg, seen, struck: [7, 8] });
        fault.to_next.ns = Some(9_000_000);
        fault
    }

    pub(in super::super) fn figures() -> Figures {
        let faults = vec![fault("interrupt", "null-write"), fault("set_rate", "null-write")];
        let restarts = FAULTS.map(|kind| Fault { rung: "restart".to_owned(), ..fault("interrupt", kind) });
        let died = |fault| Unprotected {
            end: Ending { fault, outcome: "killed by SIGSEGV".to_owned(), fatal: true },
            silent_ms: 900.0,
            missing: 40,
        };
        Figures {
            run: tests::run(2),
            wheel: true,
            by_fault: by_fault(&faults),
            faults,
            few: FAULTS.map(|kind| fault("interrupt", kind)).into(),
            restarts: restarts.into(),
            unprotected: FAULTS.map(died).into(),
            picture: "path.svg".into(),
        }
    }

    #[test]
    fn what_is_as_it_should_be_is_good() {
        let mut figures = figures();
        // a command may cost what was walked meanwhile, and a restart too
        figures.faults[1].class.seen.by = [90, -45];
        figures.faults[1].class.bytes = 4;
        figures.restarts[0].class.seen.by = [70, -40];
        figures.judge();
        assert!(figures.run.verdict, "{:?}", figures.run.problems);
    }

    #[test]
    fn each_thing_that_is_not_is_found() {
        type Change = fn(&mut Figures);
        let changes: [(Change, &str); 13] = [
            (|f| f.restarts.truncate(1), "recovered by restarts"),
            (|f| f.few.truncate(1), "recovered by aborts"),
            (|f| f.faults[0].recovered = false, "was not recovered"),
            (|f| f.faults[0].class.seen.by = [99, -50], "cost 1 counts"),
            (|f| f.faults[0].class.bytes = 1, "sent the mouse"),
            (|f| f.faults[0].class.seen.clicks = 1, "clicks"),
            (|f| f.faults[0].class.seen.pressed.clear(), "times"),
            (|f| f.faults[0].class.seen.held.push("left".to_owned()), "left buttons down"),
            (|f| f.faults[1].class.seen.by = [101, -50], "astray"),
            (|f| f.faults[1].class.seen.by = [10, -5], "may cost"),
            (|f| _ = f.faults[1].class.seen.pressed.insert("right".to_owned(), 1), "what the hand did not"),
            (|f| f.restarts[0].rung = "abort".to_owned(), "not by a restart"),
            (|f| f.unprotected.clear(), "without protection"),
        ];
        for (change, word) in changes {
            let mut figures = figures();
            change(&mut figures);
            figures.judge();
            let problems = figures.run.problems.join("; ");
            assert!(!figures.run.verdict && problems.contains(word), "{word}: {problems}");
        }
    }
}
