//! Faults of the driver while it plays: the listener does not notice.

use model_ens1371::{Config, Samples};
use udrv::run::Command;
use udrv::sound::Phase;
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv_driver::{Entry, InjectedFault, Point};
use udrv_tests::sound_rig::{DAC2, RATE, SoundHand, USUAL, assert_in_order, longest_gap, numbered, options, sound};

/// Those that act on the stream that plays on purpose: their pause is heard.
const PAUSING: [Entry; 2] = [Entry::Quiesce, Entry::Probe];

#[test]
fn a_fault_of_any_kind_anywhere_is_not_heard() {
    let mut hand = SoundHand::new();
    let all = 40 * RATE;
    hand.start(DAC2, USUAL, &numbered(0, all));
    let mut faults = 0;
    for entry in Entry::SOUND {
        for fault in InjectedFault::ALL {
            for point in Point::ALL {
                if PAUSING.contains(&entry) {
                    continue;
                }
                hand.fault(entry, fault, point);
                hand.pass(480);
                faults += 1;
            }
        }
    }
    let status = hand.status();
    assert_eq!((status.faults, status.restarts, status.canary_intact), (faults, 0, true));
    let stream = hand.stream(DAC2);
    assert_eq!((stream.counters.xruns, stream.counters.jumps, stream.phase), (0, 0, Phase::Running), "{stream:?}");
    let tape = hand.tape.take();
    let heard = assert_in_order(&tape);
    assert!(u64::from(heard) > faults * 470, "{heard}");
    assert_eq!(longest_gap(&tape), 0);
    println!("{faults} faults, {heard} frames, no gap");
}

#[test]
fn faults_where_the_device_is_stopped_on_purpose_cost_no_more_than_a_period() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 20 * RATE));
    for entry in PAUSING {
        for fault in InjectedFault::ALL {
            for point in Point::ALL {
                hand.pass(480);
                hand.fault(entry, fault, point);
                hand.pass(960);
                let stream = hand.stream(DAC2);
                assert_eq!((stream.phase, stream.counters.xruns), (Phase::Running, 0), "{entry} {fault} {point}");
            }
        }
    }
    let tape = hand.tape.take();
    let heard = sound(&tape);
    let repeated = heard.windows(2).filter(|two| two[0] == two[1]).count();
    assert!(
        longest_gap(&tape) <= 480 && repeated == 0,
        "{} frames of silence, {repeated} repeated",
        longest_gap(&tape)
    );
    assert_eq!(hand.stream(DAC2).counters.xruns, 0);
}

#[test]
fn a_device_that_is_stopped_after_it_has_told_its_place_plays_nothing_again() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 2 * RATE));
    hand.pass(1200);
    // and nobody has asked since
    hand.bench.advance_clock(100);
    hand.fault(Entry::Quiesce, InjectedFault::NullWrite, Point::Middle);
    hand.pass(4800);
    let tape = hand.tape.take();
    let heard = assert_in_order(&tape);
    assert!(heard > 5000 && longest_gap(&tape) <= 480, "{heard}, {}", longest_gap(&tape));
}

#[test]
fn a_restart_begins_where_the_last_has_stopped() {
    let ladder = LadderConfig { recovery: Recovery::Restart, ..LadderConfig::default() };
    let config = Config::default();
    let mut hand = SoundHand::try_new(udrv::run::Options { ladder, ..options() }, config, Samples::default(), |_| {})
        .expect("starts");
    hand.start(DAC2, USUAL, &numbered(0, 4 * RATE));
    for fault in InjectedFault::ALL {
        hand.pass(1000);
        hand.fault(Entry::Pointer, fault, Point::Middle);
    }
    assert_eq!(hand.status().restarts, 6);
    hand.pass(1000);
    hand.ask(Command::Restart);
    hand.pass(1000);
    let tape = hand.tape.take();
    let heard = assert_in_order(&tape);
    assert!(heard > 6 * 960, "{heard}");
    // the device has played on after it was asked last: by the clock, to the frame where time stands still in between
    assert!(longest_gap(&tape) <= 480);
    assert_eq!(hand.stream(DAC2).counters.xruns, 0);
}

#[test]
fn what_a_fault_has_marked_is_restored_once() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 4 * RATE));
    let accesses = |hand: &mut SoundHand| {
        let before = hand.status().register_accesses;
        hand.ask(Command::Call(Entry::Restore));
        let after = hand.status().register_accesses;
        after.0 - before.0 + after.1 - before.1
    };
    let few = accesses(&mut hand);
    hand.fault(Entry::Probe, InjectedFault::NullWrite, Point::End);
    hand.pass(480);
    assert_eq!(accesses(&mut hand), few, "a probe that has worked leaves nothing to be restored");
    hand.fault(Entry::SetControl, InjectedFault::NullWrite, Point::End);
    hand.pass(480);
    assert_eq!(accesses(&mut hand), few, "nor does a restore");
}
