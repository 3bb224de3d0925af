//! Listens to the tone of numbered samples that `udrv-judge tone` makes (tests/judge/src/tone.rs): what of it is missing, heard again,
//! silent, or wrong.
//!
//! Left is a tone of a hundredth of the rate, right a count in steps of [`STEP`]; both begin anew after [`CYCLE`] samples. So each
//! sample says which it is, and both channels must agree: what passes is that tone, at that frequency.

use std::{f64::consts::TAU, path::Path};

use serde::Serialize;

const CYCLE: usize = 4000;
const HALF_CYCLE: usize = CYCLE / 2;
const PERIOD: usize = 100;
const LOUDNESS: f64 = 10_000.0;
const STEP: i32 = 16;
/// No count is silence.
const HALF: i32 = STEP / 2;
/// What a mixer may change of a sample.
const ROUNDING: i32 = 5;

/// A sample of both channels.
pub(crate) type Frame = [i16; 2];

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Heard {
    /// Samples of the tone, from its first to its last.
    pub(crate) samples: usize,
    /// Lengths of the silences in it, in samples.
    pub(crate) gaps: Vec<usize>,
    /// One for each place where samples were left out: how many; or heard again: how many, less than 0. Modulo [`CYCLE`].
    pub(crate) jumps: Vec<isize>,
    /// Samples that are none of the tone.
    pub(crate) wrong: usize,
    /// Rounds of a ring that nobody filled: a silence as long as the one before, and then the tone from where it began behind that.
    /// Their breaks are in none of the above.
    pub(crate) rounds: usize,
}

impl Heard {
    /// Samples of silence in the tone.
    pub(crate) fn silent(&self) -> usize {
        self.gaps.iter().sum()
    }

    /// The tone goes on behind a silence (or none), and `ahead` of where it was.
    fn broken(&mut self, silent: usize, ahead: usize) {
        if silent > 0 {
            self.gaps.push(silent);
        }
        match ahead {
            0 => {}
            1..=HALF_CYCLE => self.jumps.push(ahead.cast_signed()),
            _ => self.jumps.push(ahead.cast_signed() - CYCLE.cast_signed()),
        }
    }

    /// Samples that were left out.
    pub(crate) fn missing(&self) -> usize {
        self.jumps.iter().filter_map(|jump| usize::try_from(*jump).ok()).sum()
    }

    /// Samples that were heard again.
    pub(crate) fn repeated(&self) -> usize {
        self.jumps.iter().filter_map(|jump| usize::try_from(-jump).ok()).sum()
    }

    /// The longest silence in it.
    pub(crate) fn longest_gap(&self) -> usize {
        self.gaps.iter().copied().max().unwrap_or(0)
    }
}

/// Sample `n` of the tone.
pub(crate) fn sample(n: usize) -> Frame {
    let left = ((n % PERIOD) as f64 / PERIOD as f64 * TAU).sin() * LOUDNESS;
    let right = (n % CYCLE) as i32 - CYCLE as i32 / 2;
    [left.round() as i16, (right * STEP + HALF) as i16]
}

/// Which sample of the tone this is.
fn number(frame: Frame) -> Option<usize> {
    let count = (i32::from(frame[1]) - HALF + STEP / 2).div_euclid(STEP) + CYCLE as i32 / 2;
    let number = usize::try_from(count).ok().filter(|count| *count < CYCLE)?;
    let near = |a: i16, b: i16| (i32::from(a) - i32::from(b)).abs() <= ROUNDING;
    let [left, right] = sample(number);
    (near(frame[0], left) && near(frame[1], right)).then_some(number)
}

fn is_silent(frame: Frame) -> bool {
    frame.iter().all(|sample| sample.unsigned_abs() <= 2)
}

