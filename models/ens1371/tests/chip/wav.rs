//! Files at the jacks.

use std::path::Path;
use std::time::{Duration, Instant};

use model_ens1371::wav::{WavError, WavSink, WavSource};
use model_ens1371::{Clock, Config, Ens1371Model, Frame, Jacks, Nothing, Sink, Source};

use crate::bench::noise;

fn spec(channels: u16, rate: u32, bits: u16) -> hound::WavSpec {
    hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: hound::SampleFormat::Int }
}

fn read(path: &Path) -> Vec<Frame> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!(reader.spec(), spec(2, 48_000, 16));
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    samples.as_chunks::<2>().0.to_vec()
}

#[test]
fn what_is_played_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    let mut sink = WavSink::create(&path).unwrap();
    assert_eq!(read(&path), [[0; 2]; 0], "empty, and a WAV file");
    let frames = noise(30_000);
    sink.play(&frames[..100]);
    sink.rest();
    assert_eq!(read(&path), frames[..100], "whole when nothing plays");
    sink.play(&frames[100..20_000]);
    // whoever is killed now leaves at least this
    let so_far = read(&path);
    assert_eq!(so_far, frames[..so_far.len()]);
    assert!(so_far.len() > 8000);
    let mut other = sink.clone();
    other.play(&frames[20_000..]);
    sink.finish().unwrap();
    assert_eq!(read(&path), frames);
    other.play(&frames);
    assert!(other.finish().is_ok() && read(&path) == frames, "it is over");
}

#[test]
fn rests_are_in_the_file_if_they_are_wanted_for_as_long_as_they_were() {
    const REST: Duration = Duration::from_millis(20);
    let folder = tempfile::tempdir().unwrap();
    for pace in [None, Some(100), Some(25)] {
        let path = folder.path().join("out.wav");
        let sink = WavSink::create(&path).unwrap();
        let mut sink = if let Some(pace) = pace { sink.with_rests(pace) } else { sink };
        let (first, second) = ([[1, 2]; 100], [[3, 4]; 100]);
        sink.wake();
        sink.play(&first);
        let begun = Instant::now();
        sink.rest();
        while begun.elapsed() < REST {
            std::hint::spin_loop();
        }
        sink.wake();
        let most = begun.elapsed();
        sink.play(&second);
        // heard meanwhile without a channel of the card's: the line input
        sink.rest();
        sink.play(&[[5, 6]; 48_000]);
        sink.wake();
        sink.finish().unwrap();
        let frames = read(&path);
        let silence = frames.iter().filter(|frame| **frame == [0; 2]).count() as f64 / 48_000.0;
        let pace = f64::from(pace.unwrap_or(0)) / 100.0;
        assert!(
            (REST.as_secs_f64() * pace - 0.0005..=most.as_secs_f64() * pace).contains(&silence),
            "{silence}, {most:?}"
        );
        assert!(frames.starts_with(&first) && frames.len() == 48_200 + (silence * 48_000.0).round() as usize);
    }
}

#[test]
fn a_channel_that_is_switched_off_and_on_rests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    let jacks = Jacks::new(WavSink::create(&path).unwrap().with_rests(100), Nothing);
    let (mut card, handle) = Ens1371Model::new(Config { clock: Clock::Manual, ..Config::default() }, jacks);
    udrv_bus::PciFunction::config_write(&mut card, 4, udrv_bus::Width::U16, 5).unwrap();
    let mut control = |value| udrv_bus::PciFunction::bar_write(&mut card, 0, 0, udrv_bus::Width::U32, value).unwrap();
    use model_ens1371::regs::control::{DAC1_EN, DAC2_EN};
    let begun = Instant::now();
    // from the one to the other is no rest
    for on in [DAC1_EN, DAC1_EN | DAC2_EN, DAC2_EN, 0] {
        control(on);
        handle.advance_clock(10);
    }
    while begun.elapsed() < Duration::from_millis(10) {
        std::hint::spin_loop();
    }
    control(DAC2_EN);
    let most = begun.elapsed().as_secs_f64() * 48_000.0;
    handle.advance_clock(10);
    drop((card, handle));
    let frames = read(&path).len() as f64;
    assert!(frames > 40.0 + 400.0 && frames <= 40.0 + most, "{frames} of {most}");
}

#[test]
fn a_card_that_is_let_go_leaves_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    let jacks = Jacks::new(WavSink::create(&path).unwrap(), Nothing);
    let config = Config { clock: Clock::Manual, ..Config::default() };
    let (card, handle) = Ens1371Model::new(config, jacks);
    let mut card = card;
    udrv_bus::PciFunction::config_write(&mut card, 4, udrv_bus::Width::U16, 5).unwrap();
    let on = model_ens1371::regs::control::DAC1_EN;
    udrv_bus::PciFunction::bar_write(&mut card, 0, 0, udrv_bus::Width::U32, on).unwrap();
    handle.advance_clock(77);
    drop((card, handle));
    assert_eq!(read(&path), [[0; 2]; 77]);
}

#[test]
fn a_file_that_cannot_be_made_is_refused_at_once() {
    for path in ["/dev/full", "/no/such/folder/out.wav"].map(Path::new) {
        let Err(error) = WavSink::create(path) else { panic!("{} was made", path.display()) };
        assert!(matches!(&error, WavError::File(at, _) if at == path), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_file_is_the_input_and_then_silence() {
    let folder = tempfile::tempdir().unwrap();
    let frames = noise(100);
    for (channels, right) in [(2, 1), (1, 0)] {
        let path = folder.path().join("in.wav");
        let mut writer = hound::WavWriter::create(&path, spec(channels, 48_000, 16)).unwrap();
        for frame in &frames {
            frame[..channels.into()].iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        }
        writer.finalize().unwrap();
        let mut source = WavSource::open(&path).unwrap();
        let mut heard = [[9; 2]; 150];
        source.record(&mut heard[..30]);
        source.record(&mut heard[30..]);
        let expected: Vec<Frame> = frames.iter().map(|frame| [frame[0], frame[right]]).collect();
        assert_eq!(heard[..100], expected);
        assert_eq!(heard[100..], [[0; 2]; 50]);
    }
}

#[test]
fn what_the_codec_could_not_play_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.wav");
    for (channels, rate, bits) in [(2, 44_100, 16), (2, 48_000, 8), (2, 48_000, 24), (6, 48_000, 16)] {
        hound::WavWriter::create(&path, spec(channels, rate, bits)).unwrap().finalize().unwrap();
        let Err(error) = WavSource::open(&path) else { panic!("{channels} {rate} {bits}") };
        let text = error.to_string();
        assert!(matches!(error, WavError::Format(..)) && text.contains(&rate.to_string()), "{text}");
    }
    std::fs::write(&path, "no sound").unwrap();
    assert!(matches!(WavSource::open(&path), Err(WavError::File(..))));
    assert!(matches!(WavSource::open(Path::new("/no/such.wav")), Err(WavError::File(..))));
}
