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
    super::{plan, words::Spread},
    places,
    record::Seen,
    stage::RATE,
    walk::{LEG_MS, Leg, Point},
};

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Which mouse's.
    pub(super) model: String,
    /// `record`: what comes out is written down.
    pub(super) endpoint: &'static str,
    /// `protection-keys` or `rollback-only`.
    pub(super) isolation: String,
    pub(super) seed: u64,
    /// CPU time that one call of the driver may use.
    pub(super) deadline_ms: u64,
    /// udrvd's, before and after.
    pub(super) pid: [u32; 2],
    /// Memory of udrvd that no fault may touch was as it should be, each time.
    pub(super) canary_intact: bool,
    /// It has a wheel: clicks are looked for.
    pub(super) wheel: bool,
    pub(super) planned: usize,
    /// Of the protected run, as is what stands before them.
    pub(super) faults: Vec<Fault>,
    pub(super) by_fault: Vec<ByFault>,
    /// Faults in the middle of `interrupt` along the way of those below.
    pub(super) few: Vec<Fault>,
    /// The same, each recovered by a restart.
    pub(super) restarts: Vec<Fault>,
    pub(super) unprotected: Vec<Unprotected>,
    /// The picture, from the workspace's root.
    pub(super) picture: PathBuf,
    /// From the first fault's leg to the last one's end.
    pub(super) injecting_s: f64,
    /// All but the build.
    pub(super) total_s: f64,
    /// What is not as it should be.
    pub(super) problems: Vec<String>,
    /// Nothing is.
    pub(super) verdict: bool,
}

/// One injected fault.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fault {
    pub(super) entry: &'static str,
    pub(super) fault: &'static str,
    pub(super) point: &'static str,
    /// Function, file and line of the faulting instruction.
    pub(super) source: Option<String>,
    pub(super) text: String,
    pub(super) to_error_ns: u64,
    /// To the next report of the mouse.
    pub(super) to_next_report_ns: Option<u64>,
    /// Accesses that recovery made to what are registers of a mouse: its commands.
    pub(super) register_reads: u64,
    pub(super) register_writes: u64,
    /// That the mouse was sent from the beginning of the leg until it reported again.
    pub(super) bytes: u64,
    pub(super) rung: String,
    pub(super) recovered: bool,
    /// What the hand did in the leg, and what came out.
    #[serde(skip)]
    pub(super) leg: Leg,
    pub(super) seen: Seen,
    /// Where on the path, of what came out.
    pub(super) struck: Point,
}

/// What is said of all faults of a kind.
#[derive(Debug, Serialize)]
pub(super) struct ByFault {
    pub(super) fault: &'static str,
    pub(super) count: usize,
    pub(super) to_error_ns: Spread,
    pub(super) to_next_report_ns: Spread,
    pub(super) bytes: Spread,
}

/// What became of a udrvd without protection.
#[derive(Debug, Serialize)]
pub(super) struct Unprotected {
    pub(super) fault: &'static str,
    /// In words.
    pub(super) outcome: String,
    /// It did not live on as if nothing had been.
    pub(super) fatal: bool,
    /// From its end to the first report that the next one gave.
    pub(super) silent_ms: f64,
    /// Counts that are missing from the path.
    pub(super) missing: u64,
}

/// The faults, by kind.
pub(super) fn by_fault(faults: &[Fault]) -> Vec<ByFault> {
    let one = |fault: &'static str| {
        let of_kind = || faults.iter().filter(move |f| f.fault == fault);
        ByFault {
            fault,
            count: of_kind().count(),
            to_error_ns: Spread::of(of_kind().map(|f| f.to_error_ns)),
            to_next_report_ns: Spread::of(of_kind().filter_map(|f| f.to_next_report_ns)),
            bytes: Spread::of(of_kind().map(|f| f.bytes)),
        }
    };
    plan::FAULTS.map(one).into()
}

