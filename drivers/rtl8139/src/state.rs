//! What one failed call can spoil, and what holds of it between calls.
//!
//! The check is asked before and after each call, so it is a few compares. Not in it: whether the chip agrees (the
//! framework compares registers, and `restore` needs no agreement); the numbers of buffers and of the ring's handle, of
//! which the driver does not know how many there are (the framework refuses those that are not the driver's); counters
//! and times, which may be any number.

use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{Dma, MacAddress, Stats, holds};

use crate::{ring, tx};

/// What one failed call can spoil and one rollback mends.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub struct State {
    /// Counters since probe.
    pub(crate) stats: Stats,
    /// Hash of the multicast addresses to receive.
    pub(crate) multicast: u64,
    /// Since when the frame at the cursor has been under way, in microseconds; 0 if none is.
    pub(crate) waiting: u64,
    /// The receive ring; none before probe.
    pub(crate) ring: Dma,
    /// Transmit slots.
    pub(crate) tx: tx::Slots,
    /// Where in the ring the next header stands.
    pub(crate) cursor: u32,
    /// 1: between `open` and `stop`.
    pub(crate) opened: u32,
    /// 1: receive everything.
    pub(crate) promiscuous: u32,
    /// See [`Overflow`].
    pub(crate) overflow: Overflow,
    /// The station address in use; zeros if the chip has none and none was set.
    pub(crate) mac: MacAddress,
    reserved: [u8; 2],
}

impl State {
    /// Before `probe`.
    pub(crate) const fn new() -> State {
        State {
            stats: Stats::ZERO,
            multicast: 0,
            waiting: 0,
            ring: Dma::NONE,
            cursor: 0,
            tx: tx::Slots::new(),
            opened: 0,
            promiscuous: 0,
            overflow: Overflow::NONE,
            mac: MacAddress([0; 6]),
            reserved: [0; 2],
        }
    }

    /// See [`udrv_driver::NetDriver::check`].
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        self.tx.check()?;
        let probed = self.ring != Dma::NONE;
        holds(self.cursor < ring::SIZE, "cursor: behind the ring")?;
        holds(self.cursor.is_multiple_of(4), "cursor: no place of a header")?;
        holds(self.opened <= 1, "opened: no flag")?;
        holds(self.opened == 0 || probed, "opened: without a ring")?;
        holds(self.promiscuous <= 1, "promiscuous: no flag")?;
        holds(self.overflow.0 <= Overflow::DRAINED.0, "overflow: no such stage")?;
        holds(self.mac.is_station() || self.mac.0 == [0; 6], "mac: no station address")?;
        holds(self.reserved == [0; 2], "reserved: not zero")
    }
}

/// How far an overflow of the ring has been dealt with.
///
/// RXOVW and FOVW may be cleared only after CAPR has given room back. CAPR is written when `poll` commits, so neither
/// the `interrupt` before it nor `poll` itself can clear them: it is the `interrupt` after it that does. The cause is
/// still pending, so that one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(transparent)]
pub(crate) struct Overflow(u32);

impl Overflow {
    /// None is known.
    pub(crate) const NONE: Overflow = Overflow(0);
    /// `interrupt` has seen one and left it.
    pub(crate) const SEEN: Overflow = Overflow(1);
    /// `poll` has emptied the ring since, as far as its budget went.
    pub(crate) const DRAINED: Overflow = Overflow(2);
}

#[cfg(test)]
mod tests {
    use udrv_driver::Buffer;

    use super::*;

    /// Probed, open, two slots in use, the oldest being tried again.
    fn busy() -> State {
        let mut state =
            State { ring: Dma(1), opened: 1, cursor: 0x7ffc, mac: MacAddress([2, 0, 0, 0, 0, 1]), ..State::new() };
        state.tx.ring.claim(Buffer(5));
        state.tx.ring.claim(Buffer(6));
        assert!(state.tx.retry());
        state
    }

    #[test]
    fn states_that_are_right() {
        assert_eq!(State::new().check(), Ok(()));
        assert_eq!(busy().check(), Ok(()));
        assert_eq!(State { mac: MacAddress([0; 6]), ..busy() }.check(), Ok(()), "a chip without an address");
        assert_eq!(State { opened: 0, ..busy() }.check(), Ok(()), "stop has failed on its way");
        assert_eq!(State { ring: Dma::NONE, opened: 0, ..busy() }.check(), Ok(()), "no memory for the ring");
    }

    #[test]
    fn each_clause_names_its_field() {
        let broken = |what: &str, state: State| {
            let text = state.check().expect_err(what);
            assert_eq!(text, what);
        };
        broken("cursor: behind the ring", State { cursor: ring::SIZE, ..busy() });
        broken("cursor: no place of a header", State { cursor: 0x102, ..busy() });
        broken("opened: no flag", State { opened: 2, ..busy() });
        broken("opened: without a ring", State { ring: Dma::NONE, ..busy() });
        broken("promiscuous: no flag", State { promiscuous: 2, ..busy() });
        broken("overflow: no such stage", State { overflow: Overflow(3), ..busy() });
        broken("mac: no station address", State { mac: MacAddress([0xff; 6]), ..busy() });
        broken("reserved: not zero", State { reserved: [0, 1], ..busy() });
    }

    /// A wild write of all ones or of a pointer's bytes into any word but those that may be any number.
    #[test]
    fn a_word_that_was_written_over_is_seen() {
        // counters, hash, time and handles, but not the same buffer twice
        let any_number = ..core::mem::offset_of!(State, tx) + size_of::<[Buffer; tx::SLOTS as usize]>();
        for word in [u32::MAX, 0x7ffe_a5c3] {
            for at in (0..size_of::<State>()).step_by(4) {
                let mut bytes = [0; size_of::<State>()];
                bytes.copy_from_slice(busy().as_bytes());
                bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
                let state = State::read_from_bytes(&bytes).unwrap();
                assert_eq!(state.check().is_ok(), any_number.contains(&at), "{word:#x} at {at}");
            }
        }
    }

    /// Before the check nobody knows what is there: it takes any bytes. All the same is never a state, nor all zero.
    #[test]
    fn no_bytes_make_it_panic() {
        for byte in 0..=u8::MAX {
            let state = State::read_from_bytes(&[byte; size_of::<State>()]).unwrap();
            assert!(state.check().is_err(), "{byte:#x}");
        }
    }
}
