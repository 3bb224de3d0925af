//! What a sound chip counts for tests.

/// Counters of samples and of accesses behind registers. Underruns are not among them: the chip knows of none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples of DAC1, of all its channels at once, at its own rate.
    pub dac1_samples: u64,
    /// The same of DAC2.
    pub dac2_samples: u64,
    /// The same of the ADC.
    pub adc_samples: u64,
    /// Samples at 48 kHz that have left the codec.
    pub played: u64,
    /// Samples at 48 kHz that have been taken from the input.
    pub heard: u64,
    /// Times that a sample counter ran out with its interrupt enabled.
    pub periods: u64,
    /// Registers of the codec that were read.
    pub codec_reads: u64,
    /// Registers of the codec that were written.
    pub codec_writes: u64,
    /// Writes of CODEC lost because an access was in progress.
    pub codec_lost: u64,
    /// Writes of SRC lost because its RAM was busy.
    pub src_lost: u64,
}

/// Counters since the card was made.
pub type Counters = model_card::Counters<Counts>;
