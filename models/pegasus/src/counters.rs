//! What the model counts beside what its chip counts, so that a test can prove a negative.

/// Counters since the adapter was made. No device can be asked for these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Control transfers from the device, answered or not.
    pub control_reads: u64,
    /// Control transfers to the device; clearing a halt is one.
    pub control_writes: u64,
    /// Transfers of the bulk IN endpoint that ended as they should.
    pub bulk_in: u64,
    /// Transfers of the bulk OUT endpoint that ended as they should.
    pub bulk_out: u64,
    /// Transfers of the interrupt endpoint that ended as they should.
    pub interrupt_in: u64,
    /// Frames put on the wire.
    pub tx_frames: u64,
    /// Frames sent in loopback.
    pub tx_loopback: u64,
    /// Frames that were sent without a link.
    pub tx_lost: u64,
    /// What was sent and cannot be a frame: without a length, or too long.
    pub tx_aborts: u64,
    /// OUT transfers whose last packet was full and that no empty one followed: the next one belongs to the same frame.
    pub tx_unended: u64,
    /// Frames put into the receive FIFO.
    pub rx_frames: u64,
    /// Frames that the filter refused, or that came while the receiver, the PHY or the adapter was off.
    pub rx_filtered: u64,
    /// Frames lost for want of room.
    pub rx_missed: u64,
    /// Resets of the MAC.
    pub resets: u64,
    /// Resets of the port.
    pub port_resets: u64,
    /// Register writes lost because a reset was under way.
    pub writes_in_reset: u64,
    /// Writes of one register in which `wValue` and the data differ.
    pub contradictions: u64,
    /// Words of the EEPROM that were written.
    pub eprom_writes: u64,
}
