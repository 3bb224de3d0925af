//! One entry point as a transaction, and the ladder when it faults.

use std::time::Instant;

use fgft::{Fault, FaultKind};
use udrv_driver::abi::{self, Words};
use udrv_driver::{Cx, Entry, Error, Injection, NetDriver};

use super::{DeviceError, NetDevice};
use crate::endpoint::Sent;
use crate::host::{Direct, Host};
use crate::report::{FaultReport, Rung, injected};
use crate::transact::transact;

/// Attempts of `restore` before the device is given up: a restore may itself fault.
const RESTORE_ATTEMPTS: u32 = 3;
/// Faults in a row, with no call that worked between them, after which rung 1 is not trusted any more.
const RESTORE_AFTER: u32 = 8;
/// Faults in a row after which the device is given up.
const GIVE_UP_AFTER: u32 = 24;

/// How a call of an entry point failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It returned an error.
    #[error(transparent)]
    Driver(#[from] Error),
    /// It faulted; nothing of it has happened.
    #[error("fault: {0}")]
    Fault(String),
}

impl<D: NetDriver> NetDevice<D> {
    /// Calls an entry point; after a fault once more, for nothing of the first call has happened. Its failure is the
    /// caller's.
    pub(super) fn entry<T: Words>(
        &mut self,
        entry: Entry,
        f: impl Fn(&mut Cx<'_, D::State>) -> Result<T, Error> + Copy,
    ) -> Result<T, DeviceError> {
        self.entry_checked(entry, f, |_, _| true)
    }

    /// As [`NetDevice::entry`]; a result that is not `valid` is a fault.
    pub(super) fn entry_checked<T: Words>(
        &mut self,
        entry: Entry,
        f: impl Fn(&mut Cx<'_, D::State>) -> Result<T, Error> + Copy,
        valid: impl Fn(&T, &Host) -> bool + Copy,
    ) -> Result<T, DeviceError> {
        let mut result = self.call(entry, None, f, valid);
        if matches!(result, Err(CallError::Fault(_))) && self.failed.is_none() {
            result = self.call(entry, None, f, valid);
        }
        result.map_err(|source| self.entry_error(entry, source))
    }

    /// Calls an entry point that the device cannot do without: after each fault again, until it works or the device is
    /// given up.
    pub(super) fn must<T: Words>(
        &mut self,
        entry: Entry,
        f: impl Fn(&mut Cx<'_, D::State>) -> Result<T, Error> + Copy,
    ) -> Result<T, DeviceError> {
        loop {
            match self.call(entry, None, f, |_, _| true) {
                Err(CallError::Fault(_)) if self.failed.is_none() => {}
                result => return result.map_err(|source| self.entry_error(entry, source)),
            }
        }
    }

    /// The error of a device that was given up, if this one was.
    pub(super) fn given_up(&self) -> Option<DeviceError> {
        let reason = self.failed.clone()?;
        Some(DeviceError::GaveUp { device: self.name.clone(), faults: self.reports.count(), reason })
    }

    pub(super) fn entry_error(&mut self, entry: Entry, source: CallError) -> DeviceError {
        if let Some(error) = self.given_up() {
            return error;
        }
        let detail = match source {
            CallError::Driver(Error::Gone | Error::Bus) => self.host.window.take_error(),
            _ => None,
        };
        let detail = detail.map_or(String::new(), |words| format!(" ({words})"));
        DeviceError::Entry { device: self.name.clone(), entry, source, detail }
    }

    /// Calls an entry point once. `offered` is the buffer of the frame that it is given, if any.
    pub(super) fn call<T: Words>(
        &mut self,
        entry: Entry,
        offered: Option<u32>,
        f: impl Fn(&mut Cx<'_, D::State>) -> Result<T, Error> + Copy,
        valid: impl Fn(&T, &Host) -> bool,
    ) -> Result<T, CallError> {
        let injection = self.take_armed(entry);
        self.host.begin(offered, injection);
        self.counters.of(entry).calls += 1;
        let reply = self.run_entry(injection, f);
        self.arm_again_unless_fired(entry, injection);
        let answer = match reply {
            Ok(reply) => match abi::decode::<T>(&reply) {
                Some(Ok(value)) if !valid(&value, &self.host) => Err(malformed()),
                // it keeps the buffer and gives the frame back: one of both is a lie
                Some(Err(_)) if offered.is_some_and(|buffer| self.domain.ledger().keeps(buffer)) => Err(malformed()),
                Some(answer) => Ok(answer),
                None => Err(malformed()),
            },
            Err(fault) => Err(fault),
        };
        match answer {
            Ok(answer) => {
                self.faults_in_a_row = 0;
                self.commit();
                if answer.is_err() {
                    self.counters.of(entry).errors += 1;
                }
                answer.map_err(CallError::Driver)
            }
            Err(fault) => Err(CallError::Fault(self.recover(entry, injection, fault))),
        }
    }

    /// Runs driver code, protected or not.
    fn run_entry<T: Words>(
        &mut self,
        injection: Option<Injection>,
        f: impl Fn(&mut Cx<'_, D::State>) -> Result<T, Error> + Copy,
    ) -> Result<abi::Reply, Fault> {
        if self.options.protect {
            transact(&mut self.domain, &mut self.host, injection, f)
        } else {
            let memory = self.domain.memory().clone();
            let host = &mut self.host;
            Ok(self.domain.run_unprotected(|state, ledger| {
                let services = Direct::new(host, ledger, memory);
                abi::encode(f(&mut Cx::new(state, &services, injection)))
            }))
        }
    }

    /// The call has returned and is right: state and ledger are kept, frames go up, doorbells ring.
    fn commit(&mut self) {
        self.domain.commit();
        for (place, length) in self.host.delivered.drain(..) {
            match self.endpoint.send_from(self.host.pool.region(), place, length as usize) {
                Ok(Sent::Done) => {
                    self.traffic.rx_frames += 1;
                    self.traffic.rx_bytes += u64::from(length);
                }
                Ok(Sent::Full | Sent::Down | Sent::Closed) => self.traffic.rx_dropped += 1,
                Err(error) => {
                    self.traffic.rx_dropped += 1;
                    tracing::debug!(%error, "a received frame was not taken");
                }
            }
        }
        for (_, sent) in self.host.completed.drain(..) {
            if sent {
                self.traffic.tx_frames += 1;
            } else {
                self.traffic.tx_lost += 1;
            }
        }
        if !self.host.window.commit() {
            tracing::warn!(device = %self.name, "a doorbell did not reach the device");
        }
    }

    /// Rung 1, and rung 2 if the journal cannot undo it all. Gives the fault in words.
    fn recover(&mut self, entry: Entry, injection: Option<Injection>, fault: Fault) -> String {
        // `restore` below is a call of its own and starts anew
        let injected_at = self.host.injected_at;
        let began = injected_at.unwrap_or_else(Instant::now);
        let accesses = self.host.window.accesses();
        let lost = self.traffic.tx_lost;
        self.faults_in_a_row += 1;
        self.counters.of(entry).faults += 1;
        self.domain.rollback();
        let mut restore = self.host.window.abort() || self.faults_in_a_row >= RESTORE_AFTER;
        // before probe there is nothing to restore, and after quiesce nothing shall run
        restore &= !matches!(entry, Entry::Probe | Entry::Quiesce);
        let mut rung = Rung::Abort;
        let mut restoring = 0;
        if restore {
            let start = Instant::now();
            rung = self.restore();
            restoring = start.elapsed().as_nanos() as u64;
        }
        if self.faults_in_a_row >= GIVE_UP_AFTER {
            rung = Rung::GaveUp;
        }
        let to_error = began.elapsed().as_nanos() as u64;
        let at = self.host.now();
        let after = self.host.window.accesses();
        let report = FaultReport {
            rung,
            recovered: rung != Rung::GaveUp,
            restoring,
            frames_lost: self.traffic.tx_lost - lost,
            reads: after.reads - accesses.reads,
            writes: after.writes - accesses.writes,
            at,
            ..report(entry, injection.filter(|_| injected_at.is_some()), &fault, to_error)
        };
        let text = report.text.clone();
        if rung == Rung::GaveUp {
            self.failed = Some(format!("{entry}: {text}"));
        }
        self.reports.add(report);
        text
    }

    /// Rung 2: the driver's `restore`, verified against the device.
    pub(super) fn restore(&mut self) -> Rung {
        let mut faults = Vec::new();
        let rung = self.try_restore(&mut faults);
        for fault in faults {
            self.reports.add(FaultReport { rung, recovered: rung != Rung::GaveUp, at: self.host.now(), ..fault });
        }
        rung
    }

    /// `faults` gets a report of each attempt that faulted.
    fn try_restore(&mut self, faults: &mut Vec<FaultReport>) -> Rung {
        for attempt in 1..=RESTORE_ATTEMPTS {
            let start = Instant::now();
            let injection = self.take_armed(Entry::Restore);
            self.host.begin(None, injection);
            self.counters.of(Entry::Restore).calls += 1;
            let reply = self.run_entry(injection, |cx| D::restore(cx));
            self.arm_again_unless_fired(Entry::Restore, injection);
            match reply.map(|reply| abi::decode::<()>(&reply)) {
                Ok(Some(Ok(()))) => {
                    self.commit();
                    match self.host.window.verify(self.domain.ledger()) {
                        Ok(()) => return Rung::Restore,
                        Err(difference) => tracing::warn!(device = %self.name, attempt, "after restore {difference}"),
                    }
                }
                Ok(Some(Err(error))) => {
                    self.counters.of(Entry::Restore).errors += 1;
                    self.domain.rollback();
                    self.host.window.abort();
                    tracing::warn!(device = %self.name, attempt, %error, "restore failed");
                }
                other => {
                    self.counters.of(Entry::Restore).faults += 1;
                    let began = self.host.injected_at;
                    self.domain.rollback();
                    self.host.window.abort();
                    let to_error = began.unwrap_or(start).elapsed().as_nanos() as u64;
                    let fault = other.err().unwrap_or_else(malformed);
                    faults.push(report(Entry::Restore, injection.filter(|_| began.is_some()), &fault, to_error));
                }
            }
        }
        Rung::GaveUp
    }

    fn take_armed(&mut self, entry: Entry) -> Option<Injection> {
        let (wanted, injection, left) = self.armed?;
        if wanted != entry {
            return None;
        }
        self.armed = (left > 1).then_some((wanted, injection, left - 1));
        Some(injection)
    }

    /// A call that returned before the place of the fault, as a `transmit` without room does, leaves it armed.
    fn arm_again_unless_fired(&mut self, entry: Entry, injection: Option<Injection>) {
        if let Some(injection) = injection
            && self.host.injected_at.is_none()
        {
            let left = self.armed.map_or(0, |(_, _, left)| left);
            self.armed = Some((entry, injection, left + 1));
        }
    }
}

/// A report of what `fault` itself says; what was done about it is the caller's to fill in.
fn report(entry: Entry, injection: Option<Injection>, fault: &Fault, to_error: u64) -> FaultReport {
    let source = match &fault.kind {
        FaultKind::Panic { location: Some(at), .. } => Some(format!("{}:{}", crate::symbols::tail(&at.file), at.line)),
        _ => None,
    };
    FaultReport {
        number: 0,
        entry: entry.name().to_owned(),
        kind: fault.kind.name().to_owned(),
        text: fault.to_string(),
        injected: injection.map(|i| injected(i.fault, i.point)),
        rip: fault.registers.as_ref().map(|r| r.rip),
        source,
        rung: Rung::Abort,
        recovered: true,
        to_error,
        restoring: 0,
        to_next_frame: None,
        frames_lost: 0,
        reads: 0,
        writes: 0,
        at: 0,
    }
}

fn malformed() -> Fault {
    let reason = "the entry point returned what cannot be".to_owned();
    Fault { kind: FaultKind::Refused { reason }, registers: None }
}