impl Fault {
    /// Counts of the leg that did not come out.
    pub(super) fn missing(&self) -> u64 {
        let axis = |axis: usize| (self.leg.by[axis] - self.seen.by[axis]).unsigned_abs();
        axis(0) + axis(1)
    }

    /// How many may not: those in the time from the call to the next report, and in one report more on either side.
    fn may_miss(&self) -> u64 {
        let counts = self.leg.counts();
        let ms = self.to_next_report_ns.unwrap_or(0).max(self.to_error_ns) / 1_000_000 + 1 + 3 * 1000 / RATE;
        counts.min(counts * ms / u64::from(LEG_MS) + 2)
    }

    /// The path went where the hand did not.
    fn is_astray(&self) -> bool {
        (0..2).any(|axis| {
            let (hand, seen) = (self.leg.by[axis], self.seen.by[axis]);
            seen.abs() > hand.abs() || seen.signum() * hand.signum() < 0
        })
    }

    /// What is wrong with it. `wheel`: it has one.
    fn problems(&self, restarted: bool, wheel: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let mut say = |right: bool, what: String| {
            if !right {
                problems.push(what);
            }
        };
        let Seen { clicks, pressed, held, .. } = &self.seen;
        say(self.recovered, format!("was not recovered: {}", self.text));
        say(self.to_next_report_ns.is_some(), "was not followed by a report".to_owned());
        say(held.is_empty(), format!("left buttons down: {}", held.join(", ")));
        say(!self.is_astray(), format!("led astray: by {:?} in place of {:?}", self.seen.by, self.leg.by));
        let others = pressed.keys().filter(|name| Some(name.as_str()) != self.leg.button).cloned().collect::<Vec<_>>();
        say(others.is_empty(), format!("pressed what the hand did not: {}", others.join(", ")));
        if places::commands(self.entry) || restarted {
            let (missing, promised) = (self.missing(), self.may_miss());
            say(missing <= promised, format!("cost {missing} counts of the path, and may cost {promised}"));
        } else {
            say(self.missing() == 0, format!("cost {} counts of the path", self.missing()));
            say(self.bytes == 0, format!("sent the mouse {} bytes", self.bytes));
            let expected = if wheel { self.leg.clicks.into() } else { 0 };
            say(*clicks == expected, format!("gave {clicks} clicks of the wheel in place of {expected}"));
            let times = self.leg.button.map(|button| pressed.get(button).copied().unwrap_or(0));
            say(times.is_none_or(|times| times == 1), format!("pressed a button {times:?} times"));
        }
        let rung = if restarted { "restart" } else { "abort" };
        say(!restarted || self.rung == rung, format!("was recovered by {}, not by a {rung}", self.rung));
        problems
    }
}

