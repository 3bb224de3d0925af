//! What a device takes of memory for being driven, and for being brought back.

use serde::{Deserialize, Serialize};

use super::{Class, Running};
use crate::keep::Record;

/// Bytes. Sizes of what is mapped: pages that were never touched are not in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The driver's state.
    pub state: usize,
    /// The host's part that rolls back with it.
    pub ledger: usize,
    /// Of the ledger, the shadow of registers, for as many as there can be.
    pub shadow: usize,
    /// Of that, what holds a value now.
    pub shadow_used: usize,
    /// Committed images kept.
    pub images: usize,
    /// One of them.
    pub image: usize,
    /// The arena: header, images, live parts, scratch area, in whole pages.
    pub arena: usize,
    /// The driver's stack.
    pub stack: usize,
    /// Journal of registers, held back doorbells, and what else is noted of a call.
    pub journals: usize,
    /// DMA memory: rings and packet buffers. It would be there without transactions too.
    pub dma: usize,
}

impl<C: Class> Running<C> {
    /// What it takes.
    #[must_use]
    pub fn memory_use(&self) -> Memory {
        let sizes = self.domain.sizes();
        let ledger = self.domain.ledger();
        let known: u32 = ledger.known.iter().map(|word| word.count_ones()).sum();
        Memory {
            state: sizes.state,
            ledger: sizes.ledger,
            shadow: size_of_val(&ledger.shadow),
            shadow_used: known as usize * size_of::<u32>(),
            images: sizes.images,
            image: sizes.image,
            arena: sizes.file,
            stack: sizes.stack,
            journals: size_of::<Record>(),
            dma: self.host.pool.region().size() as usize,
        }
    }
}
