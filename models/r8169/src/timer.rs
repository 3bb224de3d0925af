//! TCTR and TimerInt: a counter at the clock of the bus, and the value at which it sets ISR.TimeOut (datasheet, TCTR and TimerInt).
//!
//! TimeOut is set once for each time that TCTR or TimerInt was written; a lap of the 32-bit counter does not set it
//! again.

use std::time::Instant;

use crate::config::{Clock, Variant};

#[derive(Debug)]
pub(crate) struct Timer {
    clock: Clock,
    ticks_per_us: u128,
    start: Instant,
    manual: u64,
    pub(crate) limit: u32,
    armed: bool,
}

impl Timer {
    pub(crate) fn new(clock: Clock, variant: Variant) -> Self {
        Self { clock, ticks_per_us: variant.ticks_per_us(), start: Instant::now(), manual: 0, limit: 0, armed: false }
    }

    fn ticks(&self) -> u64 {
        match self.clock {
            Clock::Real => (self.start.elapsed().as_nanos() * self.ticks_per_us / 1000) as u64,
            Clock::Manual => self.manual,
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.ticks() as u32
    }

    /// A write of any value to TCTR.
    pub(crate) fn restart(&mut self) {
        self.start = Instant::now();
        self.manual = 0;
        self.armed = self.limit != 0;
    }

    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
        self.armed = limit != 0;
    }

    pub(crate) fn advance(&mut self, ticks: u64) {
        self.manual += ticks;
    }

    /// True once, when the count has reached the limit.
    pub(crate) fn expired(&mut self) -> bool {
        let hit = self.armed && self.ticks() >= u64::from(self.limit);
        self.armed &= !hit;
        hit
    }
}
