//! What only this chip can do wrong, beside what every card can.

/// Failures of the ES1371 and its codec; reached through [`Misbehave`] as if they were its fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Switches {
    /// The codec never answers: CODEC.WIP, once an access was started, does not end.
    pub codec_busy: bool,
    /// Reads of the codec end, and CODEC.RDY is never set.
    pub codec_silent: bool,
    /// The codec's sections do not become ready: the low four bits of its register 26h are 0.
    pub codec_not_ready: bool,
    /// SRC.RAM_BUSY, once SRC was written, does not end.
    pub src_busy: bool,
    /// The three engines say that so many more double words are transferred, modulo 2^16: the position jumps when this
    /// is changed, and lies while it is on.
    pub position_jump: Option<u16>,
    /// Sample counters do not move: sound goes on, interrupts do not come.
    pub counter_stuck: bool,
    /// The ADC records nothing, and its position stands still.
    pub adc_hangs: bool,
    /// Bits of STATUS that are always set: with a cause among them an interrupt storm.
    pub status_stuck: u32,
}

/// Which failures are on. `tx_hangs` lets the DACs stand still; `reset_hangs` is nothing: the chip has no such reset.
pub type Misbehave = model_card::Misbehave<Switches>;
