//! The chip behind `Services`, with commit and rollback.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use e1000::{E1000, State, regs};
use udrv_driver::abi::Request;
use udrv_driver::{
    Buffer, Cx, Error, Events, InjectedFault, Injection, Kind, MacAddress, NetDriver, Point, RegisterInfo, Services,
    Settings, TxFrame,
};

pub(crate) use crate::chip::MAC;
use crate::chip::{BUS, Chip};
use crate::versions::Versions;

/// The framework's side of the border.
#[derive(Default)]
pub(crate) struct Border {
    // of the call
    staged: Vec<(u16, u32)>,
    undo: Vec<(u16, u32)>,
    consumed: Vec<(u16, u32)>,
    commanded: bool,
    kept_now: Vec<u32>,
    completed_now: Vec<(u32, bool)>,
    delivered_now: Vec<(usize, usize)>,
    allocated_now: usize,
    given: Option<u32>,
    budget: u32,
    /// Bytes of the longest frame.
    longest: u32,
    /// Requests until the call is abandoned.
    abandon_after: Option<u32>,
    // for good
    carry: HashMap<u16, u32>,
    pub(crate) now: u64,
    pub(crate) kept: Vec<u32>,
    pub(crate) completed: Vec<(u32, bool)>,
    pub(crate) delivered: Vec<Vec<u8>>,
    pub(crate) armed: bool,
    pub(crate) logs: Vec<String>,
    /// Accesses of the last call that reached the chip, and words of DMA memory that it wrote.
    pub(crate) accesses: u32,
    pub(crate) words_written: u32,
}

pub(crate) struct Both {
    pub(crate) chip: Chip,
    pub(crate) border: Border,
}

pub(crate) struct Fake {
    pub(crate) both: RefCell<Both>,
    pub(crate) state: State,
    pub(crate) versions: Versions,
}

fn kind(offset: u64, width: u64) -> Kind {
    let declared = |r: &&RegisterInfo| {
        width == u64::from(r.width) && (0..r.count).any(|i| u64::from(r.offset + i * u16::from(r.width)) == offset)
    };
    E1000::REGISTERS.iter().find(declared).unwrap_or_else(|| panic!("undeclared {offset:#x}/{width}")).kind
}

impl Both {
    /// Counts an access down to the one that the bus refuses.
    fn access(&mut self) -> Result<(), Error> {
        self.border.accesses += 1;
        let left = self.chip.trouble.fails_after;
        self.chip.trouble.fails_after = left.and_then(|left| left.checked_sub(1));
        if left == Some(0) { Err(Error::Bus) } else { Ok(()) }
    }

