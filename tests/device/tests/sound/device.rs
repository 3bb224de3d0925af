//! The device does wrong: nothing waits for ever, nothing stale is heard, and it goes on when the device does.

use model_card::Chip;
use model_ens1371::{Config, Garbage, Misbehave, Samples, regs};
use udrv::endpoint::sound::{Sound, Wish};
use udrv::run::{DeviceError, InterruptMode};
use udrv::sound::Phase;
use udrv_bus::Width;
use udrv_driver::{ControlValue, Format};
use udrv_tests::sound_rig::{
    ADC, DAC2, RATE, SoundHand, USUAL, assert_in_order, longest_gap, numbered, options, sound,
};

fn refused(trouble: impl FnOnce(&mut Misbehave)) -> DeviceError {
    let started = SoundHand::try_new(options(), Config::default(), Samples::default(), trouble);
    started.err().expect("it does not start")
}

#[test]
fn a_codec_that_never_answers_is_an_error_in_time() {
    type Trouble = fn(&mut Misbehave);
    let troubles: [Trouble; 2] = [|m| m.codec_busy = true, |m| m.codec_silent = true];
    for trouble in troubles {
        let error = refused(trouble).to_string();
        assert!(error.contains("probe failed") && !error.contains('\n'), "{error}");
    }
    // one that has not all its parts may have no use for the rest
    let partly = |m: &mut Misbehave| m.codec_not_ready = true;
    SoundHand::try_new(options(), Config::default(), Samples::default(), partly).map(drop).expect("it starts");
    let error = refused(|m| m.src_busy = true).to_string();
    assert!(error.contains("probe failed"), "{error}");
    assert!(refused(|m| m.gone = true).to_string().contains("does not answer"));
}

#[test]
fn a_codec_that_stops_answering_leaves_the_control_as_it_was_and_the_tone_goes_on() {
    let mut hand = SoundHand::new();
    let master = hand.desk.control("Master Playback Switch");
    hand.start(DAC2, USUAL, &numbered(0, 10 * RATE));
    hand.pass(4800);
    hand.bench.misbehave(|m| m.codec_busy = true);
    hand.desk.wish(Wish::Set(master, ControlValue::default()));
    hand.serve();
    assert_eq!(hand.desk.shown(), [(master, ControlValue { left: 1, right: 0 })]);
    hand.bench.misbehave(|m| m.codec_busy = false);
    hand.pass(9600);
    assert!(hand.status().device_faults.timeout >= 1);
    assert_eq!(hand.stream(DAC2).phase, Phase::Running);
    let _before = hand.tape.take();
    hand.pass(960);
    assert_eq!(sound(&hand.tape.take()).len(), 960, "it is on");
}

/// The numbers of the frames that are heard.
fn numbers(tape: &[[i16; 2]]) -> Vec<u32> {
    sound(tape).iter().map(|frame| (frame[1] as u32 - 1) * 30_011 + frame[0] as u32 - 1).collect()
}

#[test]
fn a_position_that_jumps_is_followed() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 20 * RATE));
    for to in [0, 1000, 500, 1919, 3] {
        hand.pass(9600);
        hand.bench.with(|chip| {
            let mut write = |offset, value| chip.write(0, offset, Width::U32, value);
            write(regs::MEM_PAGE.into(), regs::PAGE_DAC.into());
            // the upper half is the position
            write(regs::DAC2_SIZE.into(), to << 16 | 1919);
        });
    }
    hand.pass(9600);
    let (tape, stream) = (hand.tape.take(), hand.stream(DAC2));
    assert!(stream.counters.jumps >= 3 && stream.counters.xruns == 0, "{stream:?}");
    let numbers = numbers(&tape);
    // what was in the ring where it jumped to is heard until the next look, 5 ms later, and no more of that
    let back = numbers.windows(2).filter(|two| two[1] <= two[0]).count();
    assert!(back <= 10 && numbers.len() > 50_000, "{back} times back among {}", numbers.len());
    assert!(numbers.windows(2).all(|two| two[1] < two[0] + 1920 && two[0] < two[1] + 1920), "and never by a ring");
    let _before = hand.tape.take();
    hand.pass(4800);
    let tape = hand.tape.take();
    assert_eq!((sound(&tape).len(), longest_gap(&tape)), (4800, 0), "and then all is well");
}

#[test]
fn a_position_that_lies_is_nonsense_or_believed_and_it_goes_on_afterwards() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 60 * RATE));
    for lie in [1, 700, 1200, 1919, 30_000, u16::MAX] {
        hand.pass(4800);
        hand.bench.misbehave(|m| m.position_jump = Some(lie));
        hand.pass(9600);
        assert_eq!(hand.stream(DAC2).phase, Phase::Running, "{lie}");
        hand.bench.misbehave(|m| m.position_jump = None);
        // it is looked at more and more rarely while it lies, at the last after four seconds
        hand.pass(5 * u64::from(RATE));
        let _before = hand.tape.take();
        hand.pass(4800);
        let tape = hand.tape.take();
        let in_order = numbers(&tape).windows(2).all(|two| two[0] + 1 == two[1]);
        assert!(in_order && sound(&tape).len() == 4800, "{lie}: all is well again");
    }
    let faults = hand.status().device_faults;
    assert!(faults.nonsense >= 1, "{faults:?}");
}

#[test]
fn interrupts_that_never_come_are_done_without() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 10 * RATE));
    hand.bench.misbehave(|m| m.interrupt_lost = true);
    hand.pass(u64::from(RATE));
    assert_eq!(hand.status().interrupts, InterruptMode::Polled);
    hand.bench.misbehave(|m| m.interrupt_lost = false);
    hand.pass(u64::from(RATE));
    assert_eq!(hand.status().interrupts, InterruptMode::Line);
    let tape = hand.tape.take();
    assert!(assert_in_order(&tape) > 90_000 && longest_gap(&tape) == 0);
}

