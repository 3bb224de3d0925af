//! Where a mouse's driver faults, in every entry point; and what of that may be missing from the path.
//!
//! A call that sends the mouse nothing costs nothing: what it had taken of the mouse's bytes is given again. Each command makes a
//! mouse forget what it has counted and not yet told, fault or not; `probe` and `reconnect` are many commands, and the
//! first is a reset, for half a second.

use super::super::plan::{self, Injection, Place};

/// The entry point that the mouse's bytes go through, at every point, and those that are called on request.
const PLACES: [Place; 11] = [
    Place::by_itself("interrupt"),
    Place::on_request("poll"),
    Place::on_request("probe"),
    Place::on_request("enable"),
    Place::on_request("disable"),
    Place::on_request("set_rate"),
    Place::on_request("set_resolution"),
    Place::on_request("set_scaling"),
    Place::on_request("reconnect"),
    Place::on_request("quiesce"),
    Place::on_request("restore"),
];

/// Reports of the leg that are seen before the fault.
const AFTER: std::ops::Range<u64> = 2..7;

/// Every fault at every one of them, one to a leg.
pub(super) fn plan(seed: u64) -> Vec<Injection> {
    plan::plan(&PLACES, AFTER, seed)
}

/// Every fault in the middle of `interrupt`, for the way of recovery beside which ours is seen.
pub(super) fn interrupt_plan(seed: u64) -> Vec<Injection> {
    plan::plan(&[Place::middle_of("interrupt")], AFTER, seed)
}

/// Where a row stands in a table.
pub(super) fn rank(entry: &str, point: &str, fault: &str) -> (usize, usize, usize) {
    plan::rank(&PLACES, entry, point, fault)
}

/// Whether calling this entry point sends the mouse something.
pub(super) fn commands(entry: &str) -> bool {
    entry != "interrupt"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_each_fault_once() {
        let mut all = plan(7);
        assert_eq!(all.len(), 18 + 10 * 6);
        assert!(all.iter().all(|i| AFTER.contains(&i.after) && commands(i.entry) == i.by_call));
        assert_ne!(all, plan(8));
        all.sort_by_key(|i| rank(i.entry, i.point, i.fault));
        all.dedup_by_key(|i| (i.entry, i.point, i.fault));
        assert_eq!((all.len(), interrupt_plan(1).len()), (78, 6));
    }
}
