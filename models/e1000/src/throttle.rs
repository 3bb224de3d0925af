//! ITR: a distance between interrupts (manual, 13.4.18).
//!
//! The counter starts when the line is asserted. Until it has run down, a line that was let go is not asserted again;
//! causes wait in ICR. After a longer pause an interrupt comes at once.

use std::time::{Duration, Instant};

/// What ITR counts.
const UNIT: Duration = Duration::from_nanos(256);

/// The counter.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    asserted: bool,
    /// When the line was asserted last.
    since: Option<Instant>,
    /// When a line that is held back is asserted.
    due: Option<Instant>,
}

impl Throttle {
    /// No cause wants the line.
    pub(crate) fn let_go(&mut self) {
        (self.asserted, self.due) = (false, None);
    }

    /// Whether the line is asserted now that causes want it so and ITR is `itr`. `now` is asked for only if it matters.
    pub(crate) fn passes(&mut self, itr: u32, now: impl FnOnce() -> Instant) -> bool {
        self.due = None;
        if itr == 0 {
            (self.asserted, self.since) = (true, None);
        } else if !self.asserted {
            let now = now();
            let due = self.since.map_or(now, |since| since + UNIT * itr);
            if now >= due {
                (self.asserted, self.since) = (true, Some(now));
            } else {
                self.due = Some(due);
            }
        }
        self.asserted
    }

    /// When it will be, if it is held back.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_kept() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        let at = |us: u64| move || start + Duration::from_micros(us);
        // 51.2 us
        let mut step = |wanted, us| {
            let asserted = wanted && throttle.passes(200, at(us));
            if !wanted {
                throttle.let_go();
            }
            (asserted, throttle.due())
        };
        let due = |ns| Some(start + Duration::from_nanos(ns));
        assert_eq!(step(true, 0), (true, None), "the first comes at once");
        assert_eq!(step(true, 10), (true, None), "a level");
        assert_eq!(step(false, 20), (false, None));
        assert_eq!(step(true, 30), (false, due(51_200)));
        assert_eq!(step(false, 40), (false, None), "what waited was taken away");
        assert_eq!(step(true, 51), (false, due(51_200)));
        assert_eq!(step(true, 52), (true, None));
        assert_eq!(step(false, 60), (false, None));
        assert_eq!(step(true, 100), (false, due(103_200)), "from the moment when it was asserted");
        assert_eq!(step(false, 101), (false, None));
        assert_eq!(step(true, 1000), (true, None), "after a pause at once");
    }

    #[test]
    fn without_itr_nothing_is_held_back() {
        let mut throttle = Throttle::default();
        for _ in 0..3 {
            assert!(throttle.passes(0, || panic!("nobody asks for the time")));
            throttle.let_go();
        }
        assert_eq!(throttle.due(), None);
    }
}
