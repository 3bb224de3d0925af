//! What is done about a failed call: the ladder, rung by rung, and the report.

use std::sync::Arc;
use std::time::Instant;

use fgft::FaultKind;
use udrv_driver::{Driver, Entry, Error, Injection};

use super::call::{Failure, since};
use super::{Class, DeviceError, Running};
use crate::report::{FAILED_CALL, FaultReport, Rung, Steps, injected};
use crate::supervisor::ladder::{Recovery, Step};
use crate::supervisor::quarantine::Place;

/// Attempts of an entry point within a rung: a restore may itself fault.
const ATTEMPTS: u32 = 3;

/// Entry points without which there is no device, or no way to bring it back: putting them aside is no recovery.
fn is_essential(entry: Entry) -> bool {
    use Entry::*;
    matches!(entry, Probe | Open | Stop | TxTimeout | Enable | Disable | Reconnect | Quiesce | Restore)
}

/// How a failed call has left things when memory and registers were put back.
enum Left {
    /// As before the call.
    Clean,
    /// The device may not be as the state says.
    Unclean,
    /// There is no state to go on from.
    Unsound,
}

impl<C: Class> Running<C> {
    /// Brings memory and device back after a failed call. Gives the failure in words.
    pub(crate) fn recover(
        &mut self,
        entry: Entry,
        alternate: bool,
        injection: Option<Injection>,
        failure: Failure,
    ) -> String {
        // `restore` and the like are calls of their own, and time their own faults
        let fired_at = self.host.injected_at;
        let began = fired_at.unwrap_or_else(Instant::now);
        let (accesses, lost) = (self.host.window.accesses(), self.class.lost());
        let (mut report, left) = self.put_back(entry, injection, failure);
        report.alternate = alternate;
        self.note_suspect(entry, &report.kind);
        let now = self.host.now();
        if !is_essential(entry) {
            let has_alternate = C::has_alternate(entry);
            report.quarantined = self.quarantine.fault(entry as usize, place(&report), now, has_alternate);
        }
        let step = match left {
            Left::Unsound => self.ladder.after_failure(now),
            Left::Clean | Left::Unclean => self.ladder.after_fault(now, matches!(left, Left::Unclean)),
        };
        let step = match step {
            // before probe there is nothing to bring back, and after quiesce nothing shall run
            Step::Restore | Step::Restart(_) if matches!(entry, Entry::Probe | Entry::Quiesce) => Step::Abort,
            step => step,
        };
        report.rung = self.climb(step, &mut report.steps);
        report.recovered = report.rung != Rung::GaveUp;
        report.to_error = since(began);
        report.frames_lost = self.class.lost() - lost;
        let after = self.host.window.accesses();
        (report.reads, report.writes) = (after.reads - accesses.reads, after.writes - accesses.writes);
        report.at = self.host.now();
        let text = report.text.clone();
        if report.rung == Rung::GaveUp {
            self.failed = Some(format!("{entry}: {text}"));
        }
        self.file(entry, report);
        text
    }

    /// Rung 1, and what is at hand for the report.
    fn put_back(&mut self, entry: Entry, injection: Option<Injection>, failure: Failure) -> (FaultReport, Left) {
        let fired_at = self.host.injected_at;
        let start = Instant::now();
        let spoilt = matches!(failure, Failure::SpoiltEarlier(_));
        let generations_back = if spoilt { self.newest_sound_generation() } else { None };
        if !spoilt {
            self.domain.rollback();
        }
        let memory = since(start);
        let (journal, earlier_writes) = self.host.window.writes();
        let undoing = Instant::now();
        let unclean = self.host.abort();
        self.host.kept.close(self.domain.generation());
        let registers = since(undoing);
        if generations_back.is_some() {
            self.host.marks.mark_all();
            self.host.kept.set_unclean(true);
        }
        let left = match generations_back {
            None if spoilt => Left::Unsound,
            None if !unclean => Left::Clean,
            // an older state is not what the device was set up for
            _ => Left::Unclean,
        };
        let (kind, text) = (failure.kind().to_owned(), failure.to_string());
        tracing::debug!(target: FAILED_CALL, device = %self.name, %entry, text, "a call has failed, and was undone");
        let raw = if let Failure::Fault(fault) = failure { Some(Arc::new(fault)) } else { None };
        let report = FaultReport {
            entry: entry.name().to_owned(),
            transaction: self.transactions,
            kind,
            text,
            injected: injection.filter(|_| fired_at.is_some()).map(|i| injected(i.fault, i.point)),
            source: raw.as_ref().and_then(|fault| source(&fault.kind)),
            rip: raw.as_ref().and_then(|fault| fault.registers.as_ref()).map(|r| r.rip),
            journal,
            earlier_writes,
            generations_back,
            steps: Steps { memory, registers, ..Steps::default() },
            to_error: since(fired_at.unwrap_or(start)),
            at: self.host.now(),
            raw,
            ..FaultReport::default()
        };
        (report, left)
    }

