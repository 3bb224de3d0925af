//! What one failed call can spoil, and what holds of it between calls.
//!
//! The check is asked before and after each call, so it is a few compares. Not in it: whether the chip agrees (the
//! framework compares registers, and `restore` needs no agreement); the numbers of buffers and of the handle, of which
//! the driver does not know how many there are (the framework refuses those that are not the driver's); counters, which
//! may be any number.

use udrv_driver::ring::TxRing;
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{Dma, MAX_VLAN, MacAddress, Stats, USUAL_MTU, holds};

use crate::regs::mitigate;
use crate::ring::{self, Room};
use crate::version::{MAX_MTU, VERSIONS, Version};

/// What one failed call can spoil and one rollback mends.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub struct State {
    /// Counters since probe.
    pub(crate) stats: Stats,
    /// Hash of the multicast addresses to receive.
    pub(crate) multicast: u64,
    /// Counts what has moved a ring; see `ring.rs`.
    pub(crate) turn: u64,
    /// Rings and receive buffers; none before probe.
    pub(crate) memory: Dma,
    /// Transmit descriptors in use.
    pub(crate) tx: TxRing<{ ring::TX as usize }>,
    /// The receive descriptor to look at next.
    pub(crate) next: u32,
    /// 1: between `open` and `stop`.
    pub(crate) opened: u32,
    /// 1: receive everything.
    pub(crate) promiscuous: u32,
    /// 1: the chip has said that it does not go on until it is reset.
    pub(crate) stuck: u32,
    /// Which chip it is, one more than its number among the versions; 0 before probe.
    pub(crate) chip: u32,
    /// The MTU, bytes.
    pub(crate) mtu: u32,
    /// The VLAN; 0: none.
    pub(crate) vlan: u32,
    /// Time between interrupts, at least, microseconds; 0: each comes at once.
    pub(crate) interval: u32,
    /// The speed of the last link, Mbit/s: what the chip's timer for that counts hangs on it.
    pub(crate) speed: u32,
    /// The station address in use; zeros if the chip has none and none was set.
    pub(crate) mac: MacAddress,
    reserved: [u8; 6],
}

impl State {
    /// Before `probe`.
    pub(crate) const fn new() -> State {
        State {
            stats: Stats::ZERO,
            multicast: 0,
            turn: 0,
            memory: Dma::NONE,
            tx: TxRing::new(),
            next: 0,
            opened: 0,
            promiscuous: 0,
            stuck: 0,
            chip: 0,
            mtu: USUAL_MTU,
            vlan: 0,
            interval: 0,
            speed: 1000,
            mac: MacAddress([0; 6]),
            reserved: [0; 6],
        }
    }

    /// Counts a call that has moved a ring, and gives the number to hand over with it.
    pub(crate) fn moved(&mut self) -> u32 {
        self.turn = self.turn.wrapping_add(1);
        self.turn as u32
    }

    /// How the receive buffers are laid out, and what may be in them.
    pub(crate) fn room(&self) -> Room {
        Room::of(self.mtu, self.vlan)
    }

    /// Which chip it is; `None` before `probe`.
    pub(crate) fn version(&self) -> Option<Version> {
        VERSIONS.get((self.chip as usize).checked_sub(1)?).copied()
    }

    /// See [`udrv_driver::NetDriver::check`].
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        self.tx.check()?;
        let probed = self.memory != Dma::NONE;
        holds((USUAL_MTU..=MAX_MTU).contains(&self.mtu), "mtu: out of range")?;
        holds(self.next < self.room().count(), "next: no descriptor")?;
        holds(self.opened <= 1, "opened: no flag")?;
        holds(self.opened == 0 || probed, "opened: without rings")?;
        holds(self.promiscuous <= 1, "promiscuous: no flag")?;
        holds(self.stuck <= 1, "stuck: no flag")?;
        holds(self.chip as usize <= VERSIONS.len(), "chip: none that is driven")?;
        holds(self.chip != 0 || !probed, "chip: none, after probe")?;
        holds(self.vlan <= MAX_VLAN.into(), "vlan: none has this number")?;
        holds(u64::from(self.interval) <= mitigate::LONGEST, "interval: too long")?;
        holds(matches!(self.speed, 10 | 100 | 1000), "speed: of no link")?;
        holds(self.mac.is_station() || self.mac.0 == [0; 6], "mac: no station address")?;
        holds(self.reserved == [0; 6], "reserved: not zero")
    }
}

#[cfg(test)]
mod tests {
    use udrv_driver::Buffer;

    use super::*;

    /// Probed, open, two descriptors in use, frames received.
    fn busy() -> State {
        let mac = MacAddress([2, 0, 0, 0, 0, 1]);
        let mut state = State { memory: Dma(1), opened: 1, next: 255, chip: 7, mac, ..State::new() };
        state.tx.claim(Buffer(5));
        state.tx.claim(Buffer(6));
        state
    }

    #[test]
    fn states_that_are_right() {
        assert_eq!(State::new().check(), Ok(()));
        assert_eq!(busy().check(), Ok(()));
        assert_eq!(State { mac: MacAddress([0; 6]), ..busy() }.check(), Ok(()), "a chip without an address");
        assert_eq!(State { opened: 0, ..busy() }.check(), Ok(()), "stop has failed on its way");
    }

    #[test]
    fn each_clause_names_its_field() {
        let broken = |what: &str, state: State| assert_eq!(state.check(), Err(what).map_err(|w| w as _));
        broken("mtu: out of range", State { mtu: 1499, ..busy() });
        broken("mtu: out of range", State { mtu: 7147, ..busy() });
        broken("next: no descriptor", State { next: 256, ..busy() });
        broken("next: no descriptor", State { next: 128, mtu: 4000, ..busy() });
        broken("next: no descriptor", State { next: 64, mtu: 7000, ..busy() });
        broken("opened: no flag", State { opened: 2, ..busy() });
        broken("opened: without rings", State { memory: Dma::NONE, ..busy() });
        broken("promiscuous: no flag", State { promiscuous: 2, ..busy() });
        broken("stuck: no flag", State { stuck: 2, ..busy() });
        broken("chip: none that is driven", State { chip: 8, ..busy() });
        broken("chip: none, after probe", State { chip: 0, ..busy() });
        broken("vlan: none has this number", State { vlan: 4095, ..busy() });
        broken("interval: too long", State { interval: 154, ..busy() });
        broken("speed: of no link", State { speed: 0, ..busy() });
        broken("mac: no station address", State { mac: MacAddress([0xff; 6]), ..busy() });
        broken("reserved: not zero", State { reserved: [0, 1, 0, 0, 0, 0], ..busy() });
    }

    /// A wild write of all ones or of a pointer's bytes into any word but those that may be any number.
    #[test]
    fn a_word_that_was_written_over_is_seen() {
        let any_number = ..core::mem::offset_of!(State, tx) + ring::TX as usize * 8;
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
        for byte in 1..=u8::MAX {
            let state = State::read_from_bytes(&[byte; size_of::<State>()]).unwrap();
            assert!(state.check().is_err() && state.version().is_none() == (byte != 0), "{byte:#x}");
        }
    }
}