#[test]
fn counters_that_are_stuck_are_done_without_too() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 4 * RATE));
    hand.bench.misbehave(|m| m.counter_stuck = true);
    hand.pass(u64::from(RATE));
    let tape = hand.tape.take();
    assert!(sound(&tape).len() > 40_000 && longest_gap(&tape) == 0);
    assert_eq!(hand.stream(DAC2).counters.xruns, 0);
}

#[test]
fn a_storm_of_interrupts_does_not_keep_it_from_playing() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 10 * RATE));
    hand.bench.misbehave(|m| m.intx_stuck = true);
    for _ in 0..3000 {
        hand.serve();
    }
    hand.pass(u64::from(RATE));
    assert_eq!(hand.status().interrupts, InterruptMode::Masked);
    hand.bench.misbehave(|m| m.intx_stuck = false);
    hand.pass(10 * u64::from(RATE) / 2);
    assert_eq!(hand.status().interrupts, InterruptMode::Line);
    assert_in_order(&hand.tape.take());
}

#[test]
fn a_device_that_stops_playing_for_a_while_goes_on() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 20 * RATE));
    hand.pass(4800);
    hand.bench.misbehave(|m| m.tx_hangs = true);
    hand.pass(u64::from(RATE) / 2);
    let stream = hand.stream(DAC2);
    assert!(stream.counters.stuck >= 1, "{stream:?}");
    assert!(hand.status().restores >= 1);
    hand.bench.misbehave(|m| m.tx_hangs = false);
    hand.pass(u64::from(RATE) / 2);
    let _before = hand.tape.take();
    hand.pass(4800);
    assert_eq!(sound(&hand.tape.take()).len(), 4800);
    assert!(hand.desk.failed().is_empty());
}

#[test]
fn a_stream_that_stands_still_for_good_ends_and_the_others_go_on() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 20 * RATE));
    hand.bench.misbehave(|m| m.adc_hangs = true);
    hand.desk.wish(Wish::Start(ADC, USUAL));
    hand.pass(4 * u64::from(RATE));
    let told = hand.desk.failed();
    assert!(told.len() == 1 && told[0].contains("ADC") && told[0].contains("stands still"), "{told:?}");
    assert_eq!((hand.stream(ADC).phase, hand.stream(DAC2).phase), (Phase::Idle, Phase::Running));
    let tape = hand.tape.take();
    assert!(assert_in_order(&tape) > 3 * RATE && longest_gap(&tape) <= 480);
    assert_eq!(hand.status().restarts, 1, "it was worth a try");
    // and it can be tried again
    hand.bench.misbehave(|m| m.adc_hangs = false);
    hand.desk.wish(Wish::Start(ADC, USUAL));
    hand.pass(4800);
    assert!(hand.stream(ADC).counters.frames > 0 && hand.desk.failed().is_empty());
}

#[test]
fn a_stream_that_tells_nonsense_ends_and_the_others_go_on() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 20 * RATE));
    hand.desk.wish(Wish::Start(ADC, USUAL));
    hand.pass(4800);
    // where the positions of DAC1 and ADC are
    let garbage = Garbage { seed: 1, offsets: vec![0x34..=0x37], one_in: 1 };
    hand.bench.misbehave(|m| m.garbage = Some(garbage));
    hand.pass(6 * u64::from(RATE));
    assert!(hand.status().device_faults.nonsense >= 3, "{:?}", hand.status().device_faults);
    let told = hand.desk.failed();
    assert!(told.len() == 1 && told[0].contains("ADC"), "{told:?}");
    let stream = hand.stream(DAC2);
    assert_eq!((hand.stream(ADC).phase, stream.phase, stream.counters.xruns), (Phase::Idle, Phase::Running, 0));
    let tape = hand.tape.take();
    assert!(assert_in_order(&tape) > 5 * RATE && longest_gap(&tape) <= 480);
}

#[test]
fn reads_of_all_ones_are_restored_from() {
    let mut hand = SoundHand::new();
    hand.start(DAC2, USUAL, &numbered(0, 20 * RATE));
    hand.pass(4800);
    hand.bench.misbehave(|m| m.all_ones = Some(model_ens1371::AllOnes { offsets: vec![0..=0x3f], reads: Some(3) }));
    hand.pass(9600);
    let status = hand.status();
    assert!(status.device_faults.gone + status.device_faults.nonsense >= 1, "{:?}", status.device_faults);
    let _before = hand.tape.take();
    hand.pass(4800);
    assert_eq!(sound(&hand.tape.take()).len(), 4800);
}

#[test]
fn what_the_chip_does_not_have_is_told_who_asked_for_it() {
    let mut hand = SoundHand::new();
    for wrong in [
        Sound { rate: 96_000, ..USUAL },
        Sound { channels: 6, ..USUAL },
        Sound { rate: 1, format: Format::U8, channels: 1 },
        Sound { channels: 0, ..USUAL },
    ] {
        hand.start(DAC2, wrong, &[]);
        let told = hand.desk.failed();
        assert!(told.len() == 1 && told[0].contains("DAC2"), "{wrong:?}: {told:?}");
        assert_eq!(hand.stream(DAC2).phase, Phase::Idle);
    }
    hand.desk.wish(Wish::Start(udrv_driver::Stream(7), USUAL));
    hand.serve();
    hand.start(DAC2, USUAL, &numbered(0, 4000));
    hand.desk.wish(Wish::Start(ADC, USUAL));
    hand.pass(480);
    assert_eq!((hand.stream(DAC2).phase, hand.stream(ADC).phase), (Phase::Running, Phase::Running));
    assert_eq!(hand.status().faults, 0);
}
