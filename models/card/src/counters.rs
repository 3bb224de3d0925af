//! What a model counts beside what its chip counts, so that a test can prove a negative.

/// Counters since the card was made. No device can be asked for these.
///
/// The card itself counts accesses, interrupts, DMA bytes and master aborts; frames, aborts and resets are counted
/// by the chip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
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
    /// Frames put on the wire.
    pub tx_frames: u64,
    /// Frames sent in loopback.
    pub tx_loopback: u64,
    /// Transmissions aborted.
    pub tx_aborts: u64,
    /// Frames put into receive memory.
    pub rx_frames: u64,
    /// Frames that the receive filter refused, or that came while the receiver was off.
    pub rx_filtered: u64,
    /// Frames lost for want of room, or of bus mastering.
    pub rx_missed: u64,
    /// Times that INTx was signalled through the eventfd.
    pub interrupts: u64,
    /// Messages (MSI) that were sent.
    pub messages: u64,
    /// Register writes lost because a software reset was under way.
    pub writes_in_reset: u64,
    /// Software resets.
    pub resets: u64,
}
