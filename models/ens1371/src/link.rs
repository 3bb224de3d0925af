//! The AC link as CODEC shows it: one access at a time, which takes a while (AudioPCI 97 specification, section 7).

use std::time::{Duration, Instant};

use crate::regs::codec::{PIRD, RDY, WIP};

#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Register and direction of the last access, as written, and the data of it.
    shown: u32,
    /// Reads of CODEC that still show it in progress.
    left: u32,
    /// And until when it is.
    until: Option<Instant>,
    /// It was a read, and its data is there when it is over.
    answers: bool,
}

/// An access that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read(u8),
    Write(u8, u16),
}

impl Link {
    /// A write of CODEC; it shows in so many reads of it, and for so long. `None`: one is in progress, and this is lost.
    pub(crate) fn start(&mut self, value: u32, polls: u32, time: Duration) -> Option<Access> {
        if self.left > 0 || self.is_under_way() {
            return None;
        }
        let register = (value >> 16 & 0x7f) as u8;
        let until = (!time.is_zero()).then(|| Instant::now() + time);
        *self = Self { shown: value & (0x7f << 16 | PIRD | 0xffff), left: polls, until, answers: false };
        Some(if value & PIRD != 0 { Access::Read(register) } else { Access::Write(register, value as u16) })
    }

    /// What the codec answers to a read.
    pub(crate) fn answer(&mut self, value: u16) {
        self.shown = self.shown & !0xffff | u32::from(value);
        self.answers = true;
    }

    /// Its time is not over.
    fn is_under_way(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// A read of CODEC; `stuck` keeps it in progress.
    pub(crate) fn read(&mut self, stuck: bool) -> u32 {
        if self.left > 0 || self.is_under_way() {
            self.left = self.left.saturating_sub((!stuck).into());
            return self.shown & !0xffff | WIP;
        }
        if self.answers { self.shown | RDY } else { self.shown }
    }
}
