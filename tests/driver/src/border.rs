//! The framework's side of the border: requests are served as the register kinds ask, and committed or undone.

use std::collections::{HashMap, VecDeque};

use udrv_driver::abi::{DELIVER_CHECKED, Request};
use udrv_driver::{Driver, Error, Features, Kind, MARK_SPACES, MAX_REPORTS, RegisterInfo, Report, Settings};

use crate::fake::PACKETS;
use crate::{BUS, Device};

/// What waits for the commit.
#[derive(Debug)]
enum Staged {
    Doorbell(u16, u8, u32),
    Word(u64, usize, u32),
}

/// Bytes that a frame has, without CRC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    shortest: u64,
    longest: u64,
}

impl Lengths {
    /// Of a chip that is set to this: a frame whose tag it has taken out may be shorter.
    pub(crate) fn of(settings: Settings) -> Lengths {
        let shortest = if settings.vlan == 0 { 60 } else { 56 };
        Lengths { shortest, longest: settings.longest_frame().into() }
    }

    /// Those, and these too.
    pub(crate) fn or(self, other: Lengths) -> Lengths {
        Lengths { shortest: self.shortest.min(other.shortest), longest: self.longest.max(other.longest) }
    }

    pub(crate) fn assert_contain(self, length: u64) {
        assert!((self.shortest..=self.longest).contains(&length), "length {length}, {self:?}");
    }
}

impl Default for Lengths {
    fn default() -> Lengths {
        Lengths::of(Features::NONE.usual())
    }
}

/// What the framework knows: of the call, and for good.
#[derive(Debug, Default)]
pub struct Border {
    // of the call
    staged: Vec<Staged>,
    undo: Vec<(u16, u8, u32)>,
    acknowledged: Vec<(u16, u8, u32)>,
    consumed: Vec<(u16, u32)>,
    taken: Vec<(u16, u32)>,
    commanded: bool,
    kept_now: Vec<u32>,
    completed_now: Vec<(u32, bool)>,
    delivered_now: Vec<(u64, usize, usize)>,
    reports_now: Vec<Report>,
    dropped_now: u64,
    allocated_now: usize,
    marked_now: [u64; MARK_SPACES],
    pub(crate) given: Option<u32>,
    pub(crate) budget: u32,
    /// Requests until the call is abandoned.
    pub(crate) abandon_after: Option<u32>,
    /// An injected fault is armed.
    pub(crate) armed: bool,
    // for good
    /// Of frames that may go up: see [`crate::Fake::configure`].
    pub(crate) lengths: Lengths,
    carry: HashMap<u16, u32>,
    /// What failed calls have taken out of queues.
    again: VecDeque<(u16, u32)>,
    /// What of each indirect space failed calls have touched: see [`udrv_driver::Marks`].
    pub marks: [u64; MARK_SPACES],
    /// Of registers that are written back, by offset.
    shadow: HashMap<u16, u32>,
    /// Microseconds since the start.
    pub now: u64,
    /// Buffers that the driver keeps.
    pub kept: Vec<u32>,
    /// Those that it has given back, and whether they were sent.
    pub completed: Vec<(u32, bool)>,
    /// Frames that went up.
    pub delivered: Vec<Vec<u8>>,
    /// Reports of an input device that went up.
    pub reports: Vec<Report>,
    /// Bytes of one that were of no use.
    pub dropped: u64,
    /// How severe each line was that the driver has logged: see [`udrv_driver::Level`]. The text is at an address, which
    /// nothing safe can read.
    pub logs: Vec<u64>,
    /// Accesses of the last call that reached the chip.
    pub accesses: u32,
    /// Words of DMA memory that it wrote.
    pub words_written: u32,
}

/// The kind of the register that is declared there.
pub(crate) fn kind<D: Driver>(offset: u64, width: u64) -> Kind {
    let declared = |r: &&RegisterInfo| {
        width == u64::from(r.width) && (0..r.count).any(|i| u64::from(r.offset + i * u16::from(r.width)) == offset)
    };
    D::REGISTERS.iter().find(declared).unwrap_or_else(|| panic!("undeclared {offset:#x}/{width}")).kind
}

/// All bits of a register.
pub(crate) fn ones(width: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(width))
}

/// Both sides.
pub(crate) struct Both<C> {
    pub(crate) chip: C,
    pub(crate) border: Border,
}

impl<C: Device> Both<C> {
    /// Counts an access down to the one that the bus refuses. It fails too if nobody is there and the bus says so.
    fn access(&mut self, offset: u16) -> Result<(), Error> {
        if self.chip.bus().gone && C::fails_when_gone(offset) {
            return Err(Error::Gone);
        }
        self.border.accesses += 1;
        self.border.now += C::ACCESS_TAKES;
        let left = &mut self.chip.bus().fails_after;
        let refused = *left == Some(0);
        *left = left.and_then(|left| left.checked_sub(1));
        if refused { Err(Error::Bus) } else { Ok(()) }
    }

    fn read(&mut self, offset: u16, width: u8) -> Result<u32, Error> {
        let value = if self.chip.bus().gone { ones(width) } else { self.chip.read(offset, width) };
        self.chip.failure().map_or(Ok(value), Err)
    }

