//! What a trial has found, and what that comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use udrv::report::{FaultReport, Rung};

/// What a child says of its trial.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// The device did not start, or has ended: why.
    pub(crate) ended: Option<String>,
    /// What is wrong with what came out of it.
    pub(crate) wrong: Vec<String>,
    /// Pieces of work that have not come out of it, with no error to whoever gave them.
    pub(crate) missing: u64,
    /// Faults, by how far the ladder was climbed.
    pub(crate) rungs: BTreeMap<String, u64>,
    /// The kinds of faults.
    pub(crate) kinds: BTreeMap<String, u64>,
    /// An entry point was put into quarantine.
    pub(crate) quarantined: bool,
    /// Work went through after the last fault.
    pub(crate) works: bool,
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
            *self.kinds.entry(report.kind.clone()).or_default() += 1;
            self.quarantined |= report.quarantined;
        }
    }

    /// Notes what is wrong. The first few say enough.
    pub(crate) fn wrong(&mut self, what: String) {
        const ENOUGH: usize = 4;
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
    /// Noticed; the device was left quiet, and whoever uses it gets errors.
    GaveUp,
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
        let noticed = !finding.rungs.is_empty() || finding.ended.is_some();
        let differs = finding.ended.is_none()
            && right
                .registers
                .iter()
                .any(|(name, value)| finding.registers.get(name).is_some_and(|found| found != value));
        let silent = finding.missing > 0 && !noticed;
        let bad = !finding.wrong.is_empty()
            || finding.canary
            || differs
            || silent
            || (finding.ended.is_none() && !finding.works);
        let climbed = |rung: &str| finding.rungs.contains_key(rung);
        match (noticed, bad) {
            (false, true) => Outcome::UndetectedWrong,
            (true, true) => Outcome::DetectedWrong,
            (false, false) if reached => Outcome::UndetectedRight,
            (false, false) => Outcome::Benign,
            _ if finding.ended.is_some() || climbed("gave-up") => Outcome::GaveUp,
            _ if finding.quarantined => Outcome::Quarantined,
            _ if climbed("restart") => Outcome::Restarted,
            _ if climbed("restore") => Outcome::Restored,
            _ => Outcome::Aborted,
        }
    }
}
