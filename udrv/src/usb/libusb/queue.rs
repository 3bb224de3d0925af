//! Transfers under way and transfers that have ended: all that the thread of libusb's events and ours share.
//!
//! A transfer is a serial number here, and its end a status; its memory stays with `engine.rs`.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use udrv_bus::TransferStatus;

use crate::event::Event;

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    /// Which one.
    pub(super) serial: u64,
    /// How.
    pub(super) status: TransferStatus,
    /// Bytes that were transferred, as libusb says.
    pub(super) length: usize,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    shrunk: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Serial and endpoint of those under way.
    pending: Vec<(u64, u8)>,
    /// In the order in which they ended; with their endpoints.
    ended: VecDeque<(u8, Ended)>,
    event: Option<Event>,
    gone: bool,
}

impl State {
    fn signal(&self) {
        if let Some(event) = &self.event {
            event.tell();
        }
    }

    fn leave(&mut self) {
        if !self.gone {
            self.gone = true;
            self.signal();
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A transfer is about to be submitted: it may end before that returns.
    pub(super) fn begin(&self, serial: u64, endpoint: u8) {
        self.state().pending.push((serial, endpoint));
    }

    /// It was not taken.
    pub(super) fn abandon(&self, serial: u64) {
        self.state().pending.retain(|(other, _)| *other != serial);
    }

    /// It has ended. Called on whatever thread handles libusb's events.
    pub(super) fn end(&self, ended: Ended) {
        let mut state = self.state();
        let Some(at) = state.pending.iter().position(|(serial, _)| *serial == ended.serial) else {
            return debug_assert!(false, "transfer {} was not under way", ended.serial);
        };
        let (_, endpoint) = state.pending.remove(at);
        state.ended.push_back((endpoint, ended));
        state.signal();
        if ended.status == TransferStatus::Gone {
            state.leave();
        }
        self.shrunk.notify_all();
    }

    /// The first of those that have ended.
    pub(super) fn next_ended(&self) -> Option<Ended> {
        self.state().ended.pop_front().map(|(_, ended)| ended)
    }

    /// Puts those of each endpoint into the order in which they were submitted.
    pub(super) fn put_in_order(&self) {
        let mut state = self.state();
        let ended = state.ended.make_contiguous();
        let mut by_submission: Vec<_> = ended.to_vec();
        by_submission.sort_by_key(|(_, ended)| ended.serial);
        for slot in ended {
            let endpoint = slot.0;
            let next = by_submission.iter().position(|(other, _)| *other == endpoint);
            *slot = by_submission.remove(next.expect("as many as there were"));
        }
    }

    /// Serials of those under way, on one endpoint or on all.
    pub(super) fn pending(&self, endpoint: Option<u8>) -> Vec<u64> {
        let on = |other: u8| endpoint.is_none_or(|endpoint| endpoint == other);
        self.state().pending.iter().filter(|(_, other)| on(*other)).map(|(serial, _)| *serial).collect()
    }

    /// Waits until none of those is under way. False if the deadline came first.
    pub(super) fn wait_until_none(&self, endpoint: Option<u8>, deadline: Instant) -> bool {
        let on = |other: u8| endpoint.is_none_or(|endpoint| endpoint == other);
        let left = deadline.saturating_duration_since(Instant::now());
        let waiting = |state: &mut State| state.pending.iter().any(|(_, other)| on(*other));
        let waited = self.shrunk.wait_timeout_while(self.state(), left, waiting);
        let (_state, timeout) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        !timeout.timed_out()
    }

    /// The device has left. Counts once.
    pub(super) fn leave(&self) {
        self.state().leave();
    }

    /// Whether it has.
    pub(super) fn is_gone(&self) -> bool {
        self.state().gone
    }

    /// Adds one to `event` at each end from now on, and one now for a device that has left before.
    pub(super) fn set_event(&self, event: Event) {
        let mut state = self.state();
        state.event = Some(event);
        if state.gone {
            state.signal();
        }
    }
}
