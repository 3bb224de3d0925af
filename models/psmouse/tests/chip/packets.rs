//! Packets in stream mode.

use std::time::Duration;

use model_psmouse::codes::{RATES, command};
use model_psmouse::{Action, Button, Script, Variant};

use crate::bench::{Host, Sum, ms};

fn streaming(variant: Variant) -> Host {
    let mut host = Host::new(variant);
    host.tell(&[command::SET_RESOLUTION, 3, command::ENABLE]);
    host
}

#[test]
fn nothing_is_reported_before_it_is_enabled_and_after_it_is_disabled() {
    let mut host = Host::new(Variant::Ps2);
    let script = || Script::new().glide(500, 500, ms(300)).click(Button::Left, ms(30));
    host.bench.play(script());
    assert_eq!(host.hear(ms(500)), []);
    host.tell(&[command::ENABLE, command::DISABLE]);
    host.bench.play(script());
    assert_eq!(host.hear(ms(500)), []);
    assert_eq!(host.bench.counters().packets, 0);
}

#[test]
fn a_mouse_that_lies_still_says_nothing() {
    let mut host = streaming(Variant::Ps2);
    assert_eq!(host.hear(Duration::from_secs(10)), []);
    assert_eq!(host.line.next_event_at(), None);
    assert!(host.bench.is_at_rest());
}

#[test]
fn what_the_hand_does_is_reported_exactly() {
    let mut host = streaming(Variant::Ps2);
    let script = Script::new().glide(3000, -1234, ms(1000)).glide(-777, 5, ms(90)).rest(ms(40)).glide(1, 1, ms(1));
    host.bench.play(script);
    let heard = host.hear(ms(1500));
    assert_eq!(Host::sum(&heard, 3), Sum { right: 3000 - 777 + 1, away: -1234 + 5 + 1, turned: 0 });
    assert_eq!(host.bench.counters().packets, heard.len() as u64 / 3);
    assert_eq!(host.bench.counters().overflows, 0);
}

#[test]
fn packets_come_at_the_sample_rate() {
    for rate in RATES {
        let mut host = streaming(Variant::Ps2);
        host.tell(&[command::SET_RATE, rate]);
        host.bench.play(Script::new().glide(10_000, 0, ms(2000)));
        host.hear(ms(2000));
        let packets = host.bench.counters().packets;
        let expected = 2 * u64::from(rate);
        assert!((expected - 2..=expected).contains(&packets), "{packets} packets at {rate} a second");
    }
}

#[test]
fn samples_are_a_period_apart() {
    let mut host = streaming(Variant::Ps2);
    host.bench.play(Script::new().glide(1000, 0, ms(1000)));
    let mut last = None;
    for _ in 0..90 {
        // the first byte of a packet
        while host.line.read().is_none() {
            let next = host.line.next_event_at().expect("the hand moves");
            host.bench.advance(next - host.line.now());
        }
        let now = host.line.now();
        if let Some(last) = last.replace(now) {
            assert_eq!(now - last, ms(10));
        }
        assert_eq!(host.hear(ms(3)).len(), 2);
    }
}

#[test]
fn every_press_and_release_is_reported_that_lasts_a_sample() {
    let mut host = streaming(Variant::Ps2);
    for (button, bit) in [(Button::Left, 1), (Button::Right, 2), (Button::Middle, 4)] {
        host.bench.play(Script::new().click(button, ms(30)).rest(ms(30)).click(button, ms(30)));
        let heard = host.hear(ms(200));
        assert_eq!(heard, [8 | bit, 0, 0, 8, 0, 0, 8 | bit, 0, 0, 8, 0, 0]);
    }
    // no mouse of three buttons has these
    host.bench.play(Script::new().click(Button::Side, ms(30)).click(Button::Extra, ms(30)));
    assert_eq!(host.hear(ms(200)), []);
}

#[test]
fn movement_of_nine_bits_and_what_is_more_overflows() {
    for (right, away, packet) in [
        (255, -255, [0x28, 0xff, 0x01]),
        (-255, 255, [0x18, 0x01, 0xff]),
        (256, 0, [0x48, 0xff, 0x00]),
        (-256, 0, [0x58, 0x01, 0x00]),
        (0, 100_000, [0x88, 0x00, 0xff]),
        (0, i32::MIN, [0xa8, 0x00, 0x01]),
    ] {
        let mut host = streaming(Variant::Ps2);
        host.bench.act(Action::Move { right, away });
        assert_eq!(host.hear(ms(30)), packet, "{right} {away}");
    }
    // a full counter stands, both ways
    let mut host = streaming(Variant::Ps2);
    host.bench.act(Action::Move { right: 300, away: 0 });
    host.bench.act(Action::Move { right: -100, away: 0 });
    assert_eq!(host.hear(ms(30)), [0x48, 0xff, 0x00]);
    assert_eq!(host.bench.counters().overflows, 1);
    host.bench.act(Action::Move { right: 3, away: 0 });
    assert_eq!(host.hear(ms(30)), [0x08, 3, 0]);
}

#[test]
fn scaling_doubles_what_is_large_and_overflows_where_it_must() {
    for (moved, packet) in
        [(1, [0x08, 1, 0]), (-2, [0x18, 0xff, 0]), (5, [0x08, 9, 0]), (100, [0x08, 200, 0]), (128, [0x48, 255, 0])]
    {
        let mut host = streaming(Variant::Ps2);
        host.tell(&[command::SET_SCALING_2_1]);
        host.bench.act(Action::Move { right: moved, away: 0 });
        assert_eq!(host.hear(ms(30)), packet, "{moved}");
    }
}

#[test]
fn resolution_says_how_much_a_movement_counts() {
    for (resolution, counts) in [(0, 10), (1, 20), (2, 40), (3, 80)] {
        let mut host = streaming(Variant::Ps2);
        host.tell(&[command::SET_RESOLUTION, resolution]);
        host.bench.act(Action::Move { right: 80, away: 0 });
        assert_eq!(host.hear(ms(30)), [0x08, counts, 0]);
    }
}

#[test]
fn a_command_breaks_a_packet_off_and_the_next_is_whole() {
    let mut host = streaming(Variant::Ps2);
    host.bench.act(Action::Move { right: 9, away: 9 });
    let first = host.line.next_event_at().expect("a sample") - host.line.now();
    host.bench.advance(first);
    let there = host.line.next_event_at().expect("a byte") - host.line.now();
    host.bench.advance(there);
    assert_eq!(host.line.read().map(|byte| byte.value), Some(0x08));
    // two bytes are still to come
    assert_eq!(host.ask(command::READ_ID), [0]);
    assert_eq!(host.bench.counters().interrupted, 2);
    assert_eq!(host.hear(ms(100)), []);
    host.bench.act(Action::Move { right: 1, away: 2 });
    assert_eq!(host.hear(ms(30)), [0x08, 1, 2]);
}

#[test]
fn a_host_that_does_not_read_loses_no_movement() {
    let mut host = streaming(Variant::Ps2);
    host.bench.play(Script::new().glide(200, -200, ms(1000)));
    host.bench.advance(ms(1000));
    assert_eq!(host.bench.counters().packets, 1);
    assert_eq!(Host::sum(&host.hear(ms(100)), 3), Sum { right: 200, away: -200, turned: 0 });
    assert_eq!(host.bench.counters().packets, 2);
}
