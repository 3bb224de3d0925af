//! What each call costs, restore, and calls that are abandoned.

use pegasus::{Pegasus, State};
use udrv_driver::{Cx, Driver, Error, Link, MARK_SPACES, NetDriver, Point, RxMode};
use udrv_driver_tests::{Chip as _, hide_injected};

use crate::chip::{AN986, Chip};
use crate::fake::{Fake, MAC, with_all};

/// Control transfers of a call.
fn cost<T>(fake: &mut Fake, entry: impl FnOnce(&mut Cx<'_, State>) -> Result<T, Error>) -> u32 {
    let before = fake.chip().transfers;
    assert!(fake.call(entry).is_ok());
    fake.chip().transfers - before
}

/// As `lib.rs` says, and the looks that find nothing yet: two at a reset, one at each access of EEPROM and PHY.
#[test]
fn control_transfers() {
    let mut fake = Fake::new();
    assert_eq!(cost(&mut fake, Pegasus::probe), 23 + 2 + 3);
    assert_eq!(cost(&mut fake, Pegasus::open), 9 + 1);
    assert_eq!(cost(&mut fake, Pegasus::link), 12 + 4 + 1, "the MAC is told");
    assert_eq!(cost(&mut fake, Pegasus::link), 12 + 4);
    fake.chip().change_link(Link::default());
    assert_eq!(cost(&mut fake, Pegasus::link), 6 + 2);
    fake.chip().change_link(Chip::LINKS[0]);
    assert_eq!(cost(&mut fake, Pegasus::link), 15 + 5, "the loss is latched");
    assert_eq!(cost(&mut fake, |cx| Pegasus::set_mac(cx, MAC)), 2);
    assert_eq!(cost(&mut fake, |cx| Pegasus::set_rx_mode(cx, RxMode::default())), 2);
    assert_eq!(cost(&mut fake, Pegasus::restore), 5);
    assert_eq!(cost(&mut fake, Pegasus::tx_timeout), 9 + 2);
    assert_eq!(cost(&mut fake, Pegasus::quiesce), 1);
    assert_eq!(cost(&mut fake, Pegasus::restore), 8, "it was halted");
    let before = fake.chip().transfers;
    for round in 0..100 {
        assert_eq!(fake.transmit(round, 60), Ok(()));
        fake.chip().send();
        assert!(fake.chip().receive(60, 1));
        fake.interrupt();
        assert_eq!(fake.poll(16), Ok(1));
        fake.stats();
    }
    assert_eq!(fake.chip().transfers, before, "traffic");
    assert_eq!(cost(&mut fake, Pegasus::stop), 1);
    assert_eq!(cost(&mut fake, Pegasus::restore), 6, "no reset");
    fake.border().marks = [u64::MAX; MARK_SPACES];
    assert_eq!(cost(&mut fake, Pegasus::restore), 7 + 2, "nobody knows");
    assert_eq!(cost(&mut fake, Pegasus::probe), 13 + 2 + 3);
    fake.chip().phy[0] = 0x1800;
    assert_eq!(cost(&mut fake, Pegasus::open), 11 + 2, "it is woken");

    let mut fake = Fake::new();
    fake.chip().controller.id = AN986;
    assert_eq!(cost(&mut fake, Pegasus::probe), 15 + 2 + 3);
}

/// The PHY is reset once: it would lose its link.
#[test]
fn only_the_first_probe_resets_the_phy() {
    let mut fake = Fake::opened();
    for entry in
        [Pegasus::tx_timeout, Pegasus::quiesce, Pegasus::restore, |cx: &mut Cx<'_, State>| Pegasus::probe(cx).map(drop)]
    {
        assert_eq!(fake.call(entry), Ok(()));
        assert_eq!(fake.chip().phy_resets, 1);
    }
    assert_eq!(fake.call(Pegasus::open), Ok(()));
    fake.assert_works();
}

/// Nobody says that pins outlive a reset of the MAC.
#[test]
fn an_external_phy_runs_after_a_reset() {
    let mut fake = Fake::new();
    (fake.chip().controller.id, fake.chip().trouble.forgets_pins) = (AN986, true);
    assert_eq!(fake.call(Pegasus::probe), Ok(MAC));
    assert_eq!(fake.call(Pegasus::open), Ok(()));
    for entry in [Pegasus::tx_timeout, Pegasus::quiesce, Pegasus::restore] {
        assert_eq!(fake.call(entry), Ok(()));
        assert!(fake.call(Pegasus::link).unwrap().up);
    }
    fake.assert_works();
}

/// Wherever the first probe is abandoned, the next finds a chip that it can wake.
#[test]
fn a_first_probe_that_is_abandoned_is_made_again() {
    hide_injected();
    for after in 0.. {
        let mut fake = Fake::new();
        if !fake.abandon_after(after, Pegasus::probe) {
            assert!(after > 30);
            break;
        }
        assert_eq!(fake.call(Pegasus::probe), Ok(MAC), "{after}");
        assert_eq!(fake.call(Pegasus::open), Ok(()));
        assert!(fake.call(Pegasus::link).unwrap().up);
        fake.assert_works();
    }
}

/// The rings are written anew, and then the call is abandoned: what was under way is lost, and not taken for sent.
#[test]
fn what_a_call_has_written_over_counts_as_lost() {
    hide_injected();
    for entry in [Pegasus::open, Pegasus::tx_timeout] {
        let mut fake = Fake::opened();
        for buffer in 0..3 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        fake.border().completed.clear();
        assert!(fake.abandon(Point::End, entry));
        assert_eq!(fake.border().completed, [(0, false), (1, false), (2, false)]);
        assert_eq!(fake.stats().tx_errors, 3);
        fake.assert_works();
    }
}

/// Whoever has handed descriptors over, and however many.
#[test]
fn a_chip_that_goes_on_is_restored_without_a_reset_and_loses_nothing() {
    with_all(|mut fake| {
        fake.assert_works();
        assert_eq!(fake.transmit(9, 62), Ok(()));
        fake.chip().send();
        assert!(fake.chip().receive_as(0, 0, 0, 0));
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.transmit(1, 126), Ok(()));
        for fill in 0..3 {
            assert!(fake.chip().receive(60, fill));
        }
        // what a call may leave that is abandoned anywhere, or an older state knows nothing of
        fake.chip().registers[..3].fill(0);
        fake.chip().registers[0x10..0x16].fill(0xee);
        fake.border().completed.clear();
        let resets = fake.chip().resets;
        assert_eq!(fake.call(Pegasus::restore), Ok(()));
        assert_eq!((fake.chip().resets, fake.border().completed.len()), (resets, 0));
        fake.chip().send();
        assert_eq!((fake.poll(8), fake.border().completed.len()), (Ok(3), 1));
        assert_eq!(fake.chip().registers[..3], [0xc9, 0, 1]);
        fake.assert_works();
    });
}

/// What others have set in registers that the driver does not know is cleared by a reset: a call that has failed needs none.
#[test]
fn a_call_that_was_abandoned_is_restored_without_a_reset() {
    hide_injected();
    for entry in [Pegasus::open, Pegasus::stop] {
        for point in Point::ALL {
            let mut fake = Fake::opened();
            fake.assert_works();
            let resets = fake.chip().resets;
            assert!(fake.abandon(point, entry));
            assert_eq!(fake.chip().resets, resets, "{point:?}");
            fake.assert_works();
        }
    }
}

/// A chip that was set up since, or halted, or of whose frames the state knows nothing, does not go on where that says. An older
/// state comes with all marks.
#[test]
fn a_chip_that_is_elsewhere_is_reset() {
    let set_up: fn(&mut Fake) = |fake| assert_eq!(fake.call(Pegasus::tx_timeout), Ok(()));
    let halted: fn(&mut Fake) = |fake| assert_eq!(fake.call(Pegasus::quiesce), Ok(()));
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
    let told: fn(&mut Fake) = |fake| {
        fake.chip().miss(1);
        fake.interrupt();
    };
    for (what, happens) in
        [("set up", set_up), ("halted", halted), ("sent", sent), ("received", received), ("bad", bad), ("told", told)]
    {
        with_all(|mut fake| {
            fake.assert_works();
            let older = fake.state;
            happens(&mut fake);
            fake.state = older;
            // the class gives back the buffers that an older state does not know of
            fake.border().kept.clear();
            fake.border().marks = [u64::MAX; MARK_SPACES];
            let resets = fake.chip().resets;
            assert_eq!(fake.call(Pegasus::restore), Ok(()), "{what}");
            assert_eq!(fake.chip().resets, resets + 1, "{what}");
            fake.assert_works();
        });
    }
}
