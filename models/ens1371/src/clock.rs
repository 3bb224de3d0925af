//! The sample clock: how many samples at 48 kHz are due.

use std::time::{Duration, Instant};

use crate::config::Clock;

/// Samples in a second.
const RATE: u64 = 48_000;

/// The most that is made up for at once, 100 ms. Who was away for longer, a process that was stopped, finds that the
/// clock was stopped too.
const MOST: u64 = RATE / 10;

#[derive(Debug)]
pub(crate) struct SampleClock {
    /// Percent; 0: it does not go by itself.
    pace: u32,
    /// When sample 0 was, and the samples since.
    start: Instant,
    done: u64,
}

impl SampleClock {
    pub(crate) fn new(clock: Clock) -> Self {
        let pace = match clock {
            Clock::Real { pace } => pace,
            Clock::Manual => 0,
        };
        Self { pace, start: Instant::now(), done: 0 }
    }

    /// Nothing runs: nothing is due until later than `now`.
    pub(crate) fn rest(&mut self, now: Instant) {
        (self.start, self.done) = (now, 0);
    }

    /// Samples that are due, which the caller then does.
    pub(crate) fn due(&mut self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        let total = elapsed * u128::from(RATE * u64::from(self.pace)) / 100_000_000_000;
        let due = u64::try_from(total).unwrap_or(u64::MAX).saturating_sub(self.done);
        if due > MOST {
            self.rest(now);
            return MOST;
        }
        self.done += due;
        due
    }

    /// When `samples` more are due; `None`: never by itself.
    pub(crate) fn after(&self, samples: u64) -> Option<Instant> {
        let nanoseconds = u128::from(self.done + samples) * 100_000_000_000;
        // rounded up: a look that is too early finds nothing
        let elapsed = nanoseconds.div_ceil(u128::from(RATE * u64::from(self.pace)).max(1));
        let elapsed = Duration::from_nanos(u64::try_from(elapsed).ok()?);
        (self.pace != 0).then(|| self.start + elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_due_when_it_is_time_none_twice() {
        for pace in [100, 25, 300] {
            let mut clock = SampleClock::new(Clock::Real { pace });
            let (start, mut now, mut total) = (clock.start, clock.start, 0);
            for step in 1..1000 {
                let next = clock.after(step % 7).unwrap().max(now);
                assert!(next >= now);
                now = next;
                let due = clock.due(now);
                assert_eq!(due, step % 7, "exactly when it was said");
                assert_eq!(clock.due(now), 0);
                total += due;
            }
            let seconds = (now - start).as_secs_f64() * f64::from(pace) / 100.0;
            assert!((seconds * 48_000.0 - total as f64).abs() < 1.0);
        }
    }

    #[test]
    fn it_makes_up_for_a_tenth_of_a_second_and_not_for_more() {
        let mut clock = SampleClock::new(Clock::default());
        let now = clock.start + Duration::from_secs(1000);
        assert_eq!((clock.due(now), clock.due(now)), (4800, 0));
        assert_eq!(clock.due(now + Duration::from_millis(1)), 48);
        let mut manual = SampleClock::new(Clock::Manual);
        assert_eq!((manual.due(now), manual.after(1)), (0, None));
    }
}
