//! What is heard, frame by frame: which frames of the piece are there, which are not, which are there again.

use std::ops::Range;

use serde::Serialize;

use super::material::{self, Frame, RATE, SILENCE};

/// What a recording comes to. Counts are frames.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Heard {
    /// Of the recording, from the first sound to the last.
    pub(super) length: u64,
    /// That are frames of the piece.
    pub(super) right: u64,
    /// That were to come and did not.
    pub(super) missing: u64,
    /// That are there again.
    pub(super) repeated: u64,
    /// Between two frames of the piece, and silent.
    pub(super) silent: u64,
    /// That are neither of the piece nor silent.
    pub(super) spoilt: u64,
    /// Times that there was silence between two frames.
    pub(super) gaps: u64,
    /// The longest such time.
    pub(super) longest_gap: u64,
    /// Of the tone where it sounds, Hz.
    pub(super) frequency: f64,
    /// Every place where another frame follows than should.
    #[serde(skip)]
    pub(super) breaks: Vec<Break>,
    /// Frames that are missing.
    #[serde(skip)]
    pub(super) never: Vec<Range<u64>>,
}

/// A place where another frame follows than should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Break {
    /// Where it begins in the recording.
    pub(super) at: usize,
    /// Frames of silence.
    pub(super) silent: u64,
    /// The frame that was to come, and the one that comes.
    pub(super) expected: u64,
    pub(super) comes: u64,
    /// Frames up to the next break that were heard before.
    pub(super) repeated: u64,
}

impl Break {
    /// The piece has begun anew.
    pub(super) const fn begins_anew(&self) -> bool {
        self.silent > 0 && self.comes == 0
    }

    /// The frame up to which all was well, one way or the other.
    pub(super) fn number(&self) -> u64 {
        self.expected.min(self.comes)
    }
}

/// Which frames of a piece have been heard.
#[derive(Debug, Default)]
struct Ticked(Vec<bool>);

impl Ticked {
    /// Ticks one off; whether it was already.
    fn tick(&mut self, number: u64) -> bool {
        let number = number as usize;
        if number >= self.0.len() {
            self.0.resize(number + 1, false);
        }
        std::mem::replace(&mut self.0[number], true)
    }

    /// Those before the last that were not.
    fn missing(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for number in (0..self.0.len() as u64).filter(|number| !self.0[*number as usize]) {
            match ranges.last_mut() {
                Some(range) if range.end == number => range.end += 1,
                _ => ranges.push(number..number + 1),
            }
        }
        ranges
    }
}

/// Listens to a recording of the piece.
pub(super) fn listen(tape: &[Frame]) -> Heard {
    let mut heard = Heard::default();
    let sounds = |frame: &Frame| *frame != SILENCE;
    let (Some(first), Some(last)) = (tape.iter().position(sounds), tape.iter().rposition(sounds)) else { return heard };
    heard.length = (last - first + 1) as u64;
    let mut ticked = Ticked::default();
    let (mut expected, mut silent) = (0, 0);
    for (at, frame) in tape.iter().enumerate().take(last + 1).skip(first) {
        if *frame == SILENCE {
            silent += 1;
            continue;
        }
        let Some(number) = material::number(&tape[at..=last], expected) else {
            heard.spoilt += 1;
            continue;
        };
        heard.right += 1;
        if silent > 0 || number != expected {
            let broken = Break { at: at - silent as usize, silent, expected, comes: number, repeated: 0 };
            heard.breaks.push(broken);
            heard.silent += silent;
            heard.gaps += u64::from(silent > 0);
            heard.longest_gap = heard.longest_gap.max(silent);
            if broken.begins_anew() {
                heard.never.append(&mut std::mem::take(&mut ticked).missing());
            }
        }
        if ticked.tick(number) {
            heard.repeated += 1;
            if let Some(broken) = heard.breaks.last_mut() {
                broken.repeated += 1;
            }
        }
        (expected, silent) = (number + 1, 0);
    }
    heard.never.append(&mut ticked.missing());
    heard.missing = heard.never.iter().map(|range| range.end - range.start).sum();
    heard.frequency = frequency(&tape[first..=last]);
    heard
}

