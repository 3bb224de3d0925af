//! Whether a reach is met: noise is no reason to say so.

use super::super::figures::Spread;

/// Of a normal distribution, what 95 % of it are within, in standard deviations.
const Z: f64 = 1.96;

/// What came of a reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    Missed,
    /// It was not measured well enough to know.
    Hidden,
}

impl Verdict {
    pub(super) fn of(met: bool) -> Verdict {
        if met { Verdict::Met } else { Verdict::Missed }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Hidden => "hidden by noise",
        }
    }
}

/// A median, and between what it is with a probability of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Median {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Median {
    /// By the order of the samples, however they are distributed: so many of them are below the median as a coin shows heads. Of
    /// a few nothing is known.
    pub(super) fn of(samples: &[f64]) -> Median {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let outside = ((count - Z * count.sqrt()) / 2.0).floor().max(0.0) as usize;
        let (low, high) = match outside {
            0 => (f64::NEG_INFINITY, f64::INFINITY),
            outside => (sorted[outside - 1], sorted[sorted.len() - outside]),
        };
        Median { value: Spread::of(&sorted).median, low, high }
    }

    pub(super) fn at_least(self, reach: f64) -> Verdict {
        self.judge(self.low >= reach, self.high < reach)
    }

    pub(super) fn at_most(self, reach: f64) -> Verdict {
        self.judge(self.high <= reach, self.low > reach)
    }

    fn judge(self, surely: bool, surely_not: bool) -> Verdict {
        match (surely, surely_not) {
            (true, _) => Verdict::Met,
            (_, true) => Verdict::Missed,
            _ => Verdict::Hidden,
        }
    }
}

/// The value that such a part of the samples does not exceed.
pub(super) fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_sample() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|part| quantile(&samples, part)), [50.0, 99.0, 100.0]);
        assert_eq!(quantile(&[7.0], 0.01), 7.0);
    }

    /// A coin that is thrown 41 times shows heads less than 14 times in 1.4 % of all cases.
    #[test]
    fn a_median_is_as_sure_as_its_samples_are_many() {
        let samples: Vec<f64> = (1..=41).rev().map(f64::from).collect();
        assert_eq!(Median::of(&samples), Median { value: 21.0, low: 14.0, high: 28.0 });
        let few = Median::of(&[1.0, 1.0, 1.0]);
        assert_eq!((few.at_least(0.5), few.at_most(2.0)), (Verdict::Hidden, Verdict::Hidden), "whatever they are");
    }

    #[test]
    fn noise_does_not_meet_a_reach() {
        let around = |middle: f64, by: f64| -> Vec<f64> {
            (0..41).map(|n| middle + by * (f64::from(n) - 20.0) / 20.0).collect()
        };
        assert_eq!(Median::of(&around(1.0, 0.01)).at_least(0.99), Verdict::Met);
        assert_eq!(Median::of(&around(0.98, 0.01)).at_least(0.99), Verdict::Missed);
        // the median itself would do, by luck
        assert_eq!(Median::of(&around(1.05, 0.5)).at_least(0.99), Verdict::Hidden);
        assert_eq!(Median::of(&around(1.05, 0.5)).at_most(1.01), Verdict::Hidden);
        assert_eq!(Median::of(&around(1.0, 0.01)).at_most(1.01), Verdict::Met);
        assert_eq!(Median::of(&around(1.03, 0.01)).at_most(1.01), Verdict::Missed);
    }
}
