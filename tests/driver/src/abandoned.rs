//! Calls that are abandoned, or whose accesses are refused, wherever that is: the card works, and nothing comes twice.

use udrv_driver::{Driver, Entry, Error, Events, Features, Micros, NetDriver, Point, RxMode, Settings};

use crate::enter::{Arguments, enter};
use crate::{Chip, Fake, MAC, OTHER, Versions, frame, hide_injected};

/// A card in the middle of its work, so that each entry point has something to do: three frames to send, of which the
/// first was sent, and two that came, of 100 and 200 bytes.
///
/// # Panics
/// If it does not get there.
#[must_use]
pub fn busy<C: Chip>(variant: u32) -> Fake<C> {
    let mut fake = Fake::<C>::opened();
    for buffer in 0..3 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
    }
    assert!(fake.chip().bring(64, 0));
    assert_eq!(fake.poll(16), Ok(1));
    let chip = fake.chip();
    chip.set_variant(variant);
    chip.send_well();
    assert!(chip.bring(100, 1) && chip.bring(200, 2));
    chip.miss(3);
    // so that `link` has something to do
    chip.change_link(C::LINKS[C::LINKS.len() - 1]);
    fake.border().delivered.clear();
    fake.allow(3, 16);
    fake
}

/// As far from the usual as the chip can be set.
fn settings(features: Features) -> Settings {
    let vlan = if features.vlan { 5 } else { 0 };
    let interval = features.moderation.map_or(Micros(0), |moderation| moderation.longest);
    Settings { mtu: features.max_mtu, vlan, interrupt_interval: interval }
}

fn arguments<C: Chip>(versions: Versions) -> Arguments {
    let (mode, settings) = (RxMode { promiscuous: true, multicast: 7 }, settings(C::Driver::FEATURES));
    Arguments { versions, frame: frame(3, 90), budget: 16, mac: OTHER, mode, settings }
}

/// Where there is nothing to set, setting it is nothing; nor is asking, where there is nothing to ask for.
fn is_nothing<C: Chip>(entry: Entry) -> bool {
    match entry {
        Entry::Configure => C::Driver::FEATURES == Features::NONE,
        Entry::GetStats => !C::STATS_ARE_ASKED_FOR,
        _ => false,
    }
}

/// Abandons a call of `entry` when request number `after` has been served; false if it makes fewer.
pub fn abandon_after<C: Chip>(fake: &mut Fake<C>, after: u32, entry: Entry) -> bool {
    let with = arguments::<C>(fake.versions);
    fake.abandon_after(after, |cx| enter::<C::Driver>(cx, entry, with))
}

/// Nothing of it has happened, but that what was in flight may be lost where the chip was stopped.
fn assert_mended<C: Chip>(mut fake: Fake<C>, what: &str) {
    let completed = fake.border().completed.clone();
    if completed.is_empty() {
        assert!(fake.interrupt().has(Events::POLL), "{what}");
        assert_eq!(fake.poll(16), Ok(2), "{what}");
        assert_eq!(fake.border().delivered, [vec![1; 100], vec![2; 200]], "{what}");
        fake.chip().send_well();
        fake.chip().send_well();
        assert_eq!(fake.poll(16), Ok(0), "{what}");
        assert_eq!(fake.border().completed, [(0, true), (1, true), (2, true)], "{what}");
        // what a reset in a failed call clears is lost
        assert_eq!(fake.stats().rx_missed, 3, "{what}");
    } else {
        assert!(completed.iter().map(|(buffer, _)| *buffer).eq(0..3), "{what} {completed:?}");
        assert!(completed[1..].iter().all(|(_, sent)| !sent), "{what} {completed:?}");
        assert_eq!(fake.poll(16), Ok(0), "{what}");
    }
    assert_eq!(fake.chip().bus().dma.len(), 1, "{what}");
    fake.chip().change_link(C::LINKS[0]);
    assert_eq!(fake.call(C::Driver::link), Ok(C::LINKS[0]), "{what}");
    fake.assert_works();
    fake.chip().assert_usual();
}

