//! What failed calls have touched of a driver's indirect spaces: see [`udrv_driver::Marks`].

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use fgft::Refusal;
use udrv_driver::MARK_SPACES;

use crate::keep::Kept;

/// See the module's text. What the call that runs has marked is in `marked`; what calls that were aborted have, and
/// everything where nobody knows, in `marks_left`: a bit for each place.
#[derive(Debug)]
pub(crate) struct Marks {
    kept: Arc<Kept>,
}

impl Marks {
    /// Those of a record.
    pub(crate) fn new(kept: Arc<Kept>) -> Marks {
        Marks { kept }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.kept.marked.iter().for_each(|space| space.store(0, Relaxed));
    }

    /// It is about to write there.
    pub(crate) fn mark(&mut self, space: u64, index: u64) -> Result<(), Refusal> {
        if index >= 64 {
            return Err(Refusal(format!("a mark at place {index} of 64")));
        }
        let marked = &self.kept.marked[place(space)?];
        marked.store(marked.load(Relaxed) | 1 << index, Relaxed);
        Ok(())
    }

    /// What of a space is not known to be as the state has it.
    pub(crate) fn left(&self, space: u64) -> Result<u64, Refusal> {
        Ok(self.kept.marks_left[place(space)?].load(Relaxed))
    }

    /// The call has failed, and what it wrote stays written.
    pub(crate) fn abort(&mut self) {
        for (left, now) in self.kept.marks_left.iter().zip(&self.kept.marked) {
            left.store(left.load(Relaxed) | now.load(Relaxed), Relaxed);
            now.store(0, Relaxed);
        }
    }

    /// Nothing is known of the device.
    pub(crate) fn mark_all(&mut self) {
        self.kept.marks_left.iter().for_each(|space| space.store(u64::MAX, Relaxed));
    }

    /// The device is as the state has it.
    pub(crate) fn clear(&mut self) {
        self.begin();
        self.kept.marks_left.iter().for_each(|space| space.store(0, Relaxed));
    }
}

fn place(space: u64) -> Result<usize, Refusal> {
    usize::try_from(space)
        .ok()
        .filter(|space| *space < MARK_SPACES)
        .ok_or_else(|| Refusal(format!("a mark in space {space} of {MARK_SPACES}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_call_has_touched_is_left_until_it_is_restored() {
        let mut marks = Marks::new(Arc::new(Kept::new().unwrap()));
        marks.begin();
        marks.mark(1, 63).unwrap();
        assert_eq!(marks.left(1).unwrap(), 0, "it may still commit");
        marks.begin();
        marks.mark(1, 0).unwrap();
        marks.abort();
        marks.begin();
        marks.abort();
        assert_eq!((marks.left(0).unwrap(), marks.left(1).unwrap()), (0, 1), "that of the call that committed is gone");
        marks.mark_all();
        assert_eq!(marks.left(3).unwrap(), u64::MAX);
        marks.clear();
        assert_eq!(marks.left(3).unwrap(), 0);
    }

    #[test]
    fn no_mark_lies_outside() {
        let mut marks = Marks::new(Arc::new(Kept::new().unwrap()));
        assert!(marks.mark(4, 0).is_err() && marks.mark(u64::MAX, 0).is_err() && marks.mark(0, 64).is_err());
        assert!(marks.left(4).is_err());
    }
}
