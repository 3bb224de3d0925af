//! The card with a back door: the device has one end, the test looks in at the other.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model_rtl8139::{Rtl8139Model, regs};
use udrv_bus::{BarInfo, BusError, DmaMapping, PciFunction, ResetKind, Width};

/// The card as the device has it.
pub struct Spied(Arc<Mutex<Rtl8139Model>>, Arc<Mutex<Line>>);

/// The back door. It keeps the card open after the device has let go of it, so that the test sees how it was left.
#[derive(Clone)]
pub struct Spy(Arc<Mutex<Rtl8139Model>>, Arc<Mutex<Line>>);

/// The interrupt line between card and device, as others may touch it.
#[derive(Default)]
struct Line {
    event: Option<OwnedFd>,
    /// Rung by a neighbour, and not unmasked since.
    masked: bool,
    unmask_fails: bool,
}

/// What of the chip must be the same before and after a fault: what the driver has set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// IDR and MAR.
    pub addresses: [u32; 4],
    /// RBSTART.
    pub ring: u32,
    /// RE and TE of CR.
    pub enables: u32,
    /// IMR.
    pub mask: u32,
    /// TCR and RCR.
    pub modes: [u32; 2],
    /// 9346CR.
    pub lock: u32,
    /// PCI command.
    pub command: u32,
}

/// PCI command register: bus mastering.
pub const BUS_MASTER: u32 = 1 << 2;

/// Opens the back door of a card.
#[must_use]
pub fn spy(card: Rtl8139Model) -> (Spied, Spy) {
    let (card, line) = (Arc::new(Mutex::new(card)), Arc::<Mutex<Line>>::default());
    (Spied(card.clone(), line.clone()), Spy(card, line))
}

impl Spy {
    fn card(&self) -> MutexGuard<'_, Rtl8139Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a register. None of this chip's change by being read, but CR while a reset is under way.
    ///
    /// # Panics
    /// When there is no such register.
    #[must_use]
    pub fn register(&self, offset: u8, width: Width) -> u32 {
        self.card().bar_read(1, offset.into(), width).expect("a register")
    }

    /// The PCI command register.
    ///
    /// # Panics
    /// Never: every function has one.
    #[must_use]
    pub fn command(&self) -> u32 {
        self.card().config_read(4, Width::U16).expect("configuration space")
    }

    /// What the driver has set up.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let word = |offset| self.register(offset, Width::U32);
        Setup {
            addresses: [word(regs::IDR0), word(regs::IDR4), word(regs::MAR0), word(regs::MAR4)],
            ring: word(regs::RBSTART),
            enables: self.enables(),
            mask: self.register(regs::IMR, Width::U16),
            modes: [word(regs::TCR), word(regs::RCR)],
            lock: self.register(regs::CR9346, Width::U8),
            command: self.command(),
        }
    }

    /// Fires the line as a neighbour that shares it would. False: it is masked, for nobody has served it since.
    ///
    /// # Panics
    /// When the eventfd is broken.
    #[must_use]
    pub fn ring_as_neighbour(&self) -> bool {
        let mut line = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if line.masked {
            return false;
        }
        let Some(event) = &line.event else { return false };
        nix::unistd::write(event, &1_u64.to_ne_bytes()).expect("the line's eventfd");
        line.masked = true;
        true
    }

    /// From now on unmasking the line fails, or works.
    pub fn let_unmask_fail(&self, fails: bool) {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).unmask_fails = fails;
    }

    /// RE and TE of CR.
    #[must_use]
    pub fn enables(&self) -> u32 {
        self.register(regs::CR, Width::U8) & u32::from(regs::cr::RE | regs::cr::TE)
    }
}

impl Spied {
    fn card(&self) -> MutexGuard<'_, Rtl8139Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PciFunction for Spied {
    fn name(&self) -> String {
        self.card().name()
    }
    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        self.card().config_read(offset, width)
    }
    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError> {
        self.card().config_write(offset, width, value)
    }
    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError> {
        self.card().bar(bar)
    }
    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        self.card().bar_read(bar, offset, width)
    }
    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        self.card().bar_write(bar, offset, width, value)
    }
    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        self.card().iova_ranges()
    }
    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.card().map_dma(mapping)
    }
    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.card().unmap_dma(iova, size)
    }
    fn enable_intx(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.line().event = event.try_clone_to_owned().ok();
        self.card().enable_intx(event)
    }
    fn unmask_intx(&mut self) -> Result<(), BusError> {
        if self.line().unmask_fails {
            let source = std::io::Error::from_raw_os_error(nix::libc::EIO);
            return Err(BusError::Io { operation: "unmask of INTx".into(), source });
        }
        self.line().masked = false;
        self.card().unmask_intx()
    }
    fn disable_intx(&mut self) -> Result<(), BusError> {
        self.line().event = None;
        self.card().disable_intx()
    }
    fn reset(&mut self) -> Result<ResetKind, BusError> {
        self.card().reset()
    }
}
