//! The register window: every access of a driver to its device passes here.
//!
//! The declared map is the reference: an access outside it, at another width or against its kind is refused, and the
//! call ends as a fault. Reads of `Config` registers come from the shadow. Writes are journalled with the old
//! value, so that an abort writes back just what the failed call changed; doorbells wait for the commit, and in order with
//! them the words of DMA memory that hand descriptors over; causes that a failed call consumed are presented again, and so
//! is what it took out of a queue.
//!
//! `map.rs` knows the registers; `consumed.rs` has accesses that use something up; `noted.rs` is what is noted of a call, and `ending.rs`
//! ends it; `look.rs` is for who looks on; this file has the accesses.

mod consumed;
mod ending;
mod look;
mod map;
mod noted;

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use fgft::Refusal;
use udrv_bus::BusError;
use udrv_driver::{Entry, Error, Kind, RegisterInfo};

use self::map::{Map, Register};
use self::noted::{Target, hold_back, stage};
use crate::device::Device;
use crate::keep::Kept;
use crate::ledger::Ledger;
use crate::trace::Tracer;
use crate::write_log::{Undone, WriteLog};

/// A register access that the window answered: a value, or an ordinary error. A broken rule is a [`Refusal`].
type Answer = Result<Result<u32, Error>, Refusal>;

/// Device accesses since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accesses {
    /// Register reads that reached the device.
    pub reads: u64,
    /// Register writes that reached the device.
    pub writes: u64,
}

/// See the module's text.
pub struct Window {
    device: Box<dyn Device>,
    map: Map,
    dma: std::ops::Range<u64>,
    /// What a successor must know of the call under way: registers and their values before its writes, what is held back,
    /// causes that it has consumed, and those that failed calls have, pending until a call that commits consumes them.
    kept: Arc<Kept>,
    /// Causes that this call has seen in each register that it acknowledges by writing.
    seen: Vec<(u16, u32)>,
    /// What this call has taken out of queues, in order.
    taken: Vec<(u16, u32)>,
    /// What failed calls have: it comes first.
    again: VecDeque<(u16, u32)>,
    writes: WriteLog,
    accesses: Accesses,
    last_error: Option<String>,
    tracer: Option<Arc<Tracer>>,
    /// Number and entry point of the call under way, or of the last one: for the trace.
    call: (u64, Option<Entry>),
    /// What it wrote is being written back.
    undoing: bool,
}

impl Window {
    /// The window over the registers of `device` with the declared `map`; bus addresses in `dma` are the device's memory.
    ///
    /// # Panics
    /// When the map itself is wrong: overlapping, odd widths, too many registers. That is the driver's source.
    pub fn new(device: Box<dyn Device>, map: &[RegisterInfo], dma: std::ops::Range<u64>, kept: Arc<Kept>) -> Window {
        let map = Map::of(map, device.register_bytes());
        Window {
            device,
            seen: Vec::with_capacity(map.registers.len()),
            map,
            dma,
            kept,
            taken: Vec::new(),
            again: VecDeque::new(),
            writes: WriteLog::default(),
            accesses: Accesses::default(),
            last_error: None,
            tracer: None,
            call: (0, None),
            undoing: false,
        }
    }

    /// The device behind the window, for what is not registers.
    pub fn device(&mut self) -> &mut dyn Device {
        &mut *self.device
    }

