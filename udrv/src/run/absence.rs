//! A device that was unplugged, and may be plugged in again.
//!
//! Meanwhile the endpoint stays, without carrier; nothing is sent and nothing is lost that the host has not sent. What the
//! administrator changes is recorded. When the device is back it is restarted: nothing of what it was told is left in it,
//! and the class has recorded all of that.

use std::time::Duration;

use udrv_bus::BusError;
use udrv_driver::{Driver, Entry, Error};

use super::device_faults::Restores;
use super::{CallError, Class, DeviceError, Running};

/// How often it is looked for, at least: with a shorter [`super::Options::look`] oftener.
const LOOK: Duration = Duration::from_millis(250);
/// Looks in a row that find the same error before the log has it: a device's node appears before its rights are set.
const LOOKS: u32 = 4;

/// It is away.
#[derive(Debug)]
pub(crate) struct Away {
    /// When it is looked for next.
    pub(crate) due: Duration,
    /// Why it is not to be had though it seems to be there, and how often that was found in a row.
    error: String,
    found: u32,
    /// Something else is in its place.
    foreign: bool,
}

impl Away {
    /// It is there, and not to be had. True: it is time to say so.
    fn note(&mut self, error: &BusError) -> bool {
        let error = error.to_string();
        self.found = if self.error == error { self.found.saturating_add(1) } else { 1 };
        self.error = error;
        self.found == LOOKS
    }
}

impl<C: Class> Running<C> {
    /// Whether `error` is that the device was unplugged, and there is a way to have it back.
    pub(crate) fn was_unplugged(&mut self, error: &DeviceError) -> bool {
        let told = matches!(error, DeviceError::Entry { source: CallError::Driver(Error::Gone), .. });
        (told || self.failed.is_some()) && self.is_unplugged()
    }

    /// Whether it was unplugged as far as one knows, and there is a way to have it back.
    pub(crate) fn is_unplugged(&mut self) -> bool {
        let device = self.host.window.device();
        device.comes_back() && !device.answers()
    }

    /// `result`, but that one that has left does not do what it was told is no error: it is as quiet as can be.
    pub(crate) fn unless_unplugged(&mut self, result: Result<(), DeviceError>) -> Result<(), DeviceError> {
        result.or_else(|error| if self.is_unplugged() { Ok(()) } else { Err(error) })
    }

    /// Why it does nothing while it is away.
    pub(crate) fn unplugged_text(&self) -> Option<String> {
        self.away.as_ref()?;
        Some(format!("{} is unplugged: plug it in again, and it goes on by itself", self.name))
    }

    fn look_period(&self) -> Duration {
        LOOK.min(self.options.look)
    }

    /// It was.
    pub(crate) fn leave(&mut self) -> Result<(), DeviceError> {
        tracing::warn!(device = %self.name, "unplugged; waiting until it is plugged in again");
        self.failed = None;
        let due = self.clock() + self.look_period();
        self.away = Some(Away { due, error: String::new(), found: 0, foreign: false });
        self.signal.leaves(false);
        C::left(self)
    }

    /// Whether it is.
    pub(crate) const fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Whether what it was told has failed because it was unplugged: then it is told when it is back.
    pub(crate) fn leaves(&mut self, told: &Result<(), DeviceError>) -> bool {
        told.as_ref().is_err_and(|error| self.was_unplugged(error))
    }

    /// Whether no frames can move now.
    pub(crate) fn is_down(&self) -> bool {
        self.away.is_some() || self.restores.is_down()
    }

    /// Looks for a device that was unplugged, if it is time to. False: it is away still.
    pub(crate) fn is_here(&mut self) -> Result<bool, DeviceError> {
        let (now, period) = (self.clock(), self.look_period());
        match &mut self.away {
            None => return Ok(true),
            Some(away) if now < away.due => return Ok(false),
            Some(away) => away.due = now + period,
        }
        let found = self.host.window.device().look_for_return();
        let away = self.away.as_mut();
        match found {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => {
                if away.is_some_and(|away| away.note(&error)) {
                    tracing::warn!(device = %self.name, %error, "plugged in again, and not to be had; looking again");
                }
                return Ok(false);
            }
        }
        let told = self.away.as_ref().is_some_and(|away| away.foreign);
        if !told {
            tracing::info!(device = %self.name, "plugged in again");
        }
        self.refused = None;
        if let Err(why) = self.try_restart(&mut Vec::new()) {
            if self.is_unplugged() {
                return Ok(false); // again
            }
            if self.refused == Some(Error::NotThisDevice) {
                self.is_another(now, told);
                return Ok(false);
            }
            tracing::warn!(device = %self.name, why, "restart failed");
            if !self.restart_for(Entry::Probe) {
                if self.is_unplugged() {
                    return Ok(false);
                }
                self.failed.get_or_insert(why);
                return self.given_up().map_or(Ok(false), Err);
            }
        }
        self.away = None;
        self.restores = Restores::new();
        C::returned(self)?;
        Ok(true)
    }
}

impl<C: Class> Running<C> {
    /// What was plugged in is no device for the driver. It is asked now and then: the right one need not announce itself.
    fn is_another(&mut self, now: Duration, told: bool) {
        if !told {
            tracing::warn!(
                device = %self.name,
                "what is plugged in now is no device for the driver {}: plug in the one that was there",
                C::Driver::NAME
            );
        }
        let due = now + self.options.look;
        self.away = Some(Away { due, error: String::new(), found: 0, foreign: true });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_in_the_way_is_told_once() {
        let mut away = Away { due: Duration::ZERO, error: String::new(), found: 0, foreign: false };
        let (rights, other) = (BusError::Unsupported("opening it"), BusError::Unsupported("opening another one"));
        let told: Vec<bool> = (0..10).map(|_| away.note(&rights)).collect();
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
        assert!(!told[0], "its rights may just not be set yet");
        assert!((0..10).any(|_| away.note(&other)), "and so is another reason");
        assert!(!away.note(&rights));
    }
}
