//! Faults that repeat: the same one at the same place, again and again.
//!
//! Calling that code once more is no use. Its entry point is put aside: the driver's second version is called instead
//! (recovery blocks), and when that repeats a fault too, or there is none, calls get an error and the rest of the
//! device works on. After a time the first version is given another chance; if it repeats the fault at once, it is put
//! aside for twice as long.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// When an entry point is put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineConfig {
    /// The same fault at the same place this often within [`QuarantineConfig::window`]; 0: never.
    pub faults: u32,
    /// See [`QuarantineConfig::faults`].
    pub window: Duration,
    /// For how long at first; zero: until it is released by command.
    pub time: Duration,
}

impl Default for QuarantineConfig {
    fn default() -> Self {
        QuarantineConfig { faults: 5, window: Duration::from_secs(10), time: Duration::from_secs(60) }
    }
}

/// Longest time in quarantine, however often it was put there.
const LONGEST: Duration = Duration::from_secs(3600);
/// Faults remembered for each entry point.
const REMEMBERED: usize = 64;

/// What to call for an entry point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The driver's first.
    First,
    /// The driver's second.
    Alternate,
    /// None: its calls get an error.
    None,
}

/// A fault and its place, as far as it takes to know them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u64);

impl Place {
    /// From whatever tells two faults apart.
    pub fn new(parts: impl Hash) -> Place {
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        Place(hasher.finish())
    }
}

#[derive(Debug, Default)]
struct Record {
    recent: VecDeque<(Place, u64)>,
    /// When it was put aside, and for how long (0: until released).
    since: u64,
    time: u64,
    /// Times in quarantine without good conduct since.
    times: u32,
    /// Where it repeated: one more of it after a release is enough.
    probation: Option<Place>,
}

/// An entry point in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its number.
    pub entry: usize,
    /// What is called instead.
    pub version: Version,
    /// Nanoseconds since the device was started.
    pub since: u64,
    /// Nanoseconds until it is released; `None`: by command only.
    pub left: Option<u64>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Quarantine {
    config: QuarantineConfig,
    versions: Vec<Version>,
    records: Vec<Record>,
}

impl Quarantine {
    /// For so many entry points, none in quarantine.
    #[must_use]
    pub fn new(config: QuarantineConfig, entries: usize) -> Quarantine {
        let records = (0..entries).map(|_| Record::default()).collect();
        Quarantine { config, versions: vec![Version::First; entries], records }
    }

    /// Goes by other numbers from now on. What is in quarantine stays there for the time that it was given.
    pub fn set_config(&mut self, config: QuarantineConfig) {
        self.config = config;
    }

    /// What to call for `entry`. `now` is asked only for one in quarantine, which is released when its time is over.
    #[inline]
    pub fn version(&mut self, entry: usize, now: impl FnOnce() -> u64) -> Version {
        if self.versions[entry] == Version::First { Version::First } else { self.version_slow(entry, now()) }
    }

    #[cold]
    fn version_slow(&mut self, entry: usize, now: u64) -> Version {
        let record = &mut self.records[entry];
        if record.time != 0 && now.saturating_sub(record.since) >= record.time {
            record.recent.clear();
            self.versions[entry] = Version::First;
        }
        self.versions[entry]
    }

    /// `version` of `entry` faulted; `fallback` is what there is beside it. True: it was put aside for that.
    pub fn fault(&mut self, entry: usize, place: Place, now: u64, has_alternate: bool) -> bool {
        if self.config.faults == 0 {
            return false;
        }
        let record = &mut self.records[entry];
        let window = self.config.window.as_nanos() as u64;
        record.recent.retain(|(_, time)| now.saturating_sub(*time) <= window);
        if record.recent.len() == REMEMBERED {
            record.recent.pop_front();
        }
        record.recent.push_back((place, now));
        let same = record.recent.iter().filter(|(other, _)| *other == place).count();
        if same < self.config.faults as usize && record.probation != Some(place) {
            return false;
        }
        self.versions[entry] = match self.versions[entry] {
            Version::First if has_alternate => Version::Alternate,
            _ => Version::None,
        };
        if self.versions[entry] == Version::Alternate || !has_alternate {
            record.probation = Some(place);
            record.times = record.times.saturating_add(1);
        }
        record.recent.clear();
        record.since = now;
        let time = self.config.time.saturating_mul(1 << (record.times.max(1) - 1).min(16));
        record.time = time.min(LONGEST.max(self.config.time)).as_nanos() as u64;
        true
    }

