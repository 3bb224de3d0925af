//! What an input device is set to, to be moved into another process.

use serde::{Deserialize, Serialize};
use udrv_driver::InputDriver;

use super::{InputDevice, InputOptions, InputSetting, Presence};
use crate::checkpoint::{ClassSettings, Refusal};
use crate::run::DeviceError;

/// What an input device is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSettings {
    /// Reports a second, at most.
    pub rate: u32,
    /// Counts an inch.
    pub resolution: u32,
    /// What fast movements count.
    pub scaling: Scaling,
}

impl From<InputSettings> for ClassSettings {
    fn from(settings: InputSettings) -> ClassSettings {
        ClassSettings::Input(settings)
    }
}

/// What fast movements count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scaling {
    /// As others.
    #[serde(rename = "1:1")]
    Single,
    /// Double.
    #[serde(rename = "2:1")]
    Double,
}

impl InputSettings {
    pub(super) fn options(&self) -> InputOptions {
        let mut options = InputOptions::default();
        self.settings().into_iter().for_each(|setting| options.note(setting));
        options
    }

    fn settings(&self) -> [InputSetting; 3] {
        let double = self.scaling == Scaling::Double;
        [InputSetting::Rate(self.rate), InputSetting::Resolution(self.resolution), InputSetting::Double(double)]
    }
}

impl<D: InputDriver> InputDevice<D> {
    pub(super) fn settings_in_force(&self) -> InputSettings {
        let info = self.class.info;
        let scaling = if info.double { Scaling::Double } else { Scaling::Single };
        InputSettings { rate: info.rate, resolution: info.resolution, scaling }
    }

    pub(super) fn allows(&self, settings: &InputSettings) -> Result<(), Refusal> {
        for (field, value, has) in
            [("rate", settings.rate, D::RATES), ("resolution", settings.resolution, D::RESOLUTIONS)]
        {
            if !has.contains(&value) {
                let has: Vec<String> = has.iter().map(u32::to_string).collect();
                let why = format!("{} has {}; write one of these", D::NAME, has.join(", "));
                return Err(Refusal::new(format!("settings.input.{field}"), value, why));
            }
        }
        if self.class.presence != Presence::Here {
            let why = "the device does not answer, or another one is in its place; plug it in first";
            return Err(Refusal::new("driver", D::NAME, why));
        }
        Ok(())
    }

    /// Tells the device what differs from how it is set. What fails is put back by itself, and what was set before it stays.
    pub(super) fn apply_settings(&mut self, to: &InputSettings) -> Result<(), DeviceError> {
        for setting in to.settings() {
            if setting == self.in_force(setting) {
                self.class.wanted.note(setting);
            } else {
                self.change(setting)?;
            }
        }
        Ok(())
    }
}
