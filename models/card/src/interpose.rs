//! A card before another card: a test that looks at some accesses, changes them or keeps them says which, and all others
//! are passed on.
//!
//! ```
//! use std::sync::{Mutex, MutexGuard};
//! use model_card::interpose::{Before, Interposer};
//! use udrv_bus::{BusError, PciFunction, Width};
//!
//! /// Counts what is written to registers.
//! struct Counted {
//!     card: Mutex<Box<dyn PciFunction>>,
//!     writes: u32,
//! }
//!
//! impl Interposer for Counted {
//!     type Card = Box<dyn PciFunction>;
//!
//!     fn card(&self) -> MutexGuard<'_, Self::Card> {
//!         self.card.lock().unwrap()
//!     }
//!
//!     fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
//!         self.writes += 1;
//!         self.card().bar_write(bar, offset, width, value)
//!     }
//! }
//!
//! fn counted(card: Box<dyn PciFunction>) -> Box<dyn PciFunction> {
//!     Box::new(Before(Counted { card: card.into(), writes: 0 }))
//! }
//! ```

use std::ops::DerefMut;
use std::os::fd::BorrowedFd;
use std::sync::MutexGuard;

use udrv_bus::{BarInfo, BusError, DmaMapping, PciFunction, ResetKind, Width};

/// What stands before a card: the accesses that it does not leave as they are. Each is that of [`PciFunction`].
#[allow(missing_docs, reason = "they are those of PciFunction")]
pub trait Interposer: Send {
    /// The card behind it, in a box.
    type Card: DerefMut<Target: PciFunction>;

    /// The card behind it, for one access.
    fn card(&self) -> MutexGuard<'_, Self::Card>;

    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        self.card().config_read(offset, width)
    }
    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError> {
        self.card().config_write(offset, width, value)
    }
    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        self.card().bar_read(bar, offset, width)
    }
    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        self.card().bar_write(bar, offset, width, value)
    }
    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.card().map_dma(mapping)
    }
    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.card().unmap_dma(iova, size)
    }
    fn enable_intx(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.card().enable_intx(event)
    }
    fn unmask_intx(&mut self) -> Result<(), BusError> {
        self.card().unmask_intx()
    }
    fn disable_intx(&mut self) -> Result<(), BusError> {
        self.card().disable_intx()
    }
    fn enable_msi(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.card().enable_msi(event)
    }
    fn disable_msi(&mut self) -> Result<(), BusError> {
        self.card().disable_msi()
    }
    fn reset(&mut self) -> Result<ResetKind, BusError> {
        self.card().reset()
    }
    /// What the card behind it says cannot be said here: it is borrowed for one access.
    fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        Vec::new()
    }
}

/// An [`Interposer`] as a card.
pub struct Before<I>(pub I);

impl<I: Interposer> PciFunction for Before<I> {
    fn name(&self) -> String {
        self.0.card().name()
    }
    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        self.0.config_read(offset, width)
    }
    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError> {
        self.0.config_write(offset, width, value)
    }
    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError> {
        self.0.card().bar(bar)
    }
    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        self.0.bar_read(bar, offset, width)
    }
    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        self.0.bar_write(bar, offset, width, value)
    }
    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        self.0.card().iova_ranges()
    }
    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.0.map_dma(mapping)
    }
    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.0.unmap_dma(iova, size)
    }
    fn enable_intx(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.0.enable_intx(event)
    }
    fn unmask_intx(&mut self) -> Result<(), BusError> {
        self.0.unmask_intx()
    }
    fn disable_intx(&mut self) -> Result<(), BusError> {
        self.0.disable_intx()
    }
    fn has_msi(&mut self) -> Result<bool, BusError> {
        self.0.card().has_msi()
    }
    fn enable_msi(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.0.enable_msi(event)
    }
    fn disable_msi(&mut self) -> Result<(), BusError> {
        self.0.disable_msi()
    }
    fn reset(&mut self) -> Result<ResetKind, BusError> {
        self.0.reset()
    }
    fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        self.0.kept_alive_by()
    }
}
