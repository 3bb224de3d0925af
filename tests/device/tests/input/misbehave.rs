//! A mouse that does wrong: garbage, bytes that are lost or come wrong, commands that it refuses.

use std::num::NonZeroU32;
use std::time::Duration;

use model_psmouse::{Action, Button, Misbehave, Variant};
use udrv::input::InputSetting;
use udrv::run::{Answer, Command};
use udrv_driver::{Buttons, Entry};
use udrv_tests::input_rig::{LEG, MouseHand, Way, options};

/// Longer than a button is held without a word before the mouse is asked.
const SILENCE: Duration = Duration::from_millis(2500);

#[test]
fn garbage_between_packets_is_dropped_and_what_follows_is_exact() {
    let mut hand = MouseHand::new(Variant::Explorer);
    for garbage in [&[0x00][..], &[0xff; 7], &[0x08], &[0x09, 0xff], &[0xaa], &[0xaa, 0x55], &[0xfa, 0xfe, 0xfc]] {
        hand.bench.act(Action::Press(Button::Right));
        hand.rest();
        hand.bench.babble(garbage);
        hand.pass(Duration::from_millis(50));
        hand.pass(SILENCE);
        assert_eq!(hand.screen.down(), Buttons::RIGHT, "{garbage:02x?}: as the hand has it");
        hand.bench.act(Action::Release(Button::Right));
        hand.rest();
        let (before, mut way) = (Way::seen(&hand.screen), Way::default());
        hand.bench.play(way.leg(3, Variant::Explorer));
        hand.rest();
        let seen = Way::seen(&hand.screen);
        assert_eq!((seen.at.0 - before.at.0, seen.at.1 - before.at.1), way.at, "{garbage:02x?}");
        assert_eq!(hand.screen.down(), Buttons::NONE, "{garbage:02x?}");
    }
    let status = hand.status();
    assert_eq!((status.faults, status.restarts), (0, 0));
    let counters = status.input().counters;
    assert!(counters.bytes_dropped > 0 && counters.polls > 1, "{counters:?}");
}

#[test]
fn bytes_that_are_lost_or_wrong_leave_no_button_stuck_and_are_counted() {
    for (name, trouble) in [
        ("lost", (|on: &mut Misbehave, every| on.lose_every = every) as fn(&mut Misbehave, Option<NonZeroU32>)),
        ("inverted", |on, every| on.garble_every = every),
    ] {
        for every in [5, 7, 23] {
            let (mut hand, mut way) = (MouseHand::new(Variant::Explorer), Way::default());
            for number in 0..12 {
                hand.bench.misbehave(|on| trouble(on, NonZeroU32::new(every)));
                hand.bench.play(way.leg(number, Variant::Explorer));
                hand.pass(LEG);
                hand.bench.misbehave(|on| trouble(on, None));
                // it says no more: a button that was not seen to go up is asked for
                hand.pass(SILENCE);
                assert_eq!(hand.screen.down(), Buttons::NONE, "{name} every {every}");
            }
            let status = hand.status();
            let counters = status.input().counters;
            assert!(counters.bytes_dropped > 0, "{name} every {every}: {counters:?}");
            assert_eq!((status.faults, status.input().present), (0, true), "{name} every {every}");
            let (before, mut way) = (Way::seen(&hand.screen), Way::default());
            hand.bench.play(way.leg(3, Variant::Explorer));
            hand.rest();
            let seen = Way::seen(&hand.screen);
            assert_eq!((seen.at.0 - before.at.0, seen.at.1 - before.at.1), way.at, "{name} every {every}");
        }
    }
}

#[test]
fn a_mouse_that_refuses_every_command_moves_on() {
    let (mut hand, mut way) = (MouseHand::new(Variant::Explorer), Way::default());
    hand.bench.misbehave(|on| on.resend_for_ever = true);
    for (number, setting) in
        [InputSetting::Rate(40), InputSetting::Resolution(100), InputSetting::Double(true)].into_iter().enumerate()
    {
        let answer = hand.ask(Command::Set(setting));
        assert!(matches!(&answer, Answer::Refused(why) if why.contains("set_")), "{answer:?}");
        hand.pass(Duration::from_secs(2));
        hand.bench.play(way.leg(number as u32, Variant::Explorer));
        hand.rest();
        assert_eq!(Way::seen(&hand.screen), way, "it moves as ever");
    }
    let status = hand.status();
    assert_eq!((status.restarts, status.restores), (0, 0));
    assert!(status.device_faults.bus > 0);
    hand.bench.misbehave(|on| on.resend_for_ever = false);
    assert!(matches!(hand.ask(Command::Set(InputSetting::Rate(40))), Answer::Set(InputSetting::Rate(40))));
    assert_eq!(hand.bench.settings().rate, 40);
}

#[test]
fn what_is_in_the_way_at_the_start_is_told_with_what_mends_it() {
    let start = |trouble: fn(&mut Misbehave)| {
        let started = MouseHand::try_new(options(), Variant::Explorer, trouble);
        started.map(drop).expect_err("it cannot start").to_string()
    };
    let keyboard = start(|on| on.keyboard = true);
    assert!(keyboard.contains("a keyboard perhaps: plug in one that is"), "{keyboard}");
    for (trouble, word) in [
        ((|on| on.silent = true) as fn(&mut Misbehave), "probe"),
        (|on| on.resend_for_ever = true, "probe"),
        (|on| on.self_test_fails = true, "probe"),
    ] {
        let error = start(trouble);
        assert!(error.contains(word) && !error.contains('\n'), "{error}");
        println!("{error}");
    }
}

#[test]
fn settings_are_those_of_the_mouse_and_stay_through_a_restart() {
    let mut hand = MouseHand::new(Variant::IntelliMouse);
    for (setting, came) in [
        (InputSetting::Rate(95), InputSetting::Rate(80)),
        (InputSetting::Resolution(100), InputSetting::Resolution(100)),
        (InputSetting::Double(true), InputSetting::Double(true)),
    ] {
        let answer = hand.ask(Command::Set(setting));
        assert!(matches!(answer, Answer::Set(set) if set == came), "{setting}: {answer:?}");
    }
    let told = |hand: &MouseHand| {
        let set = hand.bench.settings();
        (set.rate, set.resolution, set.doubled, set.enabled)
    };
    assert_eq!(told(&hand), (80, 2, true, true));
    assert!(matches!(hand.ask(Command::Restart), Answer::Done));
    assert_eq!(told(&hand), (80, 2, true, true));
    hand.call(Entry::Probe);
    assert_eq!(told(&hand), (80, 2, true, true));
    let input = hand.input();
    assert_eq!((input.rate, input.resolution, input.double, input.wheel, input.pan), (80, 100, true, true, false));
    assert_eq!((input.buttons.len(), input.protocol.as_str()), (3, "ImPS/2"));
}
