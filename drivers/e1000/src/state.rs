//! What one failed call can spoil, and what holds of it between calls.
//!
//! The check is asked before and after each call, so it is a few compares. Not in it: whether the chip agrees (the
//! framework compares registers, and `restore` asks); the numbers of buffers and of the handle, of which the driver
//! does not know how many there are (the framework refuses those that are not the driver's); counters, which may be
//! any number.

use udrv_driver::ring::TxRing;
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{Dma, MAX_VLAN, MacAddress, Stats, USUAL_MTU, holds};

use crate::offload::{Context, UNKNOWN};
use crate::regs::itr;
use crate::ring::{self, Cursor};

/// What one failed call can spoil and one rollback mends.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub struct State {
    /// Counters since probe.
    pub(crate) stats: Stats,
    /// Rings and receive buffers; none before probe.
    pub(crate) memory: Dma,
    /// Transmit descriptors in use.
    pub(crate) tx: TxRing<{ ring::TX as usize }>,
    /// What the chip was told last of checksums and segments.
    pub(crate) context: Context,
    /// Receive descriptors.
    pub(crate) rx: Cursor,
    /// 1: between `open` and `stop`.
    pub(crate) opened: u32,
    /// 1: receive everything.
    pub(crate) promiscuous: u32,
    /// 1: receive all multicast.
    pub(crate) multicast: u32,
    /// 1: TCTL is set up for half duplex.
    pub(crate) half_duplex: u32,
    /// The MTU, bytes.
    pub(crate) mtu: u32,
    /// The VLAN; 0: none.
    pub(crate) vlan: u32,
    /// ITR.
    pub(crate) itr: u32,
    /// The station address in use; zeros if the EEPROM has none and none was set.
    pub(crate) mac: MacAddress,
    reserved: [u8; 2],
}

impl State {
    /// Before `probe`.
    pub(crate) const fn new() -> State {
        State {
            stats: Stats::ZERO,
            memory: Dma::NONE,
            tx: TxRing::new(),
            context: UNKNOWN,
            rx: Cursor::new(),
            opened: 0,
            promiscuous: 0,
            multicast: 0,
            half_duplex: 0,
            mtu: USUAL_MTU,
            vlan: 0,
            itr: itr::of(itr::USUAL),
            mac: MacAddress([0; 6]),
            reserved: [0; 2],
        }
    }

    /// See [`udrv_driver::NetDriver::check`].
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        self.tx.check()?;
        self.rx.check()?;
        // the tail never catches the head
        holds(self.tx.used() < ring::TX, "tx.used: all of them")?;
        holds(self.opened <= 1, "opened: no flag")?;
        holds(self.opened == 0 || self.memory != Dma::NONE, "opened: without rings")?;
        holds(self.memory != Dma::NONE || self.rx == Cursor::new(), "rx: moved, without rings")?;
        holds(self.promiscuous <= 1, "promiscuous: no flag")?;
        holds(self.multicast <= 1, "multicast: no flag")?;
        holds(self.half_duplex <= 1, "half_duplex: no flag")?;
        holds((USUAL_MTU..=ring::MAX_MTU).contains(&self.mtu), "mtu: out of range")?;
        holds(self.vlan <= MAX_VLAN.into(), "vlan: none has this number")?;
        holds(self.itr <= 0xffff, "itr: more than 16 bits")?;
        holds(self.mac.is_station() || self.mac.0 == [0; 6], "mac: no station address")?;
        holds(self.reserved == [0; 2], "reserved: not zero")
    }
}

#[cfg(test)]
mod tests {
    use udrv_driver::Buffer;

    use super::*;

    /// Probed, open, two descriptors in use, frames received.
    fn busy() -> State {
        let mut state = State {
            memory: Dma(1),
            opened: 1,
            rx: Cursor { next: 255, tail: 200, inside: 1 },
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            ..State::new()
        };
        state.tx.claim(Buffer(5));
        state.tx.claim(Buffer(6));
        state
    }

    #[test]
    fn states_that_are_right() {
        assert_eq!(State::new().check(), Ok(()));
        assert_eq!(busy().check(), Ok(()));
        assert_eq!(State { mac: MacAddress([0; 6]), ..busy() }.check(), Ok(()), "an EEPROM without an address");
        assert_eq!(State { opened: 0, ..busy() }.check(), Ok(()), "stop has failed on its way");
    }

    #[test]
    fn each_clause_names_its_field() {
        let broken = |what: &str, state: State| assert_eq!(state.check(), Err(what).map_err(|w| w as _));
        let right = busy();
        broken("rx.next: no descriptor", State { rx: Cursor { next: 256, ..right.rx }, ..right });
        broken("rx.tail: no descriptor", State { rx: Cursor { tail: 256, ..right.rx }, ..right });
        broken("rx.inside: no flag", State { rx: Cursor { inside: 2, ..right.rx }, ..right });
        broken("opened: no flag", State { opened: 2, ..right });
        broken("opened: without rings", State { memory: Dma::NONE, ..right });
        broken("rx: moved, without rings", State { memory: Dma::NONE, opened: 0, ..right });
        broken("promiscuous: no flag", State { promiscuous: 2, ..right });
        broken("multicast: no flag", State { multicast: 2, ..right });
        broken("half_duplex: no flag", State { half_duplex: 2, ..right });
        broken("mtu: out of range", State { mtu: 1499, ..right });
        broken("mtu: out of range", State { mtu: ring::MAX_MTU + 1, ..right });
        broken("vlan: none has this number", State { vlan: 4095, ..right });
        broken("itr: more than 16 bits", State { itr: 0x1_0000, ..right });
        broken("mac: no station address", State { mac: MacAddress([0xff; 6]), ..right });
        broken("reserved: not zero", State { reserved: [0, 1], ..right });
        let mut full = right;
        (2..ring::TX).for_each(|n| full.tx.claim(Buffer(n.into())));
        broken("tx.used: all of them", full);
    }

    /// A wild write of all ones or of a pointer's bytes into any word but those that may be any number.
    #[test]
    fn a_word_that_was_written_over_is_seen() {
        let buffers = ..core::mem::offset_of!(State, tx) + ring::TX as usize * 8;
        let context = core::mem::offset_of!(State, context);
        let any_number = |at: &usize| buffers.contains(at) || (context..context + 16).contains(at);
        for word in [u32::MAX, 0x7ffe_a5c3] {
            for at in (0..size_of::<State>()).step_by(4) {
                let mut bytes = [0; size_of::<State>()];
                bytes.copy_from_slice(busy().as_bytes());
                bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
                let state = State::read_from_bytes(&bytes).unwrap();
                // the first bytes of an address are as good as others; what follows is reserved
                let address = at == core::mem::offset_of!(State, mac) && word != u32::MAX && word & 1 == 0;
                assert_eq!(state.check().is_ok(), any_number(&at) || address, "{word:#x} at {at}");
            }
        }
    }

    /// Before the check nobody knows what is there: it takes any bytes. All the same is never a state.
    #[test]
    fn no_bytes_make_it_panic() {
        for byte in 0..=u8::MAX {
            let state = State::read_from_bytes(&[byte; size_of::<State>()]).unwrap();
            assert!(state.check().is_err(), "{byte:#x}");
        }
    }
}
