//! What faults have cost: by entry point, by kind, by rung; and what that makes of the whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::report::Rung;

/// One call in so many is timed, the first among them: looking at the clock costs as much as a small call does.
const TIMED: u64 = 64;

/// Counters of one entry point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryCounters {
    /// Calls made.
    pub calls: u64,
    /// Of those, calls made without a transaction.
    pub unprotected: u64,
    /// Calls that returned an ordinary error.
    pub errors: u64,
    /// Calls that faulted.
    pub faults: u64,
    /// The same by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Recoveries by rung.
    pub rungs: BTreeMap<Rung, u64>,
    /// Nanoseconds lost: from each fault to the end of its recovery. For a hang the deadline that it used up is in it.
    pub lost: u64,
    /// Calls that were timed: one in 64 of those that did not fault.
    #[serde(default)]
    pub timed: u64,
    /// Nanoseconds of those, from before the call to after its commit.
    #[serde(default)]
    pub time: u64,
    /// Nanoseconds of those in which the state was saved.
    #[serde(default)]
    pub checkpoint: u64,
}

/// Reliability over the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Faults.
    pub faults: u64,
    /// Nanoseconds lost.
    pub lost: u64,
    /// Mean time to failure: nanoseconds of running between faults. `None`: there was no fault.
    pub mttf: Option<u64>,
    /// Mean time to repair: nanoseconds lost with each fault. `None`: there was no fault.
    pub mttr: Option<u64>,
    /// Part of the time in which the driver served, 0 to 1.
    pub availability: f64,
}

/// Counters of all entry points of a driver.
#[derive(Debug, Clone)]
pub struct Accounts {
    entries: Vec<EntryCounters>,
}

impl Accounts {
    /// All zero, for so many entry points.
    #[must_use]
    pub fn new(entries: usize) -> Accounts {
        Accounts { entries: vec![EntryCounters::default(); entries] }
    }

    /// A call of `entry` begins. True: it is to be timed.
    #[inline]
    pub fn call(&mut self, entry: usize, protected: bool) -> bool {
        let counters = &mut self.entries[entry];
        counters.calls += 1;
        counters.unprotected += u64::from(!protected);
        counters.calls % TIMED == 1
    }

    /// It took `time` nanoseconds, `checkpoint` of them to save the state.
    pub fn timed(&mut self, entry: usize, time: u64, checkpoint: u64) {
        let counters = &mut self.entries[entry];
        counters.timed += 1;
        counters.time += time;
        counters.checkpoint += checkpoint;
    }

    /// It returned an error.
    pub fn error(&mut self, entry: usize) {
        self.entries[entry].errors += 1;
    }

    /// It faulted, and recovery has taken `lost` nanoseconds.
    pub fn fault(&mut self, entry: usize, kind: &str, rung: Rung, lost: u64) {
        let counters = &mut self.entries[entry];
        counters.faults += 1;
        match counters.kinds.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(counters.kinds.insert(kind.to_owned(), 1)),
        }
        *counters.rungs.entry(rung).or_default() += 1;
        counters.lost += lost;
    }

    /// Time lost to something that was no fault of a call, such as a restart that the device asked for.
    pub fn lost(&mut self, entry: usize, lost: u64) {
        self.entries[entry].lost += lost;
    }

    /// Those of each entry point, in the order of the names.
    #[must_use]
    pub fn all(&self) -> &[EntryCounters] {
        &self.entries
    }

    /// Over a run of `uptime` nanoseconds.
    #[must_use]
    pub fn reliability(&self, uptime: u64) -> Reliability {
        let faults: u64 = self.entries.iter().map(|c| c.faults).sum();
        let lost = self.entries.iter().map(|c| c.lost).sum::<u64>().min(uptime);
        Reliability {
            faults,
            lost,
            mttf: (uptime - lost).checked_div(faults),
            mttr: lost.checked_div(faults),
            availability: if uptime == 0 { 1.0 } else { (uptime - lost) as f64 / uptime as f64 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_add_up() {
        let mut accounts = Accounts::new(2);
        assert_eq!(accounts.reliability(0).availability, 1.0);
        assert_eq!(accounts.reliability(10).mttf, None);
        let timed = (0..10).filter(|_| accounts.call(1, true)).count();
        assert_eq!(timed, 1, "the first");
        accounts.call(1, false);
        let timed = (0..10 * TIMED).filter(|_| accounts.call(0, false)).count();
        assert_eq!(timed, 10);
        accounts.timed(0, 500, 20);
        accounts.timed(0, 700, 30);
        let timed = &accounts.all()[0];
        assert_eq!((timed.timed, timed.time, timed.checkpoint), (2, 1200, 50));
        accounts.fault(1, "panic", Rung::Abort, 100);
        accounts.fault(1, "panic", Rung::Restore, 300);
        accounts.error(1);
        let poll = &accounts.all()[1];
        assert_eq!((poll.calls, poll.unprotected, poll.faults, poll.errors, poll.lost), (11, 1, 2, 1, 400));
        assert_eq!(poll.kinds["panic"], 2);
        assert_eq!(poll.rungs[&Rung::Restore], 1);
        let whole = accounts.reliability(1000);
        assert_eq!((whole.mttf, whole.mttr, whole.faults), (Some(300), Some(200), 2));
        assert!((whole.availability - 0.6).abs() < 1e-9);
        assert_eq!(accounts.reliability(10).availability, 0.0, "never below nothing");
    }
}
