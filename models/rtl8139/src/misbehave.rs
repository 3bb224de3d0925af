//! What only this chip can do wrong, beside what every card can.

/// What is written over the header of received frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BadHeader {
    /// Status half instead of the true one.
    pub status: Option<u16>,
    /// Length half instead of the true one. The frame itself and CBR stay as they should be.
    pub length: Option<u16>,
}

/// Failures of the RTL8139; reached through [`Misbehave`] as if they were its fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Switches {
    /// Received frames get a wrong header.
    pub rx_header: Option<BadHeader>,
    /// CBR reads this much too high, modulo 2^16.
    pub cbr_jump: Option<u16>,
    /// ISR bits that are always set: with IMR an interrupt storm.
    pub isr_stuck: u16,
    /// Frames are sent and OWN and TOK come back in TSD, but ISR.TOK is never set.
    pub tx_silent: bool,
}

/// Which failures are on. `reset_hangs` is CR.RST, which then stays set.
pub type Misbehave = model_card::Misbehave<Switches>;
