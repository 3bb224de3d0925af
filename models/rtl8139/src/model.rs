//! The card as a [`PciFunction`], and the handle of whoever watches it.
//!
//! A [`Rtl8139Model`] is the open file of a real device: dropping it does what the last close of VFIO does (bus
//! mastering off, mappings and interrupt gone, no reset), and [`Rtl8139Handle::open`] opens the same card again, as
//! dirty as it was left.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use model_wire::{NicPort, NicReceiver};
use udrv_bus::{BarInfo, BarKind, BusError, DmaMapping, PciFunction, ResetKind, Width};

use crate::chip::Chip;
use crate::config::Config;
use crate::counters::Counters;
use crate::dma::{Dma, IOVA_RANGES};
use crate::misbehave::Misbehave;
use crate::pci::command;
use crate::regs;

/// Bytes of configuration space.
const CONFIG_SIZE: u64 = 256;

struct Card(Mutex<Chip>);

impl Card {
    fn chip(&self) -> MutexGuard<'_, Chip> {
        // A panic of another thread leaves registers as some access left them: still a chip.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NicReceiver for Card {
    fn receive(&self, frame: &[u8], fcs_ok: bool) {
        let mut chip = self.chip();
        chip.receive(frame, fcs_ok);
        chip.settle();
    }

    fn link_changed(&self, up: bool) {
        let mut chip = self.chip();
        chip.set_link(up);
        chip.settle();
    }
}

/// An RTL8139, opened. Made by [`Rtl8139Model::new`] or [`Rtl8139Handle::open`].
pub struct Rtl8139Model {
    card: Arc<Card>,
}

/// The bench beside the card: counters, misbehaviour, clock. Clones are the same bench; it keeps the card alive.
#[derive(Clone)]
pub struct Rtl8139Handle {
    card: Arc<Card>,
}

impl Rtl8139Model {
    /// Builds a card, plugs it into the near end of a wire and opens it. It is as after power-on: memory, I/O and bus
    /// mastering are off in the command register.
    #[must_use]
    pub fn new(config: Config, port: NicPort) -> (Rtl8139Model, Rtl8139Handle) {
        let mut chip = Chip::new(config, port.clone());
        chip.open = true;
        let card = Arc::new(Card(Mutex::new(chip)));
        let receiver: Weak<dyn NicReceiver> = Arc::<Card>::downgrade(&card);
        port.attach(receiver);
        (Rtl8139Model { card: card.clone() }, Rtl8139Handle { card })
    }
}

impl Rtl8139Handle {
    /// Opens the card again after its model was dropped. Registers are as they were left.
    pub fn open(&self) -> Result<Rtl8139Model, BusError> {
        let mut chip = self.card.chip();
        if std::mem::replace(&mut chip.open, true) {
            return Err(BusError::Unsupported("opening it twice"));
        }
        Ok(Rtl8139Model { card: self.card.clone() })
    }

    /// What the model counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.card.chip().counters
    }

    /// Changes how the chip fails, from any thread.
    pub fn misbehave(&self, change: impl FnOnce(&mut Misbehave)) {
        let mut chip = self.card.chip();
        chip.trouble.change(change);
        chip.run_transmitter();
        chip.settle();
    }

    /// Moves the clock of [`crate::Clock::Manual`] on by ticks of 33 MHz.
    pub fn advance_clock(&self, ticks: u64) {
        let mut chip = self.card.chip();
        chip.timer.advance(ticks);
        chip.settle();
    }

    /// Lets the chip notice that TimerInt was reached, with [`crate::Clock::Real`].
    pub fn tick(&self) {
        self.card.chip().settle();
    }

    /// Whether INTx is asserted, by the chip, before any mask of the host.
    #[must_use]
    pub fn intx_asserted(&self) -> bool {
        let chip = self.card.chip();
        chip.pci.read(0x06, 2) & u32::from(crate::pci::status::INTX) != 0
    }
}

/// An access that fits: the offset as a byte.
fn fit(space: impl FnOnce() -> String, size: u64, offset: u64, width: Width) -> Result<u8, BusError> {
    if offset.checked_add(width.bytes()).is_none_or(|end| end > size) {
        return Err(BusError::OutOfRange { space: space(), size, offset, width });
    }
    if !offset.is_multiple_of(width.bytes()) {
        return Err(BusError::Unsupported("an access that is not naturally aligned"));
    }
    Ok(offset as u8)
}

