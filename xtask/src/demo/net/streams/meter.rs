//! What a stream has moved, and when.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Throughput is kept in steps of this.
pub(crate) const BUCKET: Duration = Duration::from_millis(20);

/// Counts the payload of a stream.
pub(super) struct Meter {
    epoch: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    bytes: u64,
    /// Bytes by [`BUCKET`] since the epoch.
    buckets: Vec<u64>,
    last: Duration,
    longest_pause: Duration,
}

impl Meter {
    /// A meter whose time begins at `epoch`.
    pub(super) fn new(epoch: Instant) -> Meter {
        let last = epoch.elapsed();
        let inner = Inner { bytes: 0, buckets: Vec::new(), last, longest_pause: Duration::ZERO };
        Meter { epoch, inner: Mutex::new(inner) }
    }

    /// `bytes` have moved just now.
    pub(super) fn add(&self, bytes: u64) {
        self.add_at(self.epoch.elapsed(), bytes);
    }

    fn add_at(&self, now: Duration, bytes: u64) {
        let mut inner = self.lock();
        let bucket = (now.as_nanos() / BUCKET.as_nanos()) as usize;
        if inner.buckets.len() <= bucket {
            inner.buckets.resize(bucket + 1, 0);
        }
        inner.buckets[bucket] += bytes;
        inner.bytes += bytes;
        inner.longest_pause = inner.longest_pause.max(now.saturating_sub(inner.last));
        inner.last = now;
    }

    /// Since when nothing has moved.
    pub(super) fn still_for(&self) -> Duration {
        self.epoch.elapsed().saturating_sub(self.lock().last)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    pub(super) fn longest_pause(&self) -> Duration {
        self.lock().longest_pause
    }

    /// Bytes by [`BUCKET`] since the epoch.
    pub(super) fn buckets(&self) -> Vec<u64> {
        self.lock().buckets.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_booked_in_their_bucket_and_pauses_seen() {
        let meter = Meter::new(Instant::now());
        meter.add_at(Duration::from_millis(5), 10);
        meter.add_at(Duration::from_millis(19), 1);
        meter.add_at(Duration::from_millis(61), 5);
        assert_eq!(meter.buckets(), [11, 0, 0, 5]);
        assert_eq!(meter.bytes(), 16);
        assert_eq!(meter.longest_pause(), Duration::from_millis(42));
    }
}
