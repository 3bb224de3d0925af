//! The line from the mouse to its host: bytes that wait, and when the first of them is there.
//!
//! A host that does not read holds the clock low, as a controller with a full buffer does: the mouse waits.

use std::collections::VecDeque;
use std::time::Duration;

use crate::misbehave::{Fate, Trouble};
use crate::model::Received;

#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: VecDeque<u8>,
    /// When the first of them is whole at the host.
    at: Duration,
    /// What was sent last as one: an answer's data, its ACK if it has none, or a packet.
    pub(crate) last: Vec<u8>,
}

impl Line {
    /// Begins to send, after what waits already. `first` is when the first byte is there if nothing waits.
    pub(crate) fn send(&mut self, bytes: &[u8], first: Duration) {
        if self.waiting.is_empty() {
            self.at = first;
        }
        self.waiting.extend(bytes);
    }

    pub(crate) fn is_free(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the next byte is there.
    pub(crate) fn next(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then_some(self.at)
    }

    /// The host takes a byte if one is there; the next needs `byte` from now on.
    pub(crate) fn take(&mut self, now: Duration, byte: Duration, trouble: &mut Trouble) -> Option<Received> {
        while self.at <= now {
            let fate = trouble.fate(self.waiting.pop_front()?);
            match fate {
                Fate::Lost => self.at += byte,
                Fate::Arrives { value, parity_ok } => {
                    self.at = now + byte;
                    return Some(Received { value, parity_ok });
                }
            }
        }
        None
    }

    /// The host takes the line: what is not there yet is dropped. Says how many bytes.
    pub(crate) fn interrupt(&mut self, now: Duration) -> u64 {
        let there = usize::from(self.next().is_some_and(|at| at <= now));
        let dropped = self.waiting.len() - there;
        self.waiting.truncate(there);
        dropped as u64
    }
}
