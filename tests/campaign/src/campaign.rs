//! Many trials, and what they come to.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::time::Instant;

use serde::Serialize;

use crate::child::{Child, End};
use crate::finding::{Finding, Outcome};
use crate::mutate::{Mutant, Rule, mutants};
use crate::reach;
use crate::subject::Subject;
use crate::text::{Function, functions};
use crate::trial::{self, Mode};
use crate::workload::steady;

/// What is known of a driver before its first mutant.
pub(crate) struct Known {
    /// Which.
    pub(crate) subject: Subject,
    /// Its machine code.
    pub(crate) functions: Vec<Function>,
    reached: HashSet<u64>,
    /// What is right, native and protected.
    right: [Finding; 2],
}

/// A trial that came to no good end: all that it takes to make it again.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bad {
    driver: &'static str,
    /// Number of the mutant.
    number: u64,
    mode: Mode,
    outcome: Outcome,
    rule: Rule,
    change: String,
    /// What is wrong, or how it died.
    why: Vec<String>,
    /// The command that makes it again.
    again: String,
}

/// What a driver's trials have come to.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Tally {
    /// Mutants that were tried in each mode.
    pub(crate) mutants: u64,
    /// Of them, those whose instruction is reached without a fault.
    pub(crate) reached: u64,
    /// Mutants that are outside what is guaranteed, by why, and were not run.
    pub(crate) outside: BTreeMap<&'static str, u64>,
    /// How often each outcome, by mode.
    pub(crate) outcomes: BTreeMap<Mode, BTreeMap<Outcome, u64>>,
    /// The same by rule, protected and staying.
    pub(crate) rules: BTreeMap<Rule, BTreeMap<Outcome, u64>>,
    /// Wrong outputs and ends of protected trials.
    pub(crate) bad: Vec<Bad>,
    /// Instructions and functions there are.
    pub(crate) instructions: usize,
    pub(crate) functions: usize,
    /// Seconds that it took.
    pub(crate) seconds: f64,
}

impl Known {
    /// Looks at a driver, and at what is right.
    ///
    /// # Errors
    /// A trial without a mutant is not right.
    pub(crate) fn of(subject: Subject) -> io::Result<Known> {
        let functions = functions(subject.name())?;
        let right = |mode| -> io::Result<Finding> {
            let once = || match trial::start(subject, None, mode)?.wait()? {
                End::Said(bytes) => serde_json::from_slice::<Finding>(&bytes).map_err(io::Error::other),
                other => Err(io::Error::other(format!("{other:?}"))),
            };
            let first = once().and_then(|first| Ok(steady(first, &once()?)));
            let finding = first.map_err(|e| io::Error::other(format!("{} without a mutant: {e}", subject.name())))?;
            match Outcome::of(&finding, &finding, false) {
                Outcome::Benign if finding.missing == 0 => Ok(finding),
                other => Err(io::Error::other(format!("{} without a mutant: {other:?}: {finding:?}", subject.name()))),
            }
        };
        let right = [right(Mode::NativeStays)?, right(Mode::ProtectedStays)?];
        let reached = reach::reached(subject, &functions)?;
        Ok(Known { subject, functions, reached, right })
    }

    /// The mutant of that number.
    pub(crate) fn mutant(&self, seed: u64, number: u64) -> Option<Mutant> {
        mutants(&self.functions, seed).nth(usize::try_from(number).ok()?)
    }

    /// Judges the end of a trial: what it has come to, and why.
    ///
    /// # Errors
    /// What the child says is not understood: a mistake of the campaign.
    pub(crate) fn judge(&self, mutant: &Mutant, mode: Mode, end: End) -> io::Result<(Outcome, Vec<String>)> {
        let right = &self.right[usize::from(mode.is_protected())];
        Ok(match end {
            End::Said(bytes) => {
                let finding: Finding = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
                let outcome = Outcome::of(&finding, right, self.reached.contains(&mutant.address));
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

/// Tries `count` mutants in each of `modes`, some at once.
///
/// # Errors
/// No more processes, or a mistake of the campaign.
pub(crate) fn run(known: &Known, seed: u64, count: u64, modes: &[Mode], jobs: usize) -> io::Result<Tally> {
    let began = Instant::now();
    let mut tally = Tally {
        functions: known.functions.len(),
        instructions: known.functions.iter().map(|function| function.code.len()).sum(),
        ..Tally::default()
    };
    let mut running: VecDeque<(u64, Mutant, Mode, Child)> = VecDeque::new();
    for (number, mutant) in (0..).zip(mutants(&known.functions, seed)) {
        if tally.mutants == count {
            break;
        }
        if let Some(why) = mutant.outside {
            *tally.outside.entry(why).or_default() += 1;
            continue;
        }
        tally.mutants += 1;
        tally.reached += u64::from(known.reached.contains(&mutant.address));
        for mode in modes {
            if running.len() >= jobs {
                finish(known, seed, &mut running, &mut tally)?;
            }
            let child = trial::start(known.subject, Some(&mutant), *mode)?;
            running.push_back((number, mutant.clone(), *mode, child));
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
    running: &mut VecDeque<(u64, Mutant, Mode, Child)>,
    tally: &mut Tally,
) -> io::Result<()> {
    let Some((number, mutant, mode, child)) = running.pop_front() else { return Ok(()) };
    let (outcome, why) = known.judge(&mutant, mode, child.wait()?)?;
    *tally.outcomes.entry(mode).or_default().entry(outcome).or_default() += 1;
    if mode == Mode::ProtectedStays {
        *tally.rules.entry(mutant.rule).or_default().entry(outcome).or_default() += 1;
    }
    let is_bad = matches!(outcome, Outcome::UndetectedWrong | Outcome::DetectedWrong | Outcome::Died | Outcome::Hung);
    if is_bad && mode.is_protected() {
        let driver = known.subject.name();
        tally.bad.push(Bad {
            driver,
            number,
            mode,
            outcome,
            rule: mutant.rule,
            change: mutant.to_string(),
            why,
            again: format!(
                "cargo xtask campaign --driver {driver} --kind mutate --seed {seed} --only {number} --mode {}",
                mode.name()
            ),
        });
    }
    Ok(())
}
