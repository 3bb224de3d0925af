//! Bytes that are lost, doubled, garbled or not the mouse's at all: the stream comes back into step, and no button is stuck.

use std::num::NonZeroU32;
use std::time::Duration;

use model_psmouse::{Action, Button, Misbehave, Script, Variant};
use psmouse::PsMouse;
use udrv_driver::{Buttons, InputDriver, InputEvents};
use udrv_driver_tests::Random;

use crate::mouse::{Fake, VARIANTS, bench, buttons, enabled, interrupts, pass, play, poll, sum};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// In step, with the buttons as the hand has them.
fn assert_in_step(fake: &mut Fake, entry: udrv_driver::InputInterrupt<psmouse::State>, what: &str) {
    assert_eq!(buttons(fake), Buttons::NONE, "{what}");
    let (dropped, reports) = (fake.border().dropped, play(fake, Script::new().glide(200, -100, ms(200)), entry));
    let (x, y, _) = sum(&reports);
    // what is less than a count of a resolution that it had meanwhile is not lost, and makes one more or less
    assert!((199..=201).contains(&x) && (99..=101).contains(&y), "{what}: {x} {y}");
    assert_eq!(fake.border().dropped, dropped, "{what}");
    assert_eq!(PsMouse::info(&fake.state).enabled, bench(fake).settings().enabled, "{what}");
}

/// A hand that moves and clicks.
fn busy() -> Script {
    let mut script = Script::new();
    for _ in 0..10 {
        script = script
            .glide(40, 30, ms(60))
            .click(Button::Left, ms(20))
            .glide(-40, -30, ms(60))
            .click(Button::Right, ms(20));
    }
    script
}

#[test]
fn bytes_that_are_no_packet_are_dropped_and_told() {
    for variant in VARIANTS {
        for entry in interrupts() {
            for bytes in [&[0x00][..], &[0xf7, 0x12], &[0x00, 0x08, 0x08, 0x08, 0x08, 0x08], &[0xfa], &[0x77; 40]] {
                let mut fake = enabled(variant);
                bench(&mut fake).babble(bytes);
                let told = pass(&mut fake, 100, entry);
                let what = format!("{variant:?} {bytes:x?}");
                // FA may begin a packet, and only the next shows that it does not
                if bytes != [0xfa] {
                    assert!(told.has(InputEvents::OUT_OF_STEP), "{what}");
                    assert!(fake.border().reports.iter().all(|report| *report == Default::default()), "{what}");
                }
                // where packets begin a pause shows
                pass(&mut fake, 600, entry);
                let reports = play(&mut fake, Script::new().glide(20, 10, ms(40)), entry);
                assert!(bytes == [0xfa] || sum(&reports) == (20, -10, 0), "{what}");
                poll(&mut fake);
                assert_in_step(&mut fake, entry, &what);
                assert!(fake.border().dropped > 0, "{what}");
            }
        }
    }
}

/// At every place of a packet.
#[test]
fn bytes_that_are_lost_or_garbled_are_got_over() {
    let (mut seen, mut all) = (0, 0);
    for variant in VARIANTS {
        for entry in interrupts() {
            for every in 2..14 {
                let failures: [fn(&mut Misbehave, Option<NonZeroU32>); 2] =
                    [|on, every| on.lose_every = every, |on, every| on.garble_every = every];
                for (number, failure) in failures.into_iter().enumerate() {
                    let what = format!("{variant:?} {every} {number}");
                    let mut fake = enabled(variant);
                    bench(&mut fake).play(busy());
                    bench(&mut fake).misbehave(|on| failure(on, NonZeroU32::new(every)));
                    // the class does nothing: so long a device may go on
                    let mut told = InputEvents::NONE;
                    for _ in 0..1700 {
                        bench(&mut fake).advance(ms(1));
                        told = told | fake.call(entry).expect("an interrupt");
                    }
                    seen += u32::from(told.has(InputEvents::OUT_OF_STEP));
                    bench(&mut fake).misbehave(|on| failure(on, None));
                    let reports = &fake.border().reports;
                    assert!(reports.iter().all(|report| report.x.abs() <= 255 && report.y.abs() <= 255));
                    poll(&mut fake);
                    assert_in_step(&mut fake, entry, &what);
                    all += 1;
                }
            }
        }
    }
    // some are such that what is left looks like packets
    assert!(seen * 3 > all * 2, "{seen} of {all}");
}

/// Anything, at any time, while the class does what it is told: it ends, and the mouse works.
#[test]
fn garbage_of_any_sort_is_got_over() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let variant = random.of(&VARIANTS);
        let entry = random.of(&interrupts());
        let mut fake = enabled(variant);
        bench(&mut fake).play(busy());
        for _ in 0..300 {
            if random.below(4) == 0 {
                let bytes: Vec<u8> = (0..1 + random.below(9)).map(|_| random.number() as u8).collect();
                // what a mouse says when it was reset, too
                bench(&mut fake).babble(if random.below(9) == 0 { &[0xaa, 0x00] } else { &bytes });
            }
            bench(&mut fake).advance(ms(u64::from(1 + random.below(8))));
            serve_roughly(&mut fake, entry);
        }
        // all that was said is over
        while !bench(&mut fake).is_at_rest() {
            bench(&mut fake).advance(ms(1));
            serve_roughly(&mut fake, entry);
        }
        serve_roughly(&mut fake, entry);
        mend(&mut fake);
        // and what has lain among the answers
        pass(&mut fake, 20, entry);
        assert_in_step(&mut fake, entry, &format!("{variant:?} {seed}"));
    }
}

/// `restore` until it works, as the framework does before it begins anew: garbage may lie among its answers too.
fn mend(fake: &mut Fake) {
    for _ in 0..4 {
        if fake.restore().is_ok() && fake.call(PsMouse::poll).is_ok() {
            return;
        }
    }
    // the third rung
    assert_eq!(fake.call(PsMouse::probe), Ok(()));
    assert_eq!(fake.call(PsMouse::enable), Ok(()));
    assert_eq!(fake.call(PsMouse::poll), Ok(()));
}

/// [`serve`], where commands may fail.
fn serve_roughly(fake: &mut Fake, entry: udrv_driver::InputInterrupt<psmouse::State>) {
    loop {
        let events = fake.call(entry).expect("an interrupt");
        let reconnected = !events.has(InputEvents::NEW) || fake.call(PsMouse::reconnect).is_ok();
        let is_odd = events.has(InputEvents::NEW) || events.has(InputEvents::OUT_OF_STEP);
        if !reconnected || is_odd && fake.call(PsMouse::poll).is_err() {
            mend(fake);
        }
        if !events.has(InputEvents::MORE) {
            return;
        }
    }
}

/// A packet that ends nowhere: the next begins behind a pause, and what it lacks is counted.
#[test]
fn a_packet_that_stops_is_dropped_behind_a_pause() {
    for entry in interrupts() {
        let mut fake = enabled(Variant::Explorer);
        bench(&mut fake).babble(&[0x09, 1]);
        pass(&mut fake, 600, entry);
        bench(&mut fake).act(Action::Move { right: 3, away: 0 });
        assert_eq!(pass(&mut fake, 20, entry), InputEvents::DATA);
        assert_eq!((fake.border().dropped, sum(&fake.border().reports)), (2, (3, 0, 0)));
        assert_in_step(&mut fake, entry, "a pause");
    }
}
