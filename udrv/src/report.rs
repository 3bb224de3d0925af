//! Fault reports: what happened, what was done about it, and how long each step took.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use udrv_driver::{Entry, InjectedFault, Point};

/// Reports kept; older ones are dropped and only counted.
const KEPT: usize = 512;

/// How far the ladder was climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Memory and registers rolled back.
    Abort,
    /// The driver's `restore`, verified against the device.
    Restore,
    /// Neither was enough: the device is given up.
    GaveUp,
}

/// One fault. Times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// Counts from 1.
    pub number: u64,
    /// Entry point that faulted.
    pub entry: String,
    /// Kind of the fault, a short stable name.
    pub kind: String,
    /// The fault in words.
    pub text: String,
    /// If it was injected: which fault, and where in the entry point.
    pub injected: Option<(String, String)>,
    /// Instruction pointer, 0 if unknown. `None` for what did not trap.
    pub rip: Option<u64>,
    /// Place in the source, if known: from the panic, or found by the symboliser.
    pub source: Option<String>,
    /// How far the ladder was climbed.
    pub rung: Rung,
    /// All is well again.
    pub recovered: bool,
    /// From the fault to the rollback's end, when the caller has its error. Injected faults are timed from before the
    /// faulting instruction, others from the start of the call.
    pub to_error: u64,
    /// Spent in `restore`; 0 if it was not needed.
    pub restoring: u64,
    /// From the fault to the next frame that went through; `None`: none yet.
    pub to_next_frame: Option<u64>,
    /// Frames that the fault has cost.
    pub frames_lost: u64,
    /// Register reads that recovery made.
    pub reads: u64,
    /// Register writes that recovery made.
    pub writes: u64,
    /// Since the device was started.
    pub at: u64,
}

/// What was injected, for the report.
#[must_use]
pub fn injected(fault: InjectedFault, point: Point) -> (String, String) {
    (fault.name().to_owned(), point.name().to_owned())
}

/// The reports of one device, newest last.
#[derive(Debug, Default)]
pub struct Reports {
    list: VecDeque<FaultReport>,
    count: u64,
    logged: u64,
}

impl Reports {
    /// Files a report and gives it its number.
    pub fn add(&mut self, mut report: FaultReport) {
        self.count += 1;
        report.number = self.count;
        if self.list.len() == KEPT {
            self.list.pop_front();
        }
        self.list.push_back(report);
    }

    /// The newest.
    pub fn last_mut(&mut self) -> Option<&mut FaultReport> {
        self.list.back_mut()
    }

    /// Whether the newest fault still waits for a frame to go through.
    #[must_use]
    pub fn waits_for_frame(&self) -> bool {
        self.list.back().is_some_and(|r| r.to_next_frame.is_none())
    }

    /// Those still waiting for a frame to go through get the time; `now` in nanoseconds since the device was started.
    pub fn frame_went_through(&mut self, now: u64) {
        for report in self.list.iter_mut().rev().take_while(|r| r.to_next_frame.is_none()) {
            // `at` is when the error was back with the caller
            report.to_next_frame = Some(report.to_error + now.saturating_sub(report.at));
        }
    }

    /// Reports with a number above `after`.
    #[must_use]
    pub fn since(&self, after: u64) -> Vec<FaultReport> {
        self.list.iter().filter(|r| r.number > after).cloned().collect()
    }

    /// Writes what is new to the log. Not on the fault path: a log line costs more than a recovery.
    pub fn log(&mut self, device: &str) {
        if self.logged == self.count {
            return;
        }
        for r in self.list.iter().filter(|r| r.number > self.logged) {
            let injected = r.injected.is_some();
            tracing::warn!(device, number = r.number, entry = r.entry, rung = ?r.rung, injected, ns = r.to_error, "{}", r.text);
        }
        self.logged = self.count;
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Counters of one entry point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryCounters {
    /// Calls made.
    pub calls: u64,
    /// Calls that faulted.
    pub faults: u64,
    /// Calls that returned an ordinary error.
    pub errors: u64,
}

/// Counters of all entry points.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters([EntryCounters; Entry::ALL.len()]);

impl Counters {
    /// Those of `entry`.
    pub fn of(&mut self, entry: Entry) -> &mut EntryCounters {
        &mut self.0[entry as usize]
    }

    /// All, with names, those that were called.
    #[must_use]
    pub fn named(&self) -> Vec<(String, EntryCounters)> {
        let used = Entry::ALL.iter().zip(self.0).filter(|(_, c)| c.calls > 0);
        used.map(|(e, c)| (e.name().to_owned(), c)).collect()
    }
}
