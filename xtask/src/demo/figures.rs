//! What every demo finds out, whatever goes through the device, and what of that is right to fail on.

use serde::{Serialize, Serializer};

use super::{
    Args,
    control::Report,
    injecting::Done,
    plan::{FAULTS, Injection},
    words::Spread,
};

/// What is said of a run as a whole.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    /// Which device's.
    pub(super) model: String,
    /// What udrvd gives to: `tap` or `socket`, `wav`, `record`.
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
    pub(super) planned: usize,
    /// From the first fault to the last one's recovery.
    pub(super) injecting_s: f64,
    /// All but the build.
    pub(super) total_s: f64,
    /// What is not as it should be.
    pub(super) problems: Vec<String>,
    /// Nothing is.
    pub(super) verdict: bool,
}

/// What is a class's own of each fault.
pub(super) trait Class {
    /// What goes through the device next: a frame, the end of a period, a report.
    const NEXT: &'static str;
}

/// The time to what goes through the device next, which is in its key.
#[derive(Debug, Clone)]
pub(super) struct ToNext<T> {
    what: &'static str,
    pub(super) ns: T,
}

impl<T> ToNext<T> {
    fn new<C: Class>(ns: T) -> ToNext<T> {
        ToNext { what: C::NEXT, ns }
    }
}

impl<T: Serialize> Serialize for ToNext<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(format!("to_next_{}_ns", self.what), &self.ns)])
    }
}

/// One injected fault.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fault<C> {
    pub(super) entry: &'static str,
    pub(super) fault: &'static str,
    pub(super) point: &'static str,
    /// Function, file and line of the faulting instruction.
    pub(super) source: Option<String>,
    pub(super) text: String,
    pub(super) to_error_ns: u64,
    #[serde(flatten)]
    pub(super) to_next: ToNext<Option<u64>>,
    /// Accesses that recovery made.
    pub(super) register_reads: u64,
    pub(super) register_writes: u64,
    pub(super) rung: String,
    pub(super) recovered: bool,
    #[serde(flatten)]
    pub(super) class: C,
}

/// What is said of all faults of a kind.
#[derive(Debug, Serialize)]
pub(super) struct ByFault {
    pub(super) fault: &'static str,
    pub(super) count: usize,
    pub(super) to_error_ns: Spread,
    #[serde(flatten)]
    pub(super) to_next: ToNext<Spread>,
    pub(super) register_accesses: Spread,
}

impl<C: Class> Fault<C> {
    pub(super) fn new(injection: &Injection, report: Report, class: C) -> Fault<C> {
        Fault {
            entry: injection.entry,
            fault: injection.fault,
            point: injection.point,
            source: report.source,
            text: report.text,
            to_error_ns: report.to_error,
            to_next: ToNext::new::<C>(report.to_next_frame),
            register_reads: report.reads,
            register_writes: report.writes,
            rung: report.rung,
            recovered: report.recovered,
            class,
        }
    }

    /// For a sentence.
    pub(super) fn name(&self) -> String {
        format!("{} at {} of {}", self.fault, self.point, self.entry)
    }

    pub(super) fn accesses(&self) -> u64 {
        self.register_reads + self.register_writes
    }
}

/// The faults, by kind.
pub(super) fn by_fault<C: Class>(faults: &[Fault<C>]) -> Vec<ByFault> {
    let one = |fault: &'static str| {
        let of_kind = || faults.iter().filter(move |f| f.fault == fault);
        ByFault {
            fault,
            count: of_kind().count(),
            to_error_ns: Spread::of(of_kind().map(|f| f.to_error_ns)),
            to_next: ToNext::new::<C>(Spread::of(of_kind().filter_map(|f| f.to_next.ns))),
            register_accesses: Spread::of(of_kind().map(Fault::accesses)),
        }
    };
    FAULTS.map(one).into()
}

impl Run {
    /// What is known of one when its faults are injected: `done`, by the udrvd with these pids.
    pub(super) fn of<C>(
        args: &Args,
        endpoint: &'static str,
        deadline_ms: u64,
        isolation: String,
        pid: [u32; 2],
        done: &Done<C>,
    ) -> Run {
        Run {
            model: args.model.clone(),
            endpoint,
            isolation,
            seed: args.seed,
            deadline_ms,
            pid,
            canary_intact: done.canary_intact,
            planned: done.planned,
            injecting_s: done.took.as_secs_f64(),
            total_s: 0.0,
            problems: done.problems.clone(),
            verdict: false,
        }
    }

    /// What has gone wrong with faults of another plan is wrong too.
    pub(super) fn add<C>(&mut self, done: &Done<C>) {
        self.canary_intact &= done.canary_intact;
        self.problems.extend_from_slice(&done.problems);
    }

    /// Adds a problem, unless it is `right`.
    pub(super) fn must(&mut self, right: bool, problem: String) {
        if !right {
            self.problems.push(problem);
        }
    }

    /// Judges the whole, but for what the class alone knows. So many have been tried without protection.
    pub(super) fn judge<C: Class>(&mut self, faults: &[Fault<C>], unprotected: usize) {
        self.judge_each(faults, self.planned, "injected");
        let [before, after] = self.pid;
        self.must(before == after, format!("udrvd's pid was {before} and is {after}"));
        self.must(self.canary_intact, "a fault has changed memory of udrvd".to_owned());
        self.must(unprotected == FAULTS.len(), "not every fault was tried without protection".to_owned());
    }

