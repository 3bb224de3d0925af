//! Pay as you go: which entry points run as transactions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether an entry point runs as a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protect {
    /// In every call.
    #[default]
    Always,
    /// In none: a fault ends the process, as it would a kernel.
    Never,
    /// After the first fault seen anywhere in the driver, or when the list of suspects names it.
    Suspicious,
}

impl Protect {
    /// `always`, `never` or `suspicious`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Protect::Always => "always",
            Protect::Never => "never",
            Protect::Suspicious => "suspicious",
        }
    }
}

impl fmt::Display for Protect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protect {
    type Err = String;
    fn from_str(text: &str) -> Result<Protect, String> {
        let all = [Protect::Always, Protect::Never, Protect::Suspicious];
        let known = || format!("'{text}' is no protection; there are always, never and suspicious");
        all.into_iter().find(|p| p.name() == text).ok_or_else(known)
    }
}

/// The policy of one driver, and what it comes to.
#[derive(Debug)]
pub struct Policy {
    modes: Vec<Protect>,
    suspects: Vec<bool>,
    fault_seen: bool,
    /// What it comes to: looked up in every call.
    protected: Vec<bool>,
}

impl Policy {
    /// The same mode for all of `entries` entry points.
    #[must_use]
    pub fn new(mode: Protect, entries: usize) -> Policy {
        let mut policy = Policy {
            modes: vec![mode; entries],
            suspects: vec![false; entries],
            fault_seen: false,
            protected: vec![true; entries],
        };
        policy.settle();
        policy
    }

    /// Whether a call of `entry` is a transaction.
    #[inline]
    #[must_use]
    pub fn protects(&self, entry: usize) -> bool {
        self.protected[entry]
    }

    /// The mode of `entry`.
    #[must_use]
    pub fn mode(&self, entry: usize) -> Protect {
        self.modes[entry]
    }

    /// Changes the mode of `entry`; it holds from the next call.
    pub fn set(&mut self, entry: usize, mode: Protect) {
        self.modes[entry] = mode;
        self.settle();
    }

    /// The list names `entry`.
    pub fn suspect(&mut self, entry: usize) {
        self.suspects[entry] = true;
        self.settle();
    }

    /// A fault was seen. True if it was the first.
    pub fn fault_seen(&mut self) -> bool {
        let first = !std::mem::replace(&mut self.fault_seen, true);
        if first {
            self.settle();
        }
        first
    }

    fn settle(&mut self) {
        for ((protected, mode), suspect) in self.protected.iter_mut().zip(&self.modes).zip(&self.suspects) {
            *protected = match mode {
                Protect::Always => true,
                Protect::Never => false,
                Protect::Suspicious => self.fault_seen || *suspect,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicion_turns_protection_on_and_never_means_never() {
        let mut policy = Policy::new(Protect::Suspicious, 3);
        policy.set(1, Protect::Never);
        policy.set(2, Protect::Always);
        let now = |p: &Policy| [0, 1, 2].map(|entry| p.protects(entry));
        assert_eq!(now(&policy), [false, false, true]);
        policy.suspect(1);
        assert_eq!(now(&policy), [false, false, true]);
        policy.suspect(0);
        assert_eq!(now(&policy), [true, false, true]);
        policy.set(1, Protect::Suspicious);
        assert_eq!(now(&policy), [true, true, true]);
        let mut other = Policy::new(Protect::Suspicious, 2);
        assert!(other.fault_seen());
        assert!(!other.fault_seen());
        assert!(other.protects(0) && other.protects(1));
    }

    #[test]
    fn names_are_parsed_and_nonsense_is_explained() {
        for mode in [Protect::Always, Protect::Never, Protect::Suspicious] {
            assert_eq!(mode.name().parse(), Ok(mode));
        }
        assert!("sometimes".parse::<Protect>().unwrap_err().contains("suspicious"));
    }
}
