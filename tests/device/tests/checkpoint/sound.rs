//! Sound cards: controls of the codec, and what streams were set up for.

use model_ens1371::{Config, Samples, Variant, regs};
use udrv::checkpoint::{Checkpoint, ClassSettings, SoundSettings, Table};
use udrv::endpoint::sound::Sound;
use udrv::run::{Answer, Command};
use udrv::sound::StreamSettings;
use udrv_bus::Width;
use udrv_driver::{Entry, Format, InjectedFault, Point};
use udrv_tests::sound_rig::{ADC, DAC2, RATE, SoundHand, USUAL, numbered, options};

use crate::{accesses, arm, expect_no_value_does_harm, fields, restore, saved};

/// CD quality.
const CD: Sound = Sound { format: Format::S16, channels: 2, rate: 44_100 };
const VOICE: Sound = Sound { format: Format::S16, channels: 1, rate: 11_025 };

fn hand(variant: Variant) -> SoundHand {
    SoundHand::try_new(options(), Config::of(variant), Samples::default(), |_| {}).expect("it starts")
}

fn sound(checkpoint: &Checkpoint) -> &SoundSettings {
    let ClassSettings::Sound(settings) = &checkpoint.settings else { panic!("{checkpoint:?}") };
    settings
}

fn with(checkpoint: &Checkpoint, controls: Table<Vec<u16>>, streams: Table<Option<StreamSettings>>) -> Checkpoint {
    Checkpoint { settings: ClassSettings::Sound(SoundSettings { controls, streams }), ..checkpoint.clone() }
}

/// Each control is a step away from where it was.
fn turned(checkpoint: &Checkpoint) -> Checkpoint {
    let turn = |values: &Vec<u16>| values.iter().map(|value| if *value > 0 { value - 1 } else { 1 }).collect();
    let controls = sound(checkpoint).controls.iter().map(|(name, values)| (name.to_owned(), turn(values)));
    with(checkpoint, controls.collect(), sound(checkpoint).streams.clone())
}

/// All registers of the codec, and the words of the converter's RAM that make the rates of the three streams.
fn registers(hand: &SoundHand) -> (Vec<u16>, Vec<u32>) {
    use model_card::Chip;
    let codec = hand.bench.with(|chip| (0..0x80).step_by(2).map(|at| chip.codec_register(at)).collect());
    let word = |at: u8| {
        hand.bench.with(|chip| {
            chip.write(0, regs::SRC.into(), Width::U32, regs::src::address(at));
            let mut value = regs::src::RAM_BUSY;
            while value & regs::src::RAM_BUSY != 0 {
                value = chip.read(0, regs::SRC.into(), Width::U32);
            }
            value & 0xffff
        })
    };
    let converter = [0x70, 0x74, 0x78].into_iter().flat_map(|stream| [0, 1, 3].map(|at| word(stream + at)));
    (codec, converter.collect())
}

/// Turned and used: the settings, and what is in codec and converter.
fn used(variant: Variant) -> (Checkpoint, (Vec<u16>, Vec<u32>)) {
    let mut hand = hand(variant);
    let before = registers(&hand);
    hand.start(DAC2, CD, &numbered(0, 44_100 / 10));
    hand.drain(DAC2);
    hand.start(ADC, VOICE, &[]);
    hand.drain(ADC);
    let wanted = turned(&saved(&mut hand.device));
    let restored = restore(&mut hand.device, &wanted, false).expect("it is set");
    assert!(restored.changes.len() >= 10, "{restored:?}");
    let (moved, registers) = (saved(&mut hand.device), registers(&hand));
    assert_eq!(moved, wanted);
    assert_ne!(registers.0, before.0);
    assert_ne!(registers.1, before.1);
    (moved, registers)
}

#[test]
fn controls_and_rates_come_over_to_each_chip() {
    let (moved, expected) = used(Variant::Es1371);
    let streams: Vec<_> = sound(&moved).streams.iter().map(|(name, set)| (name.to_owned(), *set)).collect();
    let set = |name: &str, channels, rate| (name.to_owned(), Some(StreamSettings { bits: 16, channels, rate }));
    assert_eq!(streams, [("DAC1".to_owned(), None), set("DAC2", 2, 44_100), set("ADC", 1, 11_025)]);
    for variant in [Variant::Es1371, Variant::Es1373, Variant::Ct5880] {
        let mut hand = hand(variant);
        let restored = restore(&mut hand.device, &moved, false).expect("it can");
        assert_eq!(restored.other_chip.is_some(), variant != Variant::Es1371);
        // each mixer has heard of each control that has changed
        let shown = hand.desk.shown();
        assert_eq!(shown.len(), sound(&moved).controls.iter().count());
        for (name, values) in sound(&moved).controls.iter() {
            let control = hand.desk.control(name);
            assert!(shown.iter().any(|(of, value)| *of == control && value.left == values[0]), "{name}");
        }
        let now = saved(&mut hand.device);
        assert_eq!(now.settings, moved.settings);
        let count = accesses(&mut hand.device);
        assert!(fields(&restore(&mut hand.device, &moved, false).expect("it can")).is_empty());
        assert_eq!(accesses(&mut hand.device), count);
        assert_eq!(registers(&hand), expected, "{variant:?}");

        // a restart keeps the controls, and what is played then is heard
        assert!(matches!(hand.ask(Command::Restart), Answer::Done));
        assert_eq!(registers(&hand).0, expected.0, "{variant:?}: restarted");
        hand.start(DAC2, USUAL, &numbered(0, RATE / 10));
        hand.drain(DAC2);
        assert_eq!(hand.stream(DAC2).counters.lost, 0);
    }
}

