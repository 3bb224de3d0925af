//! How many clients there may be at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Clients at a time.
pub(super) const CLIENTS: usize = 8;
/// More of those who may change something: who may only look cannot shut them out.
const RESERVED: usize = 4;

/// Counts clients.
#[derive(Default)]
pub(super) struct Slots(Arc<AtomicUsize>);

/// A client's, until it is dropped.
pub(super) struct Slot(Arc<AtomicUsize>);

impl Slots {
    /// One more, if there may be one.
    pub(super) fn take(&self, may_change: bool) -> Option<Slot> {
        let most = CLIENTS + if may_change { RESERVED } else { 0 };
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
    fn who_may_only_look_shuts_nobody_out() {
        let slots = Slots::default();
        let lookers: Vec<Slot> = std::iter::from_fn(|| slots.take(false)).take(100).collect();
        assert_eq!(lookers.len(), CLIENTS);
        let others: Vec<Slot> = std::iter::from_fn(|| slots.take(true)).take(100).collect();
        assert_eq!(others.len(), RESERVED);
        drop(lookers);
        assert!(slots.take(false).is_some() && slots.take(true).is_some());
    }
}
