//! What outlives a process, so that a successor goes on with its device: see `docs/adoption.md`.
//!
//! ```text
//!   bus fds, endpoint fd           what the kernel has: mappings, pins, carrier, queue
//!   "dma"     sealed memfd         rings and buffers, which the device goes on using
//!   "state"   sealed memfd         images of the driver's state and the ledger (fgft)
//!   "record"  sealed memfd         what is under way: journal, doorbells held back, frames in hand ([`Record`])
//! ```
//!
//! `record.rs` is the memory, `list.rs` and `facts.rs` what it is made of; `inherit.rs` takes what a predecessor has left, and
//! `left.rs` looks at it. `touch.rs` has memory at hand.
// A mapping of plain atomics is looked at in place.
#![allow(unsafe_code)]

mod facts;
mod inherit;
mod left;
pub(crate) mod list;
mod record;
mod touch;

use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

pub use facts::{Facts, Protection, TooLong};
pub use inherit::Inherited;
pub use left::{Left, NotAdopted};
pub use record::Record;
pub(crate) use record::{FORMAT, LastCall, MAX_DELIVERED, MAX_NOTED, MAX_REGISTERS};
pub use touch::touch_program;

use crate::dma::{DmaError, DmaRegion};

/// Names of the descriptors that are ours; those of the bus are the bus's.
pub mod names {
    /// The device's memory.
    pub const DMA: &str = "udrv-dma";
    /// State and ledger.
    pub const STATE: &str = "udrv-state";
    /// The [`super::Record`].
    pub const RECORD: &str = "udrv-record";
    /// What the class has at its other end, a TAP for example.
    pub const ENDPOINT: &str = "udrv-endpoint";
}

/// Who keeps file descriptors while a process is replaced: a service manager, or whoever started it.
pub trait Keeper: Send + Sync + fmt::Debug {
    /// Keeps a duplicate of `fd` under `name`.
    ///
    /// # Errors
    /// When the keeper cannot be reached.
    fn keep(&self, name: &str, fd: BorrowedFd<'_>) -> io::Result<()>;
    /// Closes all that it keeps under `names`, and has done so when this returns.
    ///
    /// # Errors
    /// As there.
    fn forget(&self, names: &[&str]) -> io::Result<()>;
    /// Whether it wants them as soon as the device works, and not only when it is asked to let go
    /// ([`crate::run::Command::HandOut`]).
    fn at_once(&self) -> bool {
        true
    }
}

/// A mapped [`Record`].
pub struct Kept {
    region: DmaRegion,
    record: NonNull<Record>,
}

// SAFETY: all of a Record is atomics in a shared mapping that lives as long as this.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

impl Kept {
    /// A new one.
    ///
    /// # Errors
    /// No memory.
    pub fn new() -> Result<Kept, DmaError> {
        let kept = Kept::map(DmaRegion::new(size_of::<Record>() as u64, None)?)?;
        kept.begin();
        Ok(kept)
    }

    /// What a predecessor has left.
    ///
    /// # Errors
    /// It is no sealed memfd of that size.
    pub fn adopt(fd: OwnedFd) -> Result<Kept, DmaError> {
        Kept::map(DmaRegion::from_fd(fd, None)?)
    }

    /// Has its memory at hand.
    pub(crate) fn touch(&self) {
        self.region.touch();
    }

    fn map(region: DmaRegion) -> Result<Kept, DmaError> {
        if region.size() != (size_of::<Record>() as u64).next_multiple_of(crate::dma::DMA_PAGE) {
            return Err(DmaError::NotARegion("it has not the size of a record"));
        }
        let record = NonNull::new(region.host_address() as *mut Record);
        let record = record.ok_or(DmaError::NotARegion("it is mapped at no address"))?;
        Ok(Kept { region, record })
    }
}

impl Deref for Kept {
    type Target = Record;

    fn deref(&self) -> &Record {
        // SAFETY: the mapping is as large (`map`), page aligned, writable, sealed against shrinking, and lives as long as
        // self. A Record is atomics, for which any bytes are values; nobody has another kind of reference to it.
        unsafe { self.record.as_ref() }
    }
}

impl AsFd for Kept {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.region.as_fd()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({:?})", self.region)
    }
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
