//! Samples, and how they are written.

/// What is said of some samples: the middle, and the half of them around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quartiles {
    pub(super) median: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Quartiles {
    /// Of at least one sample.
    pub(super) fn of(samples: &[f64]) -> Quartiles {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[(share * (sorted.len() - 1) as f64).round() as usize];
        Quartiles { median: at(0.5), lower: at(0.25), upper: at(0.75) }
    }

    /// Of nanoseconds: the median, and in brackets the quartiles.
    pub(super) fn time(self) -> String {
        format!("{} ({} to {})", time(self.median), time(self.lower), time(self.upper))
    }
}

/// Nanoseconds with a unit and three digits or so.
pub(super) fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds.abs() {
        n if n < 1e3 => (nanoseconds, "ns"),
        n if n < 1e6 => (nanoseconds / 1e3, "us"),
        n if n < 1e9 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// Three digits or so.
pub(super) fn digits(value: f64) -> String {
    match value.abs() {
        n if n < 10.0 => format!("{value:.2}"),
        n if n < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A ratio as `12 x`.
pub(super) fn times(ratio: f64) -> String {
    format!("{} x", digits(ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_half_is_told() {
        let quartiles = Quartiles::of(&[5.0, 1.0, 2.0, 4.0, 3.0]);
        assert_eq!(quartiles, Quartiles { median: 3.0, lower: 2.0, upper: 4.0 });
        assert_eq!(Quartiles::of(&[7.0]), Quartiles { median: 7.0, lower: 7.0, upper: 7.0 });
    }

    #[test]
    fn times_have_units() {
        let all = [8.0, 850.0, 8123.0, 29_400.0, 1.5e6, 2.5e9].map(time);
        assert_eq!(all, ["8.00 ns", "850 ns", "8.12 us", "29.4 us", "1.50 ms", "2.50 s"]);
        assert_eq!((times(4.2).as_str(), times(1234.0).as_str()), ("4.20 x", "1234 x"));
    }
}
