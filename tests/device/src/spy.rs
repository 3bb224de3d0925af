//! The card with a back door: the device has one end, the test looks in at the other.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model_card::Model;
use model_card::interpose::{Before, Interposer};
use udrv_bus::{BusError, PciFunction, Width};

use crate::subject::{Register, Subject};

/// The card as the device has it.
pub struct Spied<S: Subject>(Arc<Mutex<Box<Model<S::Chip>>>>, Arc<Mutex<Line>>);

/// The back door. It keeps the card open after the device has let go of it, so that the test sees how it was left.
pub struct Spy<S: Subject>(Arc<Mutex<Box<Model<S::Chip>>>>, Arc<Mutex<Line>>);

impl<S: Subject> Clone for Spy<S> {
    fn clone(&self) -> Spy<S> {
        Spy(self.0.clone(), self.1.clone())
    }
}

/// The interrupt line between card and device, as others may touch it.
#[derive(Default)]
struct Line {
    event: Option<OwnedFd>,
    /// Rung by a neighbour, and not unmasked since.
    masked: bool,
    unmask_fails: bool,
    /// So many writes of registers fail from now on.
    writes_fail: u32,
}

/// PCI command register: bus mastering.
pub const BUS_MASTER: u32 = 1 << 2;

/// Opens the back door of a card.
#[must_use]
pub fn spy<S: Subject>(card: Model<S::Chip>) -> (Before<Spied<S>>, Spy<S>) {
    let (card, line) = (Arc::new(Mutex::new(Box::new(card))), Arc::<Mutex<Line>>::default());
    (Before(Spied(card.clone(), line.clone())), Spy(card, line))
}

impl<S: Subject> Spy<S> {
    fn card(&self) -> MutexGuard<'_, Box<Model<S::Chip>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a register. Those that [`Subject`] names do not change by being read.
    ///
    /// # Panics
    /// When there is no such register.
    #[must_use]
    pub fn register(&self, at: u32, width: Width) -> u32 {
        self.card().bar_read(S::BAR, at.into(), width).expect("a register")
    }

    /// Writes a register behind the driver's back.
    ///
    /// # Panics
    /// When there is no such register.
    pub fn set_register(&self, at: u32, width: Width, value: u32) {
        self.card().bar_write(S::BAR, at.into(), width, value).expect("a register");
    }

    fn values(&self, registers: &[Register]) -> Vec<(&'static str, u32)> {
        registers.iter().map(|r| (r.name, self.register(r.at, r.width) & r.mask)).collect()
    }

    /// The PCI command register.
    ///
    /// # Panics
    /// Never: every function has one.
    #[must_use]
    pub fn command(&self) -> u32 {
        self.card().config_read(4, Width::U16).expect("configuration space")
    }

    /// What must be the same before and after a fault: what the driver has set up, and the PCI command.
    #[must_use]
    pub fn setup(&self) -> Vec<(&'static str, u32)> {
        let mut values = self.values(S::SETUP);
        values.push(("PCI command", self.command()));
        values
    }

    /// The station address.
    #[must_use]
    pub fn station(&self) -> [u8; 6] {
        let [low, high] = S::STATION.map(|at| self.register(at, Width::U32).to_le_bytes());
        [low[0], low[1], low[2], low[3], high[0], high[1]]
    }

    /// Panics when the chip is not quiet: it receives, sends, may interrupt or master the bus.
    ///
    /// # Panics
    /// As said; `what` is in the message.
    pub fn expect_quiet(&self, what: &str) {
        let loud: Vec<_> = self.values(S::QUIET).into_iter().filter(|(_, value)| *value != 0).collect();
        assert!(loud.is_empty(), "{what}: the chip is left with {loud:x?}");
        assert_eq!(self.command() & BUS_MASTER, 0, "{what}: the chip is left mastering the bus");
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

    /// The next so many writes of registers fail.
    pub fn let_writes_fail(&self, count: u32) {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).writes_fail = count;
    }
}

impl<S: Subject> Spied<S> {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subject> Interposer for Spied<S> {
    type Card = Box<Model<S::Chip>>;

    fn card(&self) -> MutexGuard<'_, Self::Card> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        let left = std::mem::take(&mut self.line().writes_fail);
        if left > 0 {
            self.line().writes_fail = left - 1;
            let source = std::io::Error::from_raw_os_error(nix::libc::EIO);
            return Err(BusError::Io { operation: "write of a register".into(), source });
        }
        self.card().bar_write(bar, offset, width, value)
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
    fn enable_msi(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.line().event = event.try_clone_to_owned().ok();
        self.card().enable_msi(event)
    }
    fn disable_msi(&mut self) -> Result<(), BusError> {
        self.line().event = None;
        self.card().disable_msi()
    }
}
