//! What a trial has found, and what that comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use udrv::report::{FaultReport, Rung};

/// Complaints of a kind that say enough.
const ENOUGH: usize = 4;

/// What a child says of its trial.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// What keeps stray writes out of the host.
    pub(crate) isolation: String,
    /// The device did not start, or has ended: why.
    pub(crate) ended: Option<String>,
    /// What is wrong with what came out of it.
    pub(crate) wrong: Vec<String>,
    /// Pieces of work that have not come out of it, with no error to whoever gave them.
    pub(crate) missing: u64,
    /// Faults, by how far the ladder was climbed.
    pub(crate) rungs: BTreeMap<String, u64>,
    /// An entry point was put into quarantine.
    pub(crate) quarantined: bool,
    /// Work went through at the end.
    pub(crate) works: bool,
    /// Whoever wanted work done was told that it is not.
    pub(crate) told: bool,
    /// Registers at the end, by name, as far as reading changes nothing.
    pub(crate) registers: BTreeMap<String, u32>,
    /// Memory of the host that no fault may touch is not as it was.
    pub(crate) canary: bool,
}

impl Finding {
    /// Notes what a device's reports say.
    pub(crate) fn note(&mut self, reports: &[FaultReport]) {
        for report in reports {
            *self.rungs.entry(rung(report.rung).to_owned()).or_default() += 1;
            self.quarantined |= report.quarantined;
        }
    }

    /// All that is to be said against it, beside what is right.
    pub(crate) fn complaints(self, right: &Finding) -> Vec<String> {
        let differ = right.registers.iter().filter_map(|(name, value)| match self.registers.get(name) {
            Some(found) if found != value => Some(format!("register {name} is {found:#x} and not {value:#x}")),
            _ => None,
        });
        let differ: Vec<String> = differ.take(ENOUGH).collect();
        let mut all = self.wrong;
        all.extend(differ);
        all.extend(self.canary.then(|| "memory of the host was changed".to_owned()));
        all.extend((self.missing > 0).then(|| format!("{} are missing", self.missing)));
        all.extend((!self.works && self.ended.is_none()).then(|| "nothing goes through any more".to_owned()));
        all.extend(self.ended);
        all
    }

    /// Notes what is wrong. The first few say enough.
    pub(crate) fn wrong(&mut self, what: String) {
        if self.wrong.len() < ENOUGH {
            self.wrong.push(what);
        }
    }
}

fn rung(rung: Rung) -> &'static str {
    match rung {
        Rung::Abort => "abort",
        Rung::Restore => "restore",
        Rung::Restart => "restart",
        Rung::GaveUp => "gave-up",
    }
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The changed instruction was not reached.
    Benign,
    /// It was reached, nobody has noticed, and all that came out is right.
    UndetectedRight,
    /// Noticed; the calls were aborted, and no more was needed.
    Aborted,
    /// Noticed; the device was restored.
    Restored,
    /// Noticed; the driver was restarted.
    Restarted,
    /// Noticed; an entry point is in quarantine, and the device works.
    Quarantined,
    /// Noticed; the device was left quiet, or refuses work, and whoever uses it gets errors.
    GaveUp,
    /// Noticed, and nothing that came out is wrong; but nothing goes through any more, and nobody is told.
    Stuck,
    /// Noticed, and yet something that came out is wrong.
    DetectedWrong,
    /// Nobody has noticed, and what came out is wrong.
    UndetectedWrong,
    /// The process has ended.
    Died,
    /// The process used up its time.
    Hung,
}

impl Outcome {
    /// Of a finding; `right` is what a trial without a mutant finds.
    pub(crate) fn of(finding: &Finding, right: &Finding, reached: bool) -> Outcome {
        let noticed = !finding.rungs.is_empty() || finding.ended.is_some() || finding.told;
        let ended = finding.ended.is_some() || finding.told && !finding.works;
        let differs = !ended && right.registers.iter().any(|(name, value)| finding.registers.get(name) != Some(value));
        let unheard = !noticed && (finding.missing > 0 || !finding.works);
        let bad = !finding.wrong.is_empty() || finding.canary || differs || unheard;
        let climbed = |rung: &str| finding.rungs.contains_key(rung);
        match (noticed, bad) {
            (false, true) => Outcome::UndetectedWrong,
            (true, true) => Outcome::DetectedWrong,
            (false, false) if reached => Outcome::UndetectedRight,
            (false, false) => Outcome::Benign,
            _ if ended || climbed("gave-up") => Outcome::GaveUp,
            _ if !finding.works => Outcome::Stuck,
            _ if finding.quarantined => Outcome::Quarantined,
            _ if climbed("restart") => Outcome::Restarted,
            _ if climbed("restore") => Outcome::Restored,
            _ => Outcome::Aborted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right() -> Finding {
        Finding { works: true, registers: [("CTRL".to_owned(), 1)].into(), ..Finding::default() }
    }

    fn outcome(change: impl FnOnce(&mut Finding)) -> Outcome {
        let mut finding = right();
        change(&mut finding);
        Outcome::of(&finding, &right(), true)
    }

    #[test]
    fn what_is_wrong_is_wrong_whatever_was_noticed() {
        assert_eq!(Outcome::of(&right(), &right(), false), Outcome::Benign);
        assert_eq!(outcome(|_| {}), Outcome::UndetectedRight);
        assert_eq!(outcome(|f| f.wrong("up: frame 1 again".to_owned())), Outcome::UndetectedWrong);
        assert_eq!(outcome(|f| f.missing = 1), Outcome::UndetectedWrong);
        assert_eq!(outcome(|f| f.works = false), Outcome::UndetectedWrong);
        assert_eq!(outcome(|f| f.canary = true), Outcome::UndetectedWrong);
        assert_eq!(outcome(|f| f.registers.clear()), Outcome::UndetectedWrong);
        let noticed = |f: &mut Finding| f.rungs = [("abort".to_owned(), 1)].into();
        assert_eq!(outcome(noticed), Outcome::Aborted);
        assert_eq!(outcome(|f| (noticed(f), f.missing = 3).0), Outcome::Aborted);
        assert_eq!(outcome(|f| (noticed(f), f.wrong(String::new())).0), Outcome::DetectedWrong);
        assert_eq!(outcome(|f| (noticed(f), f.registers.insert("CTRL".to_owned(), 2)).0), Outcome::DetectedWrong);
        assert_eq!(outcome(|f| (noticed(f), f.works = false).0), Outcome::Stuck);
        assert_eq!(outcome(|f| (f.told, f.works) = (true, false)), Outcome::GaveUp);
        assert_eq!(outcome(|f| f.ended = Some("given up".to_owned())), Outcome::GaveUp);
    }

    #[test]
    fn the_highest_rung_counts() {
        let climbed =
            |rungs: &[&str]| outcome(|f| f.rungs = rungs.iter().map(|rung| ((*rung).to_owned(), 1)).collect());
        assert_eq!(climbed(&["abort", "restore"]), Outcome::Restored);
        assert_eq!(climbed(&["abort", "restart", "restore"]), Outcome::Restarted);
        assert_eq!(climbed(&["abort", "gave-up"]), Outcome::GaveUp);
    }
}
