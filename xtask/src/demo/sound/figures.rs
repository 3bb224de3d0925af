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
//!   machine is as much again; so it counts twice. The kernel of a virtual machine does not count that a processor was taken away
//!   from all of it: a thread on each sees that (`waited.rs`), and so late as they came it may be.
//!
//! Both are told apart.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    super::figures::{self, ByFault, Run},
    ending::Ending,
    hearing::{Break, Heard},
    material::RATE,
    places,
    waited::Delay,
};

/// One injected fault.
pub(super) type Fault = figures::Fault<Struck>;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    pub(super) run: Run,
    pub(super) period_ms: f64,
    pub(super) ring_ms: f64,
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
    /// What the machine did, and no fault: not judged.
    pub(super) notes: Vec<String>,
}

/// What was played when a fault struck, and what became of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Struck {
    /// What the machine has cost in its part of the piece.
    pub(super) machine: Delay,
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

impl figures::Class for Struck {
    const NEXT: &'static str = "period";
}

impl Cost {
    /// All together.
    pub(super) const fn frames(self) -> u64 {
        self.silent + self.missing + self.repeated
    }
}

/// What became of a udrvd without protection, and what was heard until the next one played.
#[derive(Debug, Serialize)]
pub(super) struct Unprotected {
    #[serde(flatten)]
    pub(super) end: Ending,
    pub(super) silent_ms: Option<f64>,
    /// Of what was in the ring, over and over.
    pub(super) repeated_ms: f64,
}

