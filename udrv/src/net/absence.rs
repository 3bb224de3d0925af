//! A device that was unplugged, and may be plugged in again.
//!
//! Meanwhile the endpoint stays, without carrier; nothing is sent and nothing is lost that the host has not sent. When the
//! device is back it is restarted: nothing of what it was told is left in it, and the class has recorded all of that.

use std::time::Duration;

use udrv_driver::{Entry, Error, Link, NetDriver};

use super::device_faults::Restores;
use super::{CallError, DeviceError, NetDevice};

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(250);

impl<D: NetDriver> NetDevice<D> {
    /// Whether `error` is that the device was unplugged, and there is a way to have it back.
    pub(super) fn was_unplugged(&mut self, error: &DeviceError) -> bool {
        let told = matches!(error, DeviceError::Entry { source: CallError::Driver(Error::Gone), .. });
        let device = self.host.window.device();
        (told || self.failed.is_some()) && device.comes_back() && !device.answers()
    }

    /// It was.
    pub(super) fn leave(&mut self) -> Result<(), DeviceError> {
        tracing::warn!(device = %self.name, "unplugged; waiting until it is plugged in again");
        self.failed = None;
        self.away = Some(self.clock() + LOOK);
        self.link = Link::default();
        self.more = false;
        self.signal.leaves(false);
        Ok(self.endpoint.set_carrier(false)?)
    }

    /// Whether no frames can move now.
    pub(super) fn is_down(&self) -> bool {
        self.away.is_some() || self.restores.is_down()
    }

    /// Looks for a device that was unplugged, if it is time to. False: it is away still.
    pub(super) fn is_here(&mut self) -> Result<bool, DeviceError> {
        let Some(due) = self.away else { return Ok(true) };
        let now = self.clock();
        if now < due {
            return Ok(false);
        }
        self.away = Some(now + LOOK);
        match self.host.window.device().look_for_return() {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => {
                // plugged in, and not to be had yet: its node appears before its rights are set
                tracing::debug!(device = %self.name, %error, "not back yet");
                return Ok(false);
            }
        }
        tracing::info!(device = %self.name, "plugged in again");
        if let Err(why) = self.try_restart(&mut Vec::new()) {
            if !self.host.window.device().answers() {
                return Ok(false); // unplugged again
            }
            tracing::warn!(device = %self.name, why, "restart failed");
            if !self.restart_for(Entry::Probe) {
                self.failed.get_or_insert(why);
                return self.given_up().map_or(Ok(false), Err);
            }
        }
        self.away = None;
        self.restores = Restores::new();
        self.sending_since = None;
        self.update_link()?;
        Ok(true)
    }
}
