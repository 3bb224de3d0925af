//! What one failed call can spoil, and what holds of it between calls.

use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{Buttons, Error, holds};

use crate::mice::{MICE, Mouse};
use crate::packet::MOST_BYTES;
use crate::regs::first;
use crate::settings::{RATES, USUAL};

/// What one failed call can spoil and one rollback mends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub struct State {
    pub(crate) stream: Stream,
    /// What it is set to.
    pub(crate) set: Set,
    /// 1: it reports by itself.
    pub(crate) enabled: u32,
    /// As they were told last.
    pub(crate) buttons: u32,
    /// Number of the sort in [`MICE`], and one; 0 before probe.
    pub(crate) mouse: u32,
}

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub(crate) struct Set {
    /// Reports a second: one of [`RATES`].
    pub(crate) rate: u32,
    /// 0 to 3: 1, 2, 4, 8 counts a millimetre.
    pub(crate) resolution: u32,
    /// 1: scaling is 2:1.
    pub(crate) double: u32,
}

/// The packet that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub(crate) struct Stream {
    /// What of it has come; 0 behind that.
    pub(crate) bytes: [u8; MOST_BYTES],
    /// How much.
    pub(crate) have: u32,
    /// 1: it is not known where packets begin.
    pub(crate) lost: u32,
}

impl Stream {
    /// In step, and nothing has come.
    pub(crate) const EMPTY: Stream = Stream { bytes: [0; MOST_BYTES], have: 0, lost: 0 };
}

impl State {
    /// Before `probe`.
    pub(crate) const fn new() -> State {
        State { mouse: 0, set: USUAL, enabled: 0, buttons: 0, stream: Stream::EMPTY }
    }

    /// The mouse that `probe` has found.
    pub(crate) fn mouse(&self) -> Result<&'static Mouse, Error> {
        let number = (self.mouse as usize).checked_sub(1).ok_or(Error::NotReady)?;
        MICE.get(number).ok_or(Error::NotReady)
    }

    /// See [`udrv_driver::Driver::check`].
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let Set { rate, resolution, double } = self.set;
        holds(RATES.contains(&rate), "rate: none that there is")?;
        holds(resolution <= 3, "resolution: none that there is")?;
        holds(double <= 1, "double: no flag")?;
        holds(self.enabled <= 1, "enabled: no flag")?;
        holds(self.stream.lost <= 1, "lost: no flag")?;
        let Ok(mouse) = self.mouse() else {
            holds(self.mouse == 0, "mouse: no such mouse")?;
            return holds(
                *self == State { set: self.set, ..State::new() },
                "mouse: none, and something is known of it",
            );
        };
        let Stream { bytes, have, lost } = self.stream;
        holds(mouse.protocol.buttons().has(Buttons(self.buttons)), "buttons: more than it has")?;
        holds((have as usize) < mouse.protocol.length(), "have: a packet is whole")?;
        holds(lost == 0 || have == 0, "lost: and yet a packet was begun")?;
        holds(have == 0 || bytes[0] & first::SYNC != 0, "bytes: begun with no first byte")?;
        holds(bytes.iter().skip(have as usize).all(|byte| *byte == 0), "bytes: some that have not come")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Explorer in the middle of a packet.
    fn busy() -> State {
        let set = Set { rate: 40, resolution: 1, double: 1 };
        State { mouse: 3, set, enabled: 1, buttons: 0x1f, stream: Stream { bytes: [0x0f, 0, 0, 0], have: 1, lost: 0 } }
    }

    #[test]
    fn states_that_are_right() {
        assert_eq!(State::new().check(), Ok(()));
        assert_eq!(busy().check(), Ok(()));
        assert_eq!(State { mouse: 5, ..State::new() }.check(), Ok(()));
        assert_eq!(State { stream: Stream { lost: 1, ..Stream::EMPTY }, ..busy() }.check(), Ok(()));
    }

    #[test]
    fn each_clause_names_its_field() {
        let broken = |what: &str, change: &dyn Fn(&mut State)| {
            let mut state = busy();
            change(&mut state);
            assert_eq!(state.check().expect_err(what), what);
        };
        broken("rate: none that there is", &|state| state.set.rate = 90);
        broken("rate: none that there is", &|state| state.set.rate = 0x100 + 40);
        broken("resolution: none that there is", &|state| state.set.resolution = 4);
        broken("double: no flag", &|state| state.set.double = 2);
        broken("enabled: no flag", &|state| state.enabled = 2);
        broken("lost: no flag", &|state| state.stream.lost = 2);
        broken("mouse: no such mouse", &|state| state.mouse = 6);
        broken("mouse: no such mouse", &|state| state.mouse = u32::MAX);
        broken("mouse: none, and something is known of it", &|state| state.mouse = 0);
        broken("buttons: more than it has", &|state| state.buttons = 0x20);
        broken("buttons: more than it has", &|state| state.mouse = 2);
        broken("have: a packet is whole", &|state| (state.mouse, state.buttons, state.stream.have) = (1, 7, 3));
        broken("have: a packet is whole", &|state| state.stream.have = u32::MAX);
        broken("lost: and yet a packet was begun", &|state| state.stream.lost = 1);
        broken("bytes: begun with no first byte", &|state| state.stream.bytes[0] = 7);
        broken("bytes: some that have not come", &|state| state.stream.bytes[2] = 1);
    }

    /// A wild write of all ones or of a pointer's bytes into any word.
    #[test]
    fn a_word_that_was_written_over_is_seen() {
        for word in [u32::MAX, 0x7ffe_a5c3] {
            for at in (0..size_of::<State>()).step_by(4) {
                let mut bytes = [0; size_of::<State>()];
                bytes.copy_from_slice(busy().as_bytes());
                bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
                let state = State::read_from_bytes(&bytes).unwrap();
                assert!(state.check().is_err(), "{word:#x} at {at}");
            }
        }
    }
}
