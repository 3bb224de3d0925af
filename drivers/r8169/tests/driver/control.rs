//! Interrupts, link, addresses, modes and counters.

use r8169::R8169;
use udrv_driver::{Driver, Events, MacAddress, NetDriver, RingParam, RxMode};

use crate::fake::Fake;

#[test]
fn causes_are_acknowledged_and_sorted() {
    for (cause, events) in [
        (0x0001, Events::POLL),
        (0x0002, Events::POLL),
        (0x0004, Events::POLL),
        (0x0008, Events::POLL),
        (0x0010, Events::POLL),
        (0x0020, Events::LINK),
        (0x0040, Events::POLL),
        (0x8000, Events::ERROR),
        (0x0080, Events::NONE),
        (0x4100, Events::NONE),
    ] {
        let mut fake = Fake::opened();
        fake.chip().raise(cause);
        assert_eq!(fake.interrupt(), events, "{cause:#x}");
        assert_eq!(fake.chip().get(0x3e, 2) == 0, events != Events::NONE);
        assert_eq!(fake.stats().tx_errors, u64::from(cause == 8));
    }
}

/// The first RTL8168B stops at an overflow.
#[test]
fn an_overflow_restores_the_chip_that_does_not_go_on() {
    let mut fake = Fake::new();
    fake.chip().version = 0x3000_0000;
    fake.call(R8169::probe).unwrap();
    fake.call(R8169::open).unwrap();
    fake.chip().raise(0x0040);
    assert!(fake.interrupt().has(Events::ERROR));
}

#[test]
fn addresses() {
    let mut fake = Fake::opened();
    let other = MacAddress([2, 1, 2, 3, 4, 0xff]);
    assert_eq!(fake.call(|cx| R8169::set_mac(cx, other)), Ok(()));
    assert_eq!(fake.chip().registers[..6], other.0);
    fake.chip().registers[..6].fill(0);
    assert_eq!(fake.call(R8169::restore), Ok(()));
    assert_eq!(fake.chip().registers[..6], other.0);
}

#[test]
fn modes() {
    for (xid, mar) in [(0x1800_0000, [1, 2, 0, 0, 0, 0, 0, 0x80]), (0x3800_0000, [0x80, 0, 0, 0, 0, 0, 2, 1])] {
        let mut fake = Fake::new();
        fake.chip().version = xid;
        fake.call(R8169::probe).unwrap();
        fake.call(R8169::open).unwrap();
        assert_eq!(fake.chip().get(0x44, 4), 0xe70a);
        let mode = RxMode { promiscuous: false, multicast: 1 | 1 << 9 | 1 << 63 };
        assert_eq!(fake.call(|cx| R8169::set_rx_mode(cx, mode)), Ok(()));
        assert_eq!(fake.chip().registers[8..16], mar);
        assert_eq!(fake.chip().get(0x44, 4), 0xe70e);
        let mode = RxMode { promiscuous: true, multicast: 0 };
        assert_eq!(fake.call(|cx| R8169::set_rx_mode(cx, mode)), Ok(()));
        assert_eq!(fake.chip().registers[8..16], [0xff; 8]);
        assert_eq!(fake.chip().get(0x44, 4), 0xe70f);
        assert_eq!(fake.call(R8169::restore), Ok(()));
        assert_eq!(fake.chip().get(0x44, 4), 0xe70f, "kept");
        assert_eq!(fake.chip().registers[8..16], [0xff; 8]);
    }
}

#[test]
fn counters_and_rings() {
    let mut fake = Fake::opened();
    fake.chip().set(0x4c, 4, 5);
    assert_eq!(fake.stats().rx_missed, 5);
    assert_eq!(fake.stats().rx_missed, 5, "taken once");
    fake.chip().set(0x4c, 4, 2);
    assert_eq!(fake.call(R8169::restore), Ok(()));
    assert_eq!(fake.stats().rx_missed, 7, "a reset loses no count");
    assert_eq!(fake.call(R8169::get_ringparam), Ok(RingParam { rx: 256, tx: 64 }));
}
