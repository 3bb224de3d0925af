//! What an access uses up: causes, and what is in queues. Of a failed call it comes again.

use std::sync::atomic::Ordering::Relaxed;

use fgft::Refusal;
use udrv_driver::Error;

use super::noted::{MAX_STAGED, stage};
use super::{Answer, Window};

impl Window {
    /// Causes that are pending in a register that is acknowledged by writing; takes note of them.
    pub(super) fn read_causes(&mut self, index: usize) -> Result<u32, Error> {
        let causes = self.device_read(self.map.registers[index])? | self.carried(index);
        match self.seen.iter_mut().find(|(seen, _)| usize::from(*seen) == index) {
            Some((_, bits)) => *bits |= causes,
            None => self.seen.push((index as u16, causes)),
        }
        Ok(causes)
    }

    /// Causes of this register that failed calls have consumed.
    pub(super) fn carried(&self, index: usize) -> u32 {
        self.kept.carry.get(index).map_or(0, |bits| bits.load(Relaxed))
    }

    pub(super) fn seen_in(&self, index: usize) -> u32 {
        self.seen.iter().find(|(seen, _)| usize::from(*seen) == index).map_or(0, |(_, bits)| *bits)
    }

    /// Causes that reading clears.
    pub(super) fn read_and_clear(&mut self, index: usize) -> Answer {
        // what is read and cannot be noted would be lost
        if self.kept.consumed.len() == MAX_STAGED {
            return Err(too_much("causes"));
        }
        let value = match self.device_read(self.map.registers[index]) {
            Ok(value) => value | self.carried(index),
            Err(error) => return Ok(Err(error)),
        };
        stage(&self.kept.consumed, index, value)?;
        Ok(Ok(value))
    }

    /// The next of what has come, if anything has.
    pub(super) fn take(&mut self, index: usize) -> Answer {
        if self.taken.len() == MAX_STAGED {
            return Err(too_much("things out of queues"));
        }
        let of_this = |(register, _): &(u16, u32)| usize::from(*register) == index;
        let value = match self.again.iter().position(of_this).and_then(|at| self.again.remove(at)) {
            Some((_, value)) => value,
            None => match self.device_read(self.map.registers[index]) {
                Ok(value) => value,
                Err(error) => return Ok(Err(error)),
            },
        };
        if value != 0 {
            self.taken.push((index as u16, value));
        }
        Ok(Ok(value))
    }

    /// Whether any cause of a failed call waits to be presented again.
    #[must_use]
    pub fn has_carry(&self) -> bool {
        !self.again.is_empty() || self.kept.carry.iter().any(|bits| bits.load(Relaxed) != 0)
    }

    /// Whether the call under way has taken anything out of a queue.
    pub(crate) fn has_taken(&self) -> bool {
        !self.taken.is_empty()
    }

    /// How much of what failed calls took out of queues waits to be given again.
    #[must_use]
    pub fn left_over(&self) -> usize {
        self.again.len()
    }
}

fn too_much(what: &str) -> Refusal {
    Refusal(format!("more than {MAX_STAGED} {what} taken in one call"))
}