    fn write(&mut self, offset: u16, width: u8, value: u32) -> Result<(), Error> {
        self.chip.bus().writes.push((offset, value));
        if !self.chip.bus().gone {
            self.chip.write(offset, width, value);
        }
        self.chip.failure().map_or(Ok(()), Err)
    }

    /// The next of what has come: what failed calls have taken is the first.
    fn take(&mut self, offset: u16, width: u8) -> Result<u32, Error> {
        let again = self.border.again.iter().position(|(register, _)| *register == offset);
        let value = match again.and_then(|at| self.border.again.remove(at)) {
            Some((_, value)) => value,
            None => self.read(offset, width)?,
        };
        if value != 0 {
            self.border.taken.push((offset, value));
        }
        Ok(value)
    }

    fn memory(&mut self, handle: u64) -> &mut Vec<u8> {
        &mut self.chip.bus().dma[handle as usize - 1]
    }

    pub(crate) fn service(&mut self, request: Request, w: [u64; 4]) -> Result<u64, Error> {
        let (offset, width, value) = (w[0] as u16, w[1] as u8, w[2] as u32);
        let at = w[1] as usize;
        match request {
            Request::RegisterRead => {
                let kind = kind::<C::Driver>(w[0], w[1]);
                assert_ne!(kind, Kind::WriteOnly, "{offset:#x} is not read");
                self.access(offset)?;
                if kind == Kind::Fifo {
                    return self.take(offset, width).map(u64::from);
                }
                let mut value = self.read(offset, width)?;
                if kind == Kind::ReadClears {
                    value |= self.border.carry.get(&offset).copied().unwrap_or(0);
                    self.border.consumed.push((offset, value));
                }
                return Ok(value.into());
            }
            Request::RegisterWrite => self.register_write(kind::<C::Driver>(w[0], w[1]), offset, width, value)?,
            Request::DmaAllocate => {
                assert!(w[1].is_power_of_two() && w[0] <= BUS.into());
                let dma = &mut self.chip.bus().dma;
                dma.push(vec![0; w[0] as usize]);
                let handle = dma.len() as u64;
                self.border.allocated_now += 1;
                return Ok(handle);
            }
            Request::DmaBusAddress => return Ok((BUS * w[0] as u32).into()),
            Request::DmaRead32 => {
                C::assert_memory_access(request, w[1]);
                let word = &self.memory(w[0])[at..][..4];
                return Ok(u32::from_le_bytes(word.try_into().expect("four bytes")).into());
            }
            Request::DmaRead64 => {
                C::assert_memory_access(request, w[1]);
                let word = &self.memory(w[0])[at..][..8];
                return Ok(u64::from_le_bytes(word.try_into().expect("eight bytes")));
            }
            Request::DmaWrite32 => {
                C::assert_memory_access(request, w[1]);
                self.border.words_written += 1;
                self.memory(w[0])[at..][..4].copy_from_slice(&value.to_le_bytes());
            }
            Request::DmaWrite64 => {
                C::assert_memory_access(request, w[1]);
                self.border.words_written += 1;
                self.memory(w[0])[at..][..8].copy_from_slice(&w[2].to_le_bytes());
            }
            Request::DmaHandOver32 => {
                C::assert_memory_access(request, w[1]);
                self.border.staged.push(Staged::Word(w[0], at, value));
            }
            Request::Keep => {
                assert_eq!(self.border.given, Some(w[0] as u32), "a buffer that is not of this call");
                self.border.kept_now.push(w[0] as u32);
            }
            Request::Complete => {
                let buffer = w[0] as u32;
                assert!(self.border.kept.contains(&buffer), "buffer {buffer} is not kept");
                assert!(self.border.completed_now.iter().all(|(b, _)| *b != buffer), "buffer {buffer} twice");
                self.border.completed_now.push((buffer, w[1] != 0));
            }
            Request::Deliver => {
                let length = w[2] & !DELIVER_CHECKED;
                self.border.lengths.assert_contain(length);
                let from = C::FRAMES_FROM.expect("a driver of a network card");
                assert!(w[1] >= from.into() && at + length as usize <= self.memory(w[0]).len());
                // what is there on commit is what goes up
                self.border.delivered_now.push((w[0], at, length as usize));
                assert!(self.border.delivered_now.len() <= self.border.budget as usize, "over budget");
            }
            Request::Mark => {
                assert!((w[0] as usize) < MARK_SPACES && w[1] < 64);
                self.border.marked_now[w[0] as usize] |= 1 << w[1];
            }
            Request::Marked => return Ok(self.border.marks[w[0] as usize]),
            Request::Now => return Ok(self.border.now),
            Request::Pause => {
                self.border.now += w[0];
                self.chip.let_pass(w[0]);
            }
            Request::Log => self.border.logs.push(w[0]),
            Request::TakeInjection => {
                if !std::mem::take(&mut self.border.armed) {
                    return Err(Error::NotReady);
                }
            }
            Request::InjectionTarget | Request::Posted => {}
            Request::Report => {
                assert_eq!(C::FRAMES_FROM, None, "a network card reports nothing");
                let report = Report::from_words([w[0], w[1]]).expect("a report");
                self.border.reports_now.push(report);
                assert!(self.border.reports_now.len() <= MAX_REPORTS, "more reports than a call may hand up");
            }
            Request::Dropped => self.border.dropped_now += w[0],
        }
        Ok(0)
    }