    /// Rolls back to the newest state that passes the driver's check, and says how many generations back that was.
    /// `None`: there is none, and the state is spoilt still.
    fn newest_sound_generation(&mut self) -> Option<u32> {
        let before = *self.domain.committed_ledger();
        for (back, generation) in self.domain.generations().rev().enumerate() {
            if !self.domain.rollback_to(generation) {
                break;
            }
            self.domain.ledger_mut().come_back(&before);
            if self.look_at_state().is_ok() {
                self.domain.commit();
                C::come_back(self, &before);
                return Some(back as u32);
            }
        }
        self.domain.rollback();
        None
    }

    /// Goes as far up the ladder as it takes, beginning with `step`.
    fn climb(&mut self, step: Step, steps: &mut Steps) -> Rung {
        let mut step = step;
        let mut nested = Vec::new();
        let rung = loop {
            let start = Instant::now();
            step = match step {
                Step::Abort => break Rung::Abort,
                Step::Restore => {
                    let restored = self.try_restore(&mut nested);
                    steps.restore += since(start);
                    match restored {
                        Ok(()) => break Rung::Restore,
                        Err(why) => tracing::warn!(device = %self.name, why, "restore failed"),
                    }
                    self.after_failure()
                }
                Step::Restart(wait) => {
                    self.host.clock().pause(wait);
                    let restarted = self.try_restart(&mut nested);
                    steps.restart += since(start);
                    match restarted {
                        Ok(()) => {
                            self.ladder.restarted();
                            break Rung::Restart;
                        }
                        Err(why) => {
                            tracing::warn!(device = %self.name, why, "restart failed");
                            self.not_restarted = why;
                        }
                    }
                    self.after_failure()
                }
                Step::GiveUp => break Rung::GaveUp,
            };
        };
        self.file_all(nested, rung, rung != Rung::GaveUp);
        rung
    }

    /// The next rung; none for a device that has left.
    fn after_failure(&mut self) -> Step {
        if self.host.window.device().answers() { self.ladder.after_failure(self.host.now()) } else { Step::GiveUp }
    }

    /// Rung 2: the driver's `restore`, verified against the device.
    pub(super) fn try_restore(&mut self, nested: &mut Vec<(Entry, FaultReport)>) -> Result<(), String> {
        let mut last = String::new();
        // a message that came meanwhile may be lost, with the cause in the device
        self.signal.leaves(true);
        for _ in 0..ATTEMPTS {
            last = match self.within_rung(Entry::Restore, 1, nested, C::Driver::restore) {
                Ok(()) => match self.host.window.verify(self.domain.ledger()) {
                    Ok(()) => {
                        self.host.marks.clear();
                        self.host.kept.set_unclean(false);
                        C::restored(self);
                        return Ok(());
                    }
                    Err(difference) => difference,
                },
                Err(why) => why,
            };
        }
        Err(last)
    }

