//! What the demo of a sound card found out, as it is printed for machines, and the verdict on it.
//!
//! What is right to fail on:
//!
//! - a frame that is spoilt or there twice, whatever the machine did: nothing that is wrong or stale may be heard;
//! - a frame that is missing, or silence, where a fault had no business with the stream (`places.rs`);
//! - more of all that together than the periods that are promised where the stream was stopped on purpose, or the driver restarted.
//!
//! What is not: what the machine has cost. It has other things to do, and what is heard has its time.
//!
//! - Silence because udrvd was kept waiting for longer than the ring lasts: udrvd counts such an underrun itself, no frame is missing
//!   for it, and the fault beside it was over long before.
//! - Where the card stands, the time in which udrvd or the card was ready to run and had no processor: what is promised is beside
//!   that. The kernel counts it, but not the time until another processor has noticed that it is to wake, which on a busy virtual
//!   machine is as much again; so it counts twice.
//!
//! Both are told apart.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    hearing::{Break, Heard},
    material::RATE,
    places, plan,
    words::Spread,
};

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Which card's.
    pub(super) model: String,
    /// `wav`: what is played is a file, and what is heard is one.
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
    pub(super) period_ms: f64,
    pub(super) ring_ms: f64,
    pub(super) planned: usize,
    /// Of the protected run, as are those after it.
    pub(super) faults: Vec<Fault>,
    pub(super) by_fault: Vec<ByFault>,
    pub(super) heard: Heard,
    /// The same faults in `pointer`, each recovered by a restart.
    pub(super) restarts: Vec<Fault>,
    pub(super) restarts_heard: Heard,
    pub(super) unprotected: Vec<Unprotected>,
    /// The picture, from the workspace's root.
    pub(super) picture: PathBuf,
    /// What was heard: protected, with restarts, unprotected.
    pub(super) recordings: [PathBuf; 3],
    /// From the first fault's arming to the last one's recovery.
    pub(super) injecting_s: f64,
    /// All but the build.
    pub(super) total_s: f64,
    /// What the machine did, and no fault: not judged.
    pub(super) notes: Vec<String>,
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
    /// To the next time that the card was asked for its place and told it: in the middle of a period that is not at once.
    pub(super) to_next_period_ns: Option<u64>,
    /// Accesses that recovery made.
    pub(super) register_reads: u64,
    pub(super) register_writes: u64,
    pub(super) rung: String,
    pub(super) recovered: bool,
    /// Time in it that udrvd and the card have waited for a processor.
    pub(super) waited_ns: u64,
    /// The frame that was played when the card told it last before the fault: what is heard from there on is of this fault, and
    /// from the next one's on of that.
    pub(super) since: u64,
    /// The frame that was played when it struck, to a few milliseconds.
    pub(super) struck: u64,
    /// Times in its part of the piece that the card found nothing to play.
    pub(super) xruns: u64,
    pub(super) heard: Cost,
}

/// What is heard of a fault, in frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Cost {
    pub(super) silent: u64,
    pub(super) missing: u64,
    pub(super) repeated: u64,
}

impl Cost {
    /// All together.
    pub(super) const fn frames(self) -> u64 {
        self.silent + self.missing + self.repeated
    }
}

/// What is said of all faults of a kind.
#[derive(Debug, Serialize)]
pub(super) struct ByFault {
    pub(super) fault: &'static str,
    pub(super) count: usize,
    pub(super) to_error_ns: Spread,
    pub(super) to_next_period_ns: Spread,
    pub(super) register_accesses: Spread,
}

/// What became of a udrvd without protection, and what was heard until the next one played.
#[derive(Debug, Serialize)]
pub(super) struct Unprotected {
    pub(super) fault: &'static str,
    /// In words.
    pub(super) outcome: String,
    /// It did not live on as if nothing had been.
    pub(super) fatal: bool,
    pub(super) silent_ms: Option<f64>,
    /// Of what was in the ring, over and over.
    pub(super) repeated_ms: f64,
}

