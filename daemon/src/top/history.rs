//! Faults of one daemon, as far as they were heard of.

use std::collections::VecDeque;

use udrv::report::FaultReport;

/// As many as udrvd keeps.
const KEPT: usize = 256;
/// Reports that are asked for at most at a time, so that the first look costs no more than the others.
const AT_ONCE: u64 = 64;

/// The newest reports, newest last.
#[derive(Debug, Default)]
pub(super) struct History {
    reports: VecDeque<FaultReport>,
}

/// Which reports of a daemon with so many faults are to be asked for: those with a number above this. `heard` is the newest that is
/// known. `None`: none.
pub(super) fn missing(heard: u64, faults: u64) -> Option<u64> {
    (faults > heard).then(|| heard.max(faults.saturating_sub(AT_ONCE)))
}

impl History {
    /// More of them, oldest first.
    pub(super) fn add(&mut self, reports: Vec<FaultReport>) {
        for report in reports.into_iter().filter(|report| report.number > 0) {
            if report.number > self.newest_number() {
                self.reports.push_back(report);
            }
        }
        self.reports.drain(..self.reports.len().saturating_sub(KEPT));
    }

    /// The newest.
    pub(super) fn newest(&self) -> Option<&FaultReport> {
        self.reports.back()
    }

    /// Its number, or 0.
    pub(super) fn newest_number(&self) -> u64 {
        self.newest().map_or(0, |report| report.number)
    }

    /// Newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &FaultReport> {
        self.reports.iter().rev()
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.reports.len()
    }

    /// Nanoseconds from a fault to the error that its caller got: the median and the longest of those that are known.
    pub(super) fn recovery(&self) -> Option<(u64, u64)> {
        let mut times: Vec<u64> = self.reports.iter().filter(|r| r.recovered).map(|r| r.to_error).collect();
        times.sort_unstable();
        Some((*times.get(times.len() / 2)?, *times.last()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(number: u64, to_error: u64) -> FaultReport {
        FaultReport { number, to_error, recovered: true, ..FaultReport::default() }
    }

    #[test]
    fn each_is_known_once_and_the_oldest_are_forgotten() {
        let mut history = History::default();
        assert_eq!((history.newest_number(), history.recovery()), (0, None));
        history.add(vec![report(1, 10), report(2, 30), report(3, 20)]);
        history.add(vec![report(2, 9999), report(3, 9999)]);
        assert_eq!((history.len(), history.newest_number(), history.recovery()), (3, 3, Some((20, 30))));
        history.add((4..2000).map(|number| report(number, number)).collect());
        assert_eq!((history.len(), history.newest_number()), (KEPT, 1999));
        assert_eq!(history.newest_first().next().unwrap().number, 1999);
    }

    #[test]
    fn what_could_not_be_recovered_has_no_time() {
        let mut history = History::default();
        history.add(vec![FaultReport { recovered: false, ..report(1, 5) }]);
        assert_eq!(history.recovery(), None);
    }

    #[test]
    fn only_new_ones_are_asked_for_and_not_too_many() {
        assert_eq!(missing(0, 0), None);
        assert_eq!(missing(0, 3), Some(0));
        assert_eq!(missing(3, 3), None);
        assert_eq!(missing(3, 5), Some(3));
        assert_eq!(missing(0, 5000), Some(5000 - AT_ONCE));
        assert_eq!(missing(7, 5), None, "it was started again");
    }
}
