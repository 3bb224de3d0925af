//! What one failed call can spoil, and what holds of it between calls.

use udrv_driver::ring::TxRing;
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{Dma, MacAddress, Stats, holds};

use crate::ring;

/// What one failed call can spoil and one rollback mends.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub struct State {
    /// Counters since probe.
    pub(crate) stats: Stats,
    /// Rings and buffers; none before probe.
    pub(crate) memory: Dma,
    /// Transmit descriptors in use, two or three a frame.
    pub(crate) tx: TxRing<{ ring::TX as usize }>,
    /// Descriptors that each ring's controller was given since the rings were set up, modulo 2^32.
    pub(crate) given: [u32; 3],
    /// The receive descriptor to look at next.
    pub(crate) next: u32,
    /// The interrupt descriptor to look at next.
    pub(crate) next_interrupt: u32,
    /// 1: the chip has been told what it must be told once, and its PHY runs.
    pub(crate) awake: u32,
    /// 1: between `open` and `stop`.
    pub(crate) opened: u32,
    /// 1: receive everything.
    pub(crate) promiscuous: u32,
    /// 1: receive all multicast.
    pub(crate) multicast: u32,
    /// What ETHCTRL1 says of the link.
    pub(crate) media: u32,
    /// The byte of the last interrupt packet that says something of the link.
    pub(crate) link_byte: u32,
    /// The station address in use; zeros if the chip has none and none was set.
    pub(crate) mac: MacAddress,
    reserved: [u8; 6],
}

impl State {
    /// Before `probe`.
    pub(crate) const fn new() -> State {
        State {
            stats: Stats::ZERO,
            memory: Dma::NONE,
            tx: TxRing::new(),
            given: [0; 3],
            next: 0,
            next_interrupt: 0,
            awake: 0,
            opened: 0,
            promiscuous: 0,
            multicast: 0,
            media: 0,
            link_byte: 0,
            mac: MacAddress([0; 6]),
            reserved: [0; 6],
        }
    }

    /// See [`udrv_driver::NetDriver::check`].
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        self.tx.check()?;
        holds(self.tx.used() == 0 || self.tx.oldest_frame().is_some(), "tx.used: part of a frame")?;
        holds(self.next < ring::RX, "next: no descriptor")?;
        holds(self.next_interrupt < ring::INTERRUPTS, "next_interrupt: no descriptor")?;
        holds(self.awake <= 1, "awake: no flag")?;
        holds(self.opened <= 1, "opened: no flag")?;
        holds(self.opened == 0 || self.memory != Dma::NONE, "opened: without rings")?;
        holds(self.promiscuous <= 1, "promiscuous: no flag")?;
        holds(self.multicast <= 1, "multicast: no flag")?;
        holds(self.media & !0x30 == 0, "media: no such bits")?;
        holds(self.link_byte <= 0xff, "link_byte: no byte")?;
        holds(self.mac.is_station() || self.mac.0 == [0; 6], "mac: no station address")?;
        holds(self.reserved == [0; 6], "reserved: not zero")
    }
}

#[cfg(test)]
mod tests {
    use udrv_driver::Buffer;

    use super::*;

    /// Probed, open, a frame under way, frames received.
    fn busy() -> State {
        let mac = MacAddress([2, 0, 0, 0, 0, 1]);
        let mut state =
            State { memory: Dma(1), opened: 1, next: 15, next_interrupt: 1, media: 0x30, mac, ..State::new() };
        state.tx.claim(Buffer::NONE);
        state.tx.claim(Buffer(6));
        state
    }

    #[test]
    fn states_that_are_right() {
        assert_eq!(State::new().check(), Ok(()));
        assert_eq!(busy().check(), Ok(()));
        assert_eq!(State { mac: MacAddress([0; 6]), ..busy() }.check(), Ok(()), "a chip without an address");
    }

    #[test]
    fn each_clause_names_its_field() {
        let broken = |what: &str, state: State| assert_eq!(state.check(), Err(what).map_err(|w| w as _));
        let mut part = State { tx: Default::default(), ..busy() };
        part.tx.claim(Buffer::NONE);
        broken("tx.used: part of a frame", part);
        broken("next: no descriptor", State { next: 16, ..busy() });
        broken("next_interrupt: no descriptor", State { next_interrupt: 2, ..busy() });
        broken("awake: no flag", State { awake: 2, ..busy() });
        broken("opened: no flag", State { opened: 2, ..busy() });
        broken("opened: without rings", State { memory: Dma::NONE, ..busy() });
        broken("promiscuous: no flag", State { promiscuous: 2, ..busy() });
        broken("multicast: no flag", State { multicast: 2, ..busy() });
        broken("media: no such bits", State { media: 0x31, ..busy() });
        broken("link_byte: no byte", State { link_byte: 256, ..busy() });
        broken("mac: no station address", State { mac: MacAddress([0xff; 6]), ..busy() });
        broken("reserved: not zero", State { reserved: [0, 1, 0, 0, 0, 0], ..busy() });
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for byte in 1..=u8::MAX {
            assert!(State::read_from_bytes(&[byte; size_of::<State>()]).unwrap().check().is_err(), "{byte:#x}");
        }
    }
}
