//! Medians with their spread.

use serde::Serialize;

/// Of some samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// How many.
    pub(crate) count: usize,
    /// The smallest.
    pub(crate) min: f64,
    /// A tenth is below.
    pub(crate) p10: f64,
    /// The middle one.
    pub(crate) median: f64,
    /// A tenth is above.
    pub(crate) p90: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// `None`: there are none.
    pub(crate) fn of(samples: &[f64]) -> Option<Spread> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |part: usize| sorted[(last * part + 5) / 10];
        Some(Spread { count: sorted.len(), min: sorted[0], p10: at(1), median: at(5), p90: at(9), max: sorted[last] })
    }
}

/// The middle one.
pub(crate) fn median(samples: Vec<f64>) -> Option<f64> {
    Spread::of(&samples).map(|spread| spread.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_median() {
        let spread = Spread::of(&[9.0, 1.0, 5.0]).unwrap();
        assert_eq!((spread.count, spread.min, spread.median, spread.max), (3, 1.0, 5.0, 9.0));
        let many: Vec<f64> = (0..=100).map(f64::from).collect();
        let spread = Spread::of(&many).unwrap();
        assert_eq!((spread.p10, spread.median, spread.p90), (10.0, 50.0, 90.0));
        assert_eq!(Spread::of(&[]), None);
    }
}
