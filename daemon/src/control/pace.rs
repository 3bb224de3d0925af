//! How much of the device's time all clients get together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests that are answered at once after a pause, in units of a cheap one.
const BURST: f64 = 200.0;
/// Those a second, else: a cheap one takes some ten microseconds.
const RATE: f64 = 1000.0;

/// A bucket of tokens. Who finds too few in it takes them all the same, and waits until they would be there.
pub(super) struct Pace(Mutex<(f64, Instant)>);

impl Default for Pace {
    fn default() -> Pace {
        Pace(Mutex::new((BURST, Instant::now())))
    }
}

impl Pace {
    /// Waits until a request of this cost may be made.
    pub(super) fn wait(&self, cost: u32) {
        let wait = self.take(cost, Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }

    /// A request has cost so much more than was known before: who comes next waits for it.
    pub(super) fn owe(&self, cost: u32) {
        self.take(cost, Instant::now());
    }

    fn take(&self, cost: u32, now: Instant) -> Duration {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = *bucket;
        let tokens = (tokens + now.saturating_duration_since(since).as_secs_f64() * RATE).min(BURST) - f64::from(cost);
        *bucket = (tokens, now.max(since));
        Duration::from_secs_f64((-tokens / RATE).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_long_run_there_are_so_many_a_second() {
        let (pace, start) = (Pace::default(), Instant::now());
        let (mut now, mut made) = (start, 0.0);
        while now < start + Duration::from_secs(10) {
            now += pace.take(4, now);
            made += 4.0;
        }
        assert!((made - BURST - 10.0 * RATE).abs() <= 8.0, "{made}");
        // and after a pause a burst again, not more
        now += Duration::from_secs(3600);
        let at_once = (0..1000).take_while(|_| pace.take(1, now).is_zero()).count();
        assert_eq!(at_once, BURST as usize);
    }
}
