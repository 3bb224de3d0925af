//! Going on with a device whose process has died: rung 4 of the ladder.
//!
//! ```text
//!   examine (nothing is touched)  ->  settle the last call  ->  restore, if that is due  ->  compare  ->  serve, unmask
//!                                     abort it, or let come true what it has committed
//! ```
//!
//! The device goes on all the while: it is neither reset nor stopped. What does not fit is refused with a reason, and the
//! device is left to who called, to be made quiet and started anew.

use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use fgft::{Domain, DomainConfig, StateKind};
use nix::time::{ClockId, clock_gettime};
use udrv_bus::BusError;
use udrv_driver::{Driver, RegisterInfo};

use super::{Class, DeviceError, Running, identify};
use crate::clock::Clock;
use crate::device::Opened;
use crate::host::Host;
use crate::keep::{Facts, LastCall, Left, NotAdopted, Record, names};
use crate::ledger::Ledger;
use crate::pool::Pool;
use crate::report::Rung;
use crate::window::Window;

use super::{InterruptChoice, Options};

impl<C: Class> Running<C> {
    /// Goes on with what a predecessor has left. `class` makes the class of what it has told.
    pub(crate) fn inherit(
        mut opened: Opened,
        left: Left,
        mut options: Options,
        class: impl FnOnce(&Left, &Options) -> Result<C, NotAdopted>,
    ) -> Result<Self, NotAdopted> {
        let start = Instant::now();
        let Left { kept, state, region, facts, .. } = &left;
        let name = opened.name();
        let policy = options.policy(C::ENTRIES)?;
        let identity = identify::<C::Driver>(&mut opened, &name)?;
        same("device", &facts.device, &name)?;
        let of_identity = (identity.vendor, identity.product, identity.revision);
        same("chip", &format!("{:04x?}", facts.identity), &format!("{of_identity:04x?}"))?;
        same("driver", &facts.driver, &C::Driver::NAME)?;
        same("state version", &facts.state_version, &C::Driver::STATE_VERSION)?;
        same("register map", &facts.registers, &checksum(C::Driver::REGISTERS))?;
        let pool = Pool::adopt(region.clone(), facts.iova, facts.buffer_bytes, &name).map_err(NotAdopted::Nonsense)?;
        let kind = StateKind { name: C::Driver::NAME, version: C::Driver::STATE_VERSION };
        let config = DomainConfig { deadline: options.deadline, ..DomainConfig::new(kind) };
        let state = state.try_clone().map_err(NotAdopted::Descriptors)?;
        let domain = Domain::<<C::Driver as Driver>::State, Ledger>::adopt(&config, state)?;
        if !pool.fits(domain.ledger()) {
            return Err(NotAdopted::Nonsense("the ledger names memory that is not there"));
        }
        let last = match kept.last_call(domain.generation()) {
            LastCall::Unprotected => return Err(NotAdopted::Unprotected),
            LastCall::Torn => return Err(NotAdopted::TornCall),
            last => last,
        };
        options.clock = as_before(&options.clock, kept);
        // what is set up in the kernel cannot be another kind without a gap
        options.interrupts = if kept.by_messages() { InterruptChoice::Msi } else { InterruptChoice::Line };
        let class = class(&left, &options)?;
        let fit = |source| DeviceError::Fit { device: name.clone(), driver: C::Driver::NAME, source };
        let mut device = opened.fit(C::Driver::BUS).map_err(fit)?;
        let in_bus = |source: BusError| NotAdopted::Device(DeviceError::Bus { device: name.clone(), source });
        if !device.has_dma().map_err(in_bus)? {
            return Err(NotAdopted::Stopped);
        }
        let window = Window::new(device, C::Driver::REGISTERS, pool.bus_range(), kept.clone());
        let host = Host::new(window, pool, options.clock.clone(), kept.clone());
        let mut device = Running::assemble(class, name, identity, domain, host, options, policy)?;
        let examined = start.elapsed();
        let went = device.go_on(last);
        if let Err(why) = went {
            device.abandon();
            return Err(why);
        }
        tracing::info!(
            device = %device.name,
            driver = C::Driver::NAME,
            last_call = ?last,
            examined_us = examined.as_micros() as u64,
            us = start.elapsed().as_micros() as u64,
            "going on where a process before this one has ended"
        );
        Ok(device)
    }

    fn go_on(&mut self, last: LastCall) -> Result<(), NotAdopted> {
        self.note_names();
        C::take_up(self)?;
        self.settle_last_call(last)?;
        self.look_at_state().map_err(|failure| NotAdopted::BrokenState(failure.to_string()))?;
        self.domain.rollback();
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

    /// It cannot be gone on with: it reaches no memory from here on, and the rest is its caller's.
    fn abandon(&mut self) {
        self.stopped = true;
        self.host.kept.set_works(false);
        if let Err(error) = self.host.window.device().stop_dma() {
            tracing::warn!(device = %self.name, %error, "the device cannot be told to leave memory alone");
        }
    }

    /// The device works: what a successor needs goes to the keeper, if there is one.
    pub(crate) fn keep(&mut self) {
        let Some(keeper) = self.options.keeper.clone() else { return };
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
            class,
        };
        let written = self.host.kept.facts.write(&facts);
        if let Err(error) = &written {
            tracing::warn!(device = %self.name, %error, "nothing can be kept for a successor");
        }
        written.is_ok()
    }
}

fn same(what: &'static str, left: &dyn Display, here: &dyn Display) -> Result<(), NotAdopted> {
    let (left, here) = (left.to_string(), here.to_string());
    if left == here { Ok(()) } else { Err(NotAdopted::Other { what, left, here }) }
}

/// Of a register map.
fn checksum(map: &[RegisterInfo]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for RegisterInfo { name, offset, width, kind, count } in map {
        hasher.update(format!("{name} {offset} {width} {kind:?} {count}\n").as_bytes());
    }
    hasher.finalize()
}

/// Nanoseconds of the system's monotonic clock.
fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}

/// When `clock` began.
fn origin(clock: &Clock) -> u64 {
    monotonic().saturating_sub(clock.now().as_nanos() as u64)
}

/// A clock that began when that of the predecessor did: the driver's state has times in it.
fn as_before(clock: &Clock, record: &Record) -> Clock {
    let age = Duration::from_nanos(monotonic().saturating_sub(record.clock_origin.load(Relaxed)));
    match (clock, Instant::now().checked_sub(age)) {
        (Clock::System(_), Some(start)) => Clock::System(start),
        _ => clock.clone(),
    }
}