#[test]
fn what_is_not_named_stays_and_what_is_not_there_is_refused() {
    let mut hand = hand(Variant::Es1371);
    let start = saved(&mut hand.device);
    let one = |name: &str, values: &[u16]| [(name.to_owned(), values.to_vec())].into_iter().collect::<Table<_>>();
    let none = || std::iter::empty::<(String, Option<StreamSettings>)>().collect::<Table<_>>();
    let master = "Master Playback Volume";
    let restored = restore(&mut hand.device, &with(&start, one(master, &[3, 4]), none()), false).expect("it can");
    assert_eq!(fields(&restored), [format!("settings.sound.controls.{master}")]);
    let now = saved(&mut hand.device);
    let count = accesses(&mut hand.device);
    for (checkpoint, words) in [
        (with(&start, one("Colour", &[1]), none()), &["controls.Colour = [1]", "take it out", master][..]),
        (with(&start, one(master, &[1]), none()), &["[1]", "two values"]),
        (with(&start, one(master, &[1, 2, 3]), none()), &["[1, 2, 3]", "two values"]),
        (with(&start, one(master, &[0, 999]), none()), &["[0, 999]", "each 0 to 31"]),
        (with(&start, one("Master Playback Switch", &[2]), none()), &["[2]", "1 (on)"]),
        (with(&start, one("Capture Source", &[99, 0]), none()), &["[99, 0]", "Mic"]),
    ] {
        let error = restore(&mut hand.device, &checkpoint, false).expect_err("no such control");
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
    let stream = |name: &str, bits, channels, rate| {
        let set = Some(StreamSettings { bits, channels, rate });
        with(&start, one(master, &[9, 9]), [(name.to_owned(), set)].into_iter().collect())
    };
    for (checkpoint, words) in [
        (stream("DAC9", 16, 2, 48_000), &["streams.DAC9", "no such stream", "DAC1, DAC2, ADC"][..]),
        (stream("DAC2", 24, 2, 48_000), &["24 bits", "8 or 16"]),
        (stream("DAC2", 16, 0, 48_000), &["0 channels", "1 to 2"]),
        (stream("DAC2", 16, u32::MAX, 48_000), &["channels", "1 to 2"]),
        (stream("DAC2", 16, 2, 96_000), &["96000", "4000 to 48000"]),
        (stream("DAC2", 16, 2, u32::MAX), &["4000 to 48000"]),
        (stream("DAC2", 16, 2, 0), &["4000 to 48000"]),
    ] {
        let error = restore(&mut hand.device, &checkpoint, false).expect_err("no such stream");
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
    assert_eq!((saved(&mut hand.device), accesses(&mut hand.device)), (now, count));

    // what an application uses is its own
    hand.start(DAC2, USUAL, &numbered(0, RATE));
    hand.pass(4800);
    let error = restore(&mut hand.device, &stream("DAC2", 16, 2, 44_100), false).expect_err("it is in use");
    assert!(error.contains("streams.DAC2 = 44100 Hz") && error.contains("an application uses"), "{error}");
    restore(&mut hand.device, &stream("DAC2", 16, 2, RATE), false).expect("it is so already");
    hand.pass(4800);
    assert_eq!(hand.stream(DAC2).counters.lost, 0);
}

#[test]
fn a_fault_that_repeats_leaves_all_as_it_was() {
    let (moved, _) = used(Variant::Es1371);
    let mut hand = hand(Variant::Es1371);
    let (before, codec) = (saved(&mut hand.device), registers(&hand).0);
    assert!(sound(&before).streams.iter().all(|(_, set)| set.is_none()));
    for entry in [Entry::SetControl, Entry::HwParams] {
        for (fault, point) in InjectedFault::ALL.into_iter().flat_map(|fault| Point::ALL.map(|point| (fault, point))) {
            let what = format!("{entry}: {fault} at {point}");
            arm(&mut hand.device, entry, fault, point, 2);
            let error = restore(&mut hand.device, &moved, false).expect_err(&what);
            assert!(error.contains(entry.name()) && error.ends_with("all is set as before"), "{what}: {error}");
            assert_eq!((saved(&mut hand.device), registers(&hand).0), (before.clone(), codec.clone()), "{what}");
            arm(&mut hand.device, entry, fault, point, 1);
            restore(&mut hand.device, &moved, false).expect(&what);
            assert_eq!(saved(&mut hand.device), moved, "{what}");
            restore(&mut hand.device, &before, false).expect(&what);
            assert_eq!((saved(&mut hand.device), registers(&hand).0), (before.clone(), codec.clone()), "{what}: back");
        }
    }
    let status = hand.status();
    assert_eq!((status.restarts, status.canary_intact), (0, true));
}

#[test]
fn no_value_of_a_file_does_harm() {
    expect_no_value_does_harm(&mut hand(Variant::Es1371).device);
}