    /// Lets `entry` go back to its first version, with a clean record. False: it was not in quarantine.
    pub fn release(&mut self, entry: usize) -> bool {
        let was = self.versions[entry] != Version::First;
        self.versions[entry] = Version::First;
        self.records[entry] = Record::default();
        was
    }

    /// Those in quarantine.
    #[must_use]
    pub fn list(&self, now: u64) -> Vec<Quarantined> {
        let all = self.versions.iter().zip(&self.records).enumerate();
        let inside = all.filter(|(_, (version, _))| **version != Version::First);
        let one = |(entry, (version, record)): (usize, (&Version, &Record))| {
            let left = (record.time != 0).then(|| (record.since + record.time).saturating_sub(now));
            Quarantined { entry, version: *version, since: record.since, left }
        };
        inside.map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn quarantine() -> Quarantine {
        Quarantine::new(QuarantineConfig::default(), 3)
    }

    fn here() -> Place {
        Place::new(("null-access", 0x1234_u64))
    }

    fn version(q: &mut Quarantine, entry: usize, now: u64) -> Version {
        q.version(entry, || now)
    }

    #[test]
    fn the_same_fault_at_the_same_place_five_times() {
        let mut q = quarantine();
        for i in 0..4 {
            assert!(!q.fault(1, here(), i, true));
        }
        assert!(!q.fault(1, Place::new(("null-access", 0x1238_u64)), 4, true), "another place");
        assert!(!q.fault(0, here(), 4, true), "another entry point");
        assert_eq!(version(&mut q, 1, 4), Version::First);
        assert!(q.fault(1, here(), 5, true));
        assert_eq!(version(&mut q, 1, 5), Version::Alternate);
        assert_eq!(version(&mut q, 0, 5), Version::First);
    }

    #[test]
    fn slow_faults_do_not_count_and_zero_means_never() {
        let mut q = quarantine();
        assert!((0..1000).all(|i| !q.fault(0, here(), i * 3 * SECOND, true)));
        let never = QuarantineConfig { faults: 0, ..QuarantineConfig::default() };
        let mut q = Quarantine::new(never, 1);
        assert!((0..1000).all(|i| !q.fault(0, here(), i, true)));
    }

    #[test]
    fn without_an_alternate_or_when_that_faults_too_there_is_none() {
        let mut q = quarantine();
        assert!((0..5).any(|i| q.fault(0, here(), i, false)));
        assert_eq!(version(&mut q, 0, 9), Version::None);
        for i in 0..5 {
            q.fault(1, here(), i, true);
        }
        let other = Place::new("elsewhere");
        assert!((0..5).any(|i| q.fault(1, other, 10 + i, true)));
        assert_eq!(version(&mut q, 1, 20), Version::None);
        assert_eq!(q.list(20).iter().map(|one| one.entry).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn released_after_a_time_and_put_back_at_once_for_longer() {
        let mut q = quarantine();
        for i in 0..5 {
            q.fault(0, here(), i, true);
        }
        assert_eq!(version(&mut q, 0, 59 * SECOND), Version::Alternate);
        assert_eq!(version(&mut q, 0, 61 * SECOND), Version::First);
        assert!(q.fault(0, here(), 62 * SECOND, true), "on probation one is enough");
        assert_eq!(version(&mut q, 0, (62 + 119) * SECOND), Version::Alternate);
        assert_eq!(version(&mut q, 0, (62 + 121) * SECOND), Version::First);
    }

    #[test]
    fn released_by_command_with_a_clean_record() {
        let mut q = quarantine();
        for i in 0..5 {
            q.fault(0, here(), i, true);
        }
        assert!(q.release(0));
        assert!(!q.release(0));
        assert_eq!(version(&mut q, 0, 6), Version::First);
        assert!(!q.fault(0, here(), 7, true));
    }

    #[test]
    fn the_time_never_overflows() {
        let mut q = quarantine();
        let mut now = 0;
        for _ in 0..100 {
            while !q.fault(0, here(), now, true) {}
            now += 2 * LONGEST.as_nanos() as u64;
            assert_eq!(version(&mut q, 0, now), Version::First);
        }
    }
}
