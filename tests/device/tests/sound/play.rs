//! Playing: each sample once, in order, whatever the application does.

use std::time::Duration;

use model_ens1371::{Config, Samples};
use udrv::endpoint::sound::{Sound, Wish};
use udrv::run::{Command, Options};
use udrv::sound::{Phase, SoundOptions};
use udrv_driver::{ControlValue, Format};
use udrv_tests::sound_rig::{
    ADC, DAC1, DAC2, RATE, SoundHand, USUAL, assert_in_order, longest_gap, numbered, options, sound,
};

#[test]
fn what_is_played_is_heard_once_and_bit_for_bit() {
    let mut hand = SoundHand::new();
    for stream in [DAC1, DAC2] {
        hand.start(stream, USUAL, &numbered(0, RATE));
        assert_eq!(hand.stream(stream).phase, Phase::Running);
        hand.pass(u64::from(RATE));
        hand.drain(stream);
        let tape = hand.tape.take();
        assert_eq!(assert_in_order(&tape), RATE);
        assert_eq!(longest_gap(&tape), 0);
        let status = hand.stream(stream);
        assert_eq!((status.counters.xruns, status.counters.jumps, status.counters.starts), (0, 0, 1), "{status:?}");
        assert!(status.counters.periods >= 100 && status.faster == 0, "{status:?}");
    }
    assert_eq!(hand.status().faults, 0);
}

#[test]
fn less_than_a_ring_is_played_too_and_nothing_is_played_again() {
    let mut hand = SoundHand::new();
    for length in [1, 30, 479, 480, 481, 1900] {
        hand.start(DAC2, USUAL, &numbered(0, length));
        hand.drain(DAC2);
        assert_eq!(assert_in_order(&hand.tape.take()), length, "{length}");
    }
    // and nothing at all
    hand.start(DAC2, USUAL, &[]);
    hand.drain(DAC2);
    assert!(sound(&hand.tape.take()).is_empty());
    assert_eq!(hand.stream(DAC2).counters.xruns, 0);
}

#[test]
fn an_application_that_is_late_is_heard_as_silence_and_counted() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 2000));
    hand.pass(4800);
    let status = hand.stream(DAC2);
    assert!(status.phase == Phase::Running && status.counters.xruns >= 4, "{status:?}");
    hand.desk.play(DAC2, &numbered(2000, 6000));
    hand.pass(480);
    hand.drain(DAC2);
    let tape = hand.tape.take();
    assert_eq!(assert_in_order(&tape), 6000);
    assert!(longest_gap(&tape) > 2000);
}

#[test]
fn a_piece_that_follows_at_once_waits_until_the_last_is_over() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 1000));
    hand.desk.wish(Wish::Stop(DAC2));
    hand.serve();
    hand.start(DAC2, USUAL, &numbered(1000, 3000));
    hand.pass(4800);
    hand.drain(DAC2);
    assert_eq!(assert_in_order(&hand.tape.take()), 3000);
    assert_eq!(hand.stream(DAC2).counters.starts, 2);
    // one that is opened anew without an end begins anew
    hand.start(DAC2, USUAL, &numbered(0, 5000));
    hand.pass(480);
    hand.desk.wish(Wish::Start(DAC2, USUAL));
    hand.pass(480);
    assert_eq!(hand.stream(DAC2).phase, Phase::Running);
}

#[test]
fn every_format_and_rate_is_heard_for_as_long_as_it_lasts() {
    let mut hand = SoundHand::new();
    for (format, channels, rate) in [(Format::U8, 1, 8000), (Format::S16, 1, 22_050), (Format::U8, 2, 44_100)] {
        let wanted = Sound { format, channels, rate };
        // half a second of all that is as loud as can be
        let loud = match format {
            Format::U8 => vec![0xff],
            Format::S16 => 0x7f00_i16.to_le_bytes().to_vec(),
        };
        let bytes = loud.repeat((rate / 2 * channels) as usize);
        hand.start(DAC2, wanted, &bytes);
        let status = hand.stream(DAC2);
        assert_eq!((status.bits, status.channels, status.rate), (8 * format.bytes(), channels, rate));
        hand.pass(u64::from(RATE) / 5 * 2);
        hand.drain(DAC2);
        let tape = hand.tape.take();
        let heard = tape.iter().filter(|frame| frame[0] > 0x4000 && frame[1] > 0x4000).count() as f64;
        assert!((heard / 24_000.0 - 1.0).abs() < 0.002, "{wanted:?}: {heard} frames of half a second");
        assert_eq!(hand.stream(DAC2).counters.xruns, 0);
    }
}

#[test]
fn two_play_at_once_and_a_third_records() {
    let mut hand = SoundHand::new();
    let tone = |value: i16| value.to_le_bytes().repeat(2 * 24_000);
    hand.start(DAC1, USUAL, &tone(1000));
    hand.start(DAC2, USUAL, &tone(300));
    hand.desk.wish(Wish::Start(ADC, USUAL));
    hand.pass(9600);
    let tape = hand.tape.take();
    assert!(tape.iter().filter(|frame| **frame == [1300, 1300]).count() > 9000);
    assert!(hand.desk.recorded().len() > 9000 * 4);
    for stream in [DAC1, DAC2, ADC] {
        assert_eq!(hand.stream(stream).phase, Phase::Running);
    }
}

#[test]
fn a_control_is_turned_heard_and_kept() {
    let mut hand = SoundHand::new();
    let master = hand.desk.control("Master Playback Switch");
    hand.start(DAC2, USUAL, &1000_i16.to_le_bytes().repeat(2 * 48_000));
    hand.pass(960);
    hand.desk.wish(Wish::Set(master, ControlValue::default()));
    hand.pass(960);
    let _before = hand.tape.take();
    hand.pass(960);
    assert!(sound(&hand.tape.take()).is_empty(), "it is off");
    // through restarts too
    hand.ask(Command::Restart);
    hand.pass(960);
    assert!(sound(&hand.tape.take()).is_empty(), "and still is");
    hand.desk.wish(Wish::Set(master, ControlValue { left: 1, right: 0 }));
    hand.pass(480);
    let _before = hand.tape.take();
    hand.pass(480);
    let heard = hand.tape.take();
    assert!(heard.len() == 480 && heard.iter().all(|frame| *frame == [1000, 1000]));
    // what is no value of it changes nothing
    hand.desk.wish(Wish::Set(master, ControlValue { left: 2, right: 0 }));
    hand.pass(480);
    assert!(hand.desk.shown().is_empty() && hand.status().faults == 0);
}

#[test]
fn periods_and_rings_of_any_size_play() {
    for (ms, periods) in [(1, 2), (1, 1024), (7, 3), (85, 4), (1000, 2), (1000, 1024)] {
        let sizes = SoundOptions { period: Duration::from_millis(ms), periods };
        let options = Options { sound: sizes, ..options() };
        let mut hand =
            SoundHand::try_new(options, Config::default(), Samples::default(), |_| {}).expect("the device starts");
        hand.start(DAC2, USUAL, &numbered(0, 30_000));
        let stream = hand.stream(DAC2);
        let bytes = stream.period * stream.ring_periods * 4;
        assert!(stream.ring_periods >= 2 && bytes <= 65_536, "{ms} ms, {periods}: {stream:?}");
        // a quarter of a period at a time
        let step = u64::from(stream.period / 4).clamp(1, 240);
        hand.pass_by(29_000, step);
        hand.drain_by(DAC2, step);
        let tape = hand.tape.take();
        assert_eq!((assert_in_order(&tape), longest_gap(&tape)), (30_000, 0), "{ms} ms, {periods}: {stream:?}");
    }
}
