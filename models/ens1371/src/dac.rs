//! A playing channel: from its buffer to 48 kHz.
//!
//! Between two samples lies the straight line that joins them. The chip has a filter of 512 coefficients there; at 48 kHz
//! both leave each sample as it is.

use model_card::Parts;

use crate::Frame;
use crate::converter::Rate;
use crate::counts::Counts;
use crate::engine::{Engine, Format};
use crate::misbehave::Switches;
use crate::mixer::between;

const SILENCE: Frame = [0; 2];

/// How a channel is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Play {
    /// Enabled and not paused, and the converter runs.
    pub(crate) on: bool,
    /// The accumulator stands.
    pub(crate) frozen: bool,
    pub(crate) rate: Option<Rate>,
    pub(crate) format: Format,
    pub(crate) stop_mode: bool,
    /// Stop mode: the last sample again and again.
    pub(crate) holds: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Dac {
    pub(crate) engine: Engine,
    /// The sample that is played, and the one after it if that was needed.
    now: Option<Frame>,
    ahead: Option<Frame>,
    /// How far it is from the one to the other.
    phase: u32,
    last: Frame,
    /// Samples taken from the buffer, and periods over, since the chip has looked.
    pub(crate) taken: u32,
    pub(crate) periods: u32,
}

impl Dac {
    /// It was switched on.
    pub(crate) fn start(&mut self) {
        self.engine.start();
        (self.now, self.ahead, self.phase, self.last) = (None, None, 0, SILENCE);
    }

    /// What it plays in the next sample at 48 kHz.
    pub(crate) fn next(&mut self, parts: &mut Parts<Switches, Counts>, how: &Play) -> Frame {
        let Some(Rate { step, whole }) = how.rate.filter(|_| how.on && parts.may_transmit()) else { return SILENCE };
        if how.frozen {
            return self.last;
        }
        let Some(now) = self.now.take().or_else(|| self.sample(parts, how)) else {
            return if how.holds { self.last } else { SILENCE };
        };
        // the rate may have been changed under way
        self.phase %= whole;
        if self.phase == 0 {
            self.last = now;
        } else {
            self.ahead = self.ahead.or_else(|| self.sample(parts, how));
            self.last = between(now, self.ahead.unwrap_or(now), self.phase, whole);
        }
        self.phase += step;
        self.now = if self.phase < whole { Some(now) } else { self.ahead.take() };
        self.phase %= whole;
        self.last
    }

    /// Takes a sample from the buffer, unless the period was the last.
    fn sample(&mut self, parts: &mut Parts<Switches, Counts>, how: &Play) -> Option<Frame> {
        if self.engine.stopped {
            return None;
        }
        let frame = self.engine.fetch(parts, how.format);
        self.taken += 1;
        if !parts.trouble.on.counter_stuck && self.engine.count(how.stop_mode) {
            self.periods += 1;
        }
        Some(frame)
    }
}
