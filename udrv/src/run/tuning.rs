//! What of the options can be changed while the device works.

use std::time::Duration;

use udrv_driver::Entry;

use super::{Answer, Class, Options, Running};
use crate::keep::Protection;
use crate::run::error::names;
use crate::supervisor::ladder::LadderConfig;
use crate::supervisor::policy::Protect;
use crate::supervisor::quarantine::QuarantineConfig;

/// Those of [`Options`] that hold from the next call on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// [`Options::protect`].
    pub protect: Protect,
    /// [`Options::protect_entries`], by number.
    pub protect_entries: [Option<Protect>; Entry::ALL.len()],
    /// [`Options::ladder`].
    pub ladder: LadderConfig,
    /// [`Options::quarantine`].
    pub quarantine: QuarantineConfig,
    /// [`Options::deadline`].
    pub deadline: Duration,
}

impl From<&Options> for Tuning {
    fn from(options: &Options) -> Tuning {
        let mut protect_entries = [None; Entry::ALL.len()];
        for (entry, mode) in &options.protect_entries {
            protect_entries[*entry as usize] = Some(*mode);
        }
        let Options { protect, ladder, quarantine, deadline, .. } = *options;
        Tuning { protect, protect_entries, ladder, quarantine, deadline }
    }
}

impl<C: Class> Running<C> {
    /// What was changed by command holds on, unless the configuration says something else than it did.
    pub(super) fn protect_as(&mut self, before: &Protection) {
        if before.told == self.told_protection {
            for (entry, mode) in before.now.iter().enumerate().take(self.told_protection.len()) {
                self.policy.set(entry, *mode);
            }
        }
    }

    /// All of it, or nothing.
    pub(super) fn tune(&mut self, tuning: Tuning) -> Answer {
        let named = |entry: &Entry| tuning.protect_entries[*entry as usize].is_some();
        if let Some(entry) = Entry::ALL.iter().find(|entry| named(entry) && !C::ENTRIES.contains(entry)) {
            return Answer::Refused(format!("the driver has no entry point {entry}; it has {}", names(C::ENTRIES)));
        }
        for entry in C::ENTRIES.iter().map(|entry| *entry as usize) {
            self.policy.set(entry, tuning.protect_entries[entry].unwrap_or(tuning.protect));
        }
        self.ladder.set_config(tuning.ladder);
        self.quarantine.set_config(tuning.quarantine);
        self.told_protection = self.protection();
        self.note_facts();
        self.options.ladder = tuning.ladder;
        self.options.deadline = tuning.deadline;
        Answer::Done
    }
}
