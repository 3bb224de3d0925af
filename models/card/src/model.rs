//! The card as a [`PciFunction`], and the handle of whoever watches it.
//!
//! A [`Model`] is the open file of a real device: dropping it does what the last close of VFIO does (bus mastering
//! off, mappings and interrupt gone, no reset), and [`Handle::open`] opens the same card again, as dirty as it was
//! left.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use udrv_bus::{BarInfo, BarKind, BusError, DmaMapping, PciFunction, ResetKind, Width};

use crate::alarm::Wake;
use crate::chip::{Chip, Port};
use crate::counters::Counters;
use crate::misbehave::Misbehave;
use crate::parts::{Costs, Intx};
use crate::pci::{self, command};

/// A card in its slot, for what is connected to it ([`Port`]).
pub struct Card<C>(Mutex<C>);

impl<C: Chip> Card<C> {
    pub(crate) fn chip(&self) -> MutexGuard<'_, C> {
        // A panic of another thread leaves registers as some access left them: still a chip.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has happened at the port: the chip is looked at.
    pub fn look(&self) {
        settle(&mut *self.chip());
    }
}

impl<C: Chip> Wake for Card<C> {
    fn wake(&self) {
        self.look();
    }
}

/// Brings the interrupt line up to date; after anything that may have changed it.
pub(crate) fn settle<C: Chip>(chip: &mut C) {
    let wanted = chip.wants_interrupt();
    let wakes_at = chip.wakes_at();
    let parts = chip.parts();
    parts.settle(wanted);
    if let Some(at) = wakes_at {
        parts.alarm.set(at);
    }
}

/// A card, opened. Made by [`Model::new`] or [`Handle::open`].
pub struct Model<C: Chip> {
    card: Arc<Card<C>>,
}

/// The bench beside the card: counters, misbehaviour, clock. Clones are the same bench; it keeps the card alive.
pub struct Handle<C: Chip> {
    card: Arc<Card<C>>,
}

impl<C: Chip> Clone for Handle<C> {
    fn clone(&self) -> Self {
        Self { card: self.card.clone() }
    }
}

impl<C: Chip> Model<C> {
    /// Builds a card, connects it (a network card to the near end of a wire) and opens it. It is as after power-on:
    /// memory, I/O and bus mastering are off in the command register.
    #[must_use]
    pub fn new(config: C::Config, port: C::Port) -> (Model<C>, Handle<C>)
    where
        C::Port: Port<C> + Clone,
    {
        let mut chip = C::new(config, port.clone());
        chip.parts().open = true;
        let card = Arc::new(Card(Mutex::new(chip)));
        port.connect(Arc::downgrade(&card));
        if C::CLOCK {
            let wake: Weak<dyn Wake> = Arc::<Card<C>>::downgrade(&card);
            card.chip().parts().alarm.start(wake);
        }
        (Model { card: card.clone() }, Handle { card })
    }
}

impl<C: Chip> Handle<C> {
    /// Opens the card again after its model was dropped. Registers are as they were left.
    ///
    /// # Errors
    ///
    /// [`BusError::Unsupported`] while it is open.
    pub fn open(&self) -> Result<Model<C>, BusError> {
        if std::mem::replace(&mut self.card.chip().parts().open, true) {
            return Err(BusError::Unsupported("opening it twice"));
        }
        Ok(Model { card: self.card.clone() })
    }

    /// What the model counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters<C::Counts> {
        self.card.chip().parts().counters
    }

    /// Changes how the chip fails, from any thread.
    pub fn misbehave(&self, change: impl FnOnce(&mut Misbehave<C::Switches>)) {
        self.with(|chip| {
            chip.parts().trouble.change(change);
            chip.resume();
        });
    }

    /// Looks at the chip, or changes it, between two accesses.
    pub fn with<R>(&self, look: impl FnOnce(&mut C) -> R) -> R {
        let mut chip = self.card.chip();
        let seen = look(&mut *chip);
        settle(&mut *chip);
        seen
    }

    /// Moves a clock that is driven by hand on, by ticks of the chip's own unit ([`Chip::advance_clock`]).
    pub fn advance_clock(&self, ticks: u64) {
        self.with(|chip| chip.advance_clock(ticks));
    }

    /// Lets the chip notice that a timer expired, when its clock is the real one.
    pub fn tick(&self) {
        self.with(|_| ());
    }

    /// Whether INTx is asserted, by the chip, before any mask of the host.
    #[must_use]
    pub fn intx_asserted(&self) -> bool {
        self.card.chip().parts().pci.intx()
    }
}

/// An access that fits: the offset in 32 bits.
fn fit(space: impl FnOnce() -> String, size: u64, offset: u64, width: Width) -> Result<u32, BusError> {
    if offset.checked_add(width.bytes()).is_none_or(|end| end > size) {
        return Err(BusError::OutOfRange { space: space(), size, offset, width });
    }
    if !offset.is_multiple_of(width.bytes()) {
        return Err(BusError::Unsupported("an access that is not naturally aligned"));
    }
    Ok(offset as u32)
}

