//! What is decided about a driver that faults, apart from how it is done: which calls are protected, how far the ladder
//! is climbed, which entry points are put aside, and what all of it has cost.
//!
//! Knows no class of drivers and no device: entry points are numbers with names, times are nanoseconds since the device
//! was started. So every decision can be tested without one.

pub mod accounting;
pub mod ladder;
pub mod policy;
pub mod quarantine;
pub mod suspects;

/// Counts events within a window of time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rate {
    times: std::collections::VecDeque<u64>,
}

impl Rate {
    /// Notes an event at `now` and gives how many there were within `window`, itself included. Remembers no more than
    /// `limit` + 1, which is all that a comparison with `limit` needs.
    pub(crate) fn note(&mut self, now: u64, window: u64, limit: usize) -> usize {
        while self.times.front().is_some_and(|time| now.saturating_sub(*time) > window) || self.times.len() > limit {
            self.times.pop_front();
        }
        self.times.push_back(now);
        self.times.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn a_rate_forgets_what_is_older_than_its_window_and_stays_small() {
        let mut rate = Rate::default();
        assert_eq!(rate.note(0, 10, 3), 1);
        assert_eq!(rate.note(10, 10, 3), 2);
        assert_eq!(rate.note(11, 10, 3), 2);
        for now in 11..1000 {
            assert!(rate.note(now, 10_000, 3) <= 5);
        }
        assert!(rate.times.len() <= 5);
    }
}
