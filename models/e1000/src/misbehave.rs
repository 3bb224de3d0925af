//! What only this chip can do wrong, beside what every card can.

/// What is written over the result of a received frame, in each of its descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BadWriteback {
    /// Length instead of the true one.
    pub length: Option<u16>,
    /// Status instead of the true one; 0 is a descriptor that is never done.
    pub status: Option<u8>,
    /// Errors instead of the true ones.
    pub errors: Option<u8>,
}

/// Failures of the 8254x; reached through [`Misbehave`] as if they were its fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Switches {
    /// The last word of the EEPROM reads one too high: the checksum is wrong.
    pub eeprom_checksum: bool,
    /// MDIC is never ready.
    pub mdic_hangs: bool,
    /// Received frames get a wrong result. Frame and RDH are as they should be.
    pub rx_writeback: Option<BadWriteback>,
    /// Frames are sent and TDH moves, but DD is never written.
    pub tx_never_done: bool,
    /// Frames are sent and DD is written, but neither TXDW nor TXQE is ever set.
    pub tx_silent: bool,
    /// RDH and TDH read this much too high, modulo 2^16.
    pub heads_jump: Option<u16>,
    /// ICR bits that are always set: with IMS an interrupt storm.
    pub icr_stuck: u32,
    /// With each register read of so many, the link fails and comes back; 0 is never.
    pub link_flaps: u32,
}

/// Which failures are on. `reset_hangs` is CTRL.RST, which then stays set, and writes are lost; `garbage` and
/// `all_ones` count offsets of registers in BAR 0, and of IOADDR and IODATA in BAR 1.
pub type Misbehave = model_card::Misbehave<Switches>;