/// Cycles of the left channel in a second of sound.
fn frequency(tape: &[Frame]) -> f64 {
    let sounds = tape.iter().filter(|frame| **frame != SILENCE).count();
    let rises = |two: &&[Frame]| two.iter().all(|frame| *frame != SILENCE) && two[0][0] < 0 && two[1][0] >= 0;
    tape.windows(2).filter(rises).count() as f64 * f64::from(RATE) / sounds.max(1) as f64
}

/// The place of frame `number` in a recording: where it is heard first, or the next one that is.
pub(super) fn place_of(tape: &[Frame], number: u64) -> Option<usize> {
    let mut expected = 0;
    (0..tape.len()).find(|at| {
        let Some(this) = material::number(&tape[*at..], expected) else { return false };
        expected = this + 1;
        this >= number
    })
}

#[cfg(test)]
mod tests {
    use super::super::material::frame;
    use super::*;

    fn piece(range: std::ops::Range<u64>) -> Vec<Frame> {
        range.map(frame).collect()
    }

    fn silence(frames: usize) -> Vec<Frame> {
        vec![SILENCE; frames]
    }

    #[test]
    fn all_of_it_once_is_a_tone_without_breaks() {
        let heard = listen(&[silence(100), piece(0..200_000), silence(50)].concat());
        assert_eq!((heard.length, heard.right, heard.breaks.len()), (200_000, 200_000, 0));
        assert_eq!((heard.missing, heard.repeated, heard.silent, heard.spoilt), (0, 0, 0, 0));
        assert!((heard.frequency - 441.0).abs() < 0.3, "{}", heard.frequency);
        assert_eq!(listen(&silence(9)), Heard::default());
        assert_eq!(listen(&[]), Heard::default());
    }

    #[test]
    fn a_gap_is_silence_and_what_is_skipped_is_missing() {
        let tape = [piece(0..1000), silence(10), piece(1000..2000), silence(700), piece(2500..70_000)].concat();
        let heard = listen(&tape);
        assert_eq!((heard.gaps, heard.silent, heard.longest_gap), (2, 710, 700));
        assert_eq!((heard.missing, heard.repeated, heard.right), (500, 0, 69_500));
        assert_eq!(heard.breaks[0], Break { at: 1000, silent: 10, expected: 1000, comes: 1000, repeated: 0 });
        assert_eq!((heard.breaks[1].at, heard.never[0].clone(), heard.never.len()), (2010, 2000..2500, 1));
        assert_eq!(
            (place_of(&tape, 999), place_of(&tape, 1000), place_of(&tape, 2200)),
            (Some(999), Some(1010), Some(2710))
        );
    }

    #[test]
    fn a_ring_that_is_played_again_and_again_is_repetition() {
        let ring = piece(20_000..35_000);
        let heard = listen(&[piece(0..20_000), ring.clone(), ring.clone(), ring].concat());
        assert_eq!((heard.repeated, heard.missing, heard.gaps), (30_000, 0, 0));
        assert_eq!(heard.breaks.iter().map(|broken| broken.repeated).collect::<Vec<_>>(), [15_000, 15_000]);
        // and what was heard before is not missing when it goes on behind it
        let heard = listen(&[piece(0..1000), piece(500..700), piece(1000..2000)].concat());
        assert_eq!((heard.repeated, heard.missing, heard.breaks.len()), (200, 0, 2));
        // what is heard too early is heard again in its turn
        let heard = listen(&[piece(0..1000), piece(9000..9100), piece(1000..10_000)].concat());
        assert_eq!((heard.repeated, heard.missing), (100, 0));
        assert_eq!(heard.breaks.iter().map(Break::number).collect::<Vec<_>>(), [1000, 1000]);
    }

    #[test]
    fn a_piece_that_begins_anew_after_a_silence_is_a_break_of_its_own() {
        let heard = listen(&[piece(0..130_000), silence(4800), piece(0..5000)].concat());
        assert_eq!((heard.repeated, heard.missing, heard.longest_gap), (0, 0, 4800));
        assert!(heard.breaks.len() == 1 && heard.breaks[0].begins_anew());
    }

    #[test]
    fn a_sample_that_is_another_is_spoilt() {
        let mut tape = piece(0..5000);
        tape[700][0] ^= 1;
        let heard = listen(&tape);
        assert_eq!((heard.spoilt, heard.right, heard.missing), (1, 4999, 1));
    }
}
