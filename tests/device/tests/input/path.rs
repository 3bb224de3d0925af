//! A hand along a known way while the driver faults: what is seen of it.

use std::time::Duration;

use model_psmouse::{Action, Button, VARIANTS, Variant};
use udrv::run::{Answer, Command, Options};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv_driver::{Buttons, Entry, InjectedFault, Point};
use udrv_tests::input_rig::{LEG, MouseHand, Way, options};

/// The longest that a byte to the mouse takes, with all that it answers, milliseconds: and so counts, for the hand makes less
/// than one a millisecond and axis.
const COMMAND: u64 = 8;
/// The same of a sample that is broken off, and the packet that is.
const BROKEN: u64 = 16;

#[test]
fn without_faults_it_is_exact_with_every_kind_of_mouse() {
    for (name, variant) in VARIANTS {
        let (mut hand, mut way) = (MouseHand::new(*variant), Way::default());
        for number in 0..20 {
            hand.bench.play(way.leg(number, *variant));
        }
        hand.rest();
        assert_eq!(Way::seen(&hand.screen), way, "{name}");
        let input = hand.input();
        let packets = hand.bench.counters().packets;
        assert_eq!((input.counters.reports, input.counters.bytes_dropped), (packets + 1, 0), "{name}: {input:?}");
    }
}

#[test]
fn who_looks_at_its_registers_sends_it_nothing() {
    let variant = Variant::Explorer;
    let (mut hand, mut way) = (MouseHand::new(variant), Way::default());
    let sent = hand.sent();
    for number in 0..4 {
        hand.bench.play(way.leg(number, variant));
        for _ in 0..LEG.as_millis() {
            hand.pass(Duration::from_millis(1));
            let answer = hand.ask(Command::Registers { live: true });
            let Answer::Registers(registers) = answer else { panic!("{answer:?}") };
            let read = registers.iter().filter(|register| register.live.is_some()).map(|register| &*register.name);
            assert_eq!(read.collect::<Vec<_>>(), ["RESPONSE"]);
        }
    }
    hand.rest();
    assert_eq!((Way::seen(&hand.screen), hand.sent()), (way, sent));
}

#[test]
fn under_faults_of_all_kinds_where_the_bytes_go_through_it_is_exact_and_no_byte_is_sent() {
    let variant = Variant::Explorer;
    let (mut hand, mut way) = (MouseHand::new(variant), Way::default());
    let sent = hand.sent();
    let mut faults = 0;
    for fault in InjectedFault::ALL {
        for point in Point::ALL {
            // in a report's first byte, in its midst, between two
            for into in [40, 41, 42, 43, 47, 120] {
                hand.bench.play(way.leg(faults as u32, variant));
                hand.pass(Duration::from_millis(into));
                hand.arm(Entry::Interrupt, fault, point);
                hand.pass(LEG - Duration::from_millis(into));
                faults += 1;
                assert_eq!(hand.status().faults, faults, "{fault} at {point}");
            }
        }
    }
    hand.rest();
    assert_eq!(Way::seen(&hand.screen), way);
    assert_eq!(hand.sent(), sent, "no byte on the line");
    let status = hand.status();
    let counters = status.input().counters;
    let packets = hand.bench.counters().packets;
    assert_eq!((counters.reports, counters.bytes_dropped, counters.breaks), (packets + 1, 0, 1));
    assert_eq!((status.restarts, status.restores, status.canary_intact), (0, 0, true));
}

#[test]
fn under_faults_in_every_other_entry_point_what_is_missing_was_on_its_way_and_no_button_is_stuck() {
    for entry in Entry::INPUT.into_iter().filter(|entry| *entry != Entry::Interrupt) {
        let variant = Variant::Explorer;
        let (mut hand, mut way) = (MouseHand::new(variant), Way::default());
        for fault in InjectedFault::ALL {
            for point in Point::ALL {
                let (missing, sent, faults) = (missing(&hand, &way), hand.sent(), hand.status().faults);
                let breaks = hand.input().counters.breaks;
                hand.bench.play(way.leg(faults as u32, variant));
                hand.pass(LEG / 3);
                hand.arm(entry, fault, point);
                hand.call(entry);
                assert_eq!(hand.status().faults, faults + 1, "{entry} {fault} {point}");
                hand.rest();
                assert_eq!(hand.screen.down(), Buttons::NONE, "{entry} {fault} {point}");
                let (sent, breaks) = (hand.sent() - sent, hand.input().counters.breaks - breaks);
                let most = match entry {
                    // a reset takes longer than the leg
                    Entry::Probe => 2 * LEG.as_millis() as u64,
                    _ => COMMAND * sent + BROKEN * breaks,
                };
                let lost = self::missing(&hand, &way).abs_diff(missing);
                assert!(
                    lost <= most,
                    "{entry} {fault} {point}: {lost} counts of {most} at {sent} bytes, {breaks} breaks"
                );
                assert!(breaks > 0, "{entry} {fault} {point}: it is counted");
            }
        }
        let status = hand.status();
        assert!(status.canary_intact && status.input().enabled && status.restarts == 0, "{entry}: {status:?}");
        assert_eq!(hand.screen.picture().devices.len(), 1, "{entry}");
        // and afterwards it is exact
        let (before, mut after) = (Way::seen(&hand.screen), Way::default());
        hand.bench.play(after.leg(7, variant));
        hand.rest();
        let seen = Way::seen(&hand.screen);
        assert_eq!((seen.at.0 - before.at.0, seen.at.1 - before.at.1), after.at, "{entry}");
        assert_eq!(&seen.pressed[before.pressed.len()..], after.pressed, "{entry}");
    }
}

