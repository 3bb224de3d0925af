//! The clock of a card whose chip does something by itself: a thread that looks at the chip when it is time.
//!
//! The card's lock is taken before this one's, and never the other way round: the thread lets go of its own first.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

/// Whoever is woken: the card.
pub(crate) trait Wake: Send + Sync {
    /// It is time.
    fn wake(&self);
}

/// Set for one moment at a time. Without a thread until it is started, and then nothing comes of setting it.
#[derive(Default)]
pub(crate) struct Alarm {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    due: Mutex<Due>,
    changed: Condvar,
}

#[derive(Default)]
struct Due {
    at: Option<Instant>,
    over: bool,
}

impl Shared {
    fn due(&self) -> MutexGuard<'_, Due> {
        // whole between any two statements
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the moment that is set. False: it is over.
    fn wait(&self) -> bool {
        let mut due = self.due();
        loop {
            if due.over {
                return false;
            }
            let Some(at) = due.at else {
                due = self.changed.wait(due).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                due.at = None;
                return true;
            }
            due = self.changed.wait_timeout(due, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Alarm {
    /// Starts the thread that wakes `card` for as long as there is one.
    ///
    /// # Panics
    /// When there are no threads.
    pub(crate) fn start(&mut self, card: Weak<dyn Wake>) {
        let shared = self.shared.clone();
        let run = move || {
            while shared.wait() {
                let Some(card) = card.upgrade() else { return };
                card.wake();
            }
        };
        let thread = std::thread::Builder::new().name("model-clock".into()).spawn(run);
        self.thread = Some(thread.expect("a thread"));
    }

    /// Sets it; what was set before does not count any more.
    pub(crate) fn set(&self, at: Instant) {
        let mut due = self.shared.due();
        if due.at != Some(at) {
            due.at = Some(at);
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.due().over = true;
        self.shared.changed.notify_one();
        // the thread may be the last to let go of the card
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // it does not panic, and if it has there is nothing to do about it here
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::time::Duration;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn it_rings_once_when_it_is_time_and_not_before() {
        let count = Arc::new(Count::default());
        let mut alarm = Alarm::default();
        let weak: Weak<Count> = Arc::downgrade(&count);
        alarm.start(weak);
        let start = Instant::now();
        let at = start + Duration::from_millis(30);
        alarm.set(start + Duration::from_secs(1000));
        alarm.set(at);
        while count.0.load(SeqCst) == 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "it never rings");
            std::thread::yield_now();
        }
        assert!(Instant::now() >= at);
        alarm.set(Instant::now() + Duration::from_secs(1000));
        drop(alarm);
        assert_eq!(count.0.load(SeqCst), 1, "and ends at once");
    }
}
