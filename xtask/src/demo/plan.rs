//! Which faults, where, and in which order. A seed gives the same plan again.

use std::ops::Range;

use super::random::Random;

/// The faults, in the order of the tables.
pub(super) const FAULTS: [&str; 6] =
    ["null-write", "wild-write", "divide-by-zero", "stack-overflow", "endless-loop", "panic"];
/// The places in an entry point.
const POINTS: [&str; 3] = ["start", "middle", "end"];
/// The usual one.
const MIDDLE: &[&str] = &["middle"];

/// An entry point that faults are injected into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) entry: &'static str,
    pub(super) points: &'static [&'static str],
    /// It has to be called for it; else what goes through the device calls it.
    pub(super) by_call: bool,
}

impl Place {
    /// One that what goes through the device calls: at every point.
    pub(super) const fn by_itself(entry: &'static str) -> Place {
        Place { entry, points: &POINTS, by_call: false }
    }

    /// One that is called on request.
    pub(super) const fn on_request(entry: &'static str) -> Place {
        Place { entry, points: MIDDLE, by_call: true }
    }

    /// The middle of one that what goes through the device calls.
    pub(super) const fn middle_of(entry: &'static str) -> Place {
        Place { entry, points: MIDDLE, by_call: false }
    }
}

/// One fault to be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Injection {
    pub(super) entry: &'static str,
    pub(super) fault: &'static str,
    pub(super) point: &'static str,
    /// See [`Place::by_call`].
    pub(super) by_call: bool,
    /// What goes through the device before it, bytes of each stream, frames of sound or reports of a mouse: so that faults do not
    /// come in step with anything.
    pub(super) after: u64,
}

/// Every fault at every one of the places; shuffled.
pub(super) fn plan(places: &[Place], after: Range<u64>, seed: u64) -> Vec<Injection> {
    let mut random = Random::new(seed);
    let mut all: Vec<Injection> = places
        .iter()
        .flat_map(|place| place.points.iter().map(move |point| (place, *point)))
        .flat_map(|(Place { entry, by_call, .. }, point)| {
            FAULTS.map(|fault| Injection { entry, fault, point, by_call: *by_call, after: 0 })
        })
        .collect();
    for last in (1..all.len()).rev() {
        all.swap(last, random.below(last as u64 + 1) as usize);
    }
    for injection in &mut all {
        injection.after = after.start + random.below(after.end - after.start);
    }
    all
}

/// Where a row stands in a table: entry points in the order of their places, then points, then faults.
pub(super) fn rank(places: &[Place], entry: &str, point: &str, fault: &str) -> (usize, usize, usize) {
    let place = |list: &[&str], name: &str| list.iter().position(|n| *n == name).unwrap_or(list.len());
    let at = places.iter().position(|place| place.entry == entry).unwrap_or(places.len());
    (at, place(&POINTS, point), place(&FAULTS, fault))
}
