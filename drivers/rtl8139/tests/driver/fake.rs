//! An RTL8139 behind `Services`, with commit and rollback.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rtl8139::{Rtl8139, State, regs};
use udrv_driver::abi::Request;
use udrv_driver::{
    Buffer, Cx, Error, Events, InjectedFault, Injection, Kind, MacAddress, NetDriver, Point, Services, TxFrame,
};

use crate::versions::Versions;

pub(crate) const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
/// An RTL8139C.
const VERSION: u32 = 0x7400_0000;
/// RBLEN of 32 KiB.
const RING: u32 = 0x8000;
const BUS: u32 = 0x10_0000;

/// What can be wrong with it.
#[derive(Default)]
pub(crate) struct Trouble {
    pub(crate) gone: bool,
    pub(crate) reset_hangs: bool,
    pub(crate) never_empty: bool,
    /// A write of RCR starts the ring anew, as in QEMU.
    pub(crate) rcr_restarts_ring: bool,
    /// A reset loads IDR anew, as in QEMU.
    pub(crate) reset_loads_mac: bool,
    /// Accesses that go well before the bus refuses one, once.
    pub(crate) fails_after: Option<u32>,
}

pub(crate) struct Chip {
    pub(crate) registers: [u8; 256],
    pub(crate) trouble: Trouble,
    pub(crate) dma: Vec<Vec<u8>>,
    /// Where the chip writes next.
    cbr: u32,
    /// Slot whose turn it is.
    turn: usize,
    pub(crate) now: u64,
    reset_reads: u32,
    budget: u32,
    // of the call
    staged: Vec<(u16, u8, u32)>,
    undo: Vec<(u16, u8, u32)>,
    acknowledged: u16,
    commanded: bool,
    kept_now: Vec<u32>,
    completed_now: Vec<(u32, bool)>,
    delivered_now: Vec<Vec<u8>>,
    allocated_now: usize,
    given: Option<u32>,
    // for good
    pub(crate) kept: Vec<u32>,
    pub(crate) completed: Vec<(u32, bool)>,
    pub(crate) delivered: Vec<Vec<u8>>,
    pub(crate) writes: Vec<(u16, u32)>,
    pub(crate) armed: bool,
    pub(crate) logs: usize,
}

pub(crate) struct Fake {
    pub(crate) chip: RefCell<Chip>,
    pub(crate) state: State,
    pub(crate) versions: Versions,
}

