//! Going on with a device whose process has died: rung 4 of the ladder.
//!
//! ```text
//!   examine, map        ->  settle the last call  ->  restore, if that is due  ->  compare  ->  serve, unmask
//!   (nothing touched)       abort it, or let come true what it has committed
//! ```
//!
//! `heir.rs` has the first step, which can be taken while the other process still runs.
//!
//! The device goes on all the while: it is neither reset nor stopped. What does not fit is refused with a reason, and the
//! device is left to who called, to be made quiet and started anew.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use udrv_driver::{Driver, Entry};

use super::heir::checksum;
use super::{Class, Running};
use crate::clock::Clock;
use crate::keep::{Facts, LastCall, NotAdopted, Protection, Record, names};
use crate::report::Rung;
use crate::supervisor::policy::Protect;

impl<C: Class> Running<C> {
    pub(super) fn go_on(&mut self, last: LastCall) -> Result<(), NotAdopted> {
        self.note_names();
        C::take_up(self)?;
        self.settle_last_call(last)?;
        self.check_state().map_err(NotAdopted::BrokenState)?;
        if self.host.kept.is_unclean() {
            tracing::info!(device = %self.name, "the last call cannot be undone: restoring the device");
            let mut nested = Vec::new();
            let restored = self.try_restore(&mut nested);
            self.file_all(nested, Rung::Restore, restored.is_ok());
            restored.map_err(NotAdopted::Differs)?;
        } else {
            self.host.window.verify(self.domain.ledger()).map_err(NotAdopted::Differs)?;
        }
        tracing::debug!(device = %self.name, "the last call is settled, and the device compared");
        self.connect()?;
        self.signal.leaves(true);
        // receive first; the line is unmasked in any case
        self.look()?;
        C::taken_up(self)?;
        self.unproven = true;
        Ok(())
    }

    /// What the driver says of its state, which is left as it is.
    fn check_state(&mut self) -> Result<(), String> {
        self.look_at_state().map_err(|failure| failure.to_string())?;
        self.domain.rollback();
        Ok(())
    }

    /// Whether its state holds and the device is as it has it.
    pub(super) fn examine(&mut self) -> Result<(), String> {
        self.check_state().map_err(|why| format!("the driver's state does not hold: {why}"))?;
        let compared = self.host.window.verify(self.domain.ledger());
        compared.map_err(|why| format!("the device is not as the driver has it: {why}"))
    }

    /// The last call is aborted, or what it has staged comes true.
    fn settle_last_call(&mut self, last: LastCall) -> Result<(), NotAdopted> {
        match last {
            LastCall::Committed => {
                let region = self.host.pool.region();
                let read = |place| {
                    let mut word = [0; 4];
                    region.copy_out(place, &mut word).ok().map(|()| u32::from_le_bytes(word))
                };
                if !self.host.window.settle_torn(C::Driver::TELLTALES, read) {
                    self.host.kept.set_unclean(true);
                }
                C::release(self);
            }
            LastCall::Open | LastCall::Settled => {
                self.host.abort();
            }
            LastCall::Unprotected | LastCall::Torn => return Err(NotAdopted::TornCall),
        }
        self.host.kept.close(self.domain.generation());
        Ok(())
    }

    /// From here on it is another process's, if `keep` has given that all it needs: nothing is stopped, undone or forgotten
    /// when this is dropped.
    pub(super) fn let_go(&mut self) {
        self.stopped = true;
        self.host.window.device().leave_running(true);
        self.class.leave();
    }

    /// It cannot be gone on with: it reaches no memory from here on, and the rest is its caller's.
    pub(super) fn abandon(&mut self) {
        self.stopped = true;
        self.host.kept.set_works(false);
        if let Err(error) = self.host.window.device().stop_dma() {
            tracing::warn!(device = %self.name, %error, "the device cannot be told to leave memory alone");
        }
    }

    /// The device works: what a successor needs goes to the keeper, if there is one that wants it now.
    pub(crate) fn keep(&mut self) {
        if self.options.keeper.as_ref().is_some_and(|keeper| keeper.at_once()) {
            self.hand_out();
        }
    }

