//! The register window: every access of a driver to its device passes here.
//!
//! The declared map is the reference: an access outside it, at another width or against its kind is refused, and the
//! call ends as a fault. Reads of `Config` registers come from the shadow. Writes are journalled with the old
//! value, so that an abort writes back just what the failed call changed; doorbells wait for the commit, and in order with
//! them the words of DMA memory that hand descriptors over; causes that a failed call consumed are presented again, and so
//! is what it took out of a queue.

mod look;

use std::sync::Arc;

use fgft::Refusal;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::{Relaxed, Release};

use udrv_bus::{BusError, Width};
use udrv_driver::{Entry, Error, Kind, RegisterInfo};

use crate::device::Device;
use crate::host::BATCH;
use crate::keep::list::List;
use crate::keep::{Kept, MAX_NOTED, MAX_REGISTERS};
use crate::ledger::{Ledger, MAX_SHADOWED};
use crate::trace::Tracer;
use crate::write_log::{RegisterWrite, Undone, WriteLog};

/// Doorbells that one call may ring, descriptors included that it hands over, and registers that it may write: more is a driver gone wild. For each frame that it may
/// be offered more than any chip needs for one.
const MAX_STAGED: usize = MAX_NOTED;
const _: () = assert!(MAX_STAGED >= 32 * BATCH);

/// A register access that the window answered: a value, or an ordinary error. A broken rule is a [`Refusal`].
type Answer = Result<Result<u32, Error>, Refusal>;

#[derive(Debug, Clone, Copy)]
struct Register {
    name: &'static str,
    element: u16,
    offset: u16,
    width: Width,
    kind: Kind,
}

/// Where what is held back goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A register: its index.
    Register(u16),
    /// DMA memory: the place in the region, which has less than 2 GiB.
    Memory(u64),
}

impl Target {
    /// In a word with a value below it.
    const MEMORY: u64 = 1 << 63;

    fn with(self, value: u32) -> u64 {
        let target = match self {
            Target::Register(index) => u64::from(index) << 32,
            Target::Memory(place) => Target::MEMORY | place << 32,
        };
        target | u64::from(value)
    }

    fn parse(word: u64) -> (Target, u32) {
        let place = (word & !Target::MEMORY) >> 32;
        let target = if word & Target::MEMORY != 0 { Target::Memory(place) } else { Target::Register(place as u16) };
        (target, word as u32)
    }
}

/// A register and a value in a word.
fn with_index(index: usize, value: u32) -> u64 {
    (index as u64) << 32 | u64::from(value)
}

fn parse(word: u64) -> (usize, u32) {
    ((word >> 32) as usize, word as u32)
}

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
    registers: Vec<Register>,
    /// Register index for each byte offset; `NONE` where nothing is declared.
    by_offset: Vec<u16>,
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

const NONE: u16 = 0xffff;

