//! Where the hand goes: along a rose, leg by leg, and what it does on the way.
//!
//! The mouse is set to its finest resolution, at which an eighth of a millimetre is a count: what the hand does is what is to be
//! read, number by number.

use std::f64::consts::TAU;

use super::super::random::Random;

/// How long a leg takes, milliseconds: some fifteen reports.
pub(super) const LEG_MS: u32 = 150;
/// From the middle to the tip of a leaf, counts.
const RADIUS: f64 = 1500.0;
/// Leaves.
const LEAVES: f64 = 5.0;

/// A point, or the way from one to another: counts to the right, and towards the user, as on a screen.
pub(super) type Point = [i64; 2];

/// A leg of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) by: Point,
    /// Held down along the leg.
    pub(super) button: Option<&'static str>,
    /// Turned in the middle of it: clicks away from the user.
    pub(super) clicks: i32,
}

impl Leg {
    /// Its length, in counts of both axes.
    pub(super) fn counts(&self) -> u64 {
        self.by[0].unsigned_abs() + self.by[1].unsigned_abs()
    }
}

/// A way of so many legs.
pub(super) fn rose(legs: usize, seed: u64) -> Vec<Leg> {
    let mut random = Random::new(seed);
    let mut from = point(0.0);
    (1..=legs)
        .map(|number| {
            let to = point(number as f64 / legs as f64);
            let by = [to[0] - from[0], to[1] - from[1]];
            from = to;
            let button = ["left", "right"].get(random.below(3) as usize).copied();
            Leg { by, button, clicks: random.below(5) as i32 - 2 }
        })
        .collect()
}

/// The place after a part of the way.
fn point(part: f64) -> Point {
    let (angle, reach) = (part * TAU, RADIUS * (LEAVES * part * TAU).sin());
    [(angle.cos() * reach).round() as i64, (angle.sin() * reach).round() as i64]
}

/// Where the hand is after each leg, from where it began.
pub(super) fn corners(legs: &[Leg]) -> Vec<Point> {
    let mut at = [0, 0];
    let first = std::iter::once(at);
    let rest: Vec<Point> = legs
        .iter()
        .map(|leg| {
            at = [at[0] + leg.by[0], at[1] + leg.by[1]];
            at
        })
        .collect();
    first.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rose_ends_where_it_began_and_its_legs_are_no_jumps() {
        for legs in [6, 60, 101] {
            let rose = rose(legs, 3);
            let corners = corners(&rose);
            assert_eq!((corners.len(), corners[0], corners[legs]), (legs + 1, [0, 0], [0, 0]));
            assert_ne!(rose, super::rose(legs, 4));
        }
        let rose = rose(90, 1);
        // a report has room for 255 counts, and there are at least ten in a leg
        assert!(rose.iter().all(|leg| leg.by.iter().all(|counts| counts.abs() < 2500)), "{rose:?}");
        assert!(["left", "right"].iter().all(|name| rose.iter().any(|leg| leg.button == Some(name))));
        assert!(rose.iter().any(|leg| leg.button.is_none()));
    }
}
