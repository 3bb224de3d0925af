//! Finds in what a card has played or recorded what it should have.
//!
//! Sound is taken in pieces: where a driver has not kept up there are gaps in it, and repetitions of what was in the
//! buffer. But every sample has to be there, in order, and within a piece nothing may be between two of them.

use super::material::Frame;

/// As many samples tell where a sequence goes on: no noise has them twice.
const WINDOW: usize = 16;

/// Where a sequence was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The first sample of it, and the first behind it.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Places where it is interrupted, and samples in them.
    pub(super) gaps: usize,
    pub(super) between: usize,
}

/// Finds all of `what` in `heard` from `from` on, samples compared by `like`. The error says how far it got.
pub(super) fn find(
    heard: &[Frame],
    what: &[Frame],
    from: usize,
    like: impl Fn(Frame, Frame) -> bool,
) -> Result<Found, String> {
    let mut found: Option<Found> = None;
    let (mut at, mut done) = (from, 0);
    while done < what.len() {
        let window = &what[done..what.len().min(done + WINDOW)];
        let alike = |there: &[Frame]| there.iter().zip(window).all(|(a, b)| like(*a, *b));
        let Some(skipped) = heard.get(at..).unwrap_or_default().windows(window.len()).position(alike) else {
            let total = what.len();
            return Err(format!("{done} of {total} samples are there, and then the rest does not come"));
        };
        let start = at + skipped;
        let length = heard[start..].iter().zip(&what[done..]).take_while(|(a, b)| like(**a, **b)).count();
        (at, done) = (start + length, done + length);
        found = Some(match found {
            None => Found { start, end: at, gaps: 0, between: 0 },
            Some(before) => Found { end: at, gaps: before.gaps + 1, between: before.between + skipped, ..before },
        });
    }
    found.ok_or_else(|| "there is nothing to find".to_owned())
}

/// The same samples.
pub(super) fn same(a: Frame, b: Frame) -> bool {
    a == b
}

/// Samples that differ by no more than a rounding.
pub(super) fn rounded(a: Frame, b: Frame) -> bool {
    (0..2).all(|c| a[c].abs_diff(b[c]) <= 1)
}

/// What of a tone there is in `samples`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Heard {
    /// Cycles a sample, the mean over those that are whole.
    pub(super) frequency: f64,
    /// How many those are.
    pub(super) cycles: usize,
    /// The loudest sample in them.
    pub(super) peak: i16,
}

/// Listens for the tone that most of `samples` is, by time. Cycles much longer or shorter than its are none of it: gaps,
/// and what else is there.
pub(super) fn tone(samples: &[i16]) -> Option<Heard> {
    // where it goes up through 0, between two samples
    let crossings: Vec<f64> = samples
        .windows(2)
        .enumerate()
        .filter(|(_, w)| w[0] < 0 && w[1] >= 0)
        .map(|(i, w)| i as f64 + f64::from(-i32::from(w[0])) / f64::from(i32::from(w[1]) - i32::from(w[0])))
        .collect();
    let cycles: Vec<(f64, f64)> = crossings.windows(2).map(|w| (w[0], w[1] - w[0])).collect();
    let mut lengths: Vec<f64> = cycles.iter().map(|(_, length)| *length).collect();
    lengths.sort_by(f64::total_cmp);
    let mut rest = lengths.iter().sum::<f64>() / 2.0;
    let half = |length: &&f64| {
        rest -= **length;
        rest <= 0.0
    };
    let median = *lengths.iter().find(half)?;
    let whole: Vec<&(f64, f64)> = cycles.iter().filter(|(_, length)| (length / median - 1.0).abs() < 0.1).collect();
    let peaks = whole.iter().map(|(start, length)| {
        let cycle = *start as usize..((start + length) as usize).min(samples.len());
        samples[cycle].iter().copied().max().unwrap_or(0)
    });
    let sum: f64 = whole.iter().map(|(_, length)| length).sum();
    Some(Heard { frequency: whole.len() as f64 / sum, cycles: whole.len(), peak: peaks.max().unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::super::material::{kilohertz, noise};
    use super::*;

    #[test]
    fn a_sequence_is_found_wherever_it_is() {
        let what = noise("what", 1000);
        let heard = [noise("before", 300), what.clone(), noise("after", 300)].concat();
        assert_eq!(find(&heard, &what, 0, same), Ok(Found { start: 300, end: 1300, gaps: 0, between: 0 }));
        assert_eq!(find(&heard, &what, 300, same).unwrap().start, 300);
        assert!(find(&heard, &what, 301, same).is_err(), "its beginning is missing");
    }

    #[test]
    fn a_sequence_in_pieces_has_gaps() {
        let what = noise("what", 1000);
        let heard = [&what[..400], &what[200..400], &[[0; 2]; 50], &what[400..]].concat();
        assert_eq!(find(&heard, &what, 0, same), Ok(Found { start: 0, end: 1250, gaps: 1, between: 250 }));
    }

    #[test]
    fn a_sample_that_is_missing_wrong_or_elsewhere_is_noticed() {
        let what = noise("what", 1000);
        let found = |change: &dyn Fn(&mut Vec<Frame>)| {
            let mut heard = what.clone();
            change(&mut heard);
            find(&heard, &what, 0, same)
        };
        assert!(found(&|heard| *heard = [&what[..500], &what[501..]].concat()).unwrap_err().starts_with("500 of 1000"));
        assert!(found(&|heard| heard[500][1] ^= 1).unwrap_err().starts_with("500 of 1000"));
        assert!(found(&|heard| heard.swap(500, 501)).unwrap_err().starts_with("500 of 1000"));
        assert!(found(&|heard| heard.truncate(999)).unwrap_err().starts_with("999 of 1000"));
        assert_eq!(found(&|heard| heard.insert(500, [0; 2])).unwrap().gaps, 1);
        let louder: Vec<Frame> = what.iter().map(|[l, r]| [l + 1, r - 1]).collect();
        assert!(find(&louder, &what, 0, rounded).is_ok() && find(&louder, &what, 0, same).is_err());
    }

    #[test]
    fn a_tone_is_heard_for_what_it_is() {
        let mut samples: Vec<i16> = (0..48_000).map(kilohertz).collect();
        let heard = tone(&samples).unwrap();
        assert!((heard.frequency * 48_000.0 - 1000.0).abs() < 0.01 && heard.cycles >= 998, "{heard:?}");
        assert!(heard.peak.abs_diff(16_383) <= 1);
        // noise before it, a gap in it
        samples.splice(20_000..20_000, [0; 777]);
        samples.splice(0..0, noise("before", 5000).iter().map(|frame| frame[0]));
        let again = tone(&samples).unwrap();
        assert!((again.frequency * 48_000.0 - 1000.0).abs() < 1.0, "{again:?}");
        assert!(tone(&[]).is_none() && tone(&[0; 100]).is_none());
    }
}
