//! The ladder: how far to go after a fault.
//!
//! ```text
//!   1 abort     memory and registers put back          each fault
//!   2 restore   the driver's `restore`, verified       the journal cannot undo the call; faults in a row
//!   3 restart   probe anew, replay the configuration   restore failed or did not help
//!   - give up   the device is left quiet               restarts did not help
//! ```
//!
//! A rung is taken when the one above has failed or was taken too often within its window. Restarts wait for each other:
//! the first is made at once, each further one within the window after twice the time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Rate;

/// Which ladder there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recovery {
    /// All rungs, the cheapest first.
    #[default]
    Ladder,
    /// Every fault restarts the driver: what is done without transactions, and the baseline for what they are worth.
    Restart,
}

impl Recovery {
    /// `ladder` or `restart`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Recovery::Ladder => "ladder",
            Recovery::Restart => "restart",
        }
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Recovery {
    type Err = String;
    fn from_str(text: &str) -> Result<Recovery, String> {
        match text {
            "ladder" => Ok(Recovery::Ladder),
            "restart" => Ok(Recovery::Restart),
            other => Err(format!("no recovery is called '{other}'; there are ladder and restart")),
        }
    }
}

/// When the next rung is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LadderConfig {
    /// Which ladder.
    pub recovery: Recovery,
    /// Faults in a row, with no call that worked between them, after which rung 1 is not trusted any more.
    pub restore_after: u32,
    /// Faults in a row after which rung 2 is not trusted any more.
    pub restart_after: u32,
    /// Restarts within [`LadderConfig::restart_window`].
    pub restarts: u32,
    /// See [`LadderConfig::restarts`].
    pub restart_window: Duration,
    /// Wait before the second restart within the window; doubled for each further one.
    pub back_off: Duration,
}

impl Default for LadderConfig {
    fn default() -> Self {
        LadderConfig {
            recovery: Recovery::Ladder,
            restore_after: 8,
            restart_after: 16,
            restarts: 6,
            restart_window: Duration::from_secs(60),
            back_off: Duration::from_millis(10),
        }
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Rung 1: memory and registers are put back, and that is all.
    Abort,
    /// Rung 2.
    Restore,
    /// Rung 3, after this wait.
    Restart(Duration),
    /// Nothing has helped.
    GiveUp,
}

/// See the module's text.
#[derive(Debug)]
pub struct Ladder {
    config: LadderConfig,
    in_a_row: u32,
    restarts: Rate,
}

impl Ladder {
    /// At its foot.
    #[must_use]
    pub fn new(config: LadderConfig) -> Ladder {
        Ladder { config, in_a_row: 0, restarts: Rate::default() }
    }

    /// Goes by other numbers from now on. What was counted stays counted.
    pub fn set_config(&mut self, config: LadderConfig) {
        self.config = config;
    }

    /// A call worked: what faulted before is over.
    #[inline]
    pub fn call_worked(&mut self) {
        self.in_a_row = 0;
    }

    /// A call faulted. `unclean`: the journal cannot undo it.
    pub fn after_fault(&mut self, now: u64, unclean: bool) -> Step {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.config.recovery == Recovery::Restart || self.in_a_row >= self.config.restart_after {
            return self.restart(now);
        }
        if unclean || self.in_a_row >= self.config.restore_after { Step::Restore } else { Step::Abort }
    }

    /// A restore did not bring the device to where it should be, or a restart did not work.
    pub fn after_failure(&mut self, now: u64) -> Step {
        self.restart(now)
    }

    /// A restart worked: the lower rungs may be tried again. Restarts themselves are still counted.
    pub fn restarted(&mut self) {
        self.in_a_row = 0;
    }

    fn restart(&mut self, now: u64) -> Step {
        let limit = self.config.restarts as usize;
        let window = self.config.restart_window.as_nanos() as u64;
        match self.restarts.note(now, window, limit) {
            // a baseline is not given up for being one
            _ if self.config.recovery == Recovery::Restart && self.in_a_row < self.config.restart_after => {
                Step::Restart(Duration::ZERO)
            }
            count if count > limit => Step::GiveUp,
            1 => Step::Restart(Duration::ZERO),
            count => Step::Restart(self.config.back_off * (1 << (count as u32 - 2).min(16))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn single_faults_never_go_beyond_the_first_rung() {
        let mut ladder = Ladder::new(LadderConfig::default());
        for now in 0..100_000 {
            assert_eq!(ladder.after_fault(now, false), Step::Abort);
            ladder.call_worked();
        }
        assert_eq!(ladder.after_fault(0, true), Step::Restore, "the journal cannot undo it");
    }

    #[test]
    fn faults_in_a_row_climb_and_end() {
        let mut ladder = Ladder::new(LadderConfig::default());
        let steps: Vec<Step> = (0..22).map(|i| ladder.after_fault(i, false)).collect();
        assert!(steps[..7].iter().all(|s| *s == Step::Abort), "{steps:?}");
        assert!(steps[7..15].iter().all(|s| *s == Step::Restore), "{steps:?}");
        let ms = |n| Step::Restart(Duration::from_millis(n));
        assert_eq!(steps[15..], [ms(0), ms(10), ms(20), ms(40), ms(80), ms(160), Step::GiveUp]);
    }

    #[test]
    fn a_restart_that_works_starts_from_the_foot_but_is_remembered() {
        let mut ladder = Ladder::new(LadderConfig::default());
        let mut restarts = 0;
        let mut faults = 0;
        loop {
            faults += 1;
            match ladder.after_fault(faults, false) {
                Step::Restart(_) => {
                    restarts += 1;
                    ladder.restarted();
                }
                Step::GiveUp => break,
                _ => {}
            }
        }
        assert_eq!((restarts, faults), (6, 7 * 16));
    }

    #[test]
    fn restarts_far_apart_are_no_reason_to_give_up() {
        let mut ladder = Ladder::new(LadderConfig::default());
        for i in 0..1000 {
            assert_eq!(ladder.after_failure(i * 61 * SECOND), Step::Restart(Duration::ZERO));
        }
    }

    #[test]
    fn the_baseline_restarts_for_every_fault_and_still_gives_up_on_a_dead_device() {
        let config = LadderConfig { recovery: Recovery::Restart, ..LadderConfig::default() };
        let mut ladder = Ladder::new(config);
        for now in 0..1000 {
            assert_eq!(ladder.after_fault(now, false), Step::Restart(Duration::ZERO));
            ladder.restarted();
        }
        let last = (0..100).map(|now| ladder.after_fault(now, false)).last();
        assert_eq!(last, Some(Step::GiveUp));
    }
}
