//! Which registers a call has written: for the report of its fault.

use serde::{Deserialize, Serialize};

/// Writes that are kept: the last ones.
const KEPT: usize = 64;

/// A register write of a call that failed, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterWrite {
    /// Name, with its index if it is one of several.
    pub register: String,
    /// What the driver wrote.
    pub value: u32,
    /// What an abort makes of it.
    pub undone: Undone,
}

/// See [`RegisterWrite::undone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undone {
    /// This value was written back.
    WrittenBack(u32),
    /// Held back until commit: it has never reached the device.
    NeverHappened,
    /// The causes that it acknowledged are presented again.
    PresentedAgain,
    /// Cannot be taken back: the driver's `restore` runs.
    NeedsRestore,
}

/// The last writes of the call under way, in a ring.
pub(crate) struct WriteLog {
    ring: [(u16, u32, Undone); KEPT],
    count: usize,
}

impl Default for WriteLog {
    fn default() -> Self {
        WriteLog { ring: [(0, 0, Undone::NeverHappened); KEPT], count: 0 }
    }
}

impl WriteLog {
    /// Register `index` is written.
    #[inline]
    pub(crate) fn note(&mut self, index: usize, value: u32, undone: Undone) {
        self.ring[self.count % KEPT] = (index as u16, value, undone);
        self.count += 1;
    }

    /// A call begins, or has ended.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// The last writes, oldest first, and how many there were before them.
    pub(crate) fn kept(&self) -> (impl Iterator<Item = (u16, u32, Undone)> + '_, usize) {
        let earlier = self.count.saturating_sub(KEPT);
        ((earlier..self.count).map(|i| self.ring[i % KEPT]), earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_writes_are_kept_in_order() {
        let mut log = WriteLog::default();
        assert_eq!((log.kept().0.count(), log.kept().1), (0, 0));
        for value in 0..100 {
            log.note(value % 7, value as u32, Undone::NeverHappened);
        }
        let (kept, earlier) = log.kept();
        let values: Vec<u32> = kept.map(|(_, value, _)| value).collect();
        assert_eq!(values, (36..100).collect::<Vec<_>>());
        assert_eq!(earlier, 36);
        log.clear();
        assert_eq!(log.kept().0.count(), 0);
    }
}