/// The faults, by kind.
pub(super) fn by_fault(faults: &[Fault]) -> Vec<ByFault> {
    let one = |fault: &'static str| {
        let of_kind = || faults.iter().filter(move |f| f.fault == fault);
        ByFault {
            fault,
            count: of_kind().count(),
            to_error_ns: Spread::of(of_kind().map(|f| f.to_error_ns)),
            to_next_period_ns: Spread::of(of_kind().filter_map(|f| f.to_next_period_ns)),
            register_accesses: Spread::of(of_kind().map(|f| f.register_reads + f.register_writes)),
        }
    };
    plan::FAULTS.map(one).into()
}

/// Gives each fault what was heard of it. What is left over came before any of them.
pub(super) fn charge(faults: &mut [Fault], heard: &Heard) -> Vec<Break> {
    let mut before = Vec::new();
    for broken in &heard.breaks {
        match faults.iter_mut().rfind(|fault| fault.since <= broken.number()) {
            Some(Fault { heard, .. }) => {
                heard.silent += broken.silent;
                heard.repeated += broken.repeated;
            }
            None => before.push(*broken),
        }
    }
    for missing in &heard.never {
        // those before the first fault are behind a break that is
        if let Some(fault) = faults.iter_mut().rfind(|fault| fault.since <= missing.start) {
            fault.heard.missing += missing.end - missing.start;
        }
    }
    before
}

pub(super) fn ms(frames: u64) -> f64 {
    frames as f64 * 1e3 / f64::from(RATE)
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
        let (done, planned) = (self.restarts.len(), plan::FAULTS.len());
        say(done == planned, format!("only {done} of {planned} faults were recovered by restarts"));
        let period = (self.period_ms * f64::from(RATE) / 1e3).round() as u64;
        for (faults, restarted) in [(&self.faults, false), (&self.restarts, true)] {
            for fault in faults {
                let Fault { entry, fault: kind, point, text, .. } = fault;
                let name = format!("{kind} at {point} of {entry}");
                say(fault.recovered, format!("{name} was not recovered: {text}"));
                say(fault.to_next_period_ns.is_some(), format!("after {name} the card did not play on"));
                say(
                    fault.rung == "restart" || !restarted,
                    format!("{name} was recovered by {}, not by a restart", fault.rung),
                );
                let (promised, cost) = (fault.may_cost(restarted, period), fault.costs(self.ring_ms));
                say(
                    cost <= promised,
                    format!("{name} cost {:.1} ms of the tone, and may cost {:.1}", ms(cost), ms(promised)),
                );
            }
        }
        let [before, after] = self.pid;
        say(before == after, format!("udrvd's pid was {before} and is {after}"));
        say(self.canary_intact, "a fault has changed memory of udrvd".to_owned());
        for (heard, run) in [(&self.heard, "protected"), (&self.restarts_heard, "with restarts")] {
            say(heard.right > 0, format!("{run}: nothing was heard"));
            say(heard.repeated == 0, format!("{run}: {} frames were heard twice", heard.repeated));
            say(heard.spoilt == 0, format!("{run}: {} frames were spoilt", heard.spoilt));
        }
        say(self.unprotected.len() == plan::FAULTS.len(), "not every fault was tried without protection".to_owned());
        let fatal = self.unprotected.iter().filter(|one| one.fatal);
        for one in fatal.filter(|one| one.silent_ms.is_none()) {
            say(false, format!("without protection {} ended udrvd, and that was not heard", one.fault));
        }
        self.problems.append(&mut problems);
        self.verdict = self.problems.is_empty();
    }

    /// Notes what the machine has cost, and no fault.
    pub(super) fn note_the_machine(&mut self) {
        let period = self.period_ms;
        for fault in self.faults.iter().chain(&self.restarts).filter(|fault| ms(fault.heard.frames()) > period) {
            if fault.waited_ns > 0 && fault.xruns == 0 {
                self.notes.push(format!(
                    "{} at {} of {}: of {:.1} ms udrvd and the card have waited up to {:.1} ms for a processor",
                    fault.fault,
                    fault.point,
                    fault.entry,
                    ms(fault.heard.frames()),
                    fault.waited_ns as f64 / 1e6
                ));
            }
        }
        for fault in self.faults.iter().chain(&self.restarts).filter(|fault| fault.xruns > 0) {
            self.notes.push(format!(
                "near {} at {} of {} udrvd was kept waiting for longer than the ring lasts: {} underruns, {:.1} ms of silence",
                fault.fault,
                fault.point,
                fault.entry,
                fault.xruns,
                ms(fault.heard.silent)
            ));
        }
    }
}

