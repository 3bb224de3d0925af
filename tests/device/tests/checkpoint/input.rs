//! Mice: rate, resolution, scaling.

use model_psmouse::Variant;
use model_psmouse::codes::command;
use udrv::checkpoint::{Checkpoint, ClassSettings, InputSettings};
use udrv::input::Scaling;
use udrv::run::{Answer, Command};
use udrv_driver::{Entry, InjectedFault, Point};
use udrv_tests::input_rig::{MouseHand, MouseRig};
use udrv_tests::wait_until;

use crate::{arm, expect_no_value_does_harm, fields, restore, saved};

const MOVED: InputSettings = InputSettings { rate: 40, resolution: 50, scaling: Scaling::Double };

fn with(checkpoint: &Checkpoint, settings: InputSettings) -> Checkpoint {
    Checkpoint { settings: ClassSettings::Input(settings), ..checkpoint.clone() }
}

/// What the mouse itself says.
fn set(hand: &MouseHand) -> (u8, u8, bool, bool) {
    let set = hand.bench.settings();
    (set.rate, set.resolution, set.doubled, set.enabled)
}

#[test]
fn it_comes_over_to_each_mouse() {
    let mut first = MouseHand::new(Variant::Explorer);
    let usual = saved(&mut first.device);
    restore(&mut first.device, &with(&usual, MOVED), false).expect("it is set");
    let (moved, expected) = (saved(&mut first.device), set(&first));
    assert_eq!((moved.clone(), expected), (with(&usual, MOVED), (40, 1, true, true)));
    drop(first);
    for variant in [Variant::Explorer, Variant::IntelliMouse, Variant::Ps2, Variant::Synaptics] {
        let mut hand = MouseHand::new(variant);
        assert_ne!(set(&hand), expected);
        let restored = restore(&mut hand.device, &moved, false).expect("it can");
        assert_eq!(
            fields(&restored),
            ["settings.input.rate", "settings.input.resolution", "settings.input.scaling"],
            "{variant:?}"
        );
        assert_eq!((set(&hand), saved(&mut hand.device)), (expected, moved.clone()), "{variant:?}");
        hand.rest();
        let sent = hand.sent();
        assert!(fields(&restore(&mut hand.device, &moved, false).expect("it can")).is_empty());
        assert_eq!(hand.sent(), sent, "not a byte");
        // and it stays so
        assert!(matches!(hand.ask(Command::Restart), Answer::Done));
        assert_eq!(set(&hand), expected, "{variant:?}: restarted");
    }
}

#[test]
fn what_a_mouse_does_not_have_is_refused_and_named() {
    let mut hand = MouseHand::new(Variant::Explorer);
    let (usual, before, sent) = (saved(&mut hand.device), set(&hand), hand.sent());
    for rate in [0, 1, 50, 150, 201, u32::MAX] {
        let error = restore(&mut hand.device, &with(&usual, InputSettings { rate, ..MOVED }), false).expect_err("none");
        assert!(error.starts_with(&format!("settings.input.rate = {rate}: psmouse has 10, 20, 40")), "{error}");
    }
    for resolution in [0, 24, 150, 400, u32::MAX] {
        let wanted = with(&usual, InputSettings { resolution, ..MOVED });
        let error = restore(&mut hand.device, &wanted, false).expect_err("none");
        assert!(error.starts_with(&format!("settings.input.resolution = {resolution}: ")), "{error}");
        assert!(error.contains("25, 50, 100, 200; write one of these"), "{error}");
    }
    let refused = restore(&mut hand.device, &with(&usual, MOVED), true).expect("a dry run");
    assert_eq!(refused.changes.len(), 3);
    assert_eq!((set(&hand), hand.sent()), (before, sent));
}

#[test]
fn a_fault_that_repeats_leaves_all_as_it_was() {
    let mut hand = MouseHand::new(Variant::Explorer);
    let (usual, before) = (saved(&mut hand.device), set(&hand));
    for entry in [Entry::SetRate, Entry::SetResolution, Entry::SetScaling] {
        for (fault, point) in InjectedFault::ALL.into_iter().flat_map(|fault| Point::ALL.map(|point| (fault, point))) {
            let what = format!("{entry}: {fault} at {point}");
            arm(&mut hand.device, entry, fault, point, 2);
            let error = restore(&mut hand.device, &with(&usual, MOVED), false).expect_err(&what);
            assert!(error.contains(entry.name()) && error.ends_with("all is set as before"), "{what}: {error}");
            assert_eq!((saved(&mut hand.device), set(&hand)), (usual.clone(), before), "{what}");
            arm(&mut hand.device, entry, fault, point, 1);
            restore(&mut hand.device, &with(&usual, MOVED), false).expect(&what);
            assert_eq!(set(&hand), (40, 1, true, true), "{what}");
            restore(&mut hand.device, &usual, false).expect(&what);
        }
    }
    assert_eq!(hand.status().restarts, 0);
}

#[test]
fn a_mouse_that_refuses_commands_stays_as_it_is() {
    let mut hand = MouseHand::new(Variant::Explorer);
    let (usual, before) = (saved(&mut hand.device), set(&hand));
    hand.bench.misbehave(|on| on.resend_for_ever = true);
    let error = restore(&mut hand.device, &with(&usual, MOVED), false).expect_err("it refuses");
    assert!(error.contains("set_rate") && error.ends_with("all is set as before"), "{error}");
    hand.bench.misbehave(|on| on.resend_for_ever = false);
    assert_eq!((saved(&mut hand.device), set(&hand)), (usual.clone(), before));
    restore(&mut hand.device, &with(&usual, MOVED), false).expect("it takes it now");
}

/// Half of it has been told by then, and when it is back it is as before.
#[test]
fn one_that_is_pulled_out_meanwhile_is_as_before_when_it_is_back() {
    let rig = MouseRig::new(Variant::Explorer);
    let Some(Answer::Checkpoint(usual)) = rig.ask(Command::Checkpoint) else { panic!("no checkpoint") };
    rig.bench.misbehave(|on| on.unplug_at = Some(command::SET_RESOLUTION));
    let checkpoint = Box::new(with(&usual, MOVED));
    let answer = rig.ask(Command::RestoreCheckpoint { checkpoint: checkpoint.clone(), dry_run: false });
    assert!(matches!(&answer, Some(Answer::Refused(why)) if why.contains("plug it in again")), "{answer:?}");
    wait_until("it is away", || rig.status().unplugged);
    for command in [Command::Checkpoint, Command::RestoreCheckpoint { checkpoint, dry_run: false }] {
        let answer = rig.ask(command);
        assert!(matches!(&answer, Some(Answer::Refused(why)) if why.contains("plug it in again")), "{answer:?}");
    }
    rig.bench.misbehave(|on| on.unplug_at = None);
    rig.bench.plug_in();
    wait_until("it is there", || rig.input().present && rig.bench.settings().enabled);
    let set = rig.bench.settings();
    assert_eq!((set.rate, set.resolution, set.doubled), (100, 3, false));
    let Some(Answer::Checkpoint(now)) = rig.ask(Command::Checkpoint) else { panic!("no checkpoint") };
    assert_eq!(now, usual);
}

#[test]
fn no_value_of_a_file_does_harm() {
    expect_no_value_does_harm(&mut MouseHand::new(Variant::Explorer).device);
}
