//! One entry point as a transaction.
//!
//! [`Running::attempt`] runs it once and puts back what a fault has left; [`Running::call`] adds what is done about
//! the fault (`recover.rs`); [`Running::entry`] and [`Running::must`] make the call again.

use std::time::{Duration, Instant};

use fgft::Fault;
use udrv_driver::abi::{self, Words};
use udrv_driver::{Cx, Driver, Entry, Error, Injection, TxFrame};

use super::{Class, DeviceError, Running};
use crate::buffers::{handle, is_offered};
use crate::gate::Direct;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::supervisor::quarantine::Version;
use crate::transact::{Ask, add_findings, findings, transact};

/// What probe gets of [`super::Options::deadline`]: it alone reads an EEPROM bit by bit and waits for a PHY.
const PROBE_DEADLINES: u32 = 20;

/// How a call of an entry point failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It returned an error.
    #[error(transparent)]
    Driver(#[from] Error),
    /// It faulted; nothing of it has happened.
    #[error("fault: {0}")]
    Fault(String),
    /// It was not called: it has repeated a fault too often, and there is no second version that works.
    #[error("in quarantine, for it has faulted at the same place again and again; udrvctl release lets it out")]
    Quarantined,
}

/// What ended an attempt.
pub(crate) enum Failure {
    /// The engine stopped it.
    Fault(Fault),
    /// It returned what cannot be.
    Malformed,
    /// It left a state that does not pass the driver's own check.
    BrokenState(String),
    /// The state did not pass before the call: it was spoilt earlier.
    SpoiltEarlier(String),
}

