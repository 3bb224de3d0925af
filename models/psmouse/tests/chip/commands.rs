//! Every command, and bytes that are none.

use model_psmouse::codes::{RATES, answer, command};
use model_psmouse::{Action, Button, Variant};

use crate::bench::{Host, ms};

#[test]
fn reset_is_acknowledged_tested_and_announced_and_makes_defaults() {
    let mut host = Host::new(Variant::Explorer);
    host.tell(&[command::SET_RATE, 40, command::SET_RESOLUTION, 0, command::SET_SCALING_2_1, command::ENABLE]);
    assert_eq!(host.ask(command::STATUS_REQUEST), [0x30, 0, 40]);
    host.reset();
    assert_eq!(host.ask(command::STATUS_REQUEST), [0x00, 2, 100]);
    assert_eq!(host.bench.counters().resets(), 1);
}

#[test]
fn set_default_makes_defaults_at_once() {
    let mut host = Host::new(Variant::Ps2);
    host.tell(&[command::SET_RATE, 200, command::SET_RESOLUTION, 3, command::SET_REMOTE_MODE, command::ENABLE]);
    assert_eq!(host.ask(command::STATUS_REQUEST), [0x60, 3, 200]);
    host.tell(&[command::SET_DEFAULT]);
    assert_eq!(host.ask(command::STATUS_REQUEST), [0x00, 2, 100]);
}

#[test]
fn status_shows_settings_and_buttons() {
    let mut host = Host::new(Variant::Ps2);
    for (button, bit) in [(Button::Left, 4), (Button::Right, 1), (Button::Middle, 2), (Button::Side, 0)] {
        host.bench.act(Action::Press(button));
        assert_eq!(host.ask(command::STATUS_REQUEST), [bit, 2, 100]);
        host.bench.act(Action::Release(button));
    }
    for (on, off, bit) in [
        (command::ENABLE, command::DISABLE, 0x20),
        (command::SET_SCALING_2_1, command::SET_SCALING_1_1, 0x10),
        (command::SET_REMOTE_MODE, command::SET_STREAM_MODE, 0x40),
    ] {
        host.tell(&[on]);
        assert_eq!(host.ask(command::STATUS_REQUEST), [bit, 2, 100]);
        host.tell(&[off]);
        assert_eq!(host.ask(command::STATUS_REQUEST), [0, 2, 100]);
    }
}

#[test]
fn legal_arguments_are_taken_and_all_others_refused() {
    let mut host = Host::new(Variant::Ps2);
    let legal = |command, argument| match command {
        command::SET_RATE => RATES.contains(&argument),
        _ => argument < 4,
    };
    for (set, place) in [(command::SET_RATE, 2), (command::SET_RESOLUTION, 1)] {
        for argument in 0..command::RESET {
            let before = host.ask(command::STATUS_REQUEST);
            host.tell(&[set]);
            if legal(set, argument) {
                host.tell(&[argument]);
                assert_eq!(host.ask(command::STATUS_REQUEST)[place], argument);
                continue;
            }
            // once more, and then it is over
            assert_eq!(host.say(argument), [answer::RESEND], "{set:02x} {argument}");
            assert_eq!(host.say(argument), [answer::ERROR], "{set:02x} {argument}");
            assert_eq!(host.ask(command::STATUS_REQUEST), before);
        }
    }
    // the second try may be right
    host.tell(&[command::SET_RATE]);
    assert_eq!(host.say(7), [answer::RESEND]);
    host.tell(&[10]);
    assert_eq!(host.ask(command::STATUS_REQUEST)[2], 10);
}

#[test]
fn bytes_that_are_no_commands_are_refused_and_change_nothing() {
    let mut host = Host::new(Variant::Explorer);
    let known = [0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xee, 0xf0, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xfe, 0xff];
    for byte in (0..=0xff).filter(|byte| !known.contains(byte)) {
        assert_eq!(host.say(byte), [answer::RESEND], "{byte:02x}");
        assert_eq!(host.say(byte), [answer::ERROR], "{byte:02x}");
        assert_eq!(host.ask(command::STATUS_REQUEST), [0, 2, 100]);
    }
    let counters = host.bench.counters();
    assert_eq!(counters.refused, 2 * (256 - known.len() as u64));
    assert_eq!((counters.of(0x00), counters.of(command::STATUS_REQUEST)), (2, 256 - known.len() as u64));
}

