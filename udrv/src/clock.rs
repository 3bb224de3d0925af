//! The time that a device runs by: the system's, or one that is turned by hand, for whoever has a device in software and no
//! time to wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// See the module's text. Begins at 0 when it is made.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's monotonic clock.
    System(Instant),
    /// It stands still but for [`Clock::turn`], and for pauses that somebody makes. Clones are the same clock. Nanoseconds.
    ByHand(Arc<AtomicU64>),
}

impl Default for Clock {
    fn default() -> Self {
        Clock::System(Instant::now())
    }
}

impl Clock {
    /// One that is turned by hand.
    #[must_use]
    pub fn by_hand() -> Clock {
        Clock::ByHand(Arc::new(AtomicU64::new(0)))
    }

    /// Time since its beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        match self {
            Clock::System(start) => start.elapsed(),
            Clock::ByHand(now) => Duration::from_nanos(now.load(Ordering::Relaxed)),
        }
    }

    /// Lets time pass: waits, or turns it.
    pub fn pause(&self, time: Duration) {
        match self {
            Clock::System(_) => std::thread::sleep(time),
            Clock::ByHand(_) => self.turn(time),
        }
    }

    /// Turns a clock that is turned by hand on; nothing happens to the other.
    pub fn turn(&self, time: Duration) {
        if let Clock::ByHand(now) = self {
            now.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        }
    }
}
