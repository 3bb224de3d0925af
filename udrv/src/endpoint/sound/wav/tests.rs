//! Files that are played and recorded, good ones and bad ones.

use std::{fs, path::Path};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use tempfile::TempDir;
use udrv_driver::{Format, Rates};

use super::*;
use crate::endpoint::sound::Sound;

const DAC: StreamInfo = StreamInfo {
    name: "DAC",
    direction: Direction::Playback,
    formats: &[Format::U8, Format::S16],
    channels: 2,
    rates: Rates::List(&[8000, 44100]),
    period: (32, 1024),
    ring_bytes: 8192,
};
const ADC: StreamInfo = StreamInfo { name: "ADC", direction: Direction::Capture, ..DAC };
const STREAMS: &[StreamInfo] = &[ADC, DAC];
const CD: WavSpec = WavSpec { channels: 2, sample_rate: 44100, bits_per_sample: 16, sample_format: SampleFormat::Int };

fn card(streams: &'static [StreamInfo]) -> Card<'static> {
    Card { driver: "test", device: "test:0", streams, controls: &[] }
}

/// A file with the samples 1, 2, 3, ...
fn file(folder: &TempDir, spec: WavSpec, samples: i32) -> PathBuf {
    let path = folder.path().join("a.wav");
    let mut writer = WavWriter::create(&path, spec).unwrap();
    for sample in 1..=samples {
        if spec.sample_format == SampleFormat::Float {
            writer.write_sample(sample as f32).unwrap();
        } else {
            writer.write_sample(sample).unwrap();
        }
    }
    writer.finalize().unwrap();
    path
}

fn playing(path: &Path) -> Result<Wav, String> {
    let files = Files { play: Some(path.to_owned()), ..Files::default() };
    let mut wav = Wav::open(files).map_err(|error| error.to_string())?;
    wav.show(&card(STREAMS)).map_err(|error| error.to_string())?;
    Ok(wav)
}

fn recording(path: &Path, length: Option<Duration>) -> Wav {
    let files = Files { record: Some(path.to_owned()), record_for: length, ..Files::default() };
    let mut wav = Wav::open(files).unwrap();
    wav.show(&card(STREAMS)).unwrap();
    wav
}

fn rings(wav: &Wav) -> bool {
    let (fd, flags) = wav.descriptors()[0];
    nix::poll::poll(&mut [nix::poll::PollFd::new(fd, flags)], nix::poll::PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn a_file_is_played_to_its_end_and_then_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut wav = playing(&file(&folder, CD, 10)).unwrap();
    assert!(rings(&wav) && !wav.is_over());
    let sound = Sound { format: Format::S16, channels: 2, rate: 44100 };
    assert_eq!(wav.wish().unwrap(), Some(Wish::Start(Stream(1), sound)));
    assert!(rings(&wav), "there is something to take");
    assert_eq!(wav.wish().unwrap(), None);
    let mut room = [0; 15];
    assert_eq!(wav.take(Stream(0), &mut room).unwrap(), 0, "not that stream");
    assert_eq!(wav.take(Stream(1), &mut room).unwrap(), 12, "whole frames");
    assert_eq!(&room[..12], [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]);
    assert!(!rings(&wav), "the rest when there is room for it");
    assert_eq!(wav.take(Stream(1), &mut room).unwrap(), 8);
    assert!(rings(&wav));
    assert_eq!(wav.wish().unwrap(), Some(Wish::Stop(Stream(1))));
    assert_eq!((wav.wish().unwrap(), wav.take(Stream(1), &mut room).unwrap(), rings(&wav)), (None, 0, false));
    assert!(wav.is_over());
}

#[test]
fn samples_of_8_bits_are_as_they_are_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut wav =
        playing(&file(&folder, WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 8, ..CD }, 2)).unwrap();
    let Some(Wish::Start(_, sound)) = wav.wish().unwrap() else { panic!("no start") };
    assert_eq!(sound, Sound { format: Format::U8, channels: 1, rate: 8000 });
    let mut room = [0; 8];
    assert_eq!((wav.take(Stream(1), &mut room).unwrap(), &room[..2]), (2, &[0x81, 0x82][..]));
}

#[test]
fn a_file_that_is_cut_off_ends_where_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, CD, 10);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let mut wav = playing(&path).unwrap();
    wav.wish().unwrap();
    assert_eq!(wav.take(Stream(1), &mut [0; 64]).unwrap(), 16, "four whole frames are left of five");
    assert_eq!(wav.wish().unwrap(), Some(Wish::Stop(Stream(1))));
}

#[test]
fn an_empty_file_begins_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut wav = playing(&file(&folder, CD, 0)).unwrap();
    assert!(matches!(wav.wish().unwrap(), Some(Wish::Start(..))));
    assert_eq!(wav.take(Stream(1), &mut [0; 64]).unwrap(), 0);
    assert_eq!(wav.wish().unwrap(), Some(Wish::Stop(Stream(1))));
}

#[test]
fn a_file_that_cannot_be_played_says_why_and_what_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let float = WavSpec { bits_per_sample: 32, sample_format: SampleFormat::Float, ..CD };
    for (spec, what, mend) in [
        (WavSpec { bits_per_sample: 24, ..CD }, "24 bits", "pcm_s16le"),
        (WavSpec { bits_per_sample: 32, ..CD }, "32 bits", "pcm_s16le"),
        (float, "floating-point", "pcm_s16le"),
        (WavSpec { channels: 6, ..CD }, "6 channels", "-ac 2"),
        (WavSpec { sample_rate: 22050, ..CD }, "22050 Hz (there are 8000, 44100 Hz)", "-ar 44100"),
    ] {
        let error = playing(&file(&folder, spec, 6)).map(drop).unwrap_err();
        assert!(error.contains("a.wav: ") && error.contains(what) && error.contains(mend), "{error}");
    }
    let only_8 = StreamInfo { formats: &[Format::U8], ..DAC };
    let error = Playing::open(&file(&folder, CD, 2)).unwrap().suits(&only_8).unwrap_err().to_string();
    assert!(error.contains("16 bits") && error.contains("pcm_u8"), "{error}");
}

