//! A mouse that is pulled out and put in, or falls silent, as udrvd would have it: on a thread of its own.

use std::time::Duration;

use model_psmouse::codes::command;
use model_psmouse::{Action, Button, Script, Variant};
use udrv::input::InputSetting;
use udrv::run::{Answer, Command};
use udrv_driver::Buttons;
use udrv_tests::input_rig::MouseRig;
use udrv_tests::wait_until;

fn press(rig: &MouseRig, button: Button, is: Buttons) {
    rig.bench.act(Action::Press(button));
    wait_until("the button goes down", || rig.screen.down() == is);
}

/// It is there again, and moves.
fn moves(rig: &MouseRig) {
    wait_until("it is there", || rig.input().present && rig.bench.settings().enabled);
    let before = rig.screen.picture().at;
    rig.bench.play(Script::new().glide(40, 0, Duration::from_millis(50)));
    wait_until("it moves", || rig.screen.picture().at.0 - before.0 == 40);
}

#[test]
fn one_that_is_pulled_out_and_put_in_at_once_is_set_up_again() {
    let rig = MouseRig::new(Variant::Explorer);
    assert!(matches!(rig.ask(Command::Set(InputSetting::Rate(60))), Some(Answer::Set(_))));
    press(&rig, Button::Left, Buttons::LEFT);
    rig.bench.unplug();
    rig.bench.act(Action::Release(Button::Left));
    rig.bench.act(Action::Press(Button::Right));
    rig.bench.plug_in();
    wait_until("the buttons are as the hand has them", || rig.screen.down() == Buttons::RIGHT);
    moves(&rig);
    let set = rig.bench.settings();
    assert_eq!((set.rate, set.resolution, set.enabled, set.id), (60, 3, true, 4));
    let status = rig.status();
    assert_eq!((status.restarts, rig.bench.counters().resets()), (0, 1), "without a reset");
    assert!(status.input().counters.reconnects > 0);
    assert_eq!(rig.screen.picture().devices.len(), 1);
}

#[test]
fn a_button_that_was_down_when_it_was_pulled_out_goes_up() {
    let rig = MouseRig::new(Variant::Explorer);
    press(&rig, Button::Left, Buttons::LEFT);
    rig.bench.unplug();
    wait_until("the button is let go", || rig.screen.down() == Buttons::NONE);
    rig.bench.act(Action::Release(Button::Left));
    rig.bench.plug_in();
    moves(&rig);
    assert_eq!(rig.screen.picture().devices.len(), 1, "nobody notices");
}

#[test]
fn one_that_is_pulled_out_in_the_middle_of_a_command_is_waited_for() {
    let rig = MouseRig::new(Variant::Explorer);
    press(&rig, Button::Left, Buttons::LEFT);
    rig.bench.misbehave(|on| on.unplug_at = Some(command::SET_RATE));
    let answer = rig.ask(Command::Set(InputSetting::Rate(20)));
    assert!(matches!(&answer, Some(Answer::Refused(why)) if why.contains("set_rate")), "{answer:?}");
    wait_until("the button is let go", || rig.screen.down() == Buttons::NONE);
    rig.bench.misbehave(|on| on.unplug_at = None);
    rig.bench.act(Action::Release(Button::Left));
    rig.bench.plug_in();
    moves(&rig);
}

#[test]
fn one_that_falls_silent_is_waited_for_and_a_keyboard_in_its_place_is_none() {
    let rig = MouseRig::new(Variant::Explorer);
    press(&rig, Button::Left, Buttons::LEFT);
    rig.bench.misbehave(|on| on.silent = true);
    wait_until("the button is let go", || rig.screen.down() == Buttons::NONE);
    let _ = rig.ask(Command::Set(InputSetting::Rate(40)));
    wait_until("it is away", || rig.status().unplugged);
    rig.bench.unplug();
    rig.bench.misbehave(|on| (on.silent, on.keyboard) = (false, true));
    rig.bench.plug_in();
    let resets = rig.bench.counters().resets();
    wait_until("the keyboard is asked what it is", || rig.bench.counters().resets() > resets + 1);
    assert!(rig.status().unplugged && !rig.input().present);
    rig.bench.unplug();
    rig.bench.misbehave(|on| on.keyboard = false);
    rig.bench.act(Action::Release(Button::Left));
    rig.bench.plug_in();
    moves(&rig);
    assert!(!rig.status().unplugged);
}

#[test]
fn a_button_that_is_held_at_the_end_goes_up() {
    let rig = MouseRig::new(Variant::Ps2);
    press(&rig, Button::Middle, Buttons::MIDDLE);
    let (ended, screen) = rig.stop();
    ended.expect("it stops");
    assert_eq!(screen.down(), Buttons::NONE);
}