impl Figures {
    /// Adds what is not as it should be to the problems that are known, and so comes to the verdict.
    pub(super) fn judge(&mut self) {
        let mut problems = Vec::new();
        let mut say = |right: bool, what: String| {
            if !right {
                problems.push(what);
            }
        };
        let (done, planned) = (self.faults.len(), self.planned);
        say(done == planned, format!("only {done} of {planned} faults were injected"));
        for (faults, by) in [(&self.few, "aborts"), (&self.restarts, "restarts")] {
            let (done, planned) = (faults.len(), plan::FAULTS.len());
            say(done == planned, format!("only {done} of {planned} faults were recovered by {by}"));
        }
        for (faults, restarted) in [(&self.faults, false), (&self.few, false), (&self.restarts, true)] {
            for fault in faults {
                for what in fault.problems(restarted, self.wheel) {
                    say(false, format!("{} at {} of {} {what}", fault.fault, fault.point, fault.entry));
                }
            }
        }
        let [before, after] = self.pid;
        say(before == after, format!("udrvd's pid was {before} and is {after}"));
        say(self.canary_intact, "a fault has changed memory of udrvd".to_owned());
        say(self.unprotected.len() == plan::FAULTS.len(), "not every fault was tried without protection".to_owned());
        self.problems.append(&mut problems);
        self.verdict = self.problems.is_empty();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn fault(entry: &'static str) -> Fault {
        let leg = Leg { by: [100, -50], button: Some("left"), clicks: 2 };
        let seen = Seen { by: leg.by, clicks: 2, pressed: [("left".to_owned(), 1)].into(), held: Vec::new() };
        Fault {
            entry,
            fault: "null-write",
            point: "middle",
            source: Some(format!("{entry} at drivers/x/src/lib.rs:7")),
            text: "t".to_owned(),
            to_error_ns: 5000,
            to_next_report_ns: Some(9_000_000),
            register_reads: 0,
            register_writes: 0,
            bytes: 0,
            rung: "abort".to_owned(),
            recovered: true,
            leg,
            seen,
            struck: [7, 8],
        }
    }

    pub(in super::super) fn figures() -> Figures {
        let faults = vec![fault("interrupt"), fault("set_rate")];
        let restarts =
            plan::FAULTS.map(|fault| Fault { fault, rung: "restart".to_owned(), ..super::tests::fault("interrupt") });
        let died = |fault| Unprotected {
            fault,
            outcome: "killed by SIGSEGV".to_owned(),
            fatal: true,
            silent_ms: 900.0,
            missing: 40,
        };
        Figures {
            model: "x".to_owned(),
            endpoint: "record",
            isolation: "rollback-only".to_owned(),
            seed: 1,
            deadline_ms: 20,
            pid: [7, 7],
            canary_intact: true,
            wheel: true,
            planned: 2,
            by_fault: by_fault(&faults),
            faults,
            few: plan::FAULTS.map(|fault| Fault { fault, ..super::tests::fault("interrupt") }).into(),
            restarts: restarts.into(),
            unprotected: plan::FAULTS.map(died).into(),
            picture: "path.svg".into(),
            injecting_s: 1.0,
            total_s: 2.0,
            problems: Vec::new(),
            verdict: false,
        }
    }

    #[test]
    fn what_is_as_it_should_be_is_good() {
        let mut figures = figures();
        // a command may cost what was walked meanwhile, and a restart too
        figures.faults[1].seen.by = [90, -45];
        figures.faults[1].bytes = 4;
        figures.restarts[0].seen.by = [70, -40];
        figures.judge();
        assert!(figures.verdict, "{:?}", figures.problems);
    }

    #[test]
    fn each_thing_that_is_not_is_found() {
        type Change = fn(&mut Figures);
        let changes: [(Change, &str); 16] = [
            (|f| f.planned = 3, "only 2 of 3"),
            (|f| f.restarts.truncate(1), "recovered by restarts"),
            (|f| f.few.truncate(1), "recovered by aborts"),
            (|f| f.faults[0].recovered = false, "was not recovered"),
            (|f| f.faults[0].to_next_report_ns = None, "followed by a report"),
            (|f| f.faults[0].seen.by = [99, -50], "cost 1 counts"),
            (|f| f.faults[0].bytes = 1, "sent the mouse"),
            (|f| f.faults[0].seen.clicks = 1, "clicks"),
            (|f| f.faults[0].seen.pressed.clear(), "times"),
            (|f| f.faults[0].seen.held.push("left".to_owned()), "left buttons down"),
            (|f| f.faults[1].seen.by = [101, -50], "astray"),
            (|f| f.faults[1].seen.by = [10, -5], "may cost"),
            (|f| _ = f.faults[1].seen.pressed.insert("right".to_owned(), 1), "what the hand did not"),
            (|f| f.restarts[0].rung = "abort".to_owned(), "not by a restart"),
            (|f| f.pid = [7, 8], "pid"),
            (|f| f.unprotected.clear(), "without protection"),
        ];
        for (change, word) in changes {
            let mut figures = figures();
            change(&mut figures);
            figures.judge();
            let problems = figures.problems.join("; ");
            assert!(!figures.verdict && problems.contains(word), "{word}: {problems}");
        }
    }
}