#[test]
fn what_is_no_file_and_what_is_no_wav_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b");
    let error = playing(&path).map(drop).unwrap_err();
    assert!(error.contains("No such file"), "{error}");
    assert!(playing(folder.path()).map(drop).unwrap_err().contains("not a file"));
    for bytes in [&b""[..], b"RIFF", b"RIFF\0\0\0\0WAVE", b"OggS and more that is no sound at all, as far as this goes"]
    {
        fs::write(&path, bytes).unwrap();
        let error = playing(&path).map(drop).unwrap_err();
        assert!(error.contains("not a WAV file") && error.contains("ffmpeg"), "{error}");
    }
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(playing(&fifo).map(drop).unwrap_err().contains("not a file"));
    let files = Files { record: Some(fifo), ..Files::default() };
    assert!(Wav::open(files).unwrap().show(&card(STREAMS)).unwrap_err().to_string().contains("not a file"));
    let files = Files { record: Some(folder.path().join("no/such/folder.wav")), ..Files::default() };
    assert!(Wav::open(files).unwrap().show(&card(STREAMS)).unwrap_err().to_string().contains("No such file"));
    assert!(Wav::open(Files::default()).map(drop).unwrap_err().to_string().contains("--play"));
}

#[test]
fn headers_of_any_bytes_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, CD, 10);
    let good = fs::read(&path).unwrap();
    for at in 0..44 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            fs::write(&path, bytes).unwrap();
            if let Ok(mut wav) = playing(&path) {
                wav.wish().unwrap();
                while wav.take(Stream(1), &mut [0; 7]).unwrap() > 0 {}
            }
        }
    }
}

#[test]
fn a_device_without_such_a_stream_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files { play: Some(file(&folder, CD, 2)), ..Files::default() };
    let error = Wav::open(files).unwrap().show(&card(&[ADC])).unwrap_err().to_string();
    assert_eq!(error, "test:0 has nothing to play on");
    let files = Files { record: Some(folder.path().join("r.wav")), ..Files::default() };
    let error = Wav::open(files).unwrap().show(&card(&[DAC])).unwrap_err().to_string();
    assert_eq!(error, "test:0 has nothing to record from");
}

#[test]
fn a_recording_is_whole_after_each_piece() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.wav");
    let mut wav = recording(&path, None);
    assert_eq!(wav.give(Stream(0), &[1; 8]).unwrap(), 0, "not begun");
    let sound = Sound { format: Format::S16, channels: 2, rate: 44100 };
    assert_eq!(wav.wish().unwrap(), Some(Wish::Start(Stream(0), sound)), "the nearest to 48000 Hz");
    for pieces in 1..=3u32 {
        assert_eq!(wav.give(Stream(0), &[1, 0, 2, 0, 3, 0, 4, 0, 9]).unwrap(), 8, "whole frames");
        // as somebody sees it who looks after a kill: nothing was finished
        let mut reader = WavReader::open(&path).unwrap();
        assert_eq!((reader.spec().sample_rate, reader.len()), (44100, 4 * pieces));
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples, [1, 2, 3, 4].repeat(pieces as usize));
    }
}

#[test]
fn a_recording_ends_after_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.wav");
    let mut wav = recording(&path, Some(Duration::from_millis(10)));
    wav.wish().unwrap();
    assert_eq!(wav.give(Stream(0), &[7; 400 * 4]).unwrap(), 400 * 4);
    assert!(!rings(&wav));
    assert_eq!(wav.give(Stream(0), &[7; 400 * 4]).unwrap(), 41 * 4, "441 frames are 10 ms");
    assert!(rings(&wav));
    assert_eq!(wav.wish().unwrap(), Some(Wish::Stop(Stream(0))));
    assert_eq!(wav.give(Stream(0), &[7; 4]).unwrap(), 0);
    assert!(wav.is_over());
    assert_eq!(WavReader::open(&path).unwrap().duration(), 441);
}

#[test]
fn recording_is_like_playing_where_both_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let spec = WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 8, ..CD };
    let files =
        Files { play: Some(file(&folder, spec, 4)), record: Some(folder.path().join("r.wav")), record_for: None };
    let mut wav = Wav::open(files).unwrap();
    wav.show(&card(STREAMS)).unwrap();
    let sound = Sound { format: Format::U8, channels: 1, rate: 8000 };
    assert_eq!(wav.wish().unwrap(), Some(Wish::Start(Stream(1), sound)));
    assert_eq!(wav.wish().unwrap(), Some(Wish::Start(Stream(0), sound)));
    assert_eq!(wav.give(Stream(0), &[0x80, 0, 0xff]).unwrap(), 3);
    let samples: Vec<i8> =
        WavReader::open(folder.path().join("r.wav")).unwrap().samples().map(Result::unwrap).collect();
    assert_eq!(samples, [0, -128, 127]);
}

#[test]
fn what_failed_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut wav = playing(&file(&folder, CD, 10)).unwrap();
    wav.wish().unwrap();
    wav.fail(Stream(1), "it was told to").unwrap();
    assert_eq!((wav.take(Stream(1), &mut [0; 8]).unwrap(), wav.wish().unwrap(), rings(&wav)), (0, None, false));
    assert!(wav.is_over());
}
