//! What failed calls have touched of a driver's indirect spaces: see [`udrv_driver::Marks`].

use fgft::Refusal;
use udrv_driver::MARK_SPACES;

/// A bit for each place.
type Spaces = [u64; MARK_SPACES];

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Of the call that runs.
    now: Spaces,
    /// Of calls that were aborted, and everything where nobody knows.
    left: Spaces,
}

impl Marks {
    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.now = Spaces::default();
    }

    /// It is about to write there.
    pub(crate) fn mark(&mut self, space: u64, index: u64) -> Result<(), Refusal> {
        if index >= 64 {
            return Err(Refusal(format!("a mark at place {index} of 64")));
        }
        let at = place(space)?;
        self.now[at] |= 1 << index;
        Ok(())
    }

    /// What of a space is not known to be as the state has it.
    pub(crate) fn left(&self, space: u64) -> Result<u64, Refusal> {
        Ok(self.left[place(space)?])
    }

    /// The call has failed, and what it wrote stays written.
    pub(crate) fn abort(&mut self) {
        for (left, now) in self.left.iter_mut().zip(&mut self.now) {
            *left |= std::mem::take(now);
        }
    }

    /// Nothing is known of the device.
    pub(crate) fn mark_all(&mut self) {
        self.left = [u64::MAX; MARK_SPACES];
    }

    /// The device is as the state has it.
    pub(crate) fn clear(&mut self) {
        *self = Marks::default();
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
        let mut marks = Marks::default();
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
        let mut marks = Marks::default();
        assert!(marks.mark(4, 0).is_err() && marks.mark(u64::MAX, 0).is_err() && marks.mark(0, 64).is_err());
        assert!(marks.left(4).is_err());
    }
}