/// Where faults are injected.
pub fn every_point_of_every_entry_is_reached_and_recovered_from<C: Chip>() {
    hide_injected();
    for (variant, entry) in (0..C::VARIANTS).flat_map(|v| Entry::NET.map(|e| (v, e))) {
        // what follows may be another version: the one that faults is taken out of use
        for (point, versions) in Point::ALL.into_iter().flat_map(|p| Versions::ALL.map(|v| (p, v))) {
            let mut fake = busy::<C>(variant);
            fake.versions = versions;
            let with = arguments::<C>(Versions::default());
            let reached = fake.abandon(point, |cx| enter::<C::Driver>(cx, entry, with));
            assert!(reached, "{entry} does not come to {point}");
            assert_mended(fake, &format!("{entry} {point} {versions:?} {variant}"));
        }
    }
}

/// And anywhere else, in the second versions too.
pub fn every_request_of_every_entry_is_recovered_from<C: Chip>() {
    hide_injected();
    for (variant, entry) in (0..C::VARIANTS).flat_map(|v| Entry::NET.map(|e| (v, e))) {
        for versions in [Versions::default(), Versions { alternate_transmit: false, alternate_poll: true }] {
            // setting up writes hundreds of descriptors, one like the other
            for after in (0..40).chain((40..).step_by(23)) {
                let mut fake = busy::<C>(variant);
                fake.versions = versions;
                if !abandon_after(&mut fake, after, entry) {
                    let may_make_none = entry == Entry::GetRingparam || is_nothing::<C>(entry);
                    assert!(after > 0 || may_make_none, "{entry} makes no request");
                    break;
                }
                assert_mended(fake, &format!("{entry} {after} {versions:?} {variant}"));
            }
        }
    }
}

/// No memory, no enabled receiver.
pub fn probe_and_open_leave_nothing_behind<C: Chip>() {
    hide_injected();
    for point in Point::ALL {
        let mut fake = Fake::<C>::new();
        assert!(fake.abandon(point, C::Driver::probe));
        assert!(fake.chip().bus().dma.is_empty());
        assert_eq!(fake.call(C::Driver::probe), Ok(MAC));
        assert!(fake.abandon(point, C::Driver::open));
        assert!(fake.chip().is_quiet());
        assert_eq!(fake.call(C::Driver::open), Ok(()));
        fake.assert_works();
    }
}

/// A call that gives an error commits like any other: the driver knows then of no buffer that it does not keep.
pub fn an_access_that_fails_leaves_nothing_that_restore_does_not_mend<C: Chip>() {
    for (entry, versions) in Entry::NET.into_iter().flat_map(|e| Versions::ALL.map(|v| (e, v))) {
        for after in 0.. {
            // the second `transmit` wants nothing in flight
            let mut fake = if entry == Entry::Transmit { Fake::<C>::opened() } else { busy::<C>(0) };
            fake.versions = versions;
            fake.allow(3, 16);
            fake.chip().bus().fails_after = Some(after);
            let with = Arguments { mac: MAC, ..arguments::<C>(versions) };
            let result = fake.call(|cx| enter::<C::Driver>(cx, entry, with));
            if fake.chip().bus().fails_after.take().is_some() {
                // rings in memory and doorbells are no accesses that can be refused
                let may_make_none = matches!(entry, Entry::Transmit | Entry::Poll | Entry::GetRingparam);
                assert!(after > 0 || may_make_none || is_nothing::<C>(entry), "{entry} makes no access");
                assert!(result.is_ok(), "{entry} {after} {result:?}");
                break;
            }
            assert_eq!(result, Err(Error::Bus), "{entry} {after}");
            assert_eq!(fake.call(C::Driver::restore), Ok(()));
            assert!(!C::RESTORE_DROPS || fake.border().kept.is_empty(), "{entry} {after}");
            assert_eq!(fake.call(C::Driver::open), Ok(()));
            assert!(fake.border().kept.is_empty(), "{entry} {after}");
            fake.chip().change_link(C::LINKS[0]);
            assert_eq!(fake.call(C::Driver::link), Ok(C::LINKS[0]));
            assert_eq!(fake.configure(C::Driver::FEATURES.usual()), Ok(()));
            fake.assert_works();
        }
    }
}
