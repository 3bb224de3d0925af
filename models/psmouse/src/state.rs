//! What a host can set, and what it has said before that counts.

use crate::codes::{RATES, id, status};
use crate::config::Variant;
use crate::motion::{Button, Buttons};

/// A setting that is followed by an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Rate,
    Resolution,
}

/// What the mouse is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What READ ID shows: [`crate::codes::id`].
    pub id: u8,
    /// Samples a second.
    pub rate: u8,
    /// 0 to 3: 1, 2, 4, 8 counts a millimetre.
    pub resolution: u8,
    /// Scaling 2:1.
    pub doubled: bool,
    /// Reports in stream mode.
    pub enabled: bool,
    /// Remote mode.
    pub remote: bool,
    /// Wrap mode.
    pub wrap: bool,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) set: Settings,
    /// The argument of this comes next.
    pub(crate) expects: Option<Setting>,
    /// The byte before was refused: the next one that is makes an error.
    pub(crate) refused: bool,
    /// The last three rates that were set.
    rates: [u8; 3],
    /// Arguments of SET RESOLUTION with no other command between them, the last four: a query of Synaptics.
    sliced: Vec<u8>,
}

impl State {
    pub(crate) fn after_power_on() -> Self {
        let set = Settings {
            id: id::PS2,
            rate: 100,
            resolution: 2,
            doubled: false,
            enabled: false,
            remote: false,
            wrap: false,
        };
        Self { set, expects: None, refused: false, rates: [0; 3], sliced: Vec::new() }
    }

    /// SET DEFAULT: the identifier stays.
    pub(crate) fn set_default(&mut self) {
        let id = self.set.id;
        *self = Self { rates: self.rates, ..Self::after_power_on() };
        self.set.id = id;
    }

    /// Takes an argument. False: it is no legal one.
    pub(crate) fn take(&mut self, setting: Setting, argument: u8, variant: Variant) -> bool {
        match setting {
            Setting::Rate if RATES.contains(&argument) => {
                self.set.rate = argument;
                self.rates = [self.rates[1], self.rates[2], argument];
                self.hear_knock(variant);
                true
            }
            Setting::Resolution if argument <= 3 => {
                self.set.resolution = argument;
                if self.sliced.len() == 4 {
                    self.sliced.remove(0);
                }
                self.sliced.push(argument);
                true
            }
            Setting::Rate | Setting::Resolution => false,
        }
    }

    fn hear_knock(&mut self, variant: Variant) {
        let has_wheel = matches!(variant, Variant::IntelliMouse | Variant::Explorer);
        match self.rates {
            [200, 100, 80] if has_wheel => self.set.id = id::INTELLIMOUSE,
            [200, 200, 80] if variant == Variant::Explorer && self.set.id != id::PS2 => self.set.id = id::EXPLORER,
            _ => {}
        }
    }

    /// A command that is no part of a query of Synaptics.
    pub(crate) fn end_query(&mut self) {
        self.sliced.clear();
    }

    /// Whether what was set before is the query "identify".
    pub(crate) fn is_identify(&self) -> bool {
        self.sliced == [0; 4]
    }

    /// What STATUS REQUEST shows.
    pub(crate) fn status(&self, buttons: Buttons) -> [u8; 3] {
        let set = &self.set;
        let mut first = 0;
        for (bit, on) in [
            (status::RIGHT, buttons.has(Button::Right)),
            (status::MIDDLE, buttons.has(Button::Middle)),
            (status::LEFT, buttons.has(Button::Left)),
            (status::SCALING, set.doubled),
            (status::ENABLED, set.enabled),
            (status::REMOTE, set.remote),
        ] {
            first |= if on { bit } else { 0 };
        }
        [first, set.resolution, set.rate]
    }
}