#[test]
fn wrap_mode_echoes_all_but_its_end_and_reset() {
    let mut host = Host::new(Variant::Ps2);
    host.tell(&[command::ENABLE, command::SET_WRAP_MODE]);
    host.bench.act(Action::Move { right: 100, away: 0 });
    for byte in (0..command::RESET).filter(|byte| *byte != command::RESET_WRAP_MODE) {
        assert_eq!(host.say(byte), [byte]);
    }
    host.tell(&[command::RESET_WRAP_MODE]);
    assert_eq!(host.ask(command::STATUS_REQUEST), [0x20, 2, 100]);
    host.tell(&[command::SET_WRAP_MODE]);
    host.reset();
    assert_eq!(host.ask(command::STATUS_REQUEST), [0, 2, 100]);
}

#[test]
fn reset_is_obeyed_in_the_place_of_an_argument() {
    let mut host = Host::new(Variant::Ps2);
    for command in [command::SET_RATE, command::SET_RESOLUTION] {
        host.tell(&[command]);
        host.reset();
    }
}

#[test]
fn resend_repeats_the_last_packet_or_answer_and_clears_nothing() {
    let mut host = Host::new(Variant::Ps2);
    assert_eq!(host.ask(command::STATUS_REQUEST), [0, 2, 100]);
    assert_eq!(host.say(command::RESEND), [0, 2, 100]);
    assert_eq!(host.say(command::RESEND), [0, 2, 100]);
    host.tell(&[command::ENABLE]);
    assert_eq!(host.say(command::RESEND), [answer::ACK]);
    // right button, both signs, the overflow of one: a packet that begins as an ACK does
    host.bench.act(Action::Press(Button::Right));
    host.bench.act(Action::Move { right: -300, away: -300 });
    host.bench.act(Action::Move { right: -300, away: -300 });
    let packet = host.hear(ms(30));
    assert_eq!(packet, [0xfa, 0x01, 0x01]);
    host.bench.act(Action::Move { right: 2, away: 0 });
    assert_eq!(host.say(command::RESEND), [packet, vec![0x0a, 1, 0]].concat());
}

#[test]
fn remote_mode_reports_when_it_is_asked_and_only_then() {
    let mut host = Host::new(Variant::Ps2);
    host.tell(&[command::SET_REMOTE_MODE, command::ENABLE]);
    host.bench.act(Action::Move { right: 20, away: 8 });
    assert_eq!(host.hear(ms(200)), []);
    assert_eq!(host.ask(command::READ_DATA), [0x08, 10, 4]);
    assert_eq!(host.ask(command::READ_DATA), [0x08, 0, 0]);
    // scaling is not for packets that were asked for
    host.tell(&[command::SET_SCALING_2_1]);
    host.bench.act(Action::Move { right: 20, away: 8 });
    assert_eq!(host.ask(command::READ_DATA), [0x08, 10, 4]);
    host.tell(&[command::SET_STREAM_MODE]);
    host.bench.act(Action::Move { right: 20, away: 8 });
    assert_eq!(host.hear(ms(30)), [0x08, 20, 6]);
}

#[test]
fn each_command_but_resend_clears_movement() {
    let commands = [0xe6, 0xe7, 0xe9, 0xea, 0xeb, 0xec, 0xf2, 0xf4, 0xf6];
    for command in commands {
        let mut host = Host::new(Variant::Ps2);
        host.bench.act(Action::Move { right: 20, away: 8 });
        assert_eq!(host.say(command)[0], answer::ACK);
        assert_eq!(host.ask(command::READ_DATA), [0x08, 0, 0], "{command:02x}");
    }
}