    fn service(&mut self, request: Request, w: [u64; 4]) -> Result<u64, Error> {
        let (offset, value) = (w[0] as u16, w[2] as u32);
        match request {
            Request::RegisterRead => {
                let kind = kind(w[0], w[1]);
                self.access()?;
                let mut value = self.chip.read(offset);
                if kind == Kind::ReadClears {
                    value |= self.border.carry.get(&offset).copied().unwrap_or(0);
                    self.border.consumed.push((offset, value));
                }
                return Ok(value.into());
            }
            Request::RegisterWrite => match kind(w[0], w[1]) {
                Kind::Doorbell | Kind::Tail => self.border.staged.push((offset, value)),
                _ if self.access().is_err() => return Err(Error::Bus),
                Kind::Config | Kind::DmaAddress | Kind::WriteOnly => {
                    self.border.undo.push((offset, *self.chip.at(offset)));
                    self.chip.write(offset, value);
                }
                Kind::Command => {
                    self.border.commanded = true;
                    self.chip.write(offset, value);
                }
                kind => panic!("write to {kind:?} register {offset:#x}"),
            },
            Request::DmaAllocate => {
                assert!(w[1].is_power_of_two() && w[0] <= BUS.into());
                self.chip.dma.push(vec![0; w[0] as usize]);
                self.border.allocated_now += 1;
                return Ok(self.chip.dma.len() as u64);
            }
            Request::DmaBusAddress => return Ok((BUS * w[0] as u32).into()),
            Request::DmaRead32 => {
                let word = &self.memory(w[0])[w[1] as usize..][..4];
                return Ok(u32::from_le_bytes(word.try_into().unwrap()).into());
            }
            Request::DmaRead64 => {
                let word = &self.memory(w[0])[w[1] as usize..][..8];
                return Ok(u64::from_le_bytes(word.try_into().unwrap()));
            }
            Request::DmaWrite64 => {
                self.border.words_written += 1;
                self.memory(w[0])[w[1] as usize..][..8].copy_from_slice(&w[2].to_le_bytes());
            }
            Request::DmaWrite32 | Request::DmaHandOver32 => panic!("descriptors are written in words of 64 bits"),
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
                assert!((56..=u64::from(self.border.longest)).contains(&w[2]), "length {}", w[2]);
                assert!(w[1] >= 8192 && (w[1] + w[2]) as usize <= self.memory(w[0]).len());
                // what is there on commit is what goes up
                self.border.delivered_now.push((w[1] as usize, w[2] as usize));
                assert!(self.border.delivered_now.len() <= self.border.budget as usize, "over budget");
            }
            Request::Now => return Ok(self.border.now),
            Request::Pause => self.border.now += w[0],
            Request::Log => {
                // the text is at an address of this process, which nothing safe can read
                self.border.logs.push(format!("level {}", w[0]));
            }
            Request::TakeInjection => {
                if !std::mem::take(&mut self.border.armed) {
                    return Err(Error::NotReady);
                }
            }
            Request::InjectionTarget | Request::Posted => {}
        }
        Ok(0)
    }

    fn memory(&mut self, handle: u64) -> &mut Vec<u8> {
        &mut self.chip.dma[handle as usize - 1]
    }

    fn begin(&mut self) {
        let border = &mut self.border;
        border.staged.clear();
        border.undo.clear();
        border.consumed.clear();
        border.kept_now.clear();
        border.completed_now.clear();
        border.delivered_now.clear();
        (border.commanded, border.allocated_now, border.accesses, border.words_written) = (false, 0, 0, 0);
    }

    /// As the class does it: frames go up, then doorbells ring.
    fn commit(&mut self) {
        for (offset, bits) in self.border.consumed.drain(..) {
            *self.border.carry.entry(offset).or_default() &= !bits;
        }
        for (at, length) in std::mem::take(&mut self.border.delivered_now) {
            self.border.delivered.push(self.chip.dma[0][at..at + length].to_vec());
        }
        for (offset, value) in std::mem::take(&mut self.border.staged) {
            self.chip.write(offset, value);
        }
        let border = &mut self.border;
        border.kept.append(&mut border.kept_now);
        for (buffer, sent) in std::mem::take(&mut border.completed_now) {
            border.kept.retain(|kept| *kept != buffer);
            border.completed.push((buffer, sent));
        }
    }

    fn abort(&mut self) -> bool {
        for (offset, value) in std::mem::take(&mut self.border.undo).into_iter().rev() {
            self.chip.write(offset, value);
        }
        for (offset, bits) in self.border.consumed.drain(..) {
            *self.border.carry.entry(offset).or_default() |= bits;
        }
        self.chip.dma.truncate(self.chip.dma.len() - self.border.allocated_now);
        let commanded = self.border.commanded;
        self.begin();
        commanded
    }
}

struct Gate<'a>(&'a RefCell<Both>);

impl Services for Gate<'_> {
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error> {
        let answer = self.0.borrow_mut().service(request, words);
        let left = &mut self.0.borrow_mut().border.abandon_after;
        match left {
            Some(0) => {
                *left = None;
                panic!("injected");
            }
            Some(more) => *more -= 1,
            None => {}
        }
        answer
    }
}

/// Panics that are meant are not shown.
pub(crate) fn hide_injected() {
    std::panic::set_hook(Box::new(|info| {
        if info.payload_as_str().is_none_or(|text| !text.starts_with("injected")) {
            eprintln!("{info}");
        }
    }));
}

impl Fake {
    /// Just plugged in.
    pub(crate) fn new() -> Fake {
        let both = Both { chip: Chip::new(), border: Border { longest: 1518, ..Border::default() } };
        Fake { both: RefCell::new(both), state: E1000::new_state(), versions: Versions::default() }
    }

    /// Probed and open.
    pub(crate) fn opened() -> Fake {
        let mut fake = Fake::new();
        assert_eq!(fake.call(E1000::probe), Ok(MAC));
        assert_eq!(fake.call(E1000::open), Ok(()));
        fake
    }

    pub(crate) fn chip(&mut self) -> &mut Chip {
        &mut self.both.get_mut().chip
    }

    pub(crate) fn border(&mut self) -> &mut Border {
        &mut self.both.get_mut().border
    }

