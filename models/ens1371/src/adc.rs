//! The recording channel: from 48 kHz to its buffer, along the straight line between two samples.

use model_card::Parts;

use crate::Frame;
use crate::converter::Rate;
use crate::counts::Counts;
use crate::engine::{Engine, Format};
use crate::misbehave::Switches;
use crate::mixer::{between, saturate};

/// How it is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// Enabled, and the converter runs.
    pub(crate) on: bool,
    /// The accumulator stands.
    pub(crate) frozen: bool,
    pub(crate) rate: Option<Rate>,
    pub(crate) format: Format,
    pub(crate) stop_mode: bool,
    /// Left and right, and what of them is 1.
    pub(crate) volumes: ([i64; 2], i64),
}

#[derive(Debug, Default)]
pub(crate) struct Adc {
    pub(crate) engine: Engine,
    before: Option<Frame>,
    /// How far behind `before` the next sample lies.
    due: u32,
    /// Samples put into the buffer, and periods over, since the chip has looked.
    pub(crate) made: u32,
    pub(crate) periods: u32,
}

impl Adc {
    /// It was switched on.
    pub(crate) fn start(&mut self) {
        self.engine.start();
        self.before = None;
    }

    /// Takes a sample at 48 kHz.
    pub(crate) fn take(&mut self, input: Frame, parts: &mut Parts<Switches, Counts>, how: &Record) {
        let able = how.on && !how.frozen && parts.may_master() && !parts.trouble.on.adc_hangs;
        let Some(Rate { step, whole }) = how.rate.filter(|_| able) else { return };
        let (volumes, one) = how.volumes;
        let input = [0, 1].map(|c| saturate((i64::from(input[c]) * volumes[c]).div_euclid(one)));
        let before = self.before.replace(input).unwrap_or_else(|| {
            // the first sample is one at every rate
            self.due = whole;
            input
        });
        if self.due > whole {
            self.due -= whole;
            return;
        }
        if !self.engine.stopped {
            self.engine.store(parts, how.format, between(before, input, self.due, whole));
            self.made += 1;
            if !parts.trouble.on.counter_stuck && self.engine.count(how.stop_mode) {
                self.periods += 1;
            }
        }
        // not faster than 48 kHz, so there is no second one
        self.due = self.due + step - whole;
    }
}
