//! A device's settings: told as a checkpoint, and taken over from one.
//!
//! All of a checkpoint is looked at before anything is changed. What is as it should be is left alone. Should telling the driver
//! fail on the way, it is told again what it had been told before; where that fails too, a restart replays it.

use udrv_driver::{Bus, Driver, Entry};

use super::{Answer, Class, DeviceError, Running};
use crate::checkpoint::{Checkpoint, Chip, FORMAT, Refusal, Restored, changes, in_a_line};
use crate::run::error::names;
use crate::supervisor::policy::Protect;

/// Entry points and how each is called.
type Policy = Vec<(Entry, Protect)>;

impl<C: Class> Running<C> {
    /// What the device is set to.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let policy = C::ENTRIES.iter().map(|entry| (entry.name().to_owned(), self.policy.mode(*entry as usize)));
        Checkpoint {
            format: FORMAT,
            driver: C::Driver::NAME.to_owned(),
            chip: self.chip(),
            settings: C::settings(self).into(),
            policy: policy.collect(),
        }
    }

    fn chip(&self) -> Chip {
        let (vendor, product) = (self.identity.vendor, self.identity.product);
        let id = match C::Driver::BUS {
            Bus::Serio { .. } => format!("{vendor:02x}:{product:02x}"),
            _ => format!("{vendor:04x}:{product:04x}"),
        };
        Chip { id, revision: self.identity.revision }
    }

    /// Makes the device what `wanted` says, all of it or nothing.
    pub(super) fn restore_checkpoint(&mut self, wanted: &Checkpoint, dry_run: bool) -> Result<Answer, DeviceError> {
        let now = self.checkpoint();
        let (settings, policy) = match self.understand(&now, wanted) {
            Ok(understood) => understood,
            Err(refusal) => return Ok(Answer::Refused(refusal.to_string())),
        };
        let changes = changes(&now, wanted);
        if !dry_run && !changes.is_empty() {
            if let Err(why) = self.change_settings(settings)? {
                return Ok(Answer::Refused(why));
            }
            policy.into_iter().for_each(|(entry, mode)| self.policy.set(entry as usize, mode));
            tracing::info!(device = %self.name, changes = changes.len(), "settings were taken over");
        }
        let other_chip = (now.chip != wanted.chip).then(|| (wanted.chip.clone(), now.chip));
        Ok(Answer::Restored(Box::new(Restored { dry_run, changes, other_chip })))
    }

    /// Settings and policy in `wanted`, if all of it can be done here.
    fn understand<'a>(&self, now: &Checkpoint, wanted: &'a Checkpoint) -> Result<(&'a C::Settings, Policy), Refusal> {
        if wanted.format != FORMAT {
            return Err(Refusal::new("format", wanted.format, format!("this udrvd takes {FORMAT}; save it anew")));
        }
        if wanted.driver != now.driver {
            let why = format!("the driver of {} is {}; name a device of the other one", self.name, now.driver);
            return Err(Refusal::new("driver", in_a_line(&wanted.driver), why));
        }
        let Some(settings) = C::settings_of(&wanted.settings) else {
            let why = format!("{} is of class {}; name a device of the other one", self.name, now.settings.class());
            return Err(Refusal::new("settings", wanted.settings.class(), why));
        };
        C::allows(self, settings)?;
        let entry = |name: &str| C::ENTRIES.iter().copied().find(|entry| entry.name() == name);
        let known = || format!("the driver has no such entry point; take it out (it has {})", names(C::ENTRIES));
        let policy = wanted.policy.iter().map(|(name, mode)| {
            let refused = || Refusal::new(format!("policy.{}", in_a_line(name)), mode, known());
            Ok((entry(name).ok_or_else(refused)?, *mode))
        });
        Ok((settings, policy.collect::<Result<Policy, _>>()?))
    }

    /// To `wanted`, or back: then why.
    fn change_settings(&mut self, wanted: &C::Settings) -> Result<Result<(), String>, DeviceError> {
        let before = C::settings(self);
        let applied = C::apply(self, wanted).and_then(|()| C::show_settings(self, &before));
        let applied = self.noted(applied);
        let done = match applied {
            Ok(()) => Ok(()),
            Err(error) => Err(self.put_settings_back(error, &before, wanted)?),
        };
        self.note_facts();
        // what was in flight may be lost, and nothing would call for the frame that waits
        C::pump(self)?;
        Ok(done)
    }

    /// Back to `before`, for `error`. Gives what is said of it.
    fn put_settings_back(
        &mut self,
        error: DeviceError,
        before: &C::Settings,
        tried: &C::Settings,
    ) -> Result<String, DeviceError> {
        let why = error.to_string();
        tracing::warn!(device = %self.name, why, "settings are not taken over");
        let back = if self.is_lost(&error) { Err(error) } else { C::apply(self, before) };
        let how = match back {
            Ok(()) => "",
            Err(error) => {
                C::record(self, before);
                if self.is_lost(&error) {
                    self.show_again(tried);
                    return Err(error);
                }
                tracing::warn!(device = %self.name, %error, "the settings are put back by a restart");
                self.restart_now()?;
                ", by a restart of the driver"
            }
        };
        self.show_again(tried);
        Ok(format!("{why}; all is set as before{how}"))
    }

    /// Whether it was given up, or unplugged.
    fn is_lost(&mut self, error: &DeviceError) -> bool {
        matches!(error, DeviceError::GaveUp { .. }) || self.was_unplugged(error)
    }

    fn show_again(&mut self, tried: &C::Settings) {
        if let Err(error) = C::show_settings(self, tried) {
            tracing::warn!(device = %self.name, %error, "the endpoint shows other settings than the device has");
        }
    }
}
