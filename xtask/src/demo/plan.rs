//! Which faults, where, and in which order. A seed gives the same plan again.

use super::random::Random;

/// The faults, in the order of the tables.
pub(super) const FAULTS: [&str; 6] =
    ["null-write", "wild-write", "divide-by-zero", "stack-overflow", "endless-loop", "panic"];
/// The places in an entry point.
const POINTS: [&str; 3] = ["start", "middle", "end"];
/// Entry points that traffic goes through.
const BY_TRAFFIC: [&str; 3] = ["transmit", "interrupt", "poll"];
/// Entry points that are called on request.
const BY_CALL: [&str; 12] = [
    "probe",
    "open",
    "stop",
    "link",
    "set_mac",
    "set_rx_mode",
    "configure",
    "get_ringparam",
    "get_stats",
    "tx_timeout",
    "quiesce",
    "restore",
];

/// One fault to be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Injection {
    pub(super) entry: &'static str,
    pub(super) fault: &'static str,
    pub(super) point: &'static str,
    /// The entry point has to be called for it; else traffic calls it.
    pub(super) by_call: bool,
    /// Bytes that both streams move before it, so that faults do not come in step with anything.
    pub(super) after_bytes: u64,
}

/// Every fault at every place of the entry points of traffic, every fault in the middle of the others; shuffled.
pub(super) fn plan(seed: u64) -> Vec<Injection> {
    let mut random = Random::new(seed);
    let traffic = BY_TRAFFIC.iter().flat_map(|entry| POINTS.map(|point| (*entry, point, false)));
    let called = BY_CALL.iter().map(|entry| (*entry, "middle", true));
    let mut all: Vec<Injection> = traffic
        .chain(called)
        .flat_map(|(entry, point, by_call)| {
            FAULTS.map(|fault| Injection { entry, fault, point, by_call, after_bytes: 0 })
        })
        .collect();
    for last in (1..all.len()).rev() {
        all.swap(last, random.below(last as u64 + 1) as usize);
    }
    for injection in &mut all {
        injection.after_bytes = 256 * 1024 + random.below(512 * 1024);
    }
    all
}

/// Where a row stands in a table: entry points in their order here, then points, then faults.
pub(super) fn rank(entry: &str, point: &str, fault: &str) -> (usize, usize, usize) {
    let place = |list: &[&str], name: &str| list.iter().position(|n| *n == name).unwrap_or(list.len());
    let entries = [&BY_TRAFFIC[..], &BY_CALL[..]].concat();
    (place(&entries, entry), place(&POINTS, point), place(&FAULTS, fault))
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
