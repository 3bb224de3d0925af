//! What an input device is asked by command, what it is set to, and how it is.

use serde::{Deserialize, Serialize};
use udrv_driver::{Entry, Error, InputDriver};

use super::{InputCounters, InputDevice, InputSetting, Presence};
use crate::endpoint::input::names;
use crate::run::{CallError, Class, DeviceError};

/// State of an input device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputStatus {
    /// Where its reports go.
    pub endpoint: String,
    /// What it is, for people.
    pub name: String,
    /// The protocol that it speaks.
    pub protocol: String,
    /// Its buttons.
    pub buttons: Vec<String>,
    /// It has a wheel.
    pub wheel: bool,
    /// Which can be tilted.
    pub pan: bool,
    /// Reports a second, at most.
    pub rate: u32,
    /// Counts an inch.
    pub resolution: u32,
    /// Fast movements count double.
    pub double: bool,
    /// It reports by itself.
    pub enabled: bool,
    /// Somebody answers, and it is such a device.
    pub present: bool,
    /// Buttons that are down, as the endpoint was told.
    pub down: Vec<String>,
    /// Counters.
    #[serde(flatten)]
    pub counters: InputCounters,
}

impl<D: InputDriver> InputDevice<D> {
    /// Tells the device a setting. What came of it.
    pub(super) fn tell(&mut self, setting: InputSetting) -> Result<InputSetting, DeviceError> {
        match setting {
            InputSetting::Rate(rate) => {
                self.entry(Entry::SetRate, move |cx| D::set_rate(cx, rate)).map(InputSetting::Rate)
            }
            InputSetting::Resolution(dpi) => {
                self.entry(Entry::SetResolution, move |cx| D::set_resolution(cx, dpi)).map(InputSetting::Resolution)
            }
            InputSetting::Double(double) => {
                self.entry(Entry::SetScaling, move |cx| D::set_scaling(cx, double)).map(|()| setting)
            }
        }
    }

    /// Sets it, from now on and after each restart. What came of it.
    pub(super) fn change(&mut self, setting: InputSetting) -> Result<InputSetting, DeviceError> {
        if self.is_away() {
            self.class.wanted.note(setting);
            return Ok(setting);
        }
        self.class.counters.breaks += 1;
        let told = self.tell(setting);
        // it has broken into what came, and a button may have gone up in that
        self.class.asks = true;
        match &told {
            // one that does not take commands is spared more of them: it would be taken for gone, and it may move
            Err(DeviceError::Entry { source: CallError::Driver(Error::Bus), .. }) => self.class.asks = false,
            Ok(_) => self.class.wanted.note(setting),
            Err(error) if self.was_unplugged(error) => self.class.wanted.note(setting),
            // it may have taken it all the same
            Err(DeviceError::Entry { source: CallError::Driver(error), .. }) if wrong(*error) => {
                if let Err(error) = self.tell(self.in_force(setting)) {
                    tracing::warn!(device = %self.name, %error, "it may be set otherwise than the status says");
                }
            }
            Err(_) => {}
        }
        told
    }

    /// The value in force of what `setting` sets.
    pub(super) fn in_force(&self, setting: InputSetting) -> InputSetting {
        let info = self.class.info;
        match setting {
            InputSetting::Rate(_) => InputSetting::Rate(info.rate),
            InputSetting::Resolution(_) => InputSetting::Resolution(info.resolution),
            InputSetting::Double(_) => InputSetting::Double(info.double),
        }
    }

    pub(super) fn call_with_values_in_force(&mut self, entry: Entry) -> Result<(), DeviceError> {
        // the others see to that themselves
        if !matches!(entry, Entry::Interrupt | Entry::Poll | Entry::Reconnect | Entry::Restore) {
            self.class.counters.breaks += 1;
            self.class.asks = true;
        }
        match entry {
            Entry::Enable => self.must(entry, |cx| D::enable(cx))?,
            Entry::Disable => {
                let quiet = self.must(entry, |cx| D::disable(cx));
                self.enable_again()?;
                quiet?;
            }
            Entry::Interrupt => self.serve_interrupt()?,
            Entry::Poll => self.ask()?,
            Entry::SetRate => self.tell(self.in_force(InputSetting::Rate(0))).map(drop)?,
            Entry::SetResolution => self.tell(self.in_force(InputSetting::Resolution(0))).map(drop)?,
            Entry::SetScaling => self.tell(self.in_force(InputSetting::Double(false))).map(drop)?,
            Entry::Reconnect => self.reconnect()?,
            Entry::Restore => {
                self.must(entry, |cx| D::restore(cx))?;
                self.host.marks.clear();
                super::Input::restored(self);
            }
            Entry::Quiesce => {
                let quiet = self.must(entry, |cx| D::quiesce(cx));
                self.must(Entry::Restore, |cx| D::restore(cx))?;
                super::Input::restored(self);
                quiet?;
            }
            Entry::Probe => {
                // a device that is probed is one that was reset: bring it back to where it was
                let quiet = self.must(Entry::Disable, |cx| D::disable(cx));
                let probed = self.must(entry, |cx| D::probe(cx));
                for setting in self.class.wanted.settings() {
                    self.tell(setting)?;
                }
                self.class.shows = true;
                self.enable_again()?;
                quiet.and(probed)?;
            }
            // those of other classes are refused before
            _ => return Err(self.entry_error(entry, CallError::Driver(Error::Unsupported))),
        }
        Ok(())
    }

    /// Has a device report that was silent for a moment. If that fails it is good for nothing any more.
    fn enable_again(&mut self) -> Result<(), DeviceError> {
        let enabled = self.must(Entry::Enable, |cx| D::enable(cx));
        self.class.asks = true;
        enabled.map_err(|error| {
            if !self.was_unplugged(&error) {
                self.failed.get_or_insert_with(|| error.to_string());
            }
            self.given_up().unwrap_or(error)
        })
    }

    pub(super) fn input_status(&mut self) -> InputStatus {
        let info = self.class.info;
        InputStatus {
            endpoint: self.class.endpoint.name(),
            name: info.name.to_owned(),
            protocol: info.protocol.to_owned(),
            buttons: names(info.buttons),
            wheel: info.wheel,
            pan: info.pan,
            rate: info.rate,
            resolution: info.resolution,
            double: info.double,
            enabled: info.enabled,
            present: self.class.presence == Presence::Here && !self.is_away(),
            down: names(self.class.told.down()),
            counters: self.class.counters,
        }
    }
}

/// Whether it is the device that did wrong, and not the request.
const fn wrong(error: Error) -> bool {
    matches!(error, Error::Timeout { .. } | Error::Nonsense { .. })
}
