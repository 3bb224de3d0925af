//! Times: how they are spread, and how they are written.

use serde::Serialize;

/// Of at least one sample; of none, zeros.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Spread {
    pub(super) min: u64,
    pub(super) median: u64,
    pub(super) max: u64,
}

impl Spread {
    pub(super) fn of(samples: impl Iterator<Item = u64>) -> Spread {
        let mut samples: Vec<u64> = samples.collect();
        samples.sort_unstable();
        let at = |index: usize| samples.get(index).copied().unwrap_or_default();
        Spread { min: at(0), median: at(samples.len() / 2), max: at(samples.len().saturating_sub(1)) }
    }

    /// Three columns of a table.
    pub(super) fn columns(self) -> String {
        format!("{:>10}{:>10}{:>10}", time(self.min), time(self.median), time(self.max))
    }
}

/// `f at a/b/c.rs:7`: the place without the function, which the entry point's column has.
pub(super) fn file_and_line(source: &str) -> &str {
    source.rsplit_once(" at ").map_or(source, |(_, place)| place)
}

/// What is protected on this machine, in one line.
pub(super) fn isolation(name: &str) -> String {
    match name {
        "rollback-only" => "rollback-only: no memory protection keys here, so the wild writes go to an address that \
                            nobody has mapped"
            .to_owned(),
        other => format!("{other}: the wild writes go to memory of udrvd, which the keys close to the driver"),
    }
}

/// Nanoseconds with a unit.
pub(super) fn time(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!([7, 1_500, 2_500_000, 3_000_000_000].map(time), ["7 ns", "1.5 us", "2.5 ms", "3.00 s"]);
    }

    #[test]
    fn of_no_samples_all_is_zero() {
        assert_eq!(Spread::of([9, 2, 4].into_iter()), Spread { min: 2, median: 4, max: 9 });
        assert_eq!(Spread::of(std::iter::empty()), Spread::default());
    }
}
