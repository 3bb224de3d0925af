//! Fault reports: what happened, what was done about it, and how long each step took.
//!
//! On the fault path only what is at hand is taken down. What has to be looked up (functions, lines, what lies at an
//! address) is filled in when a report is asked for: [`FaultReport::explain`].

mod explain;
mod text;

use std::collections::VecDeque;
use std::sync::Arc;

use fgft::Fault;
use serde::{Deserialize, Serialize};
use udrv_driver::{InjectedFault, Point};

use crate::write_log::RegisterWrite;

/// Reports kept; older ones are dropped and only counted.
const KEPT: usize = 256;

/// Target of the event that says that a call has failed and was undone, before anything else is done about it.
pub const FAILED_CALL: &str = "udrv::failed_call";

/// How far the ladder was climbed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Memory and registers rolled back.
    #[default]
    Abort,
    /// The driver's `restore`, verified against the device.
    Restore,
    /// The driver was probed anew and its configuration replayed.
    Restart,
    /// None of it was enough: the device is given up.
    GaveUp,
}

impl Rung {
    /// In words, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Rung::Abort => "abort",
            Rung::Restore => "restore",
            Rung::Restart => "restart",
            Rung::GaveUp => "gave up",
        }
    }
}

/// Where the time of a recovery went, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// State and ledger copied back; with late detection, finding the generation.
    pub memory: u64,
    /// Registers written back.
    pub registers: u64,
    /// `restore` and its verification; 0 if it was not needed.
    pub restore: u64,
    /// Restart and replay, waits included; 0 if it was not needed.
    pub restart: u64,
}

/// One fault. Times are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// Counts from 1.
    pub number: u64,
    /// Entry point that faulted.
    pub entry: String,
    /// Number of the call: calls of entry points count from 1, since the device was started.
    #[serde(default)]
    pub transaction: u64,
    /// The driver's second version of it was running.
    pub alternate: bool,
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
    /// What lies at the address that was accessed, if one was.
    pub lies_there: Option<String>,
    /// General registers by name; empty for what did not trap.
    pub registers: Vec<(String, u64)>,
    /// Functions, innermost first.
    pub backtrace: Vec<String>,
    /// Register writes of the failed call, oldest first: the last ones, if there were many.
    pub journal: Vec<RegisterWrite>,
    /// Register writes before those.
    pub earlier_writes: usize,
    /// The state was spoilt before this call: so many generations back was a sound one. `None`: it was not.
    pub generations_back: Option<u32>,
    /// The entry point was put into quarantine for it.
    pub quarantined: bool,
    /// How far the ladder was climbed.
    pub rung: Rung,
    /// All is well again.
    pub recovered: bool,
    /// From the fault to the end of the recovery, when the caller has its error. Injected faults are timed from before
    /// the faulting instruction, others from when the trap was back in the framework.
    pub to_error: u64,
    /// Where that time went.
    pub steps: Steps,
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
    /// What the engine has kept of it, until it is explained.
    #[serde(skip)]
    pub raw: Option<Arc<Fault>>,
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
            let (injected, rung) = (r.injected.is_some(), r.rung.name());
            let (transaction, ns) = (r.transaction, r.to_error);
            let outcome = if r.recovered { "recovered" } else { "not recovered" };
            tracing::warn!(
                device,
                number = r.number,
                entry = r.entry,
                transaction,
                outcome,
                rung,
                injected,
                ns,
                "{}",
                r.text
            );
            if r.quarantined {
                tracing::warn!(device, entry = r.entry, "in quarantine: the same fault at the same place, repeatedly");
            }
        }
        self.logged = self.count;
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}
