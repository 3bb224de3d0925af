//! The list of trials, and how their output is read.

use std::time::Duration;

use super::Verdict;

/// For all trials in one guest: many times what they take.
pub(super) const LIMIT: Duration = Duration::from_secs(3600);

/// One test program, with counts.
pub(super) struct Trial {
    /// What `--only` takes.
    pub(super) name: &'static str,
    /// The test program of the engine.
    pub(super) program: &'static str,
    /// What its count is called in the environment.
    pub(super) variable: Option<&'static str>,
    /// What is counted.
    unit: &'static str,
    /// The count here.
    pub(super) on_host: u64,
    /// The count where all instructions are emulated.
    pub(super) in_guest: u64,
}

// ------------------------------------------------------------------------------------------------------------------
// The trials, in order.
// ------------------------------------------------------------------------------------------------------------------
pub(super) const TRIALS: [Trial; 5] = [
    Trial {
        name: "kinds",
        program: "matrix",
        variable: None,
        unit: "in a row of each kind",
        on_host: 100,
        in_guest: 100,
    },
    Trial {
        name: "million",
        program: "million",
        variable: Some("FGFT_FAULTS"),
        unit: "faults",
        on_host: 1_000_000,
        in_guest: 200_000,
    },
    Trial {
        name: "wild",
        program: "wild",
        variable: Some("FGFT_WILD_WRITES"),
        unit: "writes",
        on_host: 100_000,
        in_guest: 100_000,
    },
    Trial {
        name: "storm",
        program: "storm",
        variable: Some("FGFT_STORM_CALLS"),
        unit: "calls a thread",
        on_host: 500_000,
        in_guest: 20_000,
    },
    Trial {
        name: "deadline",
        program: "deadline",
        variable: Some("FGFT_LIVES"),
        unit: "calls",
        on_host: 10_000,
        in_guest: 1000,
    },
];
// ------------------------------------------------------------------------------------------------------------------

impl Trial {
    /// The count, with what is counted.
    pub(super) fn count(&self, number: u64) -> String {
        format!("{number} {}", self.unit)
    }

    /// What the output of a run that did not fail has to say.
    pub(super) fn read(&self, log: &str) -> Verdict {
        let after = |mark: &str| log.lines().find_map(|line| Some(line.split_once(mark)?.1.trim().to_owned()));
        if let Some(reason) = after("skipped: ") {
            return Verdict::Skipped(reason);
        }
        match after("stress: ") {
            Some(said) => Verdict::Passed(said),
            None => Verdict::Failed(format!("{} says nothing of what it found", self.program)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read() {
        let read = |log| TRIALS[1].read(log);
        assert!(matches!(read("test a ... stress: 3 ns\nok\n"), Verdict::Passed(said) if said == "3 ns"));
        assert!(matches!(read("skipped: no keys\nok\n"), Verdict::Skipped(why) if why == "no keys"));
        assert!(matches!(read("test a ... ok\n"), Verdict::Failed(_)));
    }
}
