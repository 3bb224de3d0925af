//! Probe, open, stop, quiesce, restore, and calls that are abandoned.

use r8169::{R8169, State, regs};
use udrv_driver::{Cx, Error, Events, Kind, MacAddress, NetDriver, Point, RxMode};

use crate::fake::{Fake, MAC, frame};
use crate::versions::Versions;

#[test]
fn the_map_fits() {
    assert_eq!(R8169::BARS, [2, 1]);
    let shadowed = |kind| matches!(kind, Kind::Config | Kind::DmaAddress | Kind::WriteOnly);
    assert!(R8169::REGISTERS.iter().filter(|r| shadowed(r.kind)).count() <= 128);
}

#[test]
fn probe_resets_and_gives_the_address() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(R8169::probe), Ok(MAC));
    let chip = fake.chip();
    assert!(chip.writes.contains(&(0x37, regs::cr::RST.into())));
    assert_eq!((chip.registers[0x37], chip.get(0x3c, 2), chip.dma.len()), (0, 0, 1));
    assert_eq!(fake.call(R8169::probe), Ok(MAC));
    assert_eq!(fake.chip().dma.len(), 1, "a second probe takes no more memory");
}

#[test]
fn only_the_chips_that_are_driven() {
    for xid in [0x0080_0000, 0x0400_0000, 0x1000_0000, 0x1800_0000, 0x3000_0000, 0x3800_0000, 0x3850_0000] {
        let mut fake = Fake::new();
        fake.chip().version = xid;
        assert_eq!(fake.call(R8169::probe), Ok(MAC), "{xid:#x}");
        assert_eq!(fake.call(R8169::open), Ok(()));
        fake.assert_works();
    }
    for xid in [0, 0x9800_0000, 0x3c00_0000, 0x2810_0000, 0x3400_0000, 0x4c00_0000] {
        let mut fake = Fake::new();
        fake.chip().version = xid;
        assert_eq!(fake.call(R8169::probe), Err(Error::NotThisDevice), "{xid:#x}");
        assert_eq!(fake.border().logs, [1], "it says so");
        assert_eq!(fake.chip().writes, [], "and touches nothing");
    }
}

#[test]
fn a_chip_without_an_address_is_set_one() {
    let mut fake = Fake::new();
    fake.chip().registers[..6].fill(0xff);
    assert_eq!(fake.call(R8169::probe), Ok(MacAddress([0; 6])));
    assert_eq!(fake.call(|cx| R8169::set_mac(cx, MAC)), Ok(()));
    assert_eq!(fake.call(R8169::open), Ok(()));
    fake.assert_works();
}

#[test]
fn waits_have_deadlines() {
    let mut fake = Fake::new();
    fake.chip().trouble.reset_hangs = true;
    assert!(matches!(fake.call(R8169::probe), Err(Error::Timeout { register: 0x37, .. })));
    let mut fake = Fake::new();
    assert_eq!(fake.call(R8169::probe), Ok(MAC));
    fake.chip().trouble.phy_hangs = true;
    assert!(matches!(fake.call(R8169::open), Err(Error::Timeout { register: 0x60, .. })));
    assert!(fake.border().now < 30_000);
}

#[test]
fn gone_wherever_something_is_read() {
    let mut fake = Fake::new();
    fake.chip().trouble.gone = true;
    assert_eq!(fake.call(R8169::probe), Err(Error::Gone));
    let mut fake = Fake::opened();
    assert_eq!(fake.transmit(1, 60), Ok(()));
    fake.chip().trouble.gone = true;
    for entry in [R8169::open, R8169::stop, R8169::tx_timeout, R8169::quiesce, R8169::restore] {
        assert_eq!(fake.call(entry), Err(Error::Gone));
    }
    assert_eq!(fake.call(R8169::interrupt), Err(Error::Gone));
    assert_eq!(fake.call(R8169::link), Err(Error::Gone));
    assert_eq!(fake.call(R8169::get_stats), Err(Error::Gone));
    assert_eq!(fake.border().kept, [1], "not given back: who knows what the chip does with it");
}