impl Fault {
    /// What it has cost of the tone, frames: without silence of an underrun beside it. It is one of its own if it took longer than a
    /// ring lasts, of `ring_ms`, that is filled again when half of it is empty at the latest.
    pub(super) fn costs(&self, ring_ms: f64) -> u64 {
        let own = self.to_error_ns as f64 / 1e6 > ring_ms / 2.0;
        if self.xruns > 0 && !own { self.heard.missing + self.heard.repeated } else { self.heard.frames() }
    }

    /// What may be heard of it, frames.
    fn may_cost(&self, restarted: bool, period: u64) -> u64 {
        let periods = if restarted { 1 } else { places::may_cost(self.entry) };
        if periods == 0 {
            return 0;
        }
        let looped = self.fault == "endless-loop" && !restarted;
        periods * period + frames_in(if looped { self.to_error_ns } else { 0 } + self.waited_ns * UNCOUNTED)
    }
}

/// See the module's text.
const UNCOUNTED: u64 = 2;

fn frames_in(ns: u64) -> u64 {
    ns * u64::from(RATE) / 1_000_000_000
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn fault(entry: &'static str, fault: &'static str, since: u64) -> Fault {
        Fault {
            entry,
            fault,
            point: "middle",
            source: Some(format!("{entry} at drivers/x/src/lib.rs:7")),
            text: "t".to_owned(),
            to_error_ns: 5000,
            to_next_period_ns: Some(9000),
            register_reads: 2,
            register_writes: 1,
            rung: "abort".to_owned(),
            recovered: true,
            waited_ns: 0,
            since,
            struck: since + 100,
            xruns: 0,
            heard: Cost::default(),
        }
    }

    pub(in super::super) fn figures() -> Figures {
        let unprotected = |fault| Unprotected {
            fault,
            outcome: "killed by SIGSEGV".to_owned(),
            fatal: true,
            silent_ms: Some(50.0),
            repeated_ms: 0.0,
        };
        let restart = |fault| Fault { rung: "restart".to_owned(), ..super::tests::fault("pointer", fault, 1000) };
        let faults = vec![fault("pointer", "panic", 1000), fault("quiesce", "null-write", 3000)];
        let heard = Heard { length: 48_000, right: 48_000, frequency: 441.0, ..Heard::default() };
        Figures {
            model: "x".to_owned(),
            endpoint: "wav",
            isolation: "rollback-only".to_owned(),
            seed: 1,
            deadline_ms: 5,
            pid: [7, 7],
            canary_intact: true,
            period_ms: 20.0,
            ring_ms: 320.0,
            planned: 2,
            by_fault: by_fault(&faults),
            faults,
            heard: heard.clone(),
            restarts: plan::FAULTS.map(restart).into(),
            restarts_heard: heard,
            unprotected: plan::FAULTS.map(unprotected).into(),
            picture: PathBuf::from("target/demo/sound.svg"),
            recordings: ["a", "b", "c"].map(PathBuf::from),
            injecting_s: 1.0,
            total_s: 2.0,
            notes: Vec::new(),
            problems: Vec::new(),
            verdict: false,
        }
    }

    fn judged(spoil: impl FnOnce(&mut Figures)) -> usize {
        let mut figures = figures();
        spoil(&mut figures);
        figures.judge();
        assert_eq!(figures.verdict, figures.problems.is_empty());
        figures.problems.len()
    }

    #[test]
    fn the_verdict_is_good_only_if_all_is() {
        assert_eq!(judged(|_| {}), 0);
        assert_eq!(judged(|f| f.planned = 5), 1);
        assert_eq!(judged(|f| f.faults[0].recovered = false), 1);
        assert_eq!(judged(|f| f.faults[0].to_next_period_ns = None), 1);
        assert_eq!(judged(|f| f.restarts[0].rung = "abort".to_owned()), 1);
        assert_eq!(judged(|f| drop(f.restarts.pop())), 1);
        assert_eq!(judged(|f| f.pid = [7, 8]), 1);
        assert_eq!(judged(|f| f.canary_intact = false), 1);
        assert_eq!(judged(|f| f.heard.right = 0), 1);
        assert_eq!(judged(|f| f.faults[0].heard.repeated = 1), 1);
        assert_eq!(judged(|f| f.heard.repeated = 1), 1);
        assert_eq!(judged(|f| f.restarts_heard.spoilt = 1), 1);
        assert_eq!(judged(|f| f.unprotected.clear()), 1);
        assert_eq!(judged(|f| f.unprotected[0].silent_ms = None), 1);
        assert_eq!(judged(|f| f.problems.push("x".to_owned())), 1);
    }

    #[test]
    fn of_a_fault_nothing_is_heard_but_where_the_stream_is_stopped_a_period() {
        let silent = |silent| Cost { silent, ..Cost::default() };
        assert_eq!(judged(|f| f.faults[0].heard = silent(1)), 1);
        assert_eq!(judged(|f| f.faults[0].heard.missing = 1), 1);
        assert_eq!(judged(|f| f.faults[1].heard = silent(960)), 0);
        assert_eq!(judged(|f| f.faults[1].heard = Cost { silent: 900, missing: 61, repeated: 0 }), 1);
        assert_eq!(judged(|f| f.restarts[3].heard = silent(960)), 0);
        assert_eq!(judged(|f| f.restarts[3].heard = silent(961)), 1);
        // a call that loops is let run for a while, and the card stands
        let looped = |f: &mut Figures| {
            f.faults[1].fault = "endless-loop";
            f.faults[1].to_error_ns = 10_000_000;
        };
        assert_eq!(judged(|f| (looped(f), f.faults[1].heard = silent(1440)).1), 0);
        assert_eq!(judged(|f| (looped(f), f.faults[1].heard = silent(1441)).1), 1);
        // so it does while the machine has no processor for what talks to it
        let waited = |f: &mut Figures| f.restarts[3].waited_ns = 15_000_000;
        assert_eq!(judged(|f| (waited(f), f.restarts[3].heard = silent(2400)).1), 0);
        assert_eq!(judged(|f| (waited(f), f.restarts[3].heard = silent(2401)).1), 1);
        // the machine's silence is not the fault's, but what is missing is
        assert_eq!(judged(|f| (f.faults[0].xruns = 1, f.faults[0].heard = silent(5000)).1), 0);
        assert_eq!(judged(|f| (f.faults[0].xruns = 1, f.faults[0].heard.missing = 1).1), 1);
        let slow = |f: &mut Figures| f.faults[0].to_error_ns = 200_000_000;
        assert_eq!(judged(|f| (slow(f), f.faults[0].xruns = 1, f.faults[0].heard = silent(5000)).2), 1);
    }

    #[test]
    fn what_is_heard_is_of_the_fault_before_it() {
        let mut faults = vec![fault("pointer", "panic", 1000), fault("quiesce", "panic", 3000)];
        let broken =
            |expected, silent| Break { expected, comes: expected + 1, silent, repeated: 1, ..Break::default() };
        let breaks = vec![broken(998, 9), broken(1500, 5), broken(2999, 2), broken(7000, 4)];
        let heard = Heard { breaks, never: vec![1500..1501, 7000..7020], ..Heard::default() };
        assert_eq!(charge(&mut faults, &heard), [broken(998, 9)]);
        assert_eq!(faults[0].heard, Cost { silent: 7, missing: 1, repeated: 2 });
        assert_eq!(faults[1].heard, Cost { silent: 4, missing: 20, repeated: 1 });
    }

    #[test]
    fn faults_are_summed_up_by_kind() {
        let all = by_fault(&[fault("pointer", "panic", 0), fault("pointer", "null-write", 0)]);
        assert_eq!((all.len(), all[5].count, all[1].count), (6, 1, 0));
        assert_eq!(all[5].register_accesses, Spread { min: 3, median: 3, max: 3 });
    }
}
