//! What only this chip can do wrong, beside what every card can.

/// What is written over the first word of the descriptors of a received frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BadDescriptor {
    /// Bits of [`crate::regs::rxd::STATUS`] instead of the true ones, FS and LS among them.
    pub status: Option<u32>,
    /// Length instead of the true one, fourteen bits. The frame itself is as it should be.
    pub length: Option<u16>,
}

/// Failures of the family; reached through [`Misbehave`] as if they were its fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Switches {
    /// An access by PHYAR is never done. One that is under way ends when this is switched off.
    pub phyar_hangs: bool,
    /// Received frames get a wrong descriptor.
    pub rx_descriptor: Option<BadDescriptor>,
    /// Frames are received and ROK is set, but the descriptors keep OWN. The chip goes on to the next.
    pub rx_never_done: bool,
    /// Frames are sent and TOK is set, but the descriptors keep OWN. The chip then stops after each frame, until it is
    /// polled again.
    pub tx_never_done: bool,
    /// Frames are sent and OWN is cleared, but neither TOK nor TDU is ever set.
    pub tx_silent: bool,
    /// ISR bits that are always set: with IMR an interrupt storm.
    pub isr_stuck: u16,
    /// With each register read of so many, the link fails and comes back; 0 is never.
    pub link_flaps: u32,
}

/// Which failures are on. `reset_hangs` is CR.RST, which then stays set, and writes are lost.
pub type Misbehave = model_card::Misbehave<Switches>;
