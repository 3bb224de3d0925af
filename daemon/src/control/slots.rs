//! How many clients of a socket there may be at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts clients.
#[derive(Default)]
pub(crate) struct Slots(Arc<AtomicUsize>);

/// A client's, until it is dropped.
pub(crate) struct Slot(Arc<AtomicUsize>);

impl Slots {
    /// One more, if there are fewer than `most`.
    pub(crate) fn take(&self, most: usize) -> Option<Slot> {
        let taken = self.0.fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1));
        taken.ok().map(|_| Slot(self.0.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_have_more_is_not_shut_out() {
        let slots = Slots::default();
        let lookers: Vec<Slot> = std::iter::from_fn(|| slots.take(8)).take(100).collect();
        assert_eq!(lookers.len(), 8);
        let others: Vec<Slot> = std::iter::from_fn(|| slots.take(12)).take(100).collect();
        assert_eq!(others.len(), 4);
        drop(lookers);
        assert!(slots.take(8).is_some() && slots.take(12).is_some());
    }
}
