//! What an input device can be set to.

use std::fmt;

/// The highest rate that is asked for, reports a second.
const MOST_RATE: u32 = 1000;
/// The finest resolution that is asked for, counts an inch.
const MOST_RESOLUTION: u32 = 10_000;

/// How an input device is set. What is `None` is left as the driver usually sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InputOptions {
    /// Reports a second, at most.
    pub rate: Option<u32>,
    /// Counts an inch.
    pub resolution: Option<u32>,
    /// Fast movements count double.
    pub double: Option<bool>,
}

/// One setting of an input device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSetting {
    /// See [`InputOptions::rate`].
    Rate(u32),
    /// See [`InputOptions::resolution`].
    Resolution(u32),
    /// See [`InputOptions::double`].
    Double(bool),
}

impl InputSetting {
    /// From what a person has typed: `rate` with reports a second, `resolution` with counts an inch, `scaling` with `1:1` or `2:1`.
    ///
    /// # Errors
    /// What there is instead.
    pub fn parse(name: &str, value: &str) -> Result<InputSetting, String> {
        let number = |most: u32, of: &str| {
            let number = value.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| format!("'{value}' is no {name}: expected {of}, 1 to {most}"))
        };
        match name {
            "rate" => number(MOST_RATE, "reports a second").map(InputSetting::Rate),
            "resolution" => number(MOST_RESOLUTION, "counts an inch").map(InputSetting::Resolution),
            "scaling" => match value {
                "1:1" => Ok(InputSetting::Double(false)),
                "2:1" => Ok(InputSetting::Double(true)),
                _ => Err(format!("'{value}' is no scaling: expected 1:1 or 2:1 (fast movements count double)")),
            },
            _ => Err(format!("there is no setting '{name}'; there are rate, resolution and scaling")),
        }
    }

    /// As [`InputSetting::parse`] has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            InputSetting::Rate(_) => "rate",
            InputSetting::Resolution(_) => "resolution",
            InputSetting::Double(_) => "scaling",
        }
    }

    /// As [`InputSetting::parse`] has it.
    #[must_use]
    pub fn value(self) -> String {
        match self {
            InputSetting::Rate(number) | InputSetting::Resolution(number) => number.to_string(),
            InputSetting::Double(double) => if double { "2:1" } else { "1:1" }.to_owned(),
        }
    }
}

impl fmt::Display for InputSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.value())
    }
}

impl InputOptions {
    /// What is asked for, one after the other.
    pub(super) fn settings(self) -> impl Iterator<Item = InputSetting> {
        let InputOptions { rate, resolution, double } = self;
        let all = [rate.map(InputSetting::Rate), resolution.map(InputSetting::Resolution)];
        all.into_iter().chain([double.map(InputSetting::Double)]).flatten()
    }

    /// Notes what is asked for.
    pub fn note(&mut self, setting: InputSetting) {
        match setting {
            InputSetting::Rate(rate) => self.rate = Some(rate),
            InputSetting::Resolution(dpi) => self.resolution = Some(dpi),
            InputSetting::Double(double) => self.double = Some(double),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_shown_and_wrong_ones_explained() {
        for (name, value) in [("rate", "100"), ("resolution", "10000"), ("scaling", "1:1"), ("scaling", "2:1")] {
            let setting = InputSetting::parse(name, value).expect(value);
            assert_eq!((setting.name(), setting.value().as_str()), (name, value));
        }
        for (name, value, word) in [
            ("rate", "0", "1 to 1000"),
            ("rate", "-3", "reports a second"),
            ("resolution", "10001", "counts an inch, 1 to 10000"),
            ("scaling", "true", "1:1 or 2:1"),
            ("colour", "7", "rate, resolution and scaling"),
        ] {
            let error = InputSetting::parse(name, value).expect_err(value);
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn what_is_asked_for_is_told_in_order() {
        let mut options = InputOptions::default();
        assert_eq!(options.settings().count(), 0);
        for setting in [InputSetting::Double(true), InputSetting::Rate(40), InputSetting::Rate(60)] {
            options.note(setting);
        }
        assert_eq!(options.settings().collect::<Vec<_>>(), [InputSetting::Rate(60), InputSetting::Double(true)]);
    }
}
