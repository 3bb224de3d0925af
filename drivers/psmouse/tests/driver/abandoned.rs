//! Calls that are abandoned, or whose accesses are refused, wherever that is: nothing of them has happened, and no packet that
//! has come is lost.

use model_psmouse::{Action, Button, Settings, Variant};
use psmouse::{PsMouse, State};
use udrv_driver::{Buttons, Cx, Driver, Entry, Error, InputDriver, Point, Report};
use udrv_driver_tests::hide_injected;

use crate::mouse::{Fake, VARIANTS, assert_works, bench, buttons, enabled, interrupts, leave, sent, serve, settings};

/// A call, and what comes before it so that it has something to do.
struct Deed {
    entry: Entry,
    before: fn(&mut Fake),
    call: fn(&mut Cx<'_, State>) -> Result<(), Error>,
}

const fn deed(entry: Entry, before: fn(&mut Fake), call: fn(&mut Cx<'_, State>) -> Result<(), Error>) -> Deed {
    Deed { entry, before, call }
}

const NOTHING: fn(&mut Fake) = |_| {};

/// Of a mouse that reports 40 times a second, with 200 counts an inch, scaled.
const DEEDS: [Deed; 14] = [
    deed(Entry::Probe, NOTHING, PsMouse::probe),
    deed(Entry::Enable, |fake| assert_eq!(fake.call(PsMouse::disable), Ok(())), PsMouse::enable),
    deed(Entry::Enable, NOTHING, PsMouse::enable),
    deed(Entry::Disable, NOTHING, PsMouse::disable),
    deed(Entry::Interrupt, NOTHING, |cx| PsMouse::interrupt(cx).map(drop)),
    deed(Entry::Poll, NOTHING, PsMouse::poll),
    deed(Entry::Poll, |fake| assert_eq!(fake.call(PsMouse::disable), Ok(())), PsMouse::poll),
    deed(Entry::SetRate, NOTHING, |cx| PsMouse::set_rate(cx, 200).map(drop)),
    deed(
        Entry::SetRate,
        |fake| assert_eq!(fake.call(PsMouse::disable), Ok(())),
        |cx| PsMouse::set_rate(cx, 10).map(drop),
    ),
    deed(Entry::SetResolution, NOTHING, |cx| PsMouse::set_resolution(cx, 25).map(drop)),
    deed(Entry::SetScaling, NOTHING, |cx| PsMouse::set_scaling(cx, false)),
    deed(Entry::Reconnect, NOTHING, PsMouse::reconnect),
    deed(Entry::Quiesce, NOTHING, PsMouse::quiesce),
    deed(Entry::Restore, NOTHING, PsMouse::restore),
];

/// The packets that wait: LEFT down and a movement, and LEFT up.
const WAITING: [Report; 2] = [
    Report { buttons: Buttons::LEFT, x: 20, y: -18, wheel: 0, pan: 0 },
    Report { buttons: Buttons::NONE, x: 0, y: 0, wheel: 0, pan: 0 },
];

fn busy(variant: Variant, deed: &Deed) -> Fake {
    let mut fake = enabled(variant);
    assert_eq!(fake.call(|cx| PsMouse::set_rate(cx, 40)), Ok(40));
    assert_eq!(fake.call(|cx| PsMouse::set_scaling(cx, true)), Ok(()));
    let hand = bench(&mut fake);
    hand.act(Action::Press(Button::Left));
    hand.act(Action::Move { right: 10, away: 9 });
    leave(&mut fake, 50);
    hand.act(Action::Release(Button::Left));
    leave(&mut fake, 50);
    (deed.before)(&mut fake);
    fake
}

struct Before {
    state: State,
    settings: Settings,
}

fn before(fake: &mut Fake) -> Before {
    Before { state: fake.state, settings: settings(fake) }
}

fn assert_untouched(mut fake: Fake, deed: &Deed, before: &Before, what: &str) {
    assert_eq!(fake.state, before.state, "{what}");
    // a reset cannot be undone before there is something to bring back
    assert_eq!(settings(&mut fake), before.settings, "{what}");
    assert_eq!((fake.border().reports.clone(), fake.border().dropped), (vec![], 0), "{what}");
    // what has come is there yet, but for what a reset was to forget
    if deed.entry != Entry::Probe {
        serve(&mut fake, PsMouse::interrupt);
        assert_eq!(fake.border().reports, WAITING, "{what}");
    }
    // and made again, it goes well
    again(&mut fake, deed, what);
    assert_eq!(buttons(&mut fake), Buttons::NONE, "{what}");
}

/// The call goes well, and the mouse works then.
fn again(fake: &mut Fake, deed: &Deed, what: &str) {
    assert_eq!(fake.call(deed.call), Ok(()), "{what}");
    if deed.entry == Entry::Quiesce {
        // it is not as the state has it, and nobody uses it any more
        assert_eq!(fake.restore(), Ok(()), "{what}");
    }
    serve(fake, PsMouse::interrupt);
    assert_works(fake);
}

fn abandoned(variant: Variant, deed: &Deed, what: &str, abandon: impl FnOnce(&mut Fake) -> bool) -> bool {
    let mut fake = busy(variant, deed);
    let before = before(&mut fake);
    if !abandon(&mut fake) {
        return false;
    }
    assert_untouched(fake, deed, &before, what);
    true
}

/// Where faults are injected.
#[test]
fn every_point_of_every_entry_is_reached_and_nothing_has_happened() {
    hide_injected();
    for (variant, deed) in VARIANTS.into_iter().flat_map(|variant| DEEDS.iter().map(move |deed| (variant, deed))) {
        for point in Point::ALL {
            let what = format!("{variant:?} {} {point}", deed.entry);
            assert!(abandoned(variant, deed, &what, |fake| fake.abandon(point, deed.call)), "{what} is not reached");
        }
    }
    assert!(Entry::INPUT.iter().all(|entry| DEEDS.iter().any(|deed| deed.entry == *entry)), "each has a deed");
}

/// And anywhere else.
#[test]
fn every_request_of_every_entry_is_recovered_from() {
    hide_injected();
    for (variant, deed) in VARIANTS.into_iter().flat_map(|variant| DEEDS.iter().map(move |deed| (variant, deed))) {
        for after in 0.. {
            let what = format!("{variant:?} {} {after}", deed.entry);
            if !abandoned(variant, deed, &what, |fake| fake.abandon_after(after, deed.call)) {
                // but for what is so already
                assert!(after > 0 || deed.entry == Entry::Enable, "{what} makes no request");
                break;
            }
        }
    }
}

/// A call that gives an error commits like any other, and the class has everything restored.
#[test]
fn an_access_that_fails_leaves_nothing_that_restore_does_not_mend() {
    for (variant, deed) in VARIANTS.into_iter().flat_map(|variant| DEEDS.iter().map(move |deed| (variant, deed))) {
        for after in 0.. {
            let mut fake = busy(variant, deed);
            let before = before(&mut fake);
            fake.chip().bus.fails_after = Some(after);
            let result = fake.call(deed.call);
            let what = format!("{variant:?} {} {after}", deed.entry);
            if fake.chip().bus.fails_after.take().is_some() {
                assert!(result.is_ok(), "{what} {result:?}");
                break;
            }
            assert_eq!(result, Err(Error::Bus), "{what}");
            assert_eq!(fake.restore(), Ok(()), "{what}");
            // none is set half: probe is the only one that leaves a mouse as it was to another
            if !matches!(deed.entry, Entry::Probe | Entry::Quiesce) {
                assert_eq!(settings(&mut fake), before.settings, "{what}");
                assert_eq!(PsMouse::info(&fake.state), PsMouse::info(&before.state), "{what}");
            }
            again(&mut fake, deed, &what);
        }
    }
}

/// No byte is sent where none was, and otherwise those that undo what was sent.
#[test]
fn an_abort_sends_what_the_call_has_sent() {
    hide_injected();
    // what the call sends up to there, and what undoes it
    for (entry, [start, middle, end]) in [
        (Entry::Enable, [0, 0, 1 + 1]),
        (Entry::Disable, [0, 0, 1 + 1]),
        (Entry::Interrupt, [0, 0, 0]),
        (Entry::Poll, [0, 1, 1]),
        (Entry::SetRate, [0, 0, 4 + 4]),
        (Entry::SetResolution, [0, 0, 4 + 4]),
        (Entry::SetScaling, [0, 0, 3 + 3]),
        // restore asks twice; settings are three that differ, and reporting
        (Entry::Quiesce, [0, 1 + 2 + 6, 1 + 2 + 6]),
    ] {
        for variant in VARIANTS {
            for (point, wanted) in Point::ALL.into_iter().zip([start, middle, end]) {
                let deed = DEEDS.iter().find(|deed| deed.entry == entry).expect("a deed");
                let mut fake = busy(variant, deed);
                let before = sent(&mut fake);
                assert!(fake.abandon(point, deed.call));
                assert_eq!(sent(&mut fake) - before, wanted, "{variant:?} {entry} {point}");
            }
        }
    }
}

/// What it has set is as the state has it: two questions show that.
#[test]
fn a_reconnect_that_is_abandoned_at_its_end_has_little_to_undo() {
    hide_injected();
    for variant in VARIANTS {
        let deed = &DEEDS[11];
        assert_eq!(deed.entry, Entry::Reconnect);
        let mut fake = busy(variant, deed);
        let before = sent(&mut fake);
        assert_eq!(fake.call(deed.call), Ok(()));
        let it_takes = sent(&mut fake) - before;
        assert!(fake.abandon(Point::End, deed.call));
        assert_eq!(sent(&mut fake) - before, 2 * it_takes + 2, "{variant:?}");
    }
}

/// A fault that is armed for the first version does not happen in the second, wherever it is.
#[test]
fn the_second_interrupt_has_no_places_for_faults() {
    let [_, second] = interrupts();
    for point in Point::ALL {
        let mut fake = busy(Variant::Explorer, &DEEDS[4]);
        assert!(!fake.abandon(point, second));
    }
}

/// A first probe that is abandoned leaves nothing, and the next one works.
#[test]
fn a_first_probe_may_be_abandoned() {
    hide_injected();
    for variant in VARIANTS {
        for point in Point::ALL {
            let mut fake = crate::mouse::plugged_in(variant);
            assert!(fake.abandon(point, PsMouse::probe));
            assert_eq!(fake.state, PsMouse::NEW);
            assert_eq!(fake.call(PsMouse::probe), Ok(()));
            assert_works(&mut fake);
        }
    }
}
