//! What the hand does is what is told, to the count and in order.

use std::time::Duration;

use model_psmouse::{Action, Button, Script, Variant};
use psmouse::PsMouse;
use psmouse::regs::data;
use udrv_driver::{Buttons, Cx, Error, InputDriver, InputEvents, Report};

use crate::mouse::{
    Fake, VARIANTS, bench, buttons, enabled, interrupt, interrupts, leave, pass, play, probed, serve, settings, sum,
};
use crate::scripted::{Port, byte, probed as probed_by};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Buttons of the model and of the class, in the order of ours.
const BUTTONS: [(Button, Buttons); 5] = [
    (Button::Left, Buttons::LEFT),
    (Button::Right, Buttons::RIGHT),
    (Button::Middle, Buttons::MIDDLE),
    (Button::Side, Buttons::SIDE),
    (Button::Extra, Buttons::EXTRA),
];

#[test]
fn a_path_is_told_to_the_count() {
    for variant in VARIANTS {
        for rate in [10, 40, 100, 200] {
            for entry in interrupts() {
                let mut fake = enabled(variant);
                assert_eq!(fake.call(|cx| PsMouse::set_rate(cx, rate)), Ok(rate));
                let script = Script::new()
                    .glide(900, 0, ms(900))
                    .glide(-500, 313, ms(700))
                    .rest(ms(50))
                    .glide(1, -1, ms(10))
                    .glide(-401, -312, ms(1000));
                let reports = play(&mut fake, script, entry);
                assert_eq!(sum(&reports), (0, 0, 0), "{variant:?} {rate}");
                assert!(reports.len() > 20, "{variant:?} {rate} {}", reports.len());
                let right: i32 = reports.iter().map(|report| i32::from(report.x.max(0))).sum();
                let down: i32 = reports.iter().map(|report| i32::from(report.y.max(0))).sum();
                assert!((896..=901).contains(&right), "{right}");
                assert!((308..=313).contains(&down), "{down}");
                assert_eq!(fake.border().dropped, 0);
            }
        }
    }
}

/// The first axis is to the right, the second towards the user; the wheel away from him.
#[test]
fn directions_are_those_of_a_screen() {
    for entry in interrupts() {
        let mut fake = enabled(Variant::IntelliMouse);
        for (action, wanted) in [
            (Action::Move { right: 5, away: 0 }, Report { x: 5, ..Report::default() }),
            (Action::Move { right: -5, away: 0 }, Report { x: -5, ..Report::default() }),
            (Action::Move { right: 0, away: 7 }, Report { y: -7, ..Report::default() }),
            (Action::Move { right: 0, away: -7 }, Report { y: 7, ..Report::default() }),
            (Action::Turn(3), Report { wheel: 3, ..Report::default() }),
            (Action::Turn(-3), Report { wheel: -3, ..Report::default() }),
        ] {
            assert_eq!(play(&mut fake, Script::new().then(action), entry), [wanted], "{action:?}");
        }
    }
}

#[test]
fn a_wheel_that_is_spun_is_told_in_several_reports() {
    for (variant, has_wheel) in [(Variant::Ps2, false), (Variant::IntelliMouse, true), (Variant::Explorer, true)] {
        for entry in interrupts() {
            let mut fake = enabled(variant);
            let reports =
                play(&mut fake, Script::new().then(Action::Turn(23)).rest(ms(100)).then(Action::Turn(-9)), entry);
            assert_eq!(sum(&reports), (0, 0, if has_wheel { 14 } else { 0 }), "{variant:?}");
            assert!(reports.iter().all(|report| report.wheel.abs() <= 7));
        }
    }
}

#[test]
fn buttons_go_down_and_up_in_order() {
    for variant in VARIANTS {
        for entry in interrupts() {
            let mut fake = enabled(variant);
            let has = PsMouse::info(&fake.state).buttons;
            let mut script = Script::new();
            for (button, _) in BUTTONS {
                script = script.then(Action::Press(button)).rest(ms(25));
            }
            for (button, _) in BUTTONS {
                script = script.then(Action::Release(button)).rest(ms(25));
            }
            let told: Vec<Buttons> = play(&mut fake, script, entry).iter().map(|report| report.buttons).collect();
            let mut wanted = Vec::new();
            let mut down = 0;
            for (is_press, (_, button)) in BUTTONS.iter().map(|b| (true, b)).chain(BUTTONS.iter().map(|b| (false, b))) {
                if has.has(*button) {
                    down = if is_press { down | button.0 } else { down & !button.0 };
                    wanted.push(Buttons(down));
                }
            }
            assert_eq!(told, wanted, "{variant:?}");
        }
    }
}

/// A counter that is full says at least how far it was.
#[test]
fn too_fast_a_movement_is_told_as_far_as_it_was_counted() {
    for entry in interrupts() {
        let mut fake = enabled(Variant::Explorer);
        let reports = play(&mut fake, Script::new().then(Action::Move { right: 5000, away: -5000 }), entry);
        assert_eq!(reports, [Report { x: 255, y: 255, ..Report::default() }]);
        let reports = play(&mut fake, Script::new().then(Action::Move { right: -5000, away: 5000 }), entry);
        assert_eq!(reports, [Report { x: -255, y: -255, ..Report::default() }]);
        assert_eq!(bench(&mut fake).counters().overflows, 4);
    }
}