#[test]
fn before_probe_and_before_open() {
    for versions in Versions::ALL {
        let mut fake = Fake::new();
        fake.versions = versions;
        assert_eq!(fake.call(R8169::open), Err(Error::NotReady));
        assert_eq!(fake.call(R8169::probe), Ok(MAC));
        assert_eq!(fake.transmit(1, 60), Err(Error::NotReady));
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.interrupt(), Events::NONE);
    }
}

#[test]
fn stop_tx_timeout_and_a_restore_with_reset_give_back_what_is_in_flight() {
    type Entry = fn(&mut Cx<'_, State>) -> Result<(), Error>;
    let entries: [(Entry, bool); 3] = [(R8169::stop, false), (R8169::tx_timeout, false), (R8169::restore, true)];
    for (entry, stuck) in entries {
        let mut fake = Fake::opened();
        fake.assert_works();
        for buffer in 0..3 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        if stuck {
            fake.chip().raise(0x8000);
            assert!(fake.interrupt().has(Events::ERROR));
        }
        fake.border().completed.clear();
        assert_eq!(fake.call(entry), Ok(()));
        assert_eq!(fake.border().completed, [(0, false), (1, false), (2, false)]);
        assert_eq!(fake.stats().tx_errors, 3);
        assert_eq!(fake.call(R8169::open), Ok(()));
        assert!(!fake.chip().has_to_send(), "nothing of what was given back");
        fake.assert_works();
    }
}

#[test]
fn a_chip_that_goes_on_is_restored_without_a_reset_and_loses_nothing() {
    let mut fake = Fake::opened();
    fake.assert_works();
    for buffer in 0..3 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
        assert!(fake.chip().receive(60, 1));
    }
    // what a call may leave that is abandoned anywhere
    fake.chip().registers[..6].fill(0xee);
    fake.chip().registers[0x50] = 0xc0;
    fake.chip().set(0x44, 4, 0);
    fake.border().completed.clear();
    let resets = fake.chip().resets();
    assert_eq!(fake.call(R8169::restore), Ok(()));
    assert_eq!((fake.chip().resets(), fake.border().completed.len()), (resets, 0));
    for _ in 0..3 {
        fake.chip().send();
    }
    assert_eq!((fake.poll(8), fake.border().completed.len()), (Ok(3), 3));
    assert_eq!(fake.chip().get(0x44, 4), 0xe70a);
    fake.assert_works();
}

/// A chip that was set up since, or halted, or of whose frames the state knows nothing, does not go on where that says.
#[test]
fn a_chip_that_is_elsewhere_is_reset() {
    let set_up: fn(&mut Fake) = |fake| assert_eq!(fake.call(R8169::tx_timeout), Ok(()));
    let halted: fn(&mut Fake) = |fake| assert_eq!(fake.call(R8169::quiesce), Ok(()));
    let sent: fn(&mut Fake) = |fake| {
        assert_eq!(fake.transmit(5, 60), Ok(()));
        assert_eq!(fake.chip().send().1, 60);
    };
    let received: fn(&mut Fake) = |fake| {
        assert!(fake.chip().receive(60, 1));
        assert_eq!(fake.poll(8), Ok(1));
    };
    let bad: fn(&mut Fake) = |fake| {
        assert!(fake.chip().receive(40, 1));
        assert_eq!(fake.poll(8), Ok(0));
    };
    for (what, happens) in
        [("set up", set_up), ("halted", halted), ("sent", sent), ("received", received), ("bad", bad)]
    {
        for versions in Versions::ALL {
            let mut fake = Fake::opened();
            fake.versions = versions;
            fake.assert_works();
            let older = fake.state;
            happens(&mut fake);
            fake.state = older;
            // the class gives back the buffers that an older state does not know of
            fake.border().kept.clear();
            let resets = fake.chip().resets();
            assert_eq!(fake.call(R8169::restore), Ok(()), "{what}");
            assert_eq!(fake.chip().resets(), resets + 1, "{what}");
            fake.assert_works();
        }
    }
}