/// Listens to a whole recording.
pub(crate) fn listen(frames: &[Frame]) -> Heard {
    let mut heard = Heard::default();
    let Some(first) = frames.iter().position(|frame| number(*frame).is_some()) else { return heard };
    let last = frames.iter().rposition(|frame| number(*frame).is_some()).unwrap_or(first);
    let (mut next, mut silence, mut since) = (number(frames[first]), 0, 0);
    let mut last_silent = 0;
    for frame in &frames[first..=last] {
        match (number(*frame), next) {
            (Some(is), Some(expected)) => {
                let ahead = (is + CYCLE - expected) % CYCLE;
                let silent = std::mem::take(&mut silence);
                if silent > 0 || ahead > 0 {
                    let again = (ahead + std::mem::take(&mut since)).is_multiple_of(CYCLE);
                    if silent > 0 && ahead > 0 && again && silent == last_silent {
                        heard.rounds += 1;
                    } else {
                        heard.broken(silent, ahead);
                    }
                    last_silent = silent;
                }
                (heard.samples, since) = (heard.samples + 1, since + 1);
                next = Some((is + 1) % CYCLE);
            }
            _ if is_silent(*frame) => silence += 1,
            _ => heard.wrong += 1,
        }
    }
    heard
}

/// The samples of a WAV file of two channels of 16 bits.
///
/// # Errors
/// In words: it is none.
pub(crate) fn read(path: &Path) -> Result<Vec<Frame>, String> {
    let wrong = |error: hound::Error| format!("{}: {error}", path.display());
    let reader = hound::WavReader::open(path).map_err(wrong)?;
    let spec = reader.spec();
    if spec.channels != 2 || spec.bits_per_sample != 16 {
        return Err(format!("{}: {} channels of {} bits", path.display(), spec.channels, spec.bits_per_sample));
    }
    let samples: Result<Vec<i16>, _> = reader.into_samples().collect();
    Ok(samples.map_err(wrong)?.chunks_exact(2).map(|frame| [frame[0], frame[1]]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: usize, to: usize) -> Vec<Frame> {
        (from..to).map(sample).collect()
    }

    #[test]
    fn each_sample_says_which_it_is_rounded_or_not() {
        for n in 0..CYCLE {
            let [left, right] = sample(n);
            assert_eq!(number([left, right]), Some(n));
            assert_eq!(number([left + 3, right - 5]), Some(n));
            assert_ne!(number([left.wrapping_add(2000), right]), Some(n));
            assert!(!is_silent([left, right]));
        }
        assert_eq!(number([0, 0]), None);
        assert_eq!(number([i16::MIN; 2]), None);
        assert!(!is_silent([i16::MIN; 2]));
    }

    #[test]
    fn a_whole_tone_is_whole() {
        let heard = listen(&[vec![[0, 1]; 500], tone(77, 20_077), vec![[0; 2]; 99]].concat());
        assert_eq!(heard, Heard { samples: 20_000, ..Heard::default() });
        assert_eq!(listen(&[[0; 2]; 5]), Heard::default());
    }

    #[test]
    fn what_is_missing_again_silent_or_wrong_is_counted() {
        let parts = [tone(0, 1000), tone(1480, 2000), vec![[0; 2]; 300], tone(2000, 3000), tone(2900, 4000)];
        let mut frames = parts.concat();
        frames[500] = [30_000, 30_000];
        let heard = listen(&frames);
        assert_eq!(heard.jumps, [1, 480, -100], "one of them is the wrong one");
        assert_eq!((heard.missing(), heard.repeated()), (481, 100));
        assert_eq!((heard.gaps.clone(), heard.wrong, heard.silent(), heard.longest_gap()), (vec![300], 1, 300, 300));
        assert_eq!(heard.samples, 999 + 520 + 1000 + 1100);
    }

    #[test]
    fn a_ring_that_goes_round_and_round_is_one_break_and_its_rounds() {
        let round = [tone(4000, 9687), vec![[0; 2]; 9673]].concat();
        let heard = listen(&[tone(0, 4000), round.repeat(8)].concat());
        // the first has another way there, and so has the second
        assert_eq!((&heard.gaps[..], &heard.jumps[..], heard.rounds), (&[9673][..], &[-1687][..], 6));
        let twice = [tone(0, 1000), vec![[0; 2]; 300], tone(900, 1900), vec![[0; 2]; 300], tone(1800, 2900)].concat();
        assert_eq!(listen(&twice).rounds, 0, "alike, and other samples each time");
    }
}