    /// One call that commits, whatever it returns; the state is then one that may be.
    pub(crate) fn call<T>(&mut self, entry: impl FnOnce(&mut Cx<'_, State>) -> Result<T, Error>) -> Result<T, Error> {
        self.both.get_mut().begin();
        let result = entry(&mut Cx::new(&mut self.state, &Gate(&self.both), None));
        assert_eq!(E1000::check(&self.state), Ok(()), "after a call that gives {:?}", result.as_ref().err());
        self.both.get_mut().commit();
        result
    }

    /// One call that is abandoned at `point`; false if it did not come there. Undone, and restored where need be.
    pub(crate) fn abandon<T>(
        &mut self,
        point: Point,
        entry: impl FnOnce(&mut Cx<'_, State>) -> Result<T, Error>,
    ) -> bool {
        self.border().armed = true;
        let injection = Some(Injection { fault: InjectedFault::Panic, point });
        let faulted = self.fault(injection, entry);
        let reached = !std::mem::take(&mut self.border().armed);
        assert_eq!(reached, faulted, "panicked elsewhere, or not where armed");
        self.mend();
        reached
    }

    /// One call that is abandoned when request number `after` has been served; false if it makes fewer.
    pub(crate) fn abandon_after<T>(
        &mut self,
        after: u32,
        entry: impl FnOnce(&mut Cx<'_, State>) -> Result<T, Error>,
    ) -> bool {
        self.border().abandon_after = Some(after);
        let faulted = self.fault(None, entry);
        let spent = self.border().abandon_after.take().is_none();
        assert_eq!(spent, faulted, "panicked elsewhere");
        self.mend();
        faulted
    }

    fn fault<T>(
        &mut self,
        injection: Option<Injection>,
        entry: impl FnOnce(&mut Cx<'_, State>) -> Result<T, Error>,
    ) -> bool {
        self.both.get_mut().begin();
        let before = self.state;
        let (state, gate) = (&mut self.state, Gate(&self.both));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _ = entry(&mut Cx::new(state, &gate, injection));
        }));
        self.state = before;
        outcome.is_err()
    }

    fn mend(&mut self) {
        if self.both.get_mut().abort() {
            assert_eq!(self.call(E1000::restore), Ok(()));
        }
    }

    /// Sends `length` bytes in `buffer`.
    pub(crate) fn transmit(&mut self, buffer: u32, length: u32) -> Result<(), Error> {
        self.border().given = Some(buffer);
        let (transmit, frame) = (self.versions.transmit(), frame(buffer, length));
        self.call(|cx| transmit(cx, frame))
    }

    pub(crate) fn poll(&mut self, budget: u32) -> Result<u32, Error> {
        self.border().budget = budget;
        let poll = self.versions.poll();
        self.call(|cx| poll(cx, budget))
    }

    /// Sets the chip to something, and the class with it.
    pub(crate) fn configure(&mut self, settings: Settings) -> Result<(), Error> {
        self.call(|cx| E1000::configure(cx, settings))?;
        self.border().longest = settings.longest_frame();
        Ok(())
    }

    pub(crate) fn interrupt(&mut self) -> Events {
        self.call(E1000::interrupt).unwrap()
    }

    pub(crate) fn stats(&mut self) -> udrv_driver::Stats {
        self.call(E1000::get_stats).unwrap()
    }

    /// For calls that are abandoned: what `transmit` and `poll` above set.
    pub(crate) fn allow(&mut self, buffer: u32, budget: u32) {
        (self.border().given, self.border().budget) = (Some(buffer), budget);
    }

    /// It sends and receives, and the chip is set up as the state says.
    pub(crate) fn assert_works(&mut self) {
        let (mut delivered, mut completed) = (self.border().delivered.len(), self.border().completed.len());
        for i in 0..9 {
            assert_eq!(self.transmit(100 + i, 60 + i), Ok(()));
            assert_eq!(self.chip().send(0), (bus_address(100 + i), 60 + i));
            assert!(self.chip().receive(60 + i, i as u8));
            assert!(self.interrupt().has(Events::POLL));
            assert_eq!(self.poll(16), Ok(1));
            (delivered, completed) = (delivered + 1, completed + 1);
            let border = self.border();
            assert_eq!(border.delivered.len(), delivered);
            assert_eq!(border.delivered.last(), Some(&vec![i as u8; 60 + i as usize]));
            assert_eq!(border.completed.len(), completed);
            assert_eq!(border.completed.last(), Some(&(100 + i, true)));
        }
        let chip = self.chip();
        assert_eq!(chip.get(regs::IMS), regs::icr::CAUSES);
        assert_eq!(chip.get(regs::ITR), regs::itr::of(regs::itr::USUAL));
        assert_eq!(chip.get(regs::TIPG), regs::tipg::COPPER);
        assert_eq!(chip.mac(), MAC.0);
        assert_ne!(chip.get(regs::RAH0) & regs::rah::AV, 0);
        assert!(self.border().kept.is_empty());
    }
}

pub(crate) fn bus_address(buffer: u32) -> u32 {
    0x4000_0000 + 2048 * buffer
}

pub(crate) fn frame(buffer: u32, length: u32) -> TxFrame {
    /// No handle is 0.
    const HANDLE: u64 = 1 << 32;
    TxFrame {
        buffer: Buffer(HANDLE | u64::from(buffer)),
        length,
        bus_address: bus_address(buffer),
        offload: Default::default(),
    }
}

/// Another address than the EEPROM's.
pub(crate) const OTHER: MacAddress = MacAddress([2, 1, 2, 3, 4, 0xff]);