/// An access of a BAR that fits: its offset, and whether the card decodes it.
fn decode<C: Chip>(chip: &mut C, bar: u8, offset: u64, width: Width) -> Result<(u32, bool), BusError> {
    let pci = &chip.parts().pci;
    let info = pci.bar(bar).ok_or(BusError::NoSuchBar(bar))?;
    let offset = fit(|| format!("BAR {bar}"), info.size, offset, width)?;
    let enable = if info.kind == BarKind::Io { command::IO } else { command::MEMORY };
    Ok((offset, pci.has(enable)))
}

impl<C: Chip> PciFunction for Model<C> {
    fn name(&self) -> String {
        format!("model:{}", C::NAME)
    }

    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        fit(|| "configuration space".into(), pci::SIZE, offset.into(), width)?;
        let mut chip = self.card.chip();
        let parts = chip.parts();
        parts.counters.config_reads += 1;
        if parts.trouble.is_absent() {
            return Ok(width.all_ones());
        }
        Ok(parts.pci.read(offset, width.bytes()))
    }

    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError> {
        fit(|| "configuration space".into(), pci::SIZE, offset.into(), width)?;
        let mut chip = self.card.chip();
        let parts = chip.parts();
        parts.counters.config_writes += 1;
        if !parts.trouble.is_absent() {
            parts.pci.write(offset, width.bytes(), value);
            // Bus mastering or the interrupt disable bit may have changed.
            chip.resume();
            settle(&mut *chip);
        }
        Ok(())
    }

    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError> {
        self.card.chip().parts().pci.bar(bar).ok_or(BusError::NoSuchBar(bar))
    }

    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        let mut chip = self.card.chip();
        let chip = &mut *chip;
        let (offset, decoded) = decode(chip, bar, offset, width)?;
        Costs::spend(chip.parts().costs.read);
        chip.parts().counters.register_reads += 1;
        if chip.parts().trouble.is_absent() || !decoded {
            return Ok(width.all_ones());
        }
        // Before: what a timer did until now can be read. After: a read may clear a cause.
        settle(chip);
        let value = chip.read(bar, offset, width);
        settle(chip);
        let trouble = &mut chip.parts().trouble;
        let len = width.bytes() as u32;
        if trouble.is_all_ones(offset, len) {
            return Ok(width.all_ones());
        }
        Ok(trouble.garbage(offset, len).unwrap_or(value) & width.all_ones())
    }

    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        let mut chip = self.card.chip();
        let chip = &mut *chip;
        let (offset, decoded) = decode(chip, bar, offset, width)?;
        Costs::spend(chip.parts().costs.write);
        chip.parts().counters.register_writes += 1;
        if !chip.parts().trouble.is_absent() && decoded {
            chip.write(bar, offset, width, value & width.all_ones());
            settle(chip);
        }
        Ok(())
    }

    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        Ok(self.card.chip().parts().dma.ranges().to_vec())
    }

    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.card.chip().parts().dma.map(mapping)
    }

    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.card.chip().parts().dma.unmap(iova, size)
    }

    fn enable_intx(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        let event = event
            .try_clone_to_owned()
            .map_err(|source| BusError::Io { operation: "duplicating the INTx eventfd".into(), source })?;
        let mut chip = self.card.chip();
        chip.parts().intx = Intx { event: Some(File::from(event)), masked: false };
        settle(&mut *chip);
        Ok(())
    }

    fn unmask_intx(&mut self) -> Result<(), BusError> {
        let mut chip = self.card.chip();
        let intx = &mut chip.parts().intx;
        if intx.event.is_none() {
            // VFIO: an interrupt that was not set up cannot be unmasked.
            let source = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(BusError::Io { operation: "unmasking INTx before it was enabled".into(), source });
        }
        intx.masked = false;
        settle(&mut *chip);
        Ok(())
    }

    fn disable_intx(&mut self) -> Result<(), BusError> {
        self.card.chip().parts().intx = Intx::default();
        Ok(())
    }

    fn has_msi(&mut self) -> Result<bool, BusError> {
        Ok(self.card.chip().parts().pci.has_msi())
    }

    fn enable_msi(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        let event = event
            .try_clone_to_owned()
            .map_err(|source| BusError::Io { operation: "duplicating the eventfd of MSI".into(), source })?;
        let mut chip = self.card.chip();
        if !chip.parts().pci.has_msi() {
            return Err(BusError::Unsupported("MSI"));
        }
        chip.parts().start_messages(File::from(event));
        Ok(())
    }

    fn disable_msi(&mut self) -> Result<(), BusError> {
        let mut chip = self.card.chip();
        chip.parts().stop_messages();
        // The line is the chip's again.
        settle(&mut *chip);
        Ok(())
    }

    fn reset(&mut self) -> Result<ResetKind, BusError> {
        let mut chip = self.card.chip();
        let kind = chip.function_reset();
        settle(&mut *chip);
        Ok(kind)
    }
}

impl<C: Chip> Drop for Model<C> {
    fn drop(&mut self) {
        self.card.chip().parts().close();
    }
}