fn bar_space(bar: u8) -> Result<u16, BusError> {
    match bar {
        0 => Ok(command::IO),
        1 => Ok(command::MEMORY),
        _ => Err(BusError::NoSuchBar(bar)),
    }
}

fn spend(cost: Duration) {
    if !cost.is_zero() {
        let end = Instant::now() + cost;
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}

impl PciFunction for Rtl8139Model {
    fn name(&self) -> String {
        "model:rtl8139".into()
    }

    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        fit(|| "configuration space".into(), CONFIG_SIZE, offset.into(), width)?;
        let mut chip = self.card.chip();
        chip.counters.config_reads += 1;
        if chip.trouble.is_absent() {
            return Ok(width.all_ones());
        }
        Ok(chip.pci.read(offset, width.bytes()))
    }

    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError> {
        fit(|| "configuration space".into(), CONFIG_SIZE, offset.into(), width)?;
        let mut chip = self.card.chip();
        chip.counters.config_writes += 1;
        if !chip.trouble.is_absent() {
            chip.pci.write(offset, width.bytes(), value);
            // Bus mastering or the interrupt disable bit may have changed.
            chip.run_transmitter();
            chip.settle();
        }
        Ok(())
    }

    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError> {
        let kind = if bar_space(bar)? == command::IO { BarKind::Io } else { BarKind::Memory };
        Ok(BarInfo { kind, size: regs::SIZE })
    }

    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        let decode = bar_space(bar)?;
        let offset = fit(|| format!("BAR {bar}"), regs::SIZE, offset, width)?;
        let mut chip = self.card.chip();
        let chip = &mut *chip;
        spend(chip.config.read_cost);
        chip.counters.register_reads += 1;
        if chip.trouble.is_absent() || !chip.pci.has(decode) {
            return Ok(width.all_ones());
        }
        chip.settle();
        let lanes = lanes(offset, width);
        let value = chip.read_lanes(offset & !3, lanes) >> (8 * (offset & 3));
        if chip.trouble.is_all_ones(offset, width.bytes() as u8) {
            return Ok(width.all_ones());
        }
        let lie = chip.trouble.garbage(offset, width.bytes() as u8);
        Ok(lie.unwrap_or(value) & width.all_ones())
    }

    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        let decode = bar_space(bar)?;
        let offset = fit(|| format!("BAR {bar}"), regs::SIZE, offset, width)?;
        let mut chip = self.card.chip();
        let chip = &mut *chip;
        spend(chip.config.write_cost);
        chip.counters.register_writes += 1;
        if chip.trouble.is_absent() || !chip.pci.has(decode) {
            return Ok(());
        }
        let shift = 8 * (offset & 3);
        chip.write_lanes(offset & !3, (value & width.all_ones()) << shift, lanes(offset, width));
        chip.settle();
        Ok(())
    }

    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        Ok(IOVA_RANGES.to_vec())
    }

    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.card.chip().dma.map(mapping)
    }

    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.card.chip().dma.unmap(iova, size)
    }

    fn enable_intx(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        let event = event
            .try_clone_to_owned()
            .map_err(|source| BusError::Io { operation: "duplicating the INTx eventfd".into(), source })?;
        let mut chip = self.card.chip();
        chip.intx.event = Some(File::from(event));
        chip.intx.masked = false;
        chip.settle();
        Ok(())
    }

    fn unmask_intx(&mut self) -> Result<(), BusError> {
        let mut chip = self.card.chip();
        if chip.intx.event.is_none() {
            // VFIO: an interrupt that was not set up cannot be unmasked.
            let source = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(BusError::Io { operation: "unmasking INTx before it was enabled".into(), source });
        }
        chip.intx.masked = false;
        chip.settle();
        Ok(())
    }

    fn disable_intx(&mut self) -> Result<(), BusError> {
        self.card.chip().intx = Default::default();
        Ok(())
    }

    /// There is none: the chip has no FLR and its only reset is CR.RST.
    fn reset(&mut self) -> Result<ResetKind, BusError> {
        Ok(ResetKind::None)
    }
}

fn lanes(offset: u8, width: Width) -> u8 {
    ((1u8 << width.bytes()) - 1) << (offset & 3)
}

impl Drop for Rtl8139Model {
    fn drop(&mut self) {
        let mut chip = self.card.chip();
        let left = chip.pci.command() & !command::BUS_MASTER;
        chip.pci.write(0x04, 2, left.into());
        chip.intx = Default::default();
        chip.dma = Dma::default();
        chip.open = false;
    }
}