    fn register_write(&mut self, kind: Kind, offset: u16, width: u8, value: u32) -> Result<(), Error> {
        match kind {
            Kind::Doorbell | Kind::Tail => {
                C::assert_doorbell(offset, value);
                self.border.staged.push(Staged::Doorbell(offset, width, value));
                return Ok(());
            }
            Kind::ReadOnly | Kind::ReadClears | Kind::Fifo => panic!("write to {kind:?} register {offset:#x}"),
            Kind::Config | Kind::DmaAddress | Kind::WriteOnly | Kind::WriteOneClears | Kind::Command => {
                self.access(offset)?
            }
        }
        if kind == Kind::DmaAddress {
            self.assert_is_memory(value);
        }
        match kind {
            Kind::Command => self.border.commanded = true,
            Kind::WriteOneClears => {
                self.border.acknowledged.push((offset, width, self.chip.peek(offset, width) & value));
            }
            // what it was told last, or has by itself: a reset that the driver asks for changes only the chip
            Kind::Config | Kind::DmaAddress => {
                let old = self.border.shadow.insert(offset, value).unwrap_or_else(|| self.chip.peek(offset, width));
                self.border.undo.push((offset, width, old));
            }
            // nobody knows what was there before the first write
            _ => match self.border.shadow.insert(offset, value) {
                Some(old) => self.border.undo.push((offset, width, old)),
                None => self.border.commanded = true,
            },
        }
        self.write(offset, width, value)
    }

    /// Nothing, DMA memory, or a packet buffer.
    fn assert_is_memory(&mut self, address: u32) {
        let piece = self.chip.bus().dma.get((address / BUS).wrapping_sub(1) as usize);
        let is_in_it = piece.is_some_and(|piece| ((address % BUS) as usize) < piece.len());
        assert!(address == 0 || is_in_it || address >= PACKETS, "{address:#x} is no memory of the device");
    }

    pub(crate) fn begin(&mut self) {
        let border = &mut self.border;
        border.staged.clear();
        border.undo.clear();
        border.acknowledged.clear();
        border.consumed.clear();
        border.kept_now.clear();
        border.completed_now.clear();
        border.delivered_now.clear();
        border.reports_now.clear();
        border.taken.clear();
        border.dropped_now = 0;
        (border.commanded, border.allocated_now, border.accesses, border.words_written) = (false, 0, 0, 0);
        border.marked_now = [0; MARK_SPACES];
    }

    /// As the class does it: frames go up, then what was staged, in order.
    pub(crate) fn commit(&mut self) {
        for (offset, bits) in self.border.consumed.drain(..) {
            *self.border.carry.entry(offset).or_default() &= !bits;
        }
        for (handle, at, length) in std::mem::take(&mut self.border.delivered_now) {
            let frame = self.memory(handle)[at..at + length].to_vec();
            self.border.delivered.push(frame);
        }
        for staged in std::mem::take(&mut self.border.staged) {
            match staged {
                // as the framework has it: a call that has committed does not fail any more
                Staged::Doorbell(offset, width, value) => drop(self.write(offset, width, value)),
                Staged::Word(handle, at, value) => {
                    self.memory(handle)[at..at + 4].copy_from_slice(&value.to_le_bytes());
                }
            }
        }
        let border = &mut self.border;
        border.reports.append(&mut border.reports_now);
        border.dropped += border.dropped_now;
        border.taken.clear();
        border.kept.append(&mut border.kept_now);
        for (buffer, sent) in std::mem::take(&mut border.completed_now) {
            border.kept.retain(|kept| *kept != buffer);
            border.completed.push((buffer, sent));
        }
    }

    /// Undoes the call; says whether `restore` is needed.
    pub(crate) fn abort(&mut self) -> bool {
        for (offset, width, value) in std::mem::take(&mut self.border.undo).into_iter().rev() {
            if let Some(shadow) = self.border.shadow.get_mut(&offset) {
                *shadow = value;
            }
            self.border.commanded |= self.write(offset, width, value).is_err();
        }
        for taken in self.border.taken.drain(..).rev() {
            self.border.again.push_front(taken);
        }
        for (offset, width, causes) in std::mem::take(&mut self.border.acknowledged) {
            let pending = self.chip.peek(offset, width);
            self.chip.poke(offset, width, pending | causes);
        }
        for (offset, bits) in self.border.consumed.drain(..) {
            *self.border.carry.entry(offset).or_default() |= bits;
        }
        for (left, now) in self.border.marks.iter_mut().zip(self.border.marked_now) {
            *left |= now;
        }
        let left = self.chip.bus().dma.len() - self.border.allocated_now;
        self.chip.bus().dma.truncate(left);
        let commanded = self.border.commanded;
        self.begin();
        commanded
    }
}