/// Gives each fault what was heard of it. What is left over came before any of them.
pub(super) fn charge(faults: &mut [Fault], heard: &Heard) -> Vec<Break> {
    let mut before = Vec::new();
    for broken in &heard.breaks {
        match faults.iter_mut().rfind(|fault| fault.class.since <= broken.number()) {
            Some(fault) => {
                fault.class.heard.silent += broken.silent;
                fault.class.heard.repeated += broken.repeated;
            }
            None => before.push(*broken),
        }
    }
    for missing in &heard.never {
        // those before the first fault are behind a break that is
        if let Some(fault) = faults.iter_mut().rfind(|fault| fault.class.since <= missing.start) {
            fault.class.heard.missing += missing.end - missing.start;
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
        self.run.judge(&self.faults, self.unprotected.len());
        self.run.judge_restarts(&self.restarts);
        let period = (self.period_ms * f64::from(RATE) / 1e3).round() as u64;
        for (faults, restarted) in [(&self.faults, false), (&self.restarts, true)] {
            for fault in faults {
                let (promised, cost) = (fault.may_cost(restarted, period), fault.costs(self.ring_ms));
                let (name, costs, may_cost) = (fault.name(), ms(cost), ms(promised));
                self.run.must(
                    cost <= promised,
                    format!("{name} cost {costs:.1} ms of the tone, and may cost {may_cost:.1}"),
                );
            }
        }
        for (heard, run) in [(&self.heard, "protected"), (&self.restarts_heard, "with restarts")] {
            self.run.must(heard.right > 0, format!("{run}: nothing was heard"));
            self.run.must(heard.repeated == 0, format!("{run}: {} frames were heard twice", heard.repeated));
            self.run.must(heard.spoilt == 0, format!("{run}: {} frames were spoilt", heard.spoilt));
        }
        for one in self.unprotected.iter().filter(|one| one.end.fatal) {
            let problem = format!("without protection {} ended udrvd, and that was not heard", one.end.fault);
            self.run.must(one.silent_ms.is_some(), problem);
        }
        self.run.conclude();
    }

    /// Notes what the machine has cost, and no fault.
    pub(super) fn note_the_machine(&mut self) {
        for fault in self.faults.iter().chain(&self.restarts) {
            let (name, Struck { machine, xruns, heard, .. }) = (fault.name(), &fault.class);
            if ms(heard.frames()) > self.period_ms && *machine != Delay::default() && *xruns == 0 {
                self.notes.push(format!(
                    "{name}: of {:.1} ms udrvd and the card have waited up to {:.1} ms for a processor, and processors were away for {:.1} ms",
                    ms(heard.frames()),
                    machine.waited_ns as f64 / 1e6,
                    machine.late_ns as f64 / 1e6
                ));
            }
            if *xruns > 0 {
                self.notes.push(format!(
                    "near {name} udrvd was kept waiting for longer than the ring lasts: {xruns} underruns, {:.1} ms of silence",
                    ms(heard.silent)
                ));
            }
        }
    }
}

impl Fault {
    /// What it has cost of the tone, frames: without silence of an underrun beside it. It is one of its own if it took longer than a
    /// ring lasts, of `ring_ms`, that is filled again when half of it is empty at the latest.
    pub(super) fn costs(&self, ring_ms: f64) -> u64 {
        let own = self.to_error_ns as f64 / 1e6 > ring_ms / 2.0;
        let Struck { xruns, heard, .. } = self.class;
        if xruns > 0 && !own { heard.missing + heard.repeated } else { heard.frames() }
    }

    /// What may be heard of it, frames.
    fn may_cost(&self, restarted: bool, period: u64) -> u64 {
        let periods = if restarted { 1 } else { places::may_cost(self.entry) };
        if periods == 0 {
            return 0;
        }
        let looped = self.fault == "endless-loop" && !restarted;
        let Delay { waited_ns, late_ns } = self.class.machine;
        periods * period + frames_in(if looped { self.to_error_ns } else { 0 } + waited_ns * UNCOUNTED + late_ns)
    }
}

/// See the module's text.
const UNCOUNTED: u64 = 2;

fn frames_in(ns: u64) -> u64 {
    ns * u64::from(RATE) / 1_000_000_000
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{
        super::figures::{by_fault, tests},
        plan::FAULTS,
    };
    use super::*;

    fn fault(entry: &'static str, fault: &'static str, since: u64) -> Fault {
        let class = Struck { machine: Delay::default(), since, struck: since + 100, xruns: 0, heard: Cost::default() };
        tests::fault(entry, fault, class)
    }

    pub(in super::super) fn figures() -> Figures {
        let unprotected = |fault| Unprotected {
            end: Ending { fault, outcome: "killed by SIGSEGV".to_owned(), fatal: true },
            silent_ms: Some(50.0),
            repeated_ms: 0.0,
        };
        let restart = |fault| Fault { rung: "restart".to_owned(), ..self::fault("pointer", fault, 1000) };
        let faults = vec![fault("pointer", "panic", 1000), fault("quiesce", "null-write", 3000)];
        let heard = Heard { length: 48_000, right: 48_000, frequency: 441.0, ..Heard::default() };
        Figures {
            run: tests::run(2),
            period_ms: 20.0,
            ring_ms: 320.0,
            by_fault: by_fault(&faults),
            faults,
            heard: heard.clone(),
            restarts: FAULTS.map(restart).into(),
            restarts_heard: heard,
            unprotected: FAULTS.map(unprotected).into(),
            picture: "sound.svg".into(),
            recordings: ["a", "b", "c"].map(PathBuf::from),
            notes: Vec::new(),
        }
    }

    fn judged(spoil: impl FnOnce(&mut Figures)) -> usize {
        let mut figures = figures();
        spoil(&mut figures);
        figures.judge();
        assert_eq!(figures.run.verdict, figures.run.problems.is_empty());
        figures.run.problems.len()
    }

    #[test]
    fn the_verdict_is_good_only_if_all_is() {
        assert_eq!(judged(|_| {}), 0);
        assert_eq!(judged(|f| f.faults[0].recovered = false), 1);
        assert_eq!(judged(|f| f.restarts[0].rung = "abort".to_owned()), 1);
        assert_eq!(judged(|f| drop(f.restarts.pop())), 1);
        assert_eq!(judged(|f| f.heard.right = 0), 1);
        assert_eq!(judged(|f| f.faults[0].class.heard.repeated = 1), 1);
        assert_eq!(judged(|f| f.heard.repeated = 1), 1);
        assert_eq!(judged(|f| f.restarts_heard.spoilt = 1), 1);
        assert_eq!(judged(|f| f.unprotected.clear()), 1);
        assert_eq!(judged(|f| f.unprotected[0].silent_ms = None), 1);
    }

    #[test]
    fn of_a_fault_nothing_is_heard_but_where_the_stream_is_stopped_a_period() {
        let silent = |silent| Cost { silent, ..Cost::default() };
        assert_eq!(judged(|f| f.faults[0].class.heard = silent(1)), 1);
        assert_eq!(judged(|f| f.faults[0].class.heard.missing = 1), 1);
        assert_eq!(judged(|f| f.faults[1].class.heard = silent(960)), 0);
        assert_eq!(judged(|f| f.faults[1].class.heard = Cost { silent: 900, missing: 61, repeated: 0 }), 1);
        assert_eq!(judged(|f| f.restarts[3].class.heard = silent(960)), 0);
        assert_eq!(judged(|f| f.restarts[3].class.heard = silent(961)), 1);
        // a call that loops is let run for a while, and the card stands
        let looped = |f: &mut Figures| {
            f.faults[1].fault = "endless-loop";
            f.faults[1].to_error_ns = 10_000_000;
        };
        assert_eq!(judged(|f| (looped(f), f.faults[1].class.heard = silent(1440)).1), 0);
        assert_eq!(judged(|f| (looped(f), f.faults[1].class.heard = silent(1441)).1), 1);
        // so it does while the machine has no processor for what talks to it
        let waited =
            |f: &mut Figures| f.restarts[3].class.machine = Delay { waited_ns: 10_000_000, late_ns: 10_000_000 };
        assert_eq!(judged(|f| (waited(f), f.restarts[3].class.heard = silent(2400)).1), 0);
        assert_eq!(judged(|f| (waited(f), f.restarts[3].class.heard = silent(2401)).1), 1);
        // the machine's silence is not the fault's, but what is missing is
        assert_eq!(judged(|f| (f.faults[0].class.xruns = 1, f.faults[0].class.heard = silent(5000)).1), 0);
        assert_eq!(judged(|f| (f.faults[0].class.xruns = 1, f.faults[0].class.heard.missing = 1).1), 1);
        let slow = |f: &mut Figures| f.faults[0].to_error_ns = 200_000_000;
        assert_eq!(judged(|f| (slow(f), f.faults[0].class.xruns = 1, f.faults[0].class.heard = silent(5000)).2), 1);
    }

    #[test]
    fn what_is_heard_is_of_the_fault_before_it() {
        let mut faults = vec![fault("pointer", "panic", 1000), fault("quiesce", "panic", 3000)];
        let broken =
            |expected, silent| Break { expected, comes: expected + 1, silent, repeated: 1, ..Break::default() };
        let breaks = vec![broken(998, 9), broken(1500, 5), broken(2999, 2), broken(7000, 4)];
        let heard = Heard { breaks, never: vec![1500..1501, 7000..7020], ..Heard::default() };
        assert_eq!(charge(&mut faults, &heard), [broken(998, 9)]);
        assert_eq!(faults[0].class.heard, Cost { silent: 7, missing: 1, repeated: 2 });
        assert_eq!(faults[1].class.heard, Cost { silent: 4, missing: 20, repeated: 1 });
    }
}
