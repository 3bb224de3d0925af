//! Many trials, and what they come to.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::time::Instant;

use serde::Serialize;

use crate::child::{Child, End};
use crate::fault::{Fault, Site, shuffled};
use crate::finding::{Finding, Outcome};
use crate::mutate::mutants;
use crate::reach;
use crate::subject::Subject;
use crate::text::{Function, functions};
use crate::trial::{self, Mode};
use crate::workload::steady;

/// Where the faults of a driver can be.
pub(crate) enum Places {
    /// Its machine code.
    Instructions(Vec<Function>),
    /// Its source.
    Sites(Vec<Site>),
}

/// What is known of a driver before its first fault.
pub(crate) struct Known {
    /// Which.
    pub(crate) subject: Subject,
    places: Places,
    reached: HashSet<u64>,
    /// What is right, native and protected.
    right: [Finding; 2],
    /// Of a processor, that a trial without protection may use.
    seconds: u32,
}

/// A trial that came to no good end: all that it takes to make it again.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bad {
    driver: &'static str,
    /// Number of the fault.
    number: u64,
    mode: Mode,
    outcome: Outcome,
    rule: String,
    change: String,
    /// What is wrong, or how it died.
    why: Vec<String>,
    /// The command that makes it again.
    again: String,
}

/// What a driver's trials have come to.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Tally {
    /// What keeps stray writes of a protected driver out of the host: `protection-keys`, or `rollback-only`: nothing.
    pub(crate) isolation: String,
    /// Faults that were tried in each mode.
    pub(crate) faults: u64,
    /// Of them, those whose place is reached without a fault.
    pub(crate) reached: u64,
    /// Faults that are outside what is guaranteed, by why, and were not run.
    pub(crate) outside: BTreeMap<&'static str, u64>,
    /// How often each outcome, by mode.
    pub(crate) outcomes: BTreeMap<Mode, BTreeMap<Outcome, u64>>,
    /// The same by rule, protected and staying.
    pub(crate) rules: BTreeMap<String, BTreeMap<Outcome, u64>>,
    /// Wrong outputs and ends of protected trials.
    pub(crate) bad: Vec<Bad>,
    /// Instructions, or places of the source, that there are.
    pub(crate) places: usize,
    /// Seconds that it took.
    pub(crate) seconds: f64,
}

impl Known {
    /// Looks at a driver, and at what is right.
    ///
    /// # Errors
    /// A trial without a fault is not right, or there is no place for one. `sites` are those of all drivers, for faults in the source;
    /// `seconds` of a processor may be used by a trial without protection.
    pub(crate) fn of(subject: Subject, sites: Option<&[Site]>, seconds: u32) -> io::Result<Known> {
        let right = |mode| -> io::Result<Finding> {
            let once = || match trial::start(subject, None, mode, seconds)?.wait()? {
                End::Said(bytes) => serde_json::from_slice::<Finding>(&bytes).map_err(io::Error::other),
                other => Err(io::Error::other(format!("{other:?}"))),
            };
            let first = once().and_then(|first| Ok(steady(first, &once()?)));
            let finding = first.map_err(|e| io::Error::other(format!("{} without a fault: {e}", subject.name())))?;
            match Outcome::of(&finding, &finding, false) {
                Outcome::Benign if finding.missing == 0 => Ok(finding),
                other => Err(io::Error::other(format!("{} without a fault: {other:?}: {finding:?}", subject.name()))),
            }
        };
        let right = [right(Mode::NativeStays)?, right(Mode::ProtectedStays)?];
        let (places, reached) = if let Some(sites) = sites {
            let own = sites.iter().filter(|site| site.driver == subject.name());
            (Places::Sites(own.cloned().collect()), reach::sites(subject, seconds)?)
        } else {
            let functions = functions(subject.name())?;
            let reached = reach::instructions(subject, &functions)?;
            (Places::Instructions(functions), reached)
        };
        if reached.is_empty() {
            let why = "no place for a fault is reached: was this program built from the planter's copy?";
            return Err(io::Error::other(format!("{}: {why}", subject.name())));
        }
        Ok(Known { subject, places, reached, right, seconds })
    }

    /// Starts a trial.
    ///
    /// # Errors
    /// No process.
    pub(crate) fn start(&self, fault: &Fault, mode: Mode) -> io::Result<Child> {
        trial::start(self.subject, Some(fault), mode, self.seconds)
    }