    /// See [`Device::kept_alive_by`].
    pub(crate) fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        self.device.kept_alive_by()
    }

    /// Device accesses so far.
    #[must_use]
    pub fn accesses(&self) -> Accesses {
        self.accesses
    }

    /// The bus's own words for the last [`Error::Bus`] or [`Error::Gone`].
    pub fn take_error(&mut self) -> Option<String> {
        self.last_error.take()
    }

    /// A driver's read.
    ///
    /// # Errors
    /// A broken rule, outside; what the device or bus did, inside.
    pub fn read(&mut self, ledger: &mut Ledger, offset: u64, width: u64) -> Answer {
        let index = self.map.find(offset, width)?;
        let register = self.map.registers[index];
        match register.kind {
            Kind::Config | Kind::DmaAddress | Kind::WriteOnly => {
                if let Some(value) = ledger.shadow(index) {
                    return Ok(Ok(value));
                }
                if register.kind == Kind::WriteOnly {
                    return Err(Refusal(format!("{register} is write-only and was never written")));
                }
                Ok(self.device_read(register).inspect(|value| ledger.set_shadow(index, *value)))
            }
            Kind::ReadClears => self.read_and_clear(index),
            Kind::Fifo => self.take(index),
            Kind::WriteOneClears => Ok(self.read_causes(index)),
            Kind::ReadOnly | Kind::Doorbell | Kind::Tail | Kind::Command => Ok(self.device_read(register)),
        }
    }

    /// A driver's write.
    ///
    /// # Errors
    /// As for [`Window::read`].
    pub fn write(&mut self, ledger: &mut Ledger, offset: u64, width: u64, value: u64) -> Answer {
        let index = self.map.find(offset, width)?;
        let register = self.map.registers[index];
        let value = value as u32 & register.width.all_ones();
        match register.kind {
            Kind::Config | Kind::DmaAddress | Kind::WriteOnly => {
                if register.kind == Kind::DmaAddress && value != 0 && !self.dma.contains(&u64::from(value)) {
                    return Err(Refusal(format!("{register} = {value:#x}: not DMA memory of this device")));
                }
                let old = match ledger.shadow(index) {
                    Some(old) => Some(old),
                    None if register.kind == Kind::WriteOnly => None,
                    None => match self.device_read(register) {
                        Ok(old) => Some(old),
                        Err(error) => return Ok(Err(error)),
                    },
                };
                match old {
                    Some(old) => stage(&self.kept.journal, index, old)?,
                    None => self.kept.set_spoilt(true), // nothing known to write back
                }
                self.writes.note(index, value, old.map_or(Undone::NeedsRestore, Undone::WrittenBack));
                Ok(self.device_write(register, value).inspect(|_| ledger.set_shadow(index, value)))
            }
            Kind::ReadOnly | Kind::ReadClears | Kind::Fifo => Err(Refusal(format!("{register} is not written"))),
            Kind::WriteOneClears => {
                // what was not pending is not consumed: a driver may write more ones than there are causes
                if value & !self.seen_in(index) != 0
                    && let Err(error) = self.read_causes(index)
                {
                    return Ok(Err(error));
                }
                let consumed = value & self.seen_in(index);
                stage(&self.kept.consumed, index, consumed)?;
                self.writes.note(index, value, Undone::PresentedAgain);
                Ok(self.device_write(register, value))
            }
            Kind::Doorbell | Kind::Tail => {
                let target = Target::Register(index as u16);
                let staged = &self.kept.staged;
                if register.kind == Kind::Tail && staged.last().is_some_and(|last| Target::parse(last).0 == target) {
                    staged.replace_last(target.with(value));
                } else {
                    hold_back(staged, target, value)?;
                }
                self.writes.note(index, value, Undone::NeverHappened);
                Ok(Ok(0))
            }
            Kind::Command => {
                self.kept.set_spoilt(true);
                self.writes.note(index, value, Undone::NeedsRestore);
                Ok(self.device_write(register, value))
            }
        }
    }

    /// A word of DMA memory that hands a descriptor over: held back, as a doorbell is.
    ///
    /// # Errors
    /// Too many in one call.
    pub fn hand_over(&mut self, place: u64, value: u32) -> Result<(), Refusal> {
        hold_back(&self.kept.staged, Target::Memory(place), value)
    }

    /// Compares the device with the shadow; the first register that differs, in words.
    pub fn verify(&mut self, ledger: &Ledger) -> Result<(), String> {
        for index in 0..self.map.registers.len() {
            let register = self.map.registers[index];
            if !matches!(register.kind, Kind::Config | Kind::DmaAddress) {
                continue;
            }
            let Some(expected) = ledger.shadow(index) else { continue };
            match self.device_read(register) {
                Ok(found) if found == expected => {}
                Ok(found) => return Err(format!("{register} reads {found:#x}, expected {expected:#x}")),
                Err(error) => return Err(format!("{register}: {error}")),
            }
        }
        Ok(())
    }

    fn device_read(&mut self, register: Register) -> Result<u32, Error> {
        self.accesses.reads += 1;
        let value = self.device.read(u64::from(register.offset), register.width);
        self.trace(register, false, value.as_ref().ok().copied());
        let value = value.map_err(|error| self.error(register, &error))?;
        // all ones is a value like any other, and what a device that has left answers
        if value == register.width.all_ones() && !self.device.answers() {
            self.last_error = Some(format!("{register} reads as all ones, and the device does not answer to its id"));
            return Err(Error::Gone);
        }
        Ok(value)
    }

    fn device_write(&mut self, register: Register, value: u32) -> Result<u32, Error> {
        self.accesses.writes += 1;
        let done = self.device.write(u64::from(register.offset), register.width, value);
        self.trace(register, true, done.is_ok().then_some(value));
        done.map(|()| 0).map_err(|error| self.error(register, &error))
    }

    fn error(&mut self, register: Register, error: &BusError) -> Error {
        self.last_error = Some(format!("{register}: {error}"));
        if matches!(error, BusError::Gone { .. }) { Error::Gone } else { Error::Bus }
    }
}
