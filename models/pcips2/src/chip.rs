//! The controller: three registers, and a buffer of one byte.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use model_card::dma::Dma;
use model_card::pci::{Bar, ConfigSpace, Description};
use model_card::{Card, Chip, Costs, Parts, Port};
use model_psmouse::{PsMouseModel, Received};
use udrv_bus::Width;

use crate::ID;
use crate::regs::{self, ctrl, status};

/// Input device, mouse.
const CLASS: u32 = 0x09_02_00;

/// A mouse, for the controller's port.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Mutex<PsMouseModel>>);

impl Socket {
    /// With this mouse.
    #[must_use]
    pub fn new(mouse: PsMouseModel) -> Self {
        Self(Arc::new(Mutex::new(mouse)))
    }

    fn mouse(&self) -> MutexGuard<'_, PsMouseModel> {
        // whole between any two statements
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port<PciPs2> for Socket {
    /// What is done at the mouse's bench is noticed at once.
    fn connect(&self, card: Weak<Card<PciPs2>>) {
        self.mouse().watch(move || {
            if let Some(card) = card.upgrade() {
                card.look();
            }
        });
    }
}

/// What it counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that the host has read.
    pub received: u64,
    /// Bytes that the host has written and that went to the mouse.
    pub sent: u64,
    /// Bytes that it has written and that did not.
    pub lost: u64,
}

/// The controller.
pub struct PciPs2 {
    parts: Parts<(), Counts>,
    port: Socket,
    control: u8,
    /// The byte in DATA, and whether the host has not read it yet.
    byte: Received,
    full: bool,
}

impl PciPs2 {
    /// Takes a byte of the mouse if there is room.
    fn fill(&mut self) {
        if self.control & ctrl::ENABLE == 0 || self.full {
            return;
        }
        if let Some(byte) = self.port.mouse().read() {
            (self.byte, self.full) = (byte, true);
        }
    }

    fn can_send(&self) -> bool {
        self.port.mouse().has_arrived()
    }

    fn status(&self) -> u8 {
        // odd parity: with its bit a byte has an odd number of ones
        let parity = self.byte.value.count_ones().is_multiple_of(2) == self.byte.parity_ok;
        let mut shown = status::DAT;
        for (bit, on) in [
            (status::CLK, self.control & ctrl::ENABLE != 0 && !self.full),
            (status::PARITY, parity),
            (status::RXFULL, self.full),
        ] {
            shown |= if on { bit } else { 0 };
        }
        shown | if self.can_send() { status::TXEMPTY } else { status::TXBUSY }
    }
}

impl Chip for PciPs2 {
    type Config = ();
    type Port = Socket;
    type Switches = ();
    type Counts = Counts;

    const NAME: &'static str = "pcips2";
    const CLOCK: bool = true;

    fn new((): (), port: Socket) -> Self {
        let mut bars = [None; 6];
        bars[0] = Some(Bar::io(regs::SIZE));
        let pci = ConfigSpace::new(&Description { class: CLASS, bars, ..Description::function(ID) });
        let parts = Parts::new(pci, Dma::new(&[]), Costs::default());
        Self { parts, port, control: 0, byte: Received { value: 0, parity_ok: true }, full: false }
    }

    fn parts(&mut self) -> &mut Parts<(), Counts> {
        &mut self.parts
    }

    fn read(&mut self, _bar: u8, offset: u32, width: Width) -> u32 {
        match (width, offset) {
            (Width::U8, regs::CTRL) => self.control.into(),
            (Width::U8, regs::STATUS) => self.status().into(),
            (Width::U8, regs::DATA) => {
                self.parts.counters.received += u64::from(std::mem::take(&mut self.full));
                self.byte.value.into()
            }
            _ => u32::MAX,
        }
    }

    fn write(&mut self, _bar: u8, offset: u32, width: Width, value: u32) {
        match (width, offset) {
            (Width::U8, regs::CTRL) => self.control = value as u8 & ctrl::WRITABLE,
            (Width::U8, regs::DATA) if self.control & ctrl::ENABLE != 0 && self.can_send() => {
                self.port.mouse().write(value as u8);
                self.parts.counters.sent += 1;
            }
            (Width::U8, regs::DATA) => self.parts.counters.lost += 1,
            _ => {}
        }
    }

    fn wants_interrupt(&mut self) -> bool {
        self.fill();
        let receives = self.control & ctrl::RXIRQ != 0 && self.full;
        receives || self.control & ctrl::TXIRQ != 0 && self.control & ctrl::ENABLE != 0 && self.can_send()
    }

    fn wakes_at(&self) -> Option<Instant> {
        let waits = self.control & ctrl::ENABLE != 0 && !self.full;
        waits.then(|| self.port.mouse().wakes_at()).flatten()
    }

    fn resume(&mut self) {}
}
