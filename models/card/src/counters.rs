//! What a model counts beside what its chip counts, so that a test can prove a negative.

use std::ops::{Deref, DerefMut};

/// Counters since the card was made. No device can be asked for these. `T` is what a chip of this kind counts
/// ([`crate::Chip::Counts`]); its fields are reached as if they were here.
///
/// The card itself counts accesses, interrupts, DMA bytes and master aborts; the rest is counted by the chip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters<T> {
    /// Register reads through a BAR, of any width, answered or not.
    pub register_reads: u64,
    /// Register writes through a BAR.
    pub register_writes: u64,
    /// Configuration space reads.
    pub config_reads: u64,
    /// Configuration space writes.
    pub config_writes: u64,
    /// Bytes that the chip read from memory.
    pub dma_read_bytes: u64,
    /// Bytes that the chip wrote to memory.
    pub dma_write_bytes: u64,
    /// DMA accesses outside every mapping.
    pub master_aborts: u64,
    /// Times that INTx was signalled through the eventfd.
    pub interrupts: u64,
    /// Messages (MSI) that were sent.
    pub messages: u64,
    /// Register writes lost because a software reset was under way.
    pub writes_in_reset: u64,
    /// Software resets.
    pub resets: u64,
    /// What only a chip of this kind counts.
    pub chip: T,
}

impl<T> Deref for Counters<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.chip
    }
}

impl<T> DerefMut for Counters<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.chip
    }
}
