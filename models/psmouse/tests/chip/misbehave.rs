//! Every way to fail.

use std::num::NonZeroU32;

use model_psmouse::codes::{answer, command};
use model_psmouse::{Action, Misbehave, Variant};

use crate::bench::{Host, ms};

fn every(count: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(count)
}

/// Whether it is as it was, with all switches off again.
fn is_well(host: &mut Host) {
    host.bench.misbehave(|m| *m = Misbehave::default());
    host.hear(ms(600));
    host.reset();
    assert_eq!(host.ask(command::READ_ID), [0]);
}

#[test]
fn a_silent_mouse_says_nothing_at_all() {
    let mut host = Host::new(Variant::Ps2);
    host.tell(&[command::ENABLE]);
    host.bench.misbehave(|m| m.silent = true);
    host.bench.act(Action::Move { right: 8, away: 8 });
    assert_eq!(host.hear(ms(100)), []);
    for byte in [command::READ_ID, command::RESET, command::DISABLE, 0x00] {
        assert_eq!(host.say(byte), []);
    }
    assert_eq!(host.hear(ms(1000)), []);
    assert_eq!(host.bench.counters().of(command::RESET), 1);
    is_well(&mut host);
}

#[test]
fn resend_for_ever() {
    let mut host = Host::new(Variant::Ps2);
    host.bench.misbehave(|m| m.resend_for_ever = true);
    for _ in 0..100 {
        assert_eq!(host.say(command::ENABLE), [answer::RESEND]);
    }
    assert_eq!(host.say(command::RESET), [answer::RESEND]);
    assert!(!host.bench.settings().enabled);
    is_well(&mut host);
}

#[test]
fn a_keyboard_answers_as_one() {
    let mut host = Host::new(Variant::Ps2);
    host.bench.misbehave(|m| m.keyboard = true);
    host.line.write(command::RESET);
    assert_eq!(host.hear(ms(600)), [0xfa, 0xaa], "no identifier");
    assert_eq!(host.say(command::READ_ID), [0xfa, 0xab, 0x83]);
    host.tell(&[0xed, 0x07, command::ENABLE]);
    is_well(&mut host);
}

#[test]
fn a_self_test_that_fails() {
    let mut host = Host::new(Variant::Ps2);
    host.bench.misbehave(|m| m.self_test_fails = true);
    host.line.write(command::RESET);
    assert_eq!(host.hear(ms(600)), [0xfa, answer::ERROR, 0x00]);
    is_well(&mut host);
}

#[test]
fn bytes_are_lost_garbled_or_of_wrong_parity_by_their_number() {
    let mut host = Host::new(Variant::Ps2);
    host.bench.misbehave(|m| m.lose_every = every(3));
    assert_eq!(host.say(command::STATUS_REQUEST), [0xfa, 0x00, 100]);
    host.bench.misbehave(|m| *m = Misbehave { lose_every: every(1), ..Misbehave::default() });
    assert_eq!(host.say(command::STATUS_REQUEST), []);
    host.bench.misbehave(|m| *m = Misbehave { garble_every: every(2), ..Misbehave::default() });
    assert_eq!(host.say(command::STATUS_REQUEST), [0xfa, 0xff, 0x02, !100]);
    host.bench.misbehave(|m| *m = Misbehave { parity_every: every(4), ..Misbehave::default() });
    host.line.write(command::STATUS_REQUEST);
    let heard: Vec<bool> = host.listen(ms(20)).iter().map(|byte| byte.parity_ok).collect();
    assert_eq!(heard, [true, true, true, false]);
    is_well(&mut host);
}

#[test]
fn babble_comes_whenever_the_bench_likes_and_from_nobody_without_a_plug() {
    let mut host = Host::new(Variant::Ps2);
    host.bench.babble(&[0xaa, 0x00, 0x55]);
    assert_eq!(host.hear(ms(10)), [0xaa, 0x00, 0x55]);
    // before an answer
    host.line.write(command::READ_ID);
    host.bench.babble(&[0x12]);
    assert_eq!(host.hear(ms(20)), [0x12, 0xfa, 0x00]);
    host.bench.unplug();
    host.bench.babble(&[0x12]);
    assert_eq!(host.hear(ms(20)), []);
}

#[test]
fn it_is_unplugged_in_the_middle_of_a_command() {
    for code in [command::RESET, command::READ_ID, command::SET_RATE] {
        let mut host = Host::new(Variant::Ps2);
        host.bench.misbehave(|m| m.unplug_at = Some(code));
        assert_eq!(host.say(code), []);
        assert!(!host.bench.is_plugged_in());
        host.bench.misbehave(|m| m.unplug_at = None);
        host.bench.plug_in();
        assert_eq!(host.hear(ms(600)), [0xaa, 0x00]);
        is_well(&mut host);
    }
    // an argument of that value is none
    let mut host = Host::new(Variant::Ps2);
    host.bench.misbehave(|m| m.unplug_at = Some(100));
    host.tell(&[command::SET_RATE, 100]);
}

#[test]
fn answers_can_come_late() {
    let mut host = Host::new(Variant::Ps2);
    host.bench.misbehave(|m| m.late = ms(30));
    assert_eq!(host.say(command::READ_ID), []);
    assert_eq!(host.hear(ms(20)), [0xfa, 0x00]);
    // a host that has lost patience loses the answer
    assert_eq!(host.say(command::READ_ID), []);
    assert_eq!(host.say(command::READ_ID), []);
    assert_eq!(host.hear(ms(20)), [0xfa, 0x00]);
    assert_eq!(host.bench.counters().interrupted, 2);
}