/// Counts that are not seen, of both axes.
fn missing(hand: &MouseHand, way: &Way) -> u64 {
    let seen = Way::seen(&hand.screen);
    seen.at.0.abs_diff(way.at.0) + seen.at.1.abs_diff(way.at.1)
}

#[test]
fn a_hand_that_rests_loses_nothing_and_a_button_stays_as_it_has_it() {
    for entry in Entry::INPUT {
        let mut hand = MouseHand::new(Variant::Explorer);
        hand.bench.act(Action::Press(Button::Side));
        hand.rest();
        for fault in InjectedFault::ALL {
            for point in Point::ALL {
                hand.arm(entry, fault, point);
                hand.call(entry);
                hand.rest();
                assert_eq!(hand.screen.down(), Buttons::SIDE, "{entry} {fault} {point}");
            }
        }
        // it has not been let go and pressed again on the way
        let seen = Way::seen(&hand.screen);
        assert_eq!((seen.pressed, seen.at), (vec![(Button::Side, true)], (0, 0)), "{entry}");
    }
}

#[test]
fn a_button_that_changes_while_recovery_speaks_with_the_mouse_is_seen() {
    for entry in Entry::INPUT.into_iter().filter(|entry| *entry != Entry::Interrupt) {
        for down in [true, false] {
            let mut hand = MouseHand::new(Variant::Explorer);
            if !down {
                hand.bench.act(Action::Press(Button::Left));
                hand.rest();
            }
            // whenever: before the fault, in its midst, after it
            for after in [0, 3, 7, 12, 20] {
                let change = if down { Action::Press(Button::Left) } else { Action::Release(Button::Left) };
                hand.bench.play(model_psmouse::Script::new().rest(Duration::from_millis(after)).then(change));
                hand.arm(entry, InjectedFault::NullWrite, Point::End);
                hand.call(entry);
                hand.rest();
                let expected = if down { Buttons::LEFT } else { Buttons::NONE };
                assert_eq!(hand.screen.down(), expected, "{entry}, {after} ms");
                let back = if down { Action::Release(Button::Left) } else { Action::Press(Button::Left) };
                hand.bench.act(back);
                hand.rest();
            }
        }
    }
}

#[test]
fn a_call_that_faults_before_it_sends_anything_costs_no_byte() {
    for entry in Entry::INPUT {
        let mut hand = MouseHand::new(Variant::Explorer);
        let cost = |hand: &mut MouseHand| {
            let before = hand.sent();
            hand.call(entry);
            hand.rest();
            hand.sent() - before
        };
        let usual = cost(&mut hand);
        for fault in InjectedFault::ALL {
            hand.arm(entry, fault, Point::Start);
            assert_eq!(cost(&mut hand), usual, "{entry} {fault}");
        }
        assert_eq!(hand.status().faults, 6, "{entry}");
    }
}

#[test]
fn a_restart_for_each_fault_loses_what_a_reset_takes_and_no_button() {
    let ladder = LadderConfig { recovery: Recovery::Restart, ..LadderConfig::default() };
    let mut hand = MouseHand::try_new(Options { ladder, ..options() }, Variant::IntelliMouse, |_| {}).expect("starts");
    let mut way = Way::default();
    for (number, fault) in InjectedFault::ALL.into_iter().enumerate() {
        hand.bench.play(way.leg(number as u32, Variant::IntelliMouse));
        hand.pass(LEG / 3);
        hand.arm(Entry::Interrupt, fault, Point::Middle);
        hand.rest();
        assert_eq!(hand.screen.down(), Buttons::NONE, "{fault}");
    }
    let status = hand.status();
    assert_eq!((status.restarts, hand.bench.counters().resets()), (6, 7));
    assert!(hand.ask(Command::Restart).is_done());
    let input = hand.input();
    assert_eq!((input.protocol.as_str(), input.enabled, hand.bench.settings().resolution), ("ImPS/2", true, 3));
}

/// An answer that says so.
trait IsDone {
    fn is_done(&self) -> bool;
}

impl IsDone for udrv::run::Answer {
    fn is_done(&self) -> bool {
        matches!(self, udrv::run::Answer::Done)
    }
}
