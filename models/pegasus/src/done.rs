//! Transfers that have ended, on their way to whoever opened the adapter.
//!
//! It outlives the adapter's leaving: what ended with it can still be reaped. Its lock is taken after the adapter's, or
//! alone.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use udrv_bus::Completion;

/// See the file's text.
#[derive(Default)]
pub(crate) struct Done(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    ended: VecDeque<Completion>,
    event: Option<File>,
}

impl Done {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // whole between any two statements
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, completion: Completion) {
        let mut queue = self.queue();
        queue.ended.push_back(completion);
        queue.signal();
    }

    pub(crate) fn pop(&self) -> Option<Completion> {
        self.queue().ended.pop_front()
    }

    pub(crate) fn set_event(&self, event: File) {
        self.queue().event = Some(event);
    }

    /// The adapter has left.
    pub(crate) fn note_leaving(&self) {
        self.queue().signal();
    }
}

impl Queue {
    fn signal(&mut self) {
        if let Some(event) = &mut self.event {
            // An eventfd takes eight bytes whole or, at its limit of 2^64 - 2, none: then it is readable anyway.
            let _full = event.write(&1u64.to_ne_bytes());
        }
    }
}