impl Window {
    /// The window over the registers of `device` with the declared `map`; bus addresses in `dma` are the device's memory.
    ///
    /// # Panics
    /// When the map itself is wrong: overlapping, odd widths, too many registers. That is the driver's source.
    pub fn new(device: Box<dyn Device>, map: &[RegisterInfo], dma: std::ops::Range<u64>, kept: Arc<Kept>) -> Window {
        let mut registers: Vec<Register> = map
            .iter()
            .flat_map(|info| {
                let width = match info.width {
                    1 => Width::U8,
                    2 => Width::U16,
                    4 => Width::U32,
                    other => panic!("register {}: {other} bytes wide", info.name),
                };
                (0..info.count).map(move |element| Register {
                    name: info.name,
                    element,
                    offset: info.offset + element * u16::from(info.width),
                    width,
                    kind: info.kind,
                })
            })
            .collect();
        // the shadow is copied at every commit: it has room for the registers that have one, and these come first
        registers.sort_by_key(|register| !is_shadowed(register.kind));
        let shadowed = registers.iter().filter(|register| is_shadowed(register.kind)).count();
        assert!(shadowed <= MAX_SHADOWED, "the map declares more than {MAX_SHADOWED} registers with a shadow");
        assert!(registers.len() <= MAX_REGISTERS, "the map declares more than {MAX_REGISTERS} registers");
        let end = registers.iter().map(|r| usize::from(r.offset) + r.width.bytes() as usize).max().unwrap_or(0);
        let bytes = device.register_bytes();
        assert!(end as u64 <= bytes, "the map is larger than the device's registers: {end:#x} > {bytes:#x} bytes");
        let mut by_offset = vec![NONE; end];
        for (index, register) in registers.iter().enumerate() {
            let slot = &mut by_offset[usize::from(register.offset)];
            assert!(*slot == NONE, "two registers at {:#x}", register.offset);
            *slot = index as u16;
        }
        Window {
            device,
            seen: Vec::with_capacity(registers.len()),
            registers,
            by_offset,
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

    fn find(&self, offset: u64, width: u64) -> Result<usize, Refusal> {
        let index = usize::try_from(offset).ok().and_then(|o| self.by_offset.get(o)).copied().unwrap_or(NONE);
        match self.registers.get(usize::from(index)) {
            Some(register) if register.width.bytes() == width => Ok(usize::from(index)),
            Some(register) => Err(Refusal(format!(
                "register {} is {} bytes wide, not {width}",
                register.name,
                register.width.bytes()
            ))),
            None => Err(Refusal(format!("no register is declared at {offset:#x}"))),
        }
    }

    /// A driver's read.
    ///
    /// # Errors
    /// A broken rule, outside; what the device or bus did, inside.
    pub fn read(&mut self, ledger: &mut Ledger, offset: u64, width: u64) -> Answer {
        let index = self.find(offset, width)?;
        let register = self.registers[index];
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
            Kind::ReadClears => {
                let value = match self.device_read(register) {
                    Ok(value) => value | self.carried(index),
                    Err(error) => return Ok(Err(error)),
                };
                stage(&self.kept.consumed, index, value)?;
                Ok(Ok(value))
            }
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
        let index = self.find(offset, width)?;
        let register = self.registers[index];
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

    /// The call commits: doorbells ring and `write` is told which words of DMA memory hand descriptors over, in the
    /// driver's order; consumed causes are consumed. True if all reached the device.
    pub fn commit(&mut self, mut write: impl FnMut(u64, u32) -> bool) -> bool {
        for (index, bits) in self.kept.consumed.iter().map(parse) {
            if let Some(carry) = self.kept.carry.get(index) {
                carry.store(carry.load(Relaxed) & !bits, Relaxed);
            }
        }
        self.kept.consumed.clear();
        self.kept.journal.clear();
        self.seen.clear();
        self.taken.clear();
        self.kept.set_spoilt(false);
        self.writes.clear();
        let mut all = true;
        for at in self.kept.rung.load(Relaxed) as usize..self.kept.staged.len() {
            let (target, value) = Target::parse(self.kept.staged.get(at));
            all &= match target {
                Target::Register(index) => match self.registers.get(usize::from(index)) {
                    Some(register) => self.device_write(*register, value).is_ok(),
                    None => false,
                },
                Target::Memory(place) => write(place, value),
            };
            self.kept.rung.store(at as u32 + 1, Release);
        }
        self.kept.staged.clear();
        self.kept.rung.store(0, Release);
        all
    }

    /// For a successor of a process that died while [`Window::commit`] was at it: the one that was under way may have
    /// happened. `has_rung` says of a register's offset, the value that was to be written and what it holds now whether it
    /// has; ringing twice does no harm where it says no. False: of a word in memory nobody can tell, and the driver's
    /// `restore` is needed. Then [`Window::commit`] goes on behind it.
    pub(crate) fn settle_torn(
        &mut self,
        has_rung: impl Fn(u16, u32, u32) -> bool,
        read: impl FnOnce(u64) -> Option<u32>,
    ) -> bool {
        let at = self.kept.rung.load(Relaxed);
        if at as usize >= self.kept.staged.len() {
            return true;
        }
        let (target, value) = Target::parse(self.kept.staged.get(at as usize));
        let (rung, certain) = match target {
            Target::Register(index) => {
                let Some(register) = self.registers.get(usize::from(index)).copied() else { return false };
                (self.device_read(register).is_ok_and(|now| has_rung(register.offset, value, now)), true)
            }
            Target::Memory(place) => (true, read(place) == Some(value)),
        };
        if rung {
            self.kept.rung.store(at + 1, Relaxed);
        }
        certain
    }

    /// The call has failed: nothing it staged happens, what it wrote is written back, last first. True if the driver's
    /// `restore` is needed, for the journal cannot undo all of it.
    ///
    /// Doing it twice is doing it once: what is to be done stays until all of it is.
    pub fn abort(&mut self) -> bool {
        self.kept.staged.clear();
        self.writes.clear();
        self.seen.clear();
        for (index, bits) in self.kept.consumed.iter().map(parse) {
            if let Some(carry) = self.kept.carry.get(index) {
                carry.store(carry.load(Relaxed) | bits, Relaxed);
            }
        }
        self.kept.consumed.clear();
        for taken in self.taken.drain(..).rev() {
            self.again.push_front(taken);
        }
        let mut needs_restore = self.kept.is_spoilt();
        self.undoing = true;
        for at in (0..self.kept.journal.len()).rev() {
            let (index, old) = parse(self.kept.journal.get(at));
            needs_restore |= match self.registers.get(index) {
                Some(register) => self.device_write(*register, old).is_err(),
                None => true,
            };
        }
        self.undoing = false;
        if needs_restore {
            self.kept.set_unclean(true);
        }
        self.kept.set_spoilt(false);
        self.kept.journal.clear();
        needs_restore
    }

    /// The last writes of the call under way, oldest first, and how many there were before them. For its report: to be
    /// asked before [`Window::abort`].
    #[must_use]
    pub fn writes(&self) -> (Vec<RegisterWrite>, usize) {
        let (kept, earlier) = self.writes.kept();
        let one = |(index, value, undone): (u16, u32, Undone)| RegisterWrite {
            register: self.registers[usize::from(index)].to_string(),
            value,
            undone,
        };
        (kept.map(one).collect(), earlier)
    }

    /// Forgets everything about calls: before the driver starts from nothing.
    pub fn forget(&mut self) {
        self.kept.forget();
        self.seen.clear();
        self.taken.clear();
        self.again.clear();
        self.writes.clear();
    }

    /// Causes that are pending in a register that is acknowledged by writing; takes note of them.
    fn read_causes(&mut self, index: usize) -> Result<u32, Error> {
        let causes = self.device_read(self.registers[index])? | self.carried(index);
        match self.seen.iter_mut().find(|(seen, _)| usize::from(*seen) == index) {
            Some((_, bits)) => *bits |= causes,
            None => self.seen.push((index as u16, causes)),
        }
        Ok(causes)
    }

    /// Causes of this register that failed calls have consumed.
    fn carried(&self, index: usize) -> u32 {
        self.kept.carry.get(index).map_or(0, |bits| bits.load(Relaxed))
    }

    fn seen_in(&self, index: usize) -> u32 {
        self.seen.iter().find(|(seen, _)| usize::from(*seen) == index).map_or(0, |(_, bits)| *bits)
    }

    /// The next of what has come, if anything has.
    fn take(&mut self, index: usize) -> Answer {
        let of_this = |(register, _): &(u16, u32)| usize::from(*register) == index;
        let value = match self.again.iter().position(of_this).and_then(|at| self.again.remove(at)) {
            Some((_, value)) => value,
            None => match self.device_read(self.registers[index]) {
                Ok(value) => value,
                Err(error) => return Ok(Err(error)),
            },
        };
        if value != 0 {
            if self.taken.len() == MAX_STAGED {
                return Err(Refusal(format!("more than {MAX_STAGED} things taken out of queues in one call")));
            }
            self.taken.push((index as u16, value));
        }
        Ok(Ok(value))
    }

    /// Whether any cause of a failed call waits to be presented again.
    #[must_use]
    pub fn has_carry(&self) -> bool {
        !self.again.is_empty() || self.kept.carry.iter().any(|bits| bits.load(Relaxed) != 0)
    }

    /// How much of what failed calls took out of queues waits to be given again.
    #[must_use]
    pub fn left_over(&self) -> usize {
        self.again.len()
    }

    /// Compares the device with the shadow; the first register that differs, in words.
    pub fn verify(&mut self, ledger: &Ledger) -> Result<(), String> {
        for index in 0..self.registers.len() {
            let register = self.registers[index];
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

/// Whether what was last written to or read from a register of this kind is remembered.
fn is_shadowed(kind: Kind) -> bool {
    matches!(kind, Kind::Config | Kind::DmaAddress | Kind::WriteOnly)
}

fn hold_back(list: &List<MAX_NOTED>, target: Target, value: u32) -> Result<(), Refusal> {
    let fits = list.push(target.with(value));
    if fits { Ok(()) } else { Err(Refusal(format!("more than {MAX_STAGED} doorbells in one call"))) }
}

fn stage(list: &List<MAX_NOTED>, index: usize, value: u32) -> Result<(), Refusal> {
    let fits = list.push(with_index(index, value));
    if fits { Ok(()) } else { Err(Refusal(format!("more than {MAX_STAGED} register writes in one call"))) }
}

impl std::fmt::Display for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        if self.element > 0 { write!(f, "[{}]", self.element) } else { Ok(()) }
    }
}
