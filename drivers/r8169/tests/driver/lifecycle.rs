//! Probe, open, stop, quiesce, restore, and calls that are abandoned.

use r8169::{R8169, State, regs};
use udrv_driver::{Bus, Cx, Driver, Error, Events, NetDriver, Point};
use udrv_driver_tests::input::assert_gives_up_in_time;

use crate::fake::{Fake, MAC, Versions};

#[test]
fn the_bars() {
    assert_eq!(R8169::BUS, Bus::Pci { bars: &[2, 1], pages: None });
}

#[test]
fn probe_resets_and_gives_the_address() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(R8169::probe), Ok(MAC));
    let chip = fake.chip();
    assert!(chip.bus.writes.contains(&(0x37, regs::cr::RST.into())));
    assert_eq!((chip.registers[0x37], chip.get(0x3c, 2), chip.bus.dma.len()), (0, 0, 1));
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
        assert_eq!(fake.chip().bus.writes, [], "and touches nothing");
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
        fake.chip().send(); // and nobody has looked
        if stuck {
            fake.chip().raise(0x8000);
            assert!(fake.interrupt().has(Events::ERROR));
        }
        fake.border().completed.clear();
        assert_eq!(fake.call(entry), Ok(()));
        assert_eq!(fake.border().completed, [(0, true), (1, false), (2, false)]);
        assert_eq!(fake.stats().tx_errors, 2);
        assert_eq!(fake.call(R8169::open), Ok(()));
        assert!(!fake.chip().has_to_send(), "nothing of what was given back");
        fake.assert_works();
    }
}

/// The rings are written anew, and then the call is abandoned: what was under way is lost, and not taken for sent.
#[test]
fn what_a_call_has_written_over_counts_as_lost() {
    let mut fake = Fake::opened();
    for buffer in 0..3 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
    }
    fake.border().completed.clear();
    assert!(fake.abandon(Point::End, R8169::open));
    assert_eq!(fake.border().completed, [(0, false), (1, false), (2, false)]);
    assert_eq!(fake.stats().tx_errors, 3);
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
fn a_sleeping_phy_is_woken() {
    for control in [0x1940, 0x2100] {
        let mut fake = Fake::new();
        fake.chip().phy[0] = control;
        assert_eq!(fake.call(R8169::probe), Ok(MAC));
        assert_eq!(fake.call(R8169::open), Ok(()));
        assert_eq!(fake.chip().phy[0] & 0x1800, 0x1000);
    }
    let mut fake = Fake::opened();
    assert!(fake.chip().bus.writes.iter().filter(|w| w.0 == 0x60).all(|w| w.1 >> 31 == 0), "else it is only read");
}

#[test]
fn a_phy_that_does_not_answer_is_given_up() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(R8169::probe), Ok(MAC));
    assert_gives_up_in_time(fake, 0x60, |chip, hangs| chip.trouble.phy_hangs = hangs, R8169::open);
}
