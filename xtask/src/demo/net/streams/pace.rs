//! Uploads no faster than the line: the model's wire takes frames in no time, and a real card of its kind does not.

use std::time::{Duration, Instant};

/// The line's rate in bits a second.
const LINE: u64 = 100_000_000;
/// What a full frame occupies of the line (IEEE 802.3: preamble, header, FCS and gap), and what of it is payload.
const FRAME: u64 = 1538;
const PAYLOAD: u64 = 1448;
/// How far the stream may be ahead of the line: a sleep is not finer than this.
const BURST: Duration = Duration::from_millis(2);

/// When the line is free.
pub(super) struct Pace {
    free_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace { free_at: now }
    }

    /// How long nothing may be sent; `None`: now is fine.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let ahead = self.free_at.saturating_duration_since(now);
        (ahead > BURST).then(|| ahead - BURST)
    }

    /// `payload` bytes are on their way. A pause is not made up for: no line can.
    pub(super) fn sent(&mut self, now: Instant, payload: u64) {
        let nanoseconds = payload * FRAME * 8 * 1_000_000_000 / (PAYLOAD * LINE);
        self.free_at = self.free_at.max(now) + Duration::from_nanos(nanoseconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_payload_takes_a_second() {
        let start = Instant::now();
        let (mut pace, mut now, mut bytes) = (Pace::new(start), start, 0);
        while now < start + Duration::from_secs(1) {
            match pace.wait(now) {
                Some(pause) => now += pause,
                None => {
                    pace.sent(now, 16 * 1024);
                    bytes += 16 * 1024;
                }
            }
        }
        // 94.1 Mbit/s of payload, and the burst at the start
        assert!((11_760_000..11_830_000).contains(&bytes), "{bytes}");
    }
}
