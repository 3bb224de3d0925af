//! Recording: each sample once, in order.

use model_ens1371::{Config, Samples};
use udrv::endpoint::sound::{Sound, Wish};
use udrv::run::Command;
use udrv::sound::Phase;
use udrv_driver::{ControlValue, Entry, InjectedFault, Point};
use udrv_tests::sound_rig::{ADC, SoundHand, USUAL, frame, options};

#[test]
fn a_rate_that_is_not_met_to_the_hertz_is_asked_for_again_after_a_restart() {
    let mut hand = SoundHand::new();
    let sound = Sound { rate: 44_100, ..USUAL };
    hand.desk.wish(Wish::Start(ADC, sound));
    hand.pass(4800);
    for restart in 0..3 {
        let stream = hand.stream(ADC);
        assert_eq!((stream.rate, stream.phase), (44_100, Phase::Running), "after {restart} restarts: {stream:?}");
        hand.ask(Command::Restart);
        hand.pass(4800);
    }
}

/// Where in `heard` the numbered frames begin, if all of it from there on is them in order.
fn is_in_order(heard: &[u8]) -> Result<usize, String> {
    let frames: Vec<[i16; 2]> =
        heard.chunks_exact(4).map(|f| [i16::from_le_bytes([f[0], f[1]]), i16::from_le_bytes([f[2], f[3]])]).collect();
    let first = frames.iter().position(|f| *f != [0, 0]).ok_or("nothing but silence")?;
    let number = (0..30_011).find(|n| frame(*n) == frames[first]).ok_or("no frame of ours")?;
    for (at, got) in frames[first..].iter().enumerate() {
        if *got != frame(number + at as u32) {
            return Err(format!("frame {} is {got:?}", first + at));
        }
    }
    Ok(frames.len() - first)
}

#[test]
fn what_is_recorded_is_what_was_there_faults_or_not() {
    let input = Samples::new((0..96_000).map(frame).collect());
    let mut hand = SoundHand::try_new(options(), Config::default(), input, |_| {}).expect("it starts");
    // line in, which is what is connected
    let source = hand.desk.control("Capture Source");
    hand.desk.wish(Wish::Set(source, ControlValue { left: 4, right: 4 }));
    hand.desk.wish(Wish::Start(ADC, USUAL));
    hand.pass(9600);
    for entry in [Entry::Pointer, Entry::Interrupt, Entry::Trigger, Entry::SetControl, Entry::HwParams] {
        for fault in InjectedFault::ALL {
            if entry == Entry::Trigger {
                continue; // it makes a pause, in which nothing is recorded
            }
            hand.fault(entry, fault, Point::Middle);
            hand.pass(480);
        }
    }
    hand.desk.wish(Wish::Stop(ADC));
    hand.pass(480);
    let recorded = hand.desk.recorded();
    let in_order = is_in_order(&recorded).expect("in order");
    assert!(in_order > 20_000, "{in_order}");
    let status = hand.stream(ADC);
    assert_eq!((status.counters.xruns, status.counters.lost, status.counters.jumps), (0, 0, 0), "{status:?}");
}