    /// Makes a call within a rung, up to `attempts` times: its faults are put back, and climb no ladder of their own.
    pub(crate) fn within_rung<T: udrv_driver::abi::Words>(
        &mut self,
        entry: Entry,
        attempts: u32,
        nested: &mut Vec<(Entry, FaultReport)>,
        f: impl Fn(&mut udrv_driver::Cx<'_, <C::Driver as Driver>::State>) -> Result<T, Error> + Copy,
    ) -> Result<T, String> {
        let mut last = String::new();
        for _ in 0..attempts {
            let injection = self.take_armed(entry);
            match self.attempt(entry, &[], injection, f, |_, _, _| true) {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => {
                    self.refused = Some(error);
                    last = format!("{entry}: {error}");
                }
                Err(failure) => {
                    let (report, _) = self.put_back(entry, injection, failure);
                    last = format!("{entry}: {}", report.text);
                    nested.push((entry, report));
                }
            }
        }
        Err(last)
    }

    /// Rung 2 because the device erred, which `entry` has noticed. False: it did not work.
    pub(crate) fn restore_once(&mut self, entry: Entry) -> bool {
        if self.options.ladder.recovery == Recovery::Restart {
            return self.restart_for(entry);
        }
        let (start, mut nested) = (Instant::now(), Vec::new());
        self.host.marks.mark_all();
        let restored = self.try_restore(&mut nested);
        if let Err(why) = &restored {
            tracing::warn!(device = %self.name, why, "restore failed");
        }
        self.file_all(nested, Rung::Restore, restored.is_ok());
        self.accounts.lost(entry as usize, since(start));
        restored.is_ok()
    }

    /// Rung 3 because the device erred. False: it is time to give up.
    pub(crate) fn restart_for(&mut self, entry: Entry) -> bool {
        let step = self.ladder.after_failure(self.host.now());
        self.climb_for(step, entry) != Rung::GaveUp
    }

    fn climb_for(&mut self, step: Step, entry: Entry) -> Rung {
        let start = Instant::now();
        let rung = self.climb(step, &mut Steps::default());
        self.accounts.lost(entry as usize, since(start));
        rung
    }

    /// Rung 3 by command.
    pub(crate) fn restart_now(&mut self) -> Result<(), DeviceError> {
        if self.climb_for(Step::Restart(std::time::Duration::ZERO), Entry::Probe) == Rung::GaveUp {
            self.failed = Some(format!("it could not be restarted: {}", self.not_restarted));
        }
        self.given_up().map_or(Ok(()), Err)
    }

    /// Files the faults of a rung, and what has come of it.
    pub(super) fn file_all(&mut self, nested: Vec<(Entry, FaultReport)>, rung: Rung, recovered: bool) {
        for (entry, report) in nested {
            self.file(entry, FaultReport { rung, recovered, ..report });
        }
    }

    fn file(&mut self, entry: Entry, report: FaultReport) {
        // a hang has used up its deadline before it was a fault
        let hung = match report.raw.as_ref().map(|fault| &fault.kind) {
            Some(FaultKind::Hang { deadline }) => *deadline,
            _ => 0,
        };
        self.accounts.fault(entry as usize, &report.kind, report.rung, report.to_error + hung);
        self.reports.add(report);
    }

    /// The first fault in a driver makes it suspicious, for this process and the ones after it.
    fn note_suspect(&mut self, entry: Entry, kind: &str) {
        self.policy.fault_seen();
        if let Some(suspects) = &mut self.suspects
            && let Err(error) = suspects.add(entry as usize, kind)
        {
            tracing::warn!(device = %self.name, %error, "the list of suspects cannot be written");
        }
    }
}

/// What tells this fault from another one in the same entry point. A loop is left at any of its instructions.
fn place(report: &FaultReport) -> Place {
    let text = match (&report.source, report.rip) {
        (Some(source), _) => source.clone(),
        (None, Some(_)) => String::new(),
        (None, None) => without_numbers(&report.text),
    };
    let rip = report.rip.filter(|_| report.kind != "hang");
    Place::new((&report.kind, rip, text))
}

/// A reason without its values: the same rule broken in another way.
fn without_numbers(reason: &str) -> String {
    let words = reason.split_whitespace().filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

/// Where in the source, if the fault itself says so.
fn source(kind: &FaultKind) -> Option<String> {
    match kind {
        FaultKind::Panic { location: Some(at), .. } => Some(format!("{}:{}", fgft::symbols::tail(&at.file), at.line)),
        _ => None,
    }
}