#[test]
fn resolution_and_scaling_are_in_what_is_told() {
    let mut fake = enabled(Variant::Explorer);
    for (dpi, counts) in [(25, 10), (50, 20), (100, 40), (200, 80)] {
        assert_eq!(fake.call(|cx| PsMouse::set_resolution(cx, dpi)), Ok(dpi));
        let reports = play(&mut fake, Script::new().then(Action::Move { right: 80, away: 0 }), PsMouse::interrupt);
        assert_eq!(sum(&reports), (counts, 0, 0), "{dpi}");
    }
    assert_eq!(fake.call(|cx| PsMouse::set_scaling(cx, true)), Ok(()));
    let reports = play(&mut fake, Script::new().then(Action::Move { right: 80, away: 0 }), PsMouse::interrupt);
    assert_eq!(sum(&reports), (160, 0, 0));
}

/// What it does not report by itself it tells when it is asked, and that is all that it tells.
#[test]
fn a_poll_tells_what_has_come() {
    for variant in VARIANTS {
        let mut fake = probed(variant);
        let all = PsMouse::info(&fake.state).buttons;
        bench(&mut fake).act(Action::Move { right: 12, away: 13 });
        for (button, _) in BUTTONS {
            bench(&mut fake).act(Action::Press(button));
        }
        pass(&mut fake, 200, PsMouse::interrupt);
        assert_eq!(fake.border().reports, []);
        assert_eq!(fake.call(PsMouse::poll), Ok(()));
        assert_eq!(fake.border().reports, [Report { buttons: all, x: 12, y: -13, ..Report::default() }]);
        assert_eq!(fake.call(PsMouse::poll), Ok(()));
        assert_eq!(fake.border().reports[1..], [Report { buttons: all, ..Report::default() }]);
    }
}

/// A packet that has come before the answer is older than it, and is told before it: or a button would be pressed again.
#[test]
fn a_poll_is_told_behind_what_came_before() {
    for variant in VARIANTS {
        let mut fake = enabled(variant);
        let hand = bench(&mut fake);
        for right in 1..=5 {
            hand.act(Action::Press(Button::Left));
            hand.act(Action::Move { right, away: 0 });
            leave(&mut fake, 20);
            hand.act(Action::Release(Button::Left));
            leave(&mut fake, 20);
        }
        assert_eq!(fake.call(PsMouse::poll), Ok(()));
        let told: Vec<_> = fake.border().reports.iter().map(|report| (report.buttons, report.x)).collect();
        let one = |right| [(Buttons::LEFT, right), (Buttons::NONE, 0)];
        let wanted: Vec<_> = (1..=5).flat_map(one).chain([(Buttons::NONE, 0)]).collect();
        assert_eq!(told, wanted, "{variant:?}");
        assert_eq!(interrupt(&mut fake), Ok(InputEvents::NONE));
    }
}

/// What comes while the command is under way is older than the answer, and what comes behind it is newer.
#[test]
fn a_poll_is_told_in_its_place() {
    let packet = |buttons: u8, x: u8| [byte(8 | buttons, 10), byte(x, 1), byte(0, 1)];
    for begun in 0..3 {
        let (script, mut state) = probed_by(0);
        script.borrow_mut().data = packet(1, 1).into();
        let mut newer = packet(2, 3);
        newer[0] |= data::BROKEN;
        let behind = [&packet(5, 2)[..], &packet(4, 9)[..begun], &newer[..], &packet(3, 4)[..]].concat();
        script.borrow_mut().behind = behind.into();
        script.borrow_mut().packet = 0x00_1408;
        let port = Port(&script);
        let mut cx = Cx::new(&mut state, &port, None);
        assert_eq!(PsMouse::poll(&mut cx), Ok(()));
        let told = || -> Vec<_> { script.borrow().reports.iter().map(|report| (report.buttons.0, report.x)).collect() };
        assert_eq!(told(), [(1, 1), (5, 2), (0, 20)]);
        assert_eq!(PsMouse::interrupt(&mut cx), Ok(InputEvents::DATA));
        assert_eq!(told()[3..], [(2, 3), (3, 4)]);
        assert_eq!(script.borrow().dropped, begun as u64);
    }
}

/// In the middle of a packet: it is lost, but what it said of buttons is not.
#[test]
fn a_poll_knows_the_buttons_for_certain() {
    for variant in VARIANTS {
        for entry in interrupts() {
            for after in 0..20 {
                let mut fake = enabled(variant);
                bench(&mut fake).act(Action::Press(Button::Left));
                pass(&mut fake, after, entry);
                bench(&mut fake).act(Action::Release(Button::Left));
                pass(&mut fake, after, entry);
                assert_eq!(fake.call(PsMouse::poll), Ok(()), "{variant:?} {after}");
                assert_eq!(buttons(&mut fake), Buttons::NONE);
                // and the stream goes on in step
                let reports = play(&mut fake, Script::new().glide(50, 50, ms(50)), entry);
                assert_eq!(sum(&reports), (50, -50, 0));
            }
        }
    }
}

#[test]
fn more_than_a_poll_may_tell_is_for_interrupt() {
    fn fill(fake: &mut Fake) {
        let hand = bench(fake);
        for _ in 0..70 {
            hand.act(Action::Move { right: 1, away: 0 });
            leave(fake, 20);
        }
    }
    let mut fake = enabled(Variant::Explorer);
    fill(&mut fake);
    let before = settings(&mut fake);
    assert_eq!(fake.call(PsMouse::poll), Err(Error::Busy));
    serve(&mut fake, PsMouse::interrupt);
    assert_eq!(fake.call(PsMouse::poll), Ok(()));
    assert_eq!(sum(&fake.border().reports), (70, 0, 0));
    assert_eq!(settings(&mut fake), before);
}
