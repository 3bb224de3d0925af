//! The speed of the line of whoever is at the far end: a frame takes as long as its bits.
//!
//! The wire itself has no speed. Without one a far host would hand a whole TCP window to the NIC between two
//! instructions of its driver, which no Ethernet can do and no receive ring of 32 KiB survives. A thread cannot
//! sleep for the 120 us of one frame, so short bursts are let through and the pause after them is longer.

use std::time::{Duration, Instant};

/// How much faster than the line the start of a burst may be: about eight frames of full length at 100 Mbit/s.
const BURST: Duration = Duration::from_millis(1);
/// What a frame occupies the line with beside its bytes: preamble 8, FCS 4, gap 12 (IEEE 802.3).
const OVERHEAD_BYTES: u64 = 24;

/// When the line is free again.
#[derive(Debug)]
pub struct Line {
    bits_per_second: Option<u64>,
    free_at: Instant,
}

impl Line {
    /// A line of that speed; `None`: a frame takes no time.
    #[must_use]
    pub fn new(bits_per_second: Option<u64>) -> Line {
        Line { bits_per_second, free_at: Instant::now() }
    }

    /// When the next frame may be sent, if that is not now.
    #[must_use]
    pub fn busy_until(&self, now: Instant) -> Option<Instant> {
        self.bits_per_second?;
        (self.free_at > now + BURST).then(|| self.free_at - BURST)
    }

    /// A frame of `bytes` is sent.
    pub fn occupy(&mut self, now: Instant, bytes: usize) {
        if let Some(rate) = self.bits_per_second {
            let nanoseconds = (bytes as u64 + OVERHEAD_BYTES) * 8 * 1_000_000_000 / rate.max(1);
            self.free_at = self.free_at.max(now) + Duration::from_nanos(nanoseconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_frames_takes_a_second() {
        let start = Instant::now();
        let mut line = Line::new(Some(100_000_000));
        line.free_at = start;
        let (mut now, mut frames) = (start, 0_u64);
        while now < start + Duration::from_secs(1) {
            match line.busy_until(now) {
                Some(at) => now = at,
                None => {
                    line.occupy(now, 1514);
                    frames += 1;
                }
            }
        }
        // 100 Mbit/s over 1538 bytes a frame is 8127 frames, and the burst at the start comes on top
        assert!((8120..=8140).contains(&frames), "{frames}");
    }

    #[test]
    fn without_a_rate_it_is_never_busy() {
        let mut line = Line::new(None);
        let now = Instant::now();
        (0..1000).for_each(|_| line.occupy(now, 1514));
        assert_eq!(line.busy_until(now), None);
    }
}
