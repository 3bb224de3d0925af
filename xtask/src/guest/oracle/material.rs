//! The sounds that the judge of sound cards has made: noise that is unlike any other at every place, and tones.

use std::{f64::consts::TAU, io::Cursor};

use hound::{SampleFormat, WavSpec, WavWriter};

/// A sample of both channels.
pub(super) type Frame = [i16; 2];

/// Of what the card gives and takes.
pub(super) const SPEC: WavSpec =
    WavSpec { channels: 2, sample_rate: 48_000, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// Samples without order, always the same for the same name, no louder than half of what there is.
pub(super) fn noise(name: &str, frames: usize) -> Vec<Frame> {
    let seed =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let sample = |i: u64| {
        // splitmix64
        let mut z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 48) as i16 / 2
    };
    (0..frames as u64).map(|i| [sample(2 * i), sample(2 * i + 1)]).collect()
}

/// A tone that is played: how it is written down, and how high it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tone {
    /// In names of files and checks.
    pub(super) name: &'static str,
    /// Samples a second.
    pub(super) rate: u32,
    /// Channels.
    pub(super) channels: u16,
    /// Bits a sample; 8 are unsigned.
    pub(super) bits: u16,
    /// Hz.
    pub(super) frequency: f64,
}

/// How loud a tone is, of 1.
pub(super) const LOUDNESS: f64 = 0.5;
/// How long, seconds.
pub(super) const SECONDS: f64 = 1.5;

impl Tone {
    /// It as a file.
    pub(super) fn file(&self) -> Vec<u8> {
        let spec = WavSpec {
            channels: self.channels,
            sample_rate: self.rate,
            bits_per_sample: self.bits,
            sample_format: SampleFormat::Int,
        };
        let full = f64::from((1u32 << (self.bits - 1)) - 1);
        let samples = (f64::from(self.rate) * SECONDS) as u32;
        let wave = |i: u32| (f64::from(i) * self.frequency / f64::from(self.rate) * TAU).sin() * LOUDNESS * full;
        // hound makes unsigned bytes of samples of 8 bits
        file(spec, (0..samples).flat_map(|i| vec![wave(i).round() as i16; self.channels.into()]))
    }
}

/// A tone of 1 kHz, at 48 kHz.
pub(super) fn kilohertz(i: usize) -> i16 {
    ((i as f64 / 48.0 * TAU).sin() * f64::from(i16::MAX) * LOUDNESS).round() as i16
}

/// Samples as a WAV file.
pub(super) fn wav(frames: &[Frame]) -> Vec<u8> {
    file(SPEC, frames.iter().flatten().copied())
}

fn file(spec: WavSpec, samples: impl Iterator<Item = i16>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).expect("memory takes it");
    samples.for_each(|sample| writer.write_sample(sample).expect("memory takes it"));
    writer.finalize().expect("memory takes it");
    bytes.into_inner()
}