fn get(bytes: &[u8], at: usize, width: usize) -> u32 {
    bytes[at..at + width].iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn put(bytes: &mut [u8], at: usize, width: usize, value: u32) {
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

impl Chip {
    pub(crate) fn get(&self, offset: u16, width: u8) -> u32 {
        get(&self.registers, offset.into(), width.into())
    }

    pub(crate) fn set(&mut self, offset: u16, width: u8, value: u32) {
        put(&mut self.registers, offset.into(), width.into(), value);
    }

    pub(crate) fn raise(&mut self, causes: u16) {
        let isr = self.get(0x3e, 2) | u32::from(causes);
        self.set(0x3e, 2, isr);
    }

    fn kind(offset: u16, width: u8) -> Kind {
        let declared = |r: &&udrv_driver::RegisterInfo| {
            width == r.width && (0..r.count).any(|i| r.offset + i * u16::from(r.width) == offset)
        };
        Rtl8139::REGISTERS.iter().find(declared).unwrap_or_else(|| panic!("undeclared {offset:#x}/{width}")).kind
    }

    pub(crate) fn load_mac(&mut self, mac: MacAddress) {
        self.registers[..6].copy_from_slice(&mac.0);
    }

    pub(crate) fn enabled(&self, bit: u8) -> bool {
        self.registers[0x37] & bit != 0
    }

    fn read_pointer(&self) -> u32 {
        u32::from((self.get(0x38, 2) as u16).wrapping_add(16)) % RING
    }

    fn read(&mut self, offset: u16, width: u8) -> u32 {
        if self.trouble.gone {
            return u32::MAX >> (32 - 8 * u32::from(width));
        }
        match offset {
            0x37 => {
                if self.reset_reads > 0 && !self.trouble.reset_hangs {
                    self.reset_reads -= 1;
                }
                let reset = if self.reset_reads > 0 { regs::cr::RST } else { 0 };
                let empty = self.cbr == self.read_pointer() && !self.trouble.never_empty;
                (self.registers[0x37] | reset | if empty { regs::cr::BUFE } else { 0 }).into()
            }
            0x3a => self.cbr,
            0x40 => self.get(0x40, 4) | VERSION,
            _ => self.get(offset, width),
        }
    }

    fn write(&mut self, offset: u16, width: u8, value: u32) {
        self.writes.push((offset, value));
        if self.trouble.gone || self.reset_reads > 0 {
            return;
        }
        match offset {
            0x37 if value as u8 & regs::cr::RST != 0 => self.reset(),
            0x37 => {
                let value = value as u8 & (regs::cr::RE | regs::cr::TE);
                if value & !self.registers[0x37] & regs::cr::RE != 0 {
                    self.cbr = 0;
                    self.set(0x38, 2, 0xfff0);
                }
                self.registers[0x37] = value;
            }
            // only with the transmitter on; CLRABT reads 0 and sends the slot again
            0x40 if self.enabled(regs::cr::TE) => {
                self.set(0x40, 4, value & !1);
                if value & 1 != 0 {
                    let tsd = 0x10 + 4 * self.turn as u16;
                    assert_ne!(self.get(tsd, 4) & regs::tsd::TABT, 0, "CLRABT without an abort");
                    let status = self.get(tsd, 4) & !(regs::tsd::TABT | regs::tsd::OWN);
                    self.set(tsd, 4, status);
                }
            }
            0x40 => panic!("TCR without TE"),
            0x44 => {
                assert!(self.enabled(regs::cr::RE), "RCR without RE");
                self.set(0x44, 4, value);
                if self.trouble.rcr_restarts_ring {
                    self.cbr = 0;
                    self.set(0x38, 2, 0xfff0);
                }
            }
            0x3e => {
                let isr = self.get(0x3e, 2) & !value;
                self.set(0x3e, 2, isr);
            }
            0x4c => self.set(0x4c, 4, 0),
            0x00 | 0x04 if self.registers[0x50] != regs::cr9346::CONFIG_WRITE => panic!("IDR while locked"),
            _ => self.set(offset, width, value),
        }
    }

    fn reset(&mut self) {
        self.reset_reads = 3;
        self.registers[0x10..0x58].fill(0);
        for slot in 0..4 {
            self.set(0x10 + 4 * slot, 4, regs::tsd::OWN);
        }
        self.set(0x38, 2, 0xfff0);
        (self.cbr, self.turn) = (0, 0);
        if self.trouble.reset_loads_mac {
            self.load_mac(MAC);
        }
    }

    /// Counts an access down to the one that the bus refuses.
    fn access(&mut self) -> Result<(), Error> {
        let left = self.trouble.fails_after;
        self.trouble.fails_after = left.and_then(|left| left.checked_sub(1));
        if left == Some(0) { Err(Error::Bus) } else { Ok(()) }
    }

    fn service(&mut self, request: Request, w: [u64; 4]) -> Result<u64, Error> {
        let (offset, width, value) = (w[0] as u16, w[1] as u8, w[2] as u32);
        match request {
            Request::RegisterRead => {
                Chip::kind(offset, width);
                self.access()?;
                return Ok(self.read(offset, width).into());
            }
            Request::RegisterWrite => match Chip::kind(offset, width) {
                Kind::Doorbell => self.staged.push((offset, width, value)),
                _ if self.access().is_err() => return Err(Error::Bus),
                Kind::Config | Kind::DmaAddress => {
                    self.undo.push((offset, width, self.get(offset, width)));
                    self.write(offset, width, value);
                }
                Kind::WriteOneClears => {
                    self.acknowledged |= self.get(offset, width) as u16 & value as u16;
                    self.write(offset, width, value);
                }
                Kind::Command => {
                    self.commanded = true;
                    self.write(offset, width, value);
                }
                kind => panic!("write to {kind:?} register {offset:#x}"),
            },
            Request::DmaAllocate => {
                assert!(w[1].is_power_of_two());
                self.dma.push(vec![0; w[0] as usize]);
                self.allocated_now += 1;
                return Ok(self.dma.len() as u64);
            }
            Request::DmaBusAddress => return Ok((BUS * w[0] as u32).into()),
            Request::DmaRead32 => return Ok(get(self.memory(w[0]), w[1] as usize, 4).into()),
            Request::DmaWrite32 => put(self.memory(w[0]), w[1] as usize, 4, value),
            Request::Keep => {
                assert_eq!(self.given, Some(w[0] as u32), "a buffer that is not of this call");
                self.kept_now.push(w[0] as u32);
            }
            Request::Complete => {
                let buffer = w[0] as u32;
                assert!(self.kept.contains(&buffer), "buffer {buffer} is not kept");
                assert!(self.completed_now.iter().all(|(b, _)| *b != buffer), "buffer {buffer} twice");
                self.completed_now.push((buffer, w[1] != 0));
            }
            Request::Deliver => {
                assert!((60..=1518).contains(&w[2]), "length {}", w[2]);
                let frame = self.memory(w[0])[w[1] as usize..][..w[2] as usize].to_vec();
                self.delivered_now.push(frame);
                assert!(self.delivered_now.len() <= self.budget as usize, "over budget");
            }
            Request::Now => return Ok(self.now),
            Request::Pause => self.now += w[0],
            Request::Log => self.logs += 1,
            Request::TakeInjection => {
                if !std::mem::take(&mut self.armed) {
                    return Err(Error::NotReady);
                }
            }
            Request::InjectionTarget | Request::Posted => {}
            other => panic!("this driver does not ask for {other:?}"),
        }
        Ok(0)
    }

    fn memory(&mut self, handle: u64) -> &mut Vec<u8> {
        &mut self.dma[handle as usize - 1]
    }

    fn begin(&mut self) {
        self.staged.clear();
        self.undo.clear();
        self.kept_now.clear();
        self.completed_now.clear();
        self.delivered_now.clear();
        (self.acknowledged, self.commanded, self.allocated_now) = (0, false, 0);
    }

    fn commit(&mut self) {
        for (offset, width, value) in std::mem::take(&mut self.staged) {
            self.write(offset, width, value);
        }
        self.kept.append(&mut self.kept_now);
        for (buffer, sent) in std::mem::take(&mut self.completed_now) {
            self.kept.retain(|kept| *kept != buffer);
            self.completed.push((buffer, sent));
        }
        self.delivered.append(&mut self.delivered_now);
    }

    fn abort(&mut self) -> bool {
        for (offset, width, value) in std::mem::take(&mut self.undo).into_iter().rev() {
            self.write(offset, width, value);
        }
        let causes = std::mem::take(&mut self.acknowledged);
        self.raise(causes);
        self.dma.truncate(self.dma.len() - self.allocated_now);
        let commanded = self.commanded;
        self.begin();
        commanded
    }

    // what the wire does

    /// A frame of `length` bytes, filled with `fill`, comes in whole.
    pub(crate) fn receive(&mut self, length: u32, fill: u8) {
        self.receive_as(length, fill, (length + 4) << 16 | 0x4001);
    }

    /// The same under another header. Gives the header's place.
    pub(crate) fn receive_as(&mut self, length: u32, fill: u8, header: u32) -> usize {
        assert!(self.enabled(regs::cr::RE) && self.get(0x30, 4) == BUS);
        let at = self.cbr as usize;
        let ring = &mut self.dma[0];
        put(ring, at, 4, header);
        ring[at + 4..at + 4 + length as usize].fill(fill);
        self.cbr = (self.cbr + 4 + (length + 4).next_multiple_of(4)) % RING;
        self.raise(regs::isr::ROK);
        at
    }

    /// The chip says that it writes there next.
    pub(crate) fn point_cbr(&mut self, cbr: u32) {
        self.cbr = cbr;
    }

    /// Whether the slot whose turn it is was handed over.
    pub(crate) fn has_to_send(&self) -> bool {
        self.get(0x10 + 4 * self.turn as u16, 4) & regs::tsd::OWN == 0
    }

    /// The slot whose turn it is gets `status`; done with it unless it is an abort.
    pub(crate) fn send(&mut self, status: u32) -> (u32, u32) {
        assert!(self.enabled(regs::cr::TE));
        let tsd = 0x10 + 4 * self.turn as u16;
        let command = self.get(tsd, 4);
        assert_eq!(command & regs::tsd::OWN, 0, "slot {} was not handed over", self.turn);
        let sent = (self.get(tsd + 0x10, 4), command & 0x1fff);
        self.set(tsd, 4, command | regs::tsd::OWN | status);
        if status & regs::tsd::TABT == 0 {
            self.turn = (self.turn + 1) % 4;
            self.raise(regs::isr::TOK);
        } else {
            self.raise(regs::isr::TER);
        }
        sent
    }
}

struct Border<'a>(&'a RefCell<Chip>);

impl Services for Border<'_> {
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error> {
        self.0.borrow_mut().service(request, words)
    }
}

