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

use udrv_bus::{BusError, Width};
use udrv_driver::{Entry, Error, Kind, RegisterInfo};

use crate::device::Device;
use crate::host::BATCH;
use crate::ledger::{Ledger, MAX_SHADOWED};
use crate::trace::Tracer;
use crate::write_log::{RegisterWrite, Undone, WriteLog};

/// Doorbells that one call may ring, descriptors included that it hands over, and registers that it may write: more is a driver gone wild. For each frame that it may
/// be offered more than any chip needs for one.
const MAX_STAGED: usize = 32 * BATCH;

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
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A register: its index.
    Register(u16),
    /// DMA memory: the place in the region.
    Memory(u64),
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
    /// Register and its value before this call's first write, in order.
    journal: Vec<(u16, u32)>,
    staged: Vec<(Target, u32)>,
    /// Causes acknowledged or cleared by reading in this call.
    consumed: Vec<(u16, u32)>,
    /// Causes that this call has seen in each register that it acknowledges by writing.
    seen: Vec<(u16, u32)>,
    /// Causes that failed calls consumed, by register: pending until a call that commits consumes them.
    carry: Vec<u32>,
    /// What this call has taken out of queues, in order.
    taken: Vec<(u16, u32)>,
    /// What failed calls have: it comes first.
    again: VecDeque<(u16, u32)>,
    needs_restore: bool,
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
    pub fn new(device: Box<dyn Device>, map: &[RegisterInfo], dma: std::ops::Range<u64>) -> Window {
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
        assert!(registers.len() < usize::from(NONE), "the map declares {NONE} registers or more");
        let end = registers.iter().map(|r| usize::from(r.offset) + r.width.bytes() as usize).max().unwrap_or(0);
        let bytes = device.register_bytes();
        assert!(end as u64 <= bytes, "the map is larger than the device's registers: {end:#x} > {bytes:#x} bytes");
        let mut by_offset = vec![NONE; end];
        for (index, register) in registers.iter().enumerate() {
            let slot = &mut by_offset[usize::from(register.offset)];
            assert!(*slot == NONE, "two registers at {:#x}", register.offset);
            *slot = index as u16;
        }
        let carry = vec![0; registers.len()];
        Window {
            device,
            registers,
            by_offset,
            dma,
            journal: Vec::with_capacity(MAX_STAGED),
            staged: Vec::with_capacity(MAX_STAGED),
            consumed: Vec::with_capacity(MAX_STAGED),
            seen: Vec::with_capacity(carry.len()),
            carry,
            taken: Vec::new(),
            again: VecDeque::new(),
            needs_restore: false,
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
                    Ok(value) => value | self.carry[index],
                    Err(error) => return Ok(Err(error)),
                };
                stage(&mut self.consumed, index, value)?;
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
                    Some(old) => stage(&mut self.journal, index, old)?,
                    None => self.needs_restore = true, // nothing known to write back
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
                stage(&mut self.consumed, index, consumed)?;
                self.writes.note(index, value, Undone::PresentedAgain);
                Ok(self.device_write(register, value))
            }
            Kind::Doorbell | Kind::Tail => {
                match self.staged.last_mut() {
                    Some((Target::Register(last), held))
                        if register.kind == Kind::Tail && usize::from(*last) == index =>
                    {
                        *held = value;
                    }
                    _ => hold_back(&mut self.staged, Target::Register(index as u16), value)?,
                }
                self.writes.note(index, value, Undone::NeverHappened);
                Ok(Ok(0))
            }
            Kind::Command => {
                self.needs_restore = true;
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
        hold_back(&mut self.staged, Target::Memory(place), value)
    }

    /// The call commits: doorbells ring and `write` is told which words of DMA memory hand descriptors over, in the
    /// driver's order; consumed causes are consumed. True if all reached the device.
    pub fn commit(&mut self, mut write: impl FnMut(u64, u32) -> bool) -> bool {
        for (index, bits) in self.consumed.drain(..) {
            self.carry[usize::from(index)] &= !bits;
        }
        self.journal.clear();
        self.seen.clear();
        self.taken.clear();
        self.needs_restore = false;
        self.writes.clear();
        let mut staged = std::mem::take(&mut self.staged);
        let mut rung = true;
        for (target, value) in staged.drain(..) {
            rung &= match target {
                Target::Register(index) => self.device_write(self.registers[usize::from(index)], value).is_ok(),
                Target::Memory(place) => write(place, value),
            };
        }
        self.staged = staged;
        rung
    }

    /// The call has failed: nothing it staged happens, what it wrote is written back, last first. True if the driver's
    /// `restore` is needed, for the journal cannot undo all of it.
    pub fn abort(&mut self) -> bool {
        self.staged.clear();
        self.writes.clear();
        self.seen.clear();
        for (index, bits) in self.consumed.drain(..) {
            self.carry[usize::from(index)] |= bits;
        }
        for taken in self.taken.drain(..).rev() {
            self.again.push_front(taken);
        }
        let mut journal = std::mem::take(&mut self.journal);
        let mut needs_restore = std::mem::take(&mut self.needs_restore);
        self.undoing = true;
        for (index, old) in journal.drain(..).rev() {
            needs_restore |= self.device_write(self.registers[usize::from(index)], old).is_err();
        }
        self.undoing = false;
        self.journal = journal;
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
        self.journal.clear();
        self.staged.clear();
        self.consumed.clear();
        self.seen.clear();
        self.carry.fill(0);
        self.taken.clear();
        self.again.clear();
        self.needs_restore = false;
        self.writes.clear();
    }

    /// Causes that are pending in a register that is acknowledged by writing; takes note of them.
    fn read_causes(&mut self, index: usize) -> Result<u32, Error> {
        let causes = self.device_read(self.registers[index])? | self.carry[index];
        match self.seen.iter_mut().find(|(seen, _)| usize::from(*seen) == index) {
            Some((_, bits)) => *bits |= causes,
            None => self.seen.push((index as u16, causes)),
        }
        Ok(causes)
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
            stage(&mut self.taken, index, value)?;
        }
        Ok(Ok(value))
    }

    /// Whether any cause of a failed call waits to be presented again.
    #[must_use]
    pub fn has_carry(&self) -> bool {
        !self.again.is_empty() || self.carry.iter().any(|bits| *bits != 0)
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

fn hold_back(list: &mut Vec<(Target, u32)>, target: Target, value: u32) -> Result<(), Refusal> {
    if list.len() == MAX_STAGED {
        return Err(Refusal(format!("more than {MAX_STAGED} doorbells in one call")));
    }
    list.push((target, value));
    Ok(())
}

fn stage(list: &mut Vec<(u16, u32)>, index: usize, value: u32) -> Result<(), Refusal> {
    if list.len() == MAX_STAGED {
        return Err(Refusal(format!("more than {MAX_STAGED} register writes in one call")));
    }
    list.push((index as u16, value));
    Ok(())
}

impl std::fmt::Display for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        if self.element > 0 { write!(f, "[{}]", self.element) } else { Ok(()) }
    }
}
