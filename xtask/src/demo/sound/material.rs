//! What is played: a tone of which every frame tells its number.
//!
//! The left channel is the tone, the right one a counter, so that of whatever comes out it can be said which frame it is: what is
//! missing, what is there twice, and what is nothing at all. No frame is silent.

use std::{f64::consts::TAU, path::Path};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::error::{Error, Result};

/// A sample of both channels.
pub(super) type Frame = [i16; 2];

/// Frames a second: the rate of the codec, at which the card's converter leaves every sample as it is.
pub(super) const RATE: u32 = 48_000;
/// Hz.
pub(super) const TONE: f64 = 441.0;
/// Frames after which the tone begins anew at the same place: 147 cycles.
const CYCLE: u64 = 16_000;
/// The tone's largest sample.
const LOUDNESS: f64 = 16_000.0;
/// Frames until the counter begins anew: more than two rings, so what is heard again out of a ring cannot be mistaken, and never in
/// step with the tone.
const COUNTED: u64 = 59_999;
/// What is heard when there is nothing to hear.
pub(super) const SILENCE: Frame = [0; 2];

const SPEC: WavSpec = WavSpec { channels: 2, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// Frame `number`.
pub(super) fn frame(number: u64) -> Frame {
    [tone(number), counter(number)]
}

fn tone(number: u64) -> i16 {
    let turns = (number % CYCLE) as f64 * TONE / f64::from(RATE);
    ((turns * TAU).sin() * LOUDNESS).round() as i16
}

/// 1 to 30,000, and then -29,999 to -1: never 0.
fn counter(number: u64) -> i16 {
    let count = (number % COUNTED) as i32;
    (if count < 30_000 { count + 1 } else { count - COUNTED as i32 }) as i16
}

/// The number of the first of these frames when `expected` was to come: the one next to that, or one of the first if the piece has
/// begun anew, whichever the frames behind it bear out. `None`: it is no frame of the piece.
pub(super) fn number(heard: &[Frame], expected: u64) -> Option<u64> {
    /// Of a tone so many samples are the same at no two places.
    const BORNE_OUT: usize = 4;
    let first = *heard.first()?;
    if first == frame(expected) {
        return Some(expected);
    }
    let count = match i64::from(first[1]) {
        0 => return None,
        right @ 1.. => right - 1,
        right => right + COUNTED as i64,
    };
    let off = (count - expected as i64).rem_euclid(COUNTED as i64);
    let nearest = expected as i64 + if off < COUNTED as i64 / 2 { off } else { off - COUNTED as i64 };
    let alike =
        |from: u64| heard.iter().take(BORNE_OUT).zip(from..).take_while(|(heard, n)| **heard == frame(*n)).count();
    let candidates = [count, nearest].into_iter().filter_map(|n| u64::try_from(n).ok());
    // of equals the last
    candidates.filter(|n| frame(*n) == first).max_by_key(|n| alike(*n))
}

/// Writes the first frames into a file.
pub(super) fn write(path: &Path, frames: u64) -> Result<()> {
    let failed = |error: hound::Error| Error::Wrong(format!("write {}: {error}", path.display()));
    let mut writer = WavWriter::create(path, SPEC).map_err(failed)?;
    // a sine takes long, and it is a long piece
    let cycle: Vec<i16> = (0..CYCLE).map(tone).collect();
    let mut samples = writer.get_i16_writer(2 * frames as u32);
    for n in 0..frames {
        samples.write_sample(cycle[(n % CYCLE) as usize]);
        samples.write_sample(counter(n));
    }
    samples.flush().map_err(failed)?;
    writer.finalize().map_err(failed)
}

/// What was recorded.
pub(super) fn read(path: &Path) -> Result<Vec<Frame>> {
    let failed = |error: hound::Error| Error::Wrong(format!("read {}: {error}", path.display()));
    let mut reader = WavReader::open(path).map_err(failed)?;
    if reader.spec() != SPEC {
        return Err(Error::Wrong(format!("{} is not as the card plays: {:?}", path.display(), reader.spec())));
    }
    let samples: std::result::Result<Vec<i16>, hound::Error> = reader.samples().collect();
    Ok(samples.map_err(failed)?.as_chunks::<2>().0.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_tells_its_number_and_none_is_silent() {
        for n in (0..200_000).step_by(7) {
            let heard = frame(n);
            assert_ne!(heard, SILENCE);
            for expected in [n, n + 16_384, n + 29_998, n.saturating_sub(29_000)] {
                assert_eq!(number(&[heard], expected), Some(n), "where {expected} was to come");
            }
        }
        // begun anew, wherever it was
        let beginning: Vec<Frame> = (0..4).map(frame).collect();
        for expected in (0..1_000_000).step_by(8000) {
            assert_eq!(number(&beginning, expected), Some(0), "{expected}");
        }
        assert_eq!((number(&[SILENCE], 0), number(&[[1, 1]], 0), number(&[], 0)), (None, None, None));
    }

    #[test]
    fn a_file_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tone.wav");
        write(&path, 70_000).unwrap();
        let frames = read(&path).unwrap();
        assert_eq!(frames.len(), 70_000);
        assert!(frames.iter().zip(0..).all(|(heard, n)| *heard == frame(n)));
        std::fs::write(&path, "no sound").unwrap();
        assert!(read(&path).is_err());
    }
}