#[test]
fn quiesce_needs_no_state() {
    for reset_hangs in [false, true] {
        let mut fake = Fake::opened();
        fake.state = R8169::new_state();
        fake.chip().trouble.reset_hangs = reset_hangs;
        assert_eq!(fake.call(R8169::quiesce).is_err(), reset_hangs);
        let chip = fake.chip();
        assert_eq!((chip.registers[0x37], chip.get(0x3c, 2)), (0, 0));
    }
}

#[test]
fn a_sleeping_phy_is_woken() {
    for control in [0x1940, 0x2100] {
        let mut fake = Fake::new();
        fake.chip().phy[0] = control;
        assert_eq!(fake.call(R8169::probe), Ok(MAC));
        assert_eq!(fake.call(R8169::open), Ok(()));
        assert_eq!(fake.chip().phy[0] & 0x1800, 0x1000);
    }
    let mut fake = Fake::opened();
    assert!(fake.chip().writes.iter().filter(|w| w.0 == 0x60).all(|w| w.1 >> 31 == 0), "else it is only read");
}

/// Every entry point, abandoned after each of its requests and at each of its points: the card works.
#[test]
fn whatever_call_is_abandoned_the_card_works() {
    type Entry = fn(&mut Cx<'_, State>) -> Result<(), Error>;
    let entries: [(&str, Entry); 14] = [
        ("probe", |cx| R8169::probe(cx).map(drop)),
        ("open", R8169::open),
        ("stop", R8169::stop),
        ("transmit", |cx| R8169::transmit(cx, frame(7, 60))),
        ("interrupt", |cx| R8169::interrupt(cx).map(drop)),
        ("poll", |cx| R8169::poll(cx, 8).map(drop)),
        ("link", |cx| R8169::link(cx).map(drop)),
        ("set_mac", |cx| R8169::set_mac(cx, MacAddress([2, 1, 2, 3, 4, 0xfe]))),
        ("set_rx_mode", |cx| R8169::set_rx_mode(cx, RxMode { promiscuous: true, multicast: 5 })),
        ("get_ringparam", |cx| R8169::get_ringparam(cx).map(drop)),
        ("get_stats", |cx| R8169::get_stats(cx).map(drop)),
        ("tx_timeout", R8169::tx_timeout),
        ("quiesce", R8169::quiesce),
        ("restore", R8169::restore),
    ];
    for (name, entry) in entries {
        let prepare = || {
            let mut fake = Fake::opened();
            fake.chip().receive(60, 1);
            fake.chip().set(0x4c, 4, 3);
            fake.allow(7, 8);
            fake
        };
        for point in Point::ALL {
            let mut fake = prepare();
            assert!(fake.abandon(point, entry), "{name} has no {point:?}");
            fake.poll(8).unwrap();
            fake.assert_works();
        }
        // setting up writes hundreds of words: not after each
        for after in (0..20).chain((20..1000).step_by(37)) {
            let mut fake = prepare();
            if !fake.abandon_after(after, entry) {
                break;
            }
            fake.poll(8).unwrap();
            fake.assert_works();
        }
    }
}

#[test]
fn a_bus_error_anywhere_leaves_a_state_that_restore_can_use() {
    for entry in [R8169::open, R8169::stop, R8169::tx_timeout, R8169::restore] {
        for after in 0..60 {
            let mut fake = Fake::opened();
            assert_eq!(fake.transmit(1, 60), Ok(()));
            fake.chip().trouble.fails_after = Some(after);
            if fake.call(entry).is_ok() {
                break;
            }
            fake.chip().trouble.fails_after = None;
            assert_eq!(fake.call(R8169::restore), Ok(()));
            assert_eq!(fake.call(R8169::open), Ok(()));
            fake.assert_works();
        }
    }
}
