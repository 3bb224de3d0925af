//! The sample rate converter: its RAM, the register before it, and what its words say of rates and volumes.
//!
//! The interpolation itself is in `dac` and `adc`.

use crate::regs::src::{self, CONTROLS, DATA, INT_REGS, RAM_BUSY, RAM_WE, STATE, STATES, TRUNC_N, VFREQ_FRAC, WORDS};

/// How far a channel moves with each sample at 48 kHz: `step` of `whole`. Not faster than 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) step: u32,
    pub(crate) whole: u32,
}

#[derive(Debug)]
pub(crate) struct Converter {
    ram: [u16; WORDS],
    /// DISABLE and the three accumulators, as written.
    controls: u32,
    address: u8,
    shows_state: bool,
    /// Where it is in its turn through the channels; a read later it is one further.
    state: u32,
    busy: u32,
}

impl Converter {
    pub(crate) const fn new() -> Self {
        Self { ram: [0; WORDS], controls: 0, address: 0, shows_state: false, state: 0, busy: 0 }
    }

    /// Reads the register; `stuck` keeps it busy.
    pub(crate) fn read(&mut self, stuck: bool) -> u32 {
        self.state = self.state.wrapping_add(STATE) & STATES;
        let fixed = self.controls | src::address(self.address);
        if self.busy > 0 {
            self.busy -= u32::from(!stuck);
            return fixed | RAM_BUSY;
        }
        let state = if self.shows_state { self.state } else { 0 };
        fixed | state | u32::from(self.ram[usize::from(self.address)])
    }

    /// Writes the register, which then is busy for so many reads. False: it was busy, and the write is lost.
    pub(crate) fn write(&mut self, value: u32, polls: u32) -> bool {
        if self.busy > 0 {
            return false;
        }
        self.controls = value & CONTROLS;
        self.address = (value >> 25) as u8;
        self.shows_state = value & STATE != 0;
        if value & RAM_WE != 0 {
            self.ram[usize::from(self.address)] = (value & DATA) as u16;
        }
        self.busy = polls;
        true
    }

    /// Whether all of these controls are off.
    pub(crate) const fn runs(&self, controls: u32) -> bool {
        self.controls & controls == 0
    }

    fn word(&self, at: u8) -> u16 {
        self.ram[usize::from(at)]
    }

    fn n(&self, channel: u8) -> u32 {
        u32::from(self.word(channel + TRUNC_N) >> 4 & 0x1f)
    }

    fn frequency(&self, channel: u8) -> u32 {
        u32::from(self.word(channel + INT_REGS) >> 10) << 15 | u32::from(self.word(channel + VFREQ_FRAC) & 0x7fff)
    }

    /// A DAC's: samples are taken at `frequency / N` of 48 kHz. `None`: it was never set.
    pub(crate) fn dac_rate(&self, channel: u8) -> Option<Rate> {
        let (step, whole) = (self.frequency(channel), self.n(channel) << 15);
        (step != 0 && whole != 0).then_some(Rate { step: step.min(whole), whole })
    }

    /// The ADC's: a sample is made each `frequency / N` of 48 kHz.
    pub(crate) fn adc_rate(&self) -> Option<Rate> {
        let (step, whole) = (self.frequency(src::ADC), self.n(src::ADC) << 15);
        (step != 0 && whole != 0).then_some(Rate { step: step.max(whole), whole })
    }

    /// Volumes of a DAC, left and right: 4096 is 1.
    pub(crate) fn dac_volumes(&self, at: u8) -> [i64; 2] {
        [self.word(at).into(), self.word(at + 1).into()]
    }

    /// Volumes of the ADC, and what of them is 1: its filter adds N times fewer values for a lower N.
    pub(crate) fn adc_volumes(&self) -> ([i64; 2], i64) {
        ([self.word(src::VOL_ADC).into(), self.word(src::VOL_ADC + 1).into()], i64::from(self.n(src::ADC)) << 8)
    }
}