    /// All faults, in the order of a seed, with their numbers.
    pub(crate) fn faults(&self, seed: u64) -> Box<dyn Iterator<Item = (u64, Fault)> + '_> {
        match &self.places {
            Places::Instructions(functions) => Box::new((0..).zip(mutants(functions, seed).map(Fault::Instruction))),
            Places::Sites(sites) => {
                let with_number = |site: Site| (site.number.into(), Fault::Source(site));
                Box::new(shuffled(sites.clone(), seed).into_iter().map(with_number))
            }
        }
    }

    fn count(&self) -> usize {
        match &self.places {
            Places::Instructions(functions) => functions.iter().map(|function| function.code.len()).sum(),
            Places::Sites(sites) => sites.len(),
        }
    }

    fn kind(&self) -> &'static str {
        match &self.places {
            Places::Instructions(_) => "mutate",
            Places::Sites(_) => "planted",
        }
    }

    /// Judges the end of a trial: what it has come to, and why.
    ///
    /// # Errors
    /// What the child says is not understood: a mistake of the campaign.
    pub(crate) fn judge(&self, fault: &Fault, mode: Mode, end: End) -> io::Result<(Outcome, Vec<String>)> {
        let right = &self.right[usize::from(mode.is_protected())];
        Ok(match end {
            End::Said(bytes) => {
                let finding: Finding = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
                let outcome = Outcome::of(&finding, right, self.reached.contains(&fault.place()));
                (outcome, finding.complaints(right))
            }
            // the application was told nonsense
            End::Panicked(what) if what.contains("tests/device/src/screen.rs") => {
                (Outcome::UndetectedWrong, vec![what])
            }
            End::Panicked(what) | End::Died(what) => (Outcome::Died, vec![what]),
            End::Hung => (Outcome::Hung, Vec::new()),
        })
    }
}

/// Tries `count` faults in each of `modes`, some at once.
///
/// # Errors
/// No more processes, or a mistake of the campaign.
pub(crate) fn run(known: &Known, seed: u64, count: u64, modes: &[Mode], jobs: usize) -> io::Result<Tally> {
    let began = Instant::now();
    let isolation = known.right[1].isolation.clone();
    let mut tally = Tally { places: known.count(), isolation, ..Tally::default() };
    let mut running: VecDeque<(u64, Fault, Mode, Child)> = VecDeque::new();
    for (number, fault) in known.faults(seed) {
        if tally.faults == count {
            break;
        }
        if let Some(why) = fault.outside() {
            *tally.outside.entry(why).or_default() += 1;
            continue;
        }
        tally.faults += 1;
        tally.reached += u64::from(known.reached.contains(&fault.place()));
        for mode in modes {
            if running.len() >= jobs {
                finish(known, seed, &mut running, &mut tally)?;
            }
            let child = known.start(&fault, *mode)?;
            running.push_back((number, fault.clone(), *mode, child));
        }
    }
    while !running.is_empty() {
        finish(known, seed, &mut running, &mut tally)?;
    }
    tally.seconds = began.elapsed().as_secs_f64();
    Ok(tally)
}

fn finish(
    known: &Known,
    seed: u64,
    running: &mut VecDeque<(u64, Fault, Mode, Child)>,
    tally: &mut Tally,
) -> io::Result<()> {
    let Some((number, fault, mode, child)) = running.pop_front() else { return Ok(()) };
    let (outcome, why) = known.judge(&fault, mode, child.wait()?)?;
    *tally.outcomes.entry(mode).or_default().entry(outcome).or_default() += 1;
    if mode == Mode::ProtectedStays {
        *tally.rules.entry(fault.rule().to_owned()).or_default().entry(outcome).or_default() += 1;
    }
    let is_bad = matches!(outcome, Outcome::UndetectedWrong | Outcome::DetectedWrong | Outcome::Died | Outcome::Hung);
    if is_bad && mode.is_protected() {
        let driver = known.subject.name();
        tally.bad.push(Bad {
            driver,
            number,
            mode,
            outcome,
            rule: fault.rule().to_owned(),
            change: fault.to_string(),
            why,
            again: format!(
                "cargo xtask campaign --driver {driver} --kind {} --seed {seed} --only {number} --mode {}",
                known.kind(),
                mode.name()
            ),
        });
    }
    Ok(())
}
