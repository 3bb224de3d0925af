//! Where a sound card's driver faults, in every entry point; and what of that may be heard.
//!
//! Of a fault in an entry point that leaves the stream alone nothing may be heard: the card plays on from its ring. `trigger`,
//! `quiesce` and `probe` are called on the stream that plays, on purpose: it is paused, or the card is stopped, and a fault in
//! the middle leaves it so until the driver is back. That may cost a period, and so may a restart. `probe` may cost two: to call it
//! is a restart in all but its name, fault or not, and the fault has it done once more. Where the
//! fault is an endless loop there, the card also stands for as long as a call is let run, which the report tells.

use super::plan::{self, Injection, Place};

/// Entry points that the card's interrupts go through, at every point, and those that are called on request.
const PLACES: [Place; 12] = [
    Place::by_itself("pointer"),
    Place::by_itself("interrupt"),
    Place::on_request("probe"),
    Place::on_request("open"),
    Place::on_request("close"),
    Place::on_request("hw_params"),
    Place::on_request("prepare"),
    Place::on_request("trigger"),
    Place::on_request("get_control"),
    Place::on_request("set_control"),
    Place::on_request("quiesce"),
    Place::on_request("restore"),
];

/// Those that stop what plays, and the periods that a fault in them may cost.
const STOPPING: [(&str, u64); 3] = [("trigger", 1), ("quiesce", 1), ("probe", 2)];

/// Every fault at every one of them, a period and a half to three apart: the card tells its place once a
/// period, and so what is heard can only be of one of them.
pub(super) fn plan(period: u64, seed: u64) -> Vec<Injection> {
    plan::plan(&PLACES, period * 3 / 2..period * 3, seed)
}

/// Every fault in the middle of `pointer`, for the ways of recovery beside which ours is seen.
pub(super) fn pointer_plan(period: u64, seed: u64) -> Vec<Injection> {
    plan::plan(&[Place::middle_of("pointer")], period * 3 / 2..period * 3, seed)
}

/// Where a row stands in a table.
pub(super) fn rank(entry: &str, point: &str, fault: &str) -> (usize, usize, usize) {
    plan::rank(&PLACES, entry, point, fault)
}

/// Periods that a fault in this entry point may cost: 0 unless the card stands while it is recovered from.
pub(super) fn may_cost(entry: &str) -> u64 {
    STOPPING.iter().find(|(stopping, _)| *stopping == entry).map_or(0, |(_, periods)| *periods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_each_fault_once_and_apart_from_the_next() {
        let mut all = plan(960, 7);
        assert_eq!(all.len(), 2 * 18 + 10 * 6);
        assert!(all.iter().all(|i| (1440..2880).contains(&i.after)));
        assert_ne!(all, plan(960, 8));
        all.sort_by_key(|i| rank(i.entry, i.point, i.fault));
        all.dedup_by_key(|i| (i.entry, i.point, i.fault));
        assert_eq!(all.len(), 96);
        assert_eq!(pointer_plan(960, 1).len(), 6);
        assert_eq!(["probe", "quiesce", "pointer"].map(may_cost), [2, 1, 0]);
        assert!(STOPPING.iter().all(|(entry, _)| PLACES.iter().any(|place| place.entry == *entry)));
    }
}