impl Fake {
    /// Just plugged in.
    pub(crate) fn new() -> Fake {
        let chip = Chip {
            registers: [0; 256],
            trouble: Trouble::default(),
            dma: Vec::new(),
            cbr: 0,
            turn: 0,
            now: 0,
            reset_reads: 0,
            budget: 0,
            staged: Vec::new(),
            undo: Vec::new(),
            acknowledged: 0,
            commanded: false,
            kept_now: Vec::new(),
            completed_now: Vec::new(),
            delivered_now: Vec::new(),
            allocated_now: 0,
            given: None,
            kept: Vec::new(),
            completed: Vec::new(),
            delivered: Vec::new(),
            writes: Vec::new(),
            armed: false,
            logs: 0,
        };
        let fake = Fake { chip: RefCell::new(chip), state: Rtl8139::new_state(), versions: Versions::default() };
        fake.chip.borrow_mut().load_mac(MAC);
        fake
    }

    /// Probed and open.
    pub(crate) fn opened() -> Fake {
        let mut fake = Fake::new();
        assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
        assert_eq!(fake.call(Rtl8139::open), Ok(()));
        fake
    }

    /// One call that commits, whatever it returns; the state is then one that may be.
    pub(crate) fn call<T>(&mut self, entry: impl FnOnce(&mut Cx<'_, State>) -> Result<T, Error>) -> Result<T, Error> {
        self.chip.get_mut().begin();
        let result = entry(&mut Cx::new(&mut self.state, &Border(&self.chip), None));
        assert_eq!(Rtl8139::check(&self.state), Ok(()), "after a call that gives {:?}", result.as_ref().err());
        self.chip.get_mut().commit();
        result
    }

    /// One call that is abandoned at `point`; false if it did not come there. Undone, and restored where need be.
    pub(crate) fn abandon<T>(
        &mut self,
        point: Point,
        entry: impl FnOnce(&mut Cx<'_, State>) -> Result<T, Error>,
    ) -> bool {
        self.chip.get_mut().begin();
        self.chip.get_mut().armed = true;
        let before = self.state;
        let injection = Some(Injection { fault: InjectedFault::Panic, point });
        let (state, border) = (&mut self.state, Border(&self.chip));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _ = entry(&mut Cx::new(state, &border, injection));
        }));
        let reached = !std::mem::take(&mut self.chip.get_mut().armed);
        assert_eq!(reached, outcome.is_err(), "panicked elsewhere, or not where armed");
        self.state = before;
        if self.chip.get_mut().abort() {
            assert_eq!(self.call(Rtl8139::restore), Ok(()));
        }
        reached
    }

    /// Sends `length` bytes in `buffer`.
    pub(crate) fn transmit(&mut self, buffer: u32, length: u32) -> Result<(), Error> {
        self.chip.get_mut().given = Some(buffer);
        let (transmit, frame) = (self.versions.transmit(), frame(buffer, length));
        self.call(|cx| transmit(cx, frame))
    }

    pub(crate) fn poll(&mut self, budget: u32) -> Result<u32, Error> {
        self.chip.get_mut().budget = budget;
        let poll = self.versions.poll();
        self.call(|cx| poll(cx, budget))
    }

    /// `poll`, and what the class does when the device talked nonsense: the alternate leaves that to it.
    pub(crate) fn serve(&mut self, budget: u32) -> u32 {
        match self.poll(budget) {
            Ok(received) => received,
            Err(error) => {
                assert!(self.versions.alternate_poll && matches!(error, Error::Nonsense { .. }), "{error}");
                assert_eq!(self.call(Rtl8139::restore), Ok(()));
                0
            }
        }
    }

    pub(crate) fn interrupt(&mut self) -> Events {
        self.call(Rtl8139::interrupt).unwrap()
    }

    pub(crate) fn stats(&mut self) -> udrv_driver::Stats {
        self.call(Rtl8139::get_stats).unwrap()
    }

    /// For calls that are abandoned: what `transmit` and `poll` above set.
    pub(crate) fn allow(&mut self, buffer: u32, budget: u32) {
        (self.chip.get_mut().given, self.chip.get_mut().budget) = (Some(buffer), budget);
    }

    /// It sends and receives, and the chip is set up as the state says.
    pub(crate) fn assert_works(&mut self) {
        let (mut delivered, mut completed) = (self.chip.get_mut().delivered.len(), self.chip.get_mut().completed.len());
        for i in 0..9 {
            assert_eq!(self.transmit(100 + i, 60 + i), Ok(()));
            assert_eq!(self.chip.get_mut().send(regs::tsd::TOK), (bus_address(100 + i), 60 + i));
            self.chip.get_mut().receive(60 + i, i as u8);
            assert!(self.interrupt().has(Events::POLL));
            assert_eq!(self.poll(16), Ok(1));
            (delivered, completed) = (delivered + 1, completed + 1);
            let chip = self.chip.get_mut();
            assert_eq!(chip.delivered.len(), delivered);
            assert_eq!(chip.delivered.last(), Some(&vec![i as u8; 60 + i as usize]));
            assert_eq!(chip.completed.len(), completed);
            assert_eq!(chip.completed.last(), Some(&(100 + i, true)));
        }
        let chip = self.chip.get_mut();
        assert_eq!(chip.get(0x3c, 2), regs::isr::CAUSES.into());
        assert_eq!(chip.registers[0x50], regs::cr9346::LOCKED);
        assert_eq!(chip.registers[..6], MAC.0);
        assert!(chip.kept.is_empty());
    }
}

pub(crate) fn bus_address(buffer: u32) -> u32 {
    0x4000_0000 + 2048 * buffer
}

pub(crate) fn frame(buffer: u32, length: u32) -> TxFrame {
    TxFrame { buffer: Buffer(buffer.into()), length, bus_address: bus_address(buffer), offload: Default::default() }
}