impl<C: Class> Running<C> {
    /// Calls an entry point; after a fault once more, for nothing of the first call has happened. Its failure is the
    /// caller's.
    pub(crate) fn entry<T: Words>(
        &mut self,
        entry: Entry,
        f: impl Fn(&mut Cx<'_, <C::Driver as Driver>::State>) -> Result<T, Error> + Copy,
    ) -> Result<T, DeviceError> {
        self.entry_checked(entry, f, |_, _, _| true)
    }

    /// As [`Running::entry`]; a result that is not `valid` is a fault.
    pub(crate) fn entry_checked<T: Words>(
        &mut self,
        entry: Entry,
        f: impl Fn(&mut Cx<'_, <C::Driver as Driver>::State>) -> Result<T, Error> + Copy,
        valid: impl Fn(&T, &Host, &Ledger) -> bool + Copy,
    ) -> Result<T, DeviceError> {
        let mut result = self.call(entry, f, valid);
        if matches!(result, Err(CallError::Fault(_))) && self.failed.is_none() {
            result = self.call(entry, f, valid);
        }
        result.map_err(|source| self.entry_error(entry, source))
    }

    /// Calls an entry point that the device cannot do without: after each fault again, until it works or the device is
    /// given up.
    pub(crate) fn must<T: Words>(
        &mut self,
        entry: Entry,
        f: impl Fn(&mut Cx<'_, <C::Driver as Driver>::State>) -> Result<T, Error> + Copy,
    ) -> Result<T, DeviceError> {
        loop {
            match self.call(entry, f, |_, _, _| true) {
                Err(CallError::Fault(_)) if self.failed.is_none() => {}
                result => return result.map_err(|source| self.entry_error(entry, source)),
            }
        }
    }

    /// The error of a device that was given up, if this one was.
    pub(crate) fn given_up(&self) -> Option<DeviceError> {
        let reason = self.failed.clone()?;
        Some(DeviceError::GaveUp { device: self.name.clone(), faults: self.reports.count(), reason })
    }

    pub(crate) fn entry_error(&mut self, entry: Entry, source: CallError) -> DeviceError {
        if let Some(error) = self.given_up() {
            return error;
        }
        let detail = match source {
            CallError::Driver(Error::Gone | Error::Bus) => self.host.window.take_error(),
            _ => None,
        };
        let mut detail = detail.map_or(String::new(), |words| format!(" ({words})"));
        if source == CallError::Driver(Error::Gone) && self.is_unplugged() {
            detail.push_str("; it was unplugged: plug it in again");
        }
        DeviceError::Entry { device: self.name.clone(), entry, source, detail }
    }

    /// The version of `entry` that is in use.
    #[inline]
    pub(crate) fn version(&mut self, entry: Entry) -> Version {
        let host = &self.host;
        self.quarantine.version(entry as usize, || host.now())
    }

    /// Calls the first version of an entry point once.
    pub(crate) fn call<T: Words>(
        &mut self,
        entry: Entry,
        f: impl Fn(&mut Cx<'_, <C::Driver as Driver>::State>) -> Result<T, Error> + Copy,
        valid: impl Fn(&T, &Host, &Ledger) -> bool,
    ) -> Result<T, CallError> {
        if self.version(entry) != Version::First {
            return Err(CallError::Quarantined);
        }
        self.call_version(entry, false, &[], f, valid)
    }

    /// Calls a version of an entry point once. `offered` are the frames that it is given.
    pub(crate) fn call_version<T: Words>(
        &mut self,
        entry: Entry,
        alternate: bool,
        offered: &[TxFrame],
        f: impl Fn(&mut Cx<'_, <C::Driver as Driver>::State>) -> Result<T, Error> + Copy,
        valid: impl Fn(&T, &Host, &Ledger) -> bool,
    ) -> Result<T, CallError> {
        // faults are injected into the first versions
        let injection = if alternate { None } else { self.take_armed(entry) };
        match self.attempt(entry, offered, injection, f, valid) {
            Ok(answer) => {
                self.ladder.call_worked();
                answer.map_err(CallError::Driver)
            }
            Err(failure) => Err(CallError::Fault(self.recover(entry, alternate, injection, failure))),
        }
    }

    /// Runs an entry point once, as its policy says, and commits what it did. After a failure memory and device are as
    /// the call has left them; the buffers that it had got are the class's.
    pub(crate) fn attempt<T: Words>(
        &mut self,
        entry: Entry,
        offered: &[TxFrame],
        injection: Option<Injection>,
        f: impl Fn(&mut Cx<'_, <C::Driver as Driver>::State>) -> Result<T, Error> + Copy,
        valid: impl Fn(&T, &Host, &Ledger) -> bool,
    ) -> Result<Result<T, Error>, Failure> {
        self.host.begin(injection);
        self.transactions += 1;
        self.host.window.begin(self.transactions, entry);
        let protect = self.policy.protects(entry as usize);
        let begun = self.accounts.call(entry as usize, protect).then(|| self.host.now());
        if protect {
            // before it counts generations
            self.domain.prepare();
            self.host.kept.open(self.domain.generation() + 1);
        } else {
            self.host.kept.open_unprotected();
        }
        let result = self.execute(entry, protect, offered, injection, f, valid);
        let buffers = &mut self.host.buffers;
        let offered = offered.iter().map(|frame| frame.buffer);
        match &result {
            Ok(_) => buffers.settle(&mut self.domain.ledger_mut().buffers, offered),
            Err(_) if protect => {
                buffers.roll_back(&self.domain.ledger().buffers, &self.domain.committed_ledger().buffers);
            }
            Err(_) => buffers.take_away(&mut self.domain.ledger_mut().buffers, offered),
        }
        let answer = result?;
        let committing = begun.map(|_| self.host.now());
        if protect {
            self.domain.commit();
        } else if self.is_kept() {
            // a successor finds images only
            self.host.kept.open(self.domain.generation() + 1);
            self.domain.commit();
        }
        let committed = begun.map(|_| self.host.now());
        // before anybody can see what came of the call
        if std::mem::take(&mut self.unproven) {
            self.host.kept.attempt_worked();
        }
        C::release(self);
        self.host.kept.close(self.domain.generation());
        if let (Some(begun), Some(committing), Some(committed)) = (begun, committing, committed) {
            self.accounts.timed(entry as usize, self.host.now() - begun, committed - committing);
        }
        if answer.is_err() {
            self.accounts.error(entry as usize);
        } else if entry == Entry::Probe {
            // it has set all of the device up
            self.host.marks.clear();
        }
        Ok(answer)
    }

    /// The call itself, and whether what came out can be.
    fn execute<T: Words>(
        &mut self,
        entry: Entry,
        protect: bool,
        offered: &[TxFrame],
        injection: Option<Injection>,
        f: impl Fn(&mut Cx<'_, <C::Driver as Driver>::State>) -> Result<T, Error> + Copy,
        valid: impl Fn(&T, &Host, &Ledger) -> bool,
    ) -> Result<Result<T, Error>, Failure> {
        let ask: Option<Ask<_>> = C::asks_after(entry).then_some(C::ask);
        let reply = if protect {
            self.domain.set_deadline(deadline(entry, self.options.deadline));
            transact(&mut self.domain, &mut self.host, injection, C::Driver::check, ask, f)
        } else {
            Ok(self.run_unprotected(entry, injection, ask, f))
        };
        self.arm_again_unless_fired(entry, injection);
        let reply = reply.map_err(Failure::Fault)?;
        let ledger = self.domain.ledger();
        match abi::decode::<T>(&reply) {
            Some(Ok(value)) if !valid(&value, &self.host, ledger) => Err(Failure::Malformed),
            // it keeps the buffer and gives the frame back: one of both is a lie
            Some(Err(_)) if offered.iter().any(|frame| !is_offered(&ledger.buffers, handle(frame.buffer))) => {
                Err(Failure::Malformed)
            }
            Some(Ok(_)) if ask.is_some() && !self.class.learn(findings(&reply)) => Err(Failure::Malformed),
            Some(answer) => Ok(answer),
            None => Err(self.broken(&reply)),
        }
    }

    /// A plain call. What ends the process in it finds its entry point on the list of suspects next time.
    fn run_unprotected<T: Words>(
        &mut self,
        entry: Entry,
        injection: Option<Injection>,
        ask: Option<Ask<<C::Driver as Driver>::State>>,
        f: impl Fn(&mut Cx<'_, <C::Driver as Driver>::State>) -> Result<T, Error> + Copy,
    ) -> abi::Reply {
        if let Some(suspects) = &self.suspects {
            suspects.running(entry as usize);
        }
        let memory = self.domain.memory().clone();
        let host = &mut self.host;
        let reply = self.domain.run_unprotected(|state, ledger| {
            let services = Direct::new(host, ledger, memory);
            let mut reply = abi::encode(f(&mut Cx::new(state, &services, injection)));
            if let Some(ask) = ask {
                add_findings(&mut reply, ask(state));
            }
            reply
        });
        if let Some(suspects) = &self.suspects {
            suspects.done();
        }
        reply
    }

    /// Asks the state that is committed whether it holds, and learns what it says of the driver; the call is left open.
    pub(crate) fn look_at_state(&mut self) -> Result<(), Failure> {
        self.host.begin(None);
        self.domain.set_deadline(self.options.deadline);
        let looked = transact(&mut self.domain, &mut self.host, None, C::Driver::check, Some(C::ask), |_| Ok(()));
        let reply = looked.map_err(Failure::Fault)?;
        match abi::decode::<()>(&reply) {
            Some(Ok(())) if self.class.learn(findings(&reply)) => Ok(()),
            Some(_) => Err(Failure::Malformed),
            None => Err(self.broken(&reply)),
        }
    }

    /// The doorbells of a call that is right ring.
    pub(crate) fn ring(&mut self) {
        if !self.host.commit() {
            tracing::warn!(device = %self.name, "a doorbell did not reach the device");
        }
    }

    /// What a reply means that is no answer.
    pub(crate) fn broken(&self, reply: &abi::Reply) -> Failure {
        let Some(broken) = abi::decode_broken(reply) else { return Failure::Malformed };
        let mut text = [0; 120];
        let text = &mut text[..broken.length.min(120) as usize];
        let read = self.domain.memory().read(broken.address, text);
        let text = read.map_or_else(|refusal| refusal.0, |()| String::from_utf8_lossy(text).into_owned());
        if broken.before { Failure::SpoiltEarlier(text) } else { Failure::BrokenState(text) }
    }

    pub(crate) fn take_armed(&mut self, entry: Entry) -> Option<Injection> {
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

impl Failure {
    /// A short stable name.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Failure::Fault(fault) => fault.kind.name(),
            Failure::Malformed => "malformed-result",
            Failure::BrokenState(_) => "broken-state",
            Failure::SpoiltEarlier(_) => "spoilt-earlier",
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Fault(fault) => fault.fmt(f),
            Failure::Malformed => f.write_str("the entry point returned what cannot be"),
            Failure::BrokenState(what) => write!(f, "the call leaves a state that does not hold: {what}"),
            Failure::SpoiltEarlier(what) => write!(f, "the state was spoilt before this call: {what}"),
        }
    }
}

/// CPU time that one call of `entry` may use.
const fn deadline(entry: Entry, usual: Duration) -> Duration {
    if matches!(entry, Entry::Probe) { usual.saturating_mul(PROBE_DEADLINES) } else { usual }
}

/// Nanoseconds since `start`.
pub(crate) fn since(start: Instant) -> u64 {
    start.elapsed().as_nanos() as u64
}