    /// What a successor needs goes to the keeper, if that has not got it.
    pub(super) fn hand_out(&mut self) {
        let Some(keeper) = self.options.keeper.clone().filter(|_| !self.is_kept()) else { return };
        let kept = self.host.kept.clone();
        kept.clock_origin.store(origin(&self.options.clock), Relaxed);
        if !self.note_facts() {
            tracing::info!(device = %self.name, "it ends with this process: nothing of it can be kept");
            return;
        }
        C::kept(self);
        self.domain.set_checksums(true);
        kept.close(self.domain.generation());
        let given = self.parts().into_iter().try_for_each(|(name, fd)| keeper.keep(name, fd));
        self.note_names();
        match given {
            Ok(()) => {
                kept.set_works(true);
                tracing::info!(device = %self.name, "kept for a successor, should this process be killed");
            }
            Err(error) => {
                tracing::warn!(device = %self.name, %error, "nothing can be kept for a successor");
                self.forget_kept();
                self.domain.set_checksums(false);
            }
        }
    }

    /// Of each entry point.
    pub(super) fn protection(&self) -> Vec<Protect> {
        Entry::ALL.into_iter().map(|entry| self.policy.mode(entry as usize)).collect()
    }

    /// What is kept, with its names; the device itself last. Nothing, if the device or its other end cannot be.
    fn parts(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        let (bus, endpoint) = (self.host.window.kept_alive_by(), self.class.endpoint());
        let (false, Some(endpoint)) = (bus.is_empty(), endpoint) else { return Vec::new() };
        let ours = [
            (names::DMA, self.host.pool.region().as_fd()),
            (names::STATE, self.domain.as_fd()),
            (names::RECORD, self.host.kept.as_fd()),
            (names::ENDPOINT, endpoint),
        ];
        ours.into_iter().chain(bus).collect()
    }

    /// Whether a successor would find what it needs.
    pub(crate) fn is_kept(&self) -> bool {
        !self.kept_names.is_empty()
    }

    fn note_names(&mut self) {
        self.kept_names = self.parts().into_iter().map(|(name, _)| name).collect();
    }

    /// There is nothing to go on with.
    pub(crate) fn forget_kept(&mut self) {
        self.host.kept.set_works(false);
        let Some(keeper) = &self.options.keeper else { return };
        let names = std::mem::take(&mut self.kept_names);
        if !names.is_empty()
            && let Err(error) = keeper.forget(&names)
        {
            tracing::warn!(device = %self.name, %error, "the keeper does not hear");
        }
    }

    /// Notes what seldom changes. False: no successor could go on with this device.
    pub(crate) fn note_facts(&mut self) -> bool {
        let may_be_kept = self.options.keeper.is_some() || self.is_kept();
        if !may_be_kept || self.parts().is_empty() {
            return false;
        }
        let Some(class) = C::legacy(self) else { return false };
        let facts = Facts {
            device: self.name.clone(),
            identity: (self.identity.vendor, self.identity.product, self.identity.revision),
            driver: C::Driver::NAME.to_owned(),
            state_version: C::Driver::STATE_VERSION,
            registers: checksum(C::Driver::REGISTERS),
            iova: self.host.pool.bus_range().start,
            memory: self.host.pool.region().size(),
            buffer_bytes: self.host.pool.buffer_bytes(),
            protection: Protection { told: self.told_protection.clone(), now: self.protection() },
            class,
        };
        let written = self.host.kept.facts.write(&facts);
        if let Err(error) = &written {
            tracing::warn!(device = %self.name, %error, "nothing can be kept for a successor");
        }
        written.is_ok()
    }
}

/// Nanoseconds of the system's monotonic clock.
pub(super) fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}

/// When `clock` began.
fn origin(clock: &Clock) -> u64 {
    monotonic().saturating_sub(clock.now().as_nanos() as u64)
}

/// A clock that began when that of the predecessor did: the driver's state has times in it.
pub(super) fn as_before(clock: &Clock, record: &Record) -> Clock {
    let age = Duration::from_nanos(monotonic().saturating_sub(record.clock_origin.load(Relaxed)));
    match (clock, Instant::now().checked_sub(age)) {
        (Clock::System(_), Some(start)) => Clock::System(start),
        _ => clock.clone(),
    }
}