    /// Judges one fault of each kind, all in one place, that had to be recovered by a restart.
    pub(super) fn judge_restarts<C: Class>(&mut self, faults: &[Fault<C>]) {
        self.judge_each(faults, FAULTS.len(), "recovered by restarts");
        for fault in faults {
            let (name, rung) = (fault.name(), &fault.rung);
            self.must(rung == "restart", format!("{name} was recovered by {rung}, not by a restart"));
        }
    }

    /// All of them are there, each was recovered, and something went through the device after it.
    pub(super) fn judge_each<C: Class>(&mut self, faults: &[Fault<C>], planned: usize, how: &str) {
        let done = faults.len();
        self.must(done == planned, format!("only {done} of {planned} faults were {how}"));
        for fault in faults {
            let name = fault.name();
            self.must(fault.recovered, format!("{name} was not recovered: {}", fault.text));
            self.must(fault.to_next.ns.is_some(), format!("after {name} there was no {} any more", C::NEXT));
        }
    }

    /// The verdict, from the problems that are known.
    pub(super) fn conclude(&mut self) {
        self.verdict = self.problems.is_empty();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    impl Class for () {
        const NEXT: &'static str = "frame";
    }

    pub(in super::super) fn fault<C: Class>(entry: &'static str, fault: &'static str, class: C) -> Fault<C> {
        Fault {
            entry,
            fault,
            point: "middle",
            source: Some(format!("{entry} at drivers/x/src/lib.rs:7")),
            text: "t".to_owned(),
            to_error_ns: 5000,
            to_next: ToNext::new::<C>(Some(9000)),
            register_reads: 2,
            register_writes: 1,
            rung: "abort".to_owned(),
            recovered: true,
            class,
        }
    }

    pub(in super::super) fn run(planned: usize) -> Run {
        Run {
            model: "x".to_owned(),
            endpoint: "none",
            isolation: "rollback-only".to_owned(),
            seed: 1,
            deadline_ms: 10,
            pid: [7, 7],
            canary_intact: true,
            planned,
            injecting_s: 1.0,
            total_s: 2.0,
            problems: Vec::new(),
            verdict: false,
        }
    }

    #[test]
    fn faults_are_summed_up_by_kind() {
        let timed =
            |kind, ns| Fault { to_error_ns: ns, to_next: ToNext::new::<()>(Some(ns * 2)), ..fault("poll", kind, ()) };
        let all = by_fault(&[timed("panic", 4), timed("panic", 2), timed("panic", 9), timed("null-write", 5)]);
        assert_eq!((all.len(), all[0].count, all[5].count), (6, 1, 3));
        assert_eq!(all[5].to_error_ns, Spread { min: 2, median: 4, max: 9 });
        assert_eq!(all[5].to_next.ns, Spread { min: 4, median: 8, max: 18 });
        assert_eq!(all[5].register_accesses, Spread { min: 3, median: 3, max: 3 });
        assert_eq!(all[1].to_error_ns, Spread::default());
        assert_eq!(serde_json::to_value(&all[5]).unwrap()["to_next_frame_ns"]["max"], 18);
    }

    #[test]
    fn each_thing_that_is_not_right_is_a_problem() {
        type Change = fn(&mut Run, &mut Vec<Fault<()>>);
        let judged = |change: Change| {
            let (mut run, mut faults) = (run(2), vec![fault("poll", "panic", ()), fault("open", "panic", ())]);
            change(&mut run, &mut faults);
            run.judge(&faults, FAULTS.len());
            run.conclude();
            assert_eq!(run.verdict, run.problems.is_empty());
            run.problems
        };
        assert_eq!(judged(|_, _| {}), [""; 0]);
        let changes: [(Change, &str); 6] = [
            (|run, _| run.planned = 3, "only 2 of 3"),
            (|_, faults| faults[0].recovered = false, "panic at middle of poll was not recovered: t"),
            (|_, faults| faults[1].to_next.ns = None, "after panic at middle of open"),
            (|run, _| run.pid = [7, 8], "pid"),
            (|run, _| run.canary_intact = false, "memory"),
            (|run, _| run.problems.push("full moon".to_owned()), "moon"),
        ];
        for (change, word) in changes {
            let problems = judged(change);
            assert!(problems.len() == 1 && problems[0].contains(word), "{word}: {problems:?}");
        }
        let mut run = run(0);
        run.judge::<()>(&[], 5);
        assert_eq!(run.problems, ["not every fault was tried without protection"]);
    }

    #[test]
    fn what_goes_wrong_with_another_plan_counts() {
        let args = Args { model: "x".to_owned(), json: false, seed: 7, endpoint: None, deadline: None };
        let done = |canary_intact, problem: &str| Done::<()> {
            planned: 3,
            faults: Vec::new(),
            canary_intact,
            problems: vec![problem.to_owned()],
            took: Duration::from_millis(1500),
        };
        let mut run = Run::of(&args, "none", 10, "i".to_owned(), [7, 7], &done(true, "a"));
        assert_eq!((run.planned, run.seed, run.injecting_s, run.canary_intact), (3, 7, 1.5, true));
        run.add(&done(false, "b"));
        run.add(&done(true, "c"));
        assert_eq!((run.planned, run.canary_intact, run.problems.concat()), (3, false, "abc".to_owned()));
    }

    #[test]
    fn a_restart_is_one() {
        let restarted = |kind| Fault { rung: "restart".to_owned(), ..fault("poll", kind, ()) };
        let (mut run, mut all) = (run(0), FAULTS.map(restarted));
        run.judge_restarts(&all);
        assert_eq!(run.problems, [""; 0]);
        all[2].rung = "abort".to_owned();
        run.judge_restarts(&all[1..]);
        assert_eq!(run.problems.len(), 2, "{:?}", run.problems);
    }
}
