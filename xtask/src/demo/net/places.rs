//! Where a network card's driver faults: in every entry point.

use super::plan::{self, Injection, Place};

/// Entry points that traffic goes through, at every point, and those that are called on request.
const PLACES: [Place; 15] = [
    Place::by_itself("transmit"),
    Place::by_itself("interrupt"),
    Place::by_itself("poll"),
    Place::on_request("probe"),
    Place::on_request("open"),
    Place::on_request("stop"),
    Place::on_request("link"),
    Place::on_request("set_mac"),
    Place::on_request("set_rx_mode"),
    Place::on_request("configure"),
    Place::on_request("get_ringparam"),
    Place::on_request("get_stats"),
    Place::on_request("tx_timeout"),
    Place::on_request("quiesce"),
    Place::on_request("restore"),
];

/// Every fault at every one of them; a few hundred KiB of both streams before each.
pub(super) fn plan(seed: u64) -> Vec<Injection> {
    plan::plan(&PLACES, 256 * 1024..768 * 1024, seed)
}

/// Where a row stands in a table.
pub(super) fn rank(entry: &str, point: &str, fault: &str) -> (usize, usize, usize) {
    plan::rank(&PLACES, entry, point, fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_each_fault_once_and_is_replayed_by_its_seed() {
        let mut all = plan(7);
        assert_eq!(all, plan(7));
        assert_ne!(all, plan(8));
        assert_eq!(all.len(), 54 + 72);
        all.sort_by_key(|i| rank(i.entry, i.point, i.fault));
        let names: Vec<_> = all.iter().map(|i| (i.entry, i.point, i.fault)).collect();
        let mut unique = names.clone();
        unique.dedup();
        assert_eq!(names, unique);
        assert_eq!(names[0], ("transmit", "start", "null-write"));
        assert_eq!(names[125], ("restore", "middle", "panic"));
    }
}
