//! How a mouse, its cable or its plug fails.

use std::num::NonZeroU32;
use std::time::Duration;

/// Which failures are on. Bytes of the mouse are counted from when the switch that counts them was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Misbehave {
    /// Nothing is ever answered, and nothing reported.
    pub silent: bool,
    /// Every byte of the host is answered with RESEND, and nothing else is done.
    pub resend_for_ever: bool,
    /// It is a keyboard: RESET is answered by FA AA without an identifier, READ ID by FA AB 83, all else by FA.
    pub keyboard: bool,
    /// The self test fails: FC for AA.
    pub self_test_fails: bool,
    /// Each so manieth byte of the mouse is lost.
    pub lose_every: Option<NonZeroU32>,
    /// Each so manieth byte of the mouse comes inverted, with its parity right.
    pub garble_every: Option<NonZeroU32>,
    /// Each so manieth byte of the mouse comes with wrong parity.
    pub parity_every: Option<NonZeroU32>,
    /// The plug is pulled when this byte has arrived as a command, before it is answered.
    pub unplug_at: Option<u8>,
    /// Answers begin so much later.
    pub late: Duration,
}

/// Misbehaviour of the line, and the bytes that it counts.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) on: Misbehave,
    bytes: u32,
}

/// What becomes of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    Arrives { value: u8, parity_ok: bool },
}

impl Trouble {
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Misbehave)) {
        change(&mut self.on);
        self.bytes = 0;
    }

    pub(crate) fn fate(&mut self, value: u8) -> Fate {
        self.bytes = self.bytes.wrapping_add(1);
        let is_due = |every: Option<NonZeroU32>| every.is_some_and(|every| self.bytes.is_multiple_of(every.get()));
        if is_due(self.on.lose_every) {
            return Fate::Lost;
        }
        let value = if is_due(self.on.garble_every) { !value } else { value };
        Fate::Arrives { value, parity_ok: !is_due(self.on.parity_every) }
    }
}
