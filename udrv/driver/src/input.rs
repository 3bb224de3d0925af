//! The class of input drivers: devices that point.
//!
//! A driver is given what the device sends byte by byte, and hands up whole reports ([`Cx::input`]). A report says how
//! far the device has moved since the last one, and which buttons are down now; the class finds out which of them have changed, so
//! a report that is lost leaves no button stuck.
//!
//! A command can break off a report that is on its way, and with it the news that a button has gone up. So while the device
//! reports by itself the class polls behind every call that succeeds and may have sent one: all but `interrupt`, `poll` and
//! `disable`, and `restore` too.

use crate::abi::{Request, Words};
use crate::{Cx, Driver, Error, Services};

/// Reports that one call may hand up.
pub const MAX_REPORTS: usize = 64;

/// A driver of an input device.
pub trait InputDriver: Driver {
    /// Second versions of entry points; none by default.
    const ALTERNATES: InputAlternates<Self::State> = InputAlternates::NONE;

    /// The devices that it drives, see [`Driver::variant`]: `probe` and `reconnect` find out.
    const VARIANTS: &'static [InputVariant];
    /// Rates that they can be set to, reports a second.
    const RATES: &'static [u32];
    /// Resolutions that they can be set to, counts an inch.
    const RESOLUTIONS: &'static [u32];

    /// How the device is set. Asked within the calls that change it, behind them.
    #[must_use]
    fn set(state: &Self::State) -> InputSet;

    /// What the device is that was found, and how it is set.
    #[must_use]
    fn info(state: &Self::State) -> InputInfo {
        Self::VARIANTS[Self::variant(state) as usize].set_to(Self::set(state))
    }

    /// Resets the device, finds out what it is and how it speaks, and sets it up as [`InputInfo`] says that it usually is. It
    /// reports nothing by itself yet.
    ///
    /// # Errors
    /// [`Error::NotThisDevice`], or what the device did wrong. As for all entry points below.
    fn probe(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;
    /// From now on the device reports by itself.
    fn enable(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;
    /// It does not any more.
    fn disable(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;
    /// Takes what the device has sent, at most [`MAX_REPORTS`] reports of it, and hands up those that are whole. Where that is
    /// taken from a [`Kind::Fifo`](crate::Kind::Fifo), news without having taken anything are a fault.
    fn interrupt(cx: &mut Cx<'_, Self::State>) -> Result<InputEvents, Error>;
    /// Asks the device for a report, and hands it up behind those that came before: which buttons are down is known for certain
    /// then. What was begun is lost. [`Error::Busy`]: more has come than one call may hand up; `interrupt` is to take it first.
    fn poll(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;
    /// Has the device report at most so many times a second. Gives the rate that came of it, the next that the device has.
    fn set_rate(cx: &mut Cx<'_, Self::State>, rate: u32) -> Result<u32, Error>;
    /// Has the device count so many times an inch. Gives what came of it, the next that the device has.
    fn set_resolution(cx: &mut Cx<'_, Self::State>, dpi: u32) -> Result<u32, Error>;
    /// Has the device count fast movements double (2:1), or not (1:1).
    fn set_scaling(cx: &mut Cx<'_, Self::State>, double: bool) -> Result<(), Error>;
    /// The device has been reset by somebody else, or is another one: finds out what it is, without a reset, and sets it up as the
    /// state has it, reporting too if it did.
    fn reconnect(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;
}

/// `interrupt`, as a value.
pub type InputInterrupt<S> = fn(&mut Cx<'_, S>) -> Result<InputEvents, Error>;

/// Second versions of entry points, as for network drivers ([`crate::Alternates`]).
#[derive(Debug, Clone, Copy)]
pub struct InputAlternates<S: 'static> {
    /// Instead of [`InputDriver::interrupt`].
    pub interrupt: Option<InputInterrupt<S>>,
}

impl<S> InputAlternates<S> {
    /// None.
    pub const NONE: InputAlternates<S> = InputAlternates { interrupt: None };
}

/// A sort of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputVariant {
    /// For people: `IntelliMouse Explorer`.
    pub name: &'static str,
    /// The protocol that is spoken, shorter: `ImExPS/2`.
    pub protocol: &'static str,
    /// Buttons that it has.
    pub buttons: Buttons,
    /// It has a wheel.
    pub wheel: bool,
    /// Which can be tilted.
    pub pan: bool,
}

impl InputVariant {
    /// One that is set so.
    #[must_use]
    pub const fn set_to(self, set: InputSet) -> InputInfo {
        let InputVariant { name, protocol, buttons, wheel, pan } = self;
        let InputSet { rate, resolution, double, enabled } = set;
        InputInfo { name, protocol, buttons, wheel, pan, rate, resolution, double, enabled }
    }
}

/// How a device is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSet {
    /// Reports a second.
    pub rate: u32,
    /// Counts an inch.
    pub resolution: u32,
    /// Fast movements count double.
    pub double: bool,
    /// It reports by itself.
    pub enabled: bool,
}

/// What a device is, and how it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputInfo {
    /// For people: `IntelliMouse Explorer`.
    pub name: &'static str,
    /// The protocol that is spoken, shorter: `ImExPS/2`.
    pub protocol: &'static str,
    /// Buttons that it has.
    pub buttons: Buttons,
    /// It has a wheel.
    pub wheel: bool,
    /// Which can be tilted.
    pub pan: bool,
    /// Reports a second.
    pub rate: u32,
    /// Counts an inch.
    pub resolution: u32,
    /// Fast movements count double.
    pub double: bool,
    /// It reports by itself.
    pub enabled: bool,
}

/// Buttons, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Buttons(pub u32);

impl Buttons {
    /// None.
    pub const NONE: Buttons = Buttons(0);
    /// Under the forefinger of a right hand.
    pub const LEFT: Buttons = Buttons(1 << 0);
    /// Under the ring finger.
    pub const RIGHT: Buttons = Buttons(1 << 1);
    /// The wheel, often.
    pub const MIDDLE: Buttons = Buttons(1 << 2);
    /// At the thumb, back.
    pub const SIDE: Buttons = Buttons(1 << 3);
    /// At the thumb, forward.
    pub const EXTRA: Buttons = Buttons(1 << 4);
    /// All of these.
    pub const ALL: Buttons = Buttons((1 << 5) - 1);

    /// Whether all of `other` are among them.
    #[must_use]
    pub const fn has(self, other: Buttons) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::ops::BitOr for Buttons {
    type Output = Buttons;
    fn bitor(self, other: Buttons) -> Buttons {
        Buttons(self.0 | other.0)
    }
}

/// What a device has to say: movement since its last report in counts, and the buttons as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Those that are down.
    pub buttons: Buttons,
    /// To the right.
    pub x: i16,
    /// Towards the user: down on a screen.
    pub y: i16,
    /// Clicks of the wheel, away from the user.
    pub wheel: i8,
    /// Clicks of it to the right.
    pub pan: i8,
}

impl Report {
    /// As it crosses the border.
    #[must_use]
    pub const fn to_words(self) -> [u64; 2] {
        let motion = self.x as u16 as u64 | (self.y as u16 as u64) << 16;
        [self.buttons.0 as u64, motion | (self.wheel as u8 as u64) << 32 | (self.pan as u8 as u64) << 40]
    }

    /// From words: an allegation. `None` when they are no report.
    #[must_use]
    pub const fn from_words([buttons, motion]: [u64; 2]) -> Option<Report> {
        if buttons & !(Buttons::ALL.0 as u64) != 0 || motion >> 48 != 0 {
            return None;
        }
        Some(Report {
            buttons: Buttons(buttons as u32),
            x: motion as u16 as i16,
            y: (motion >> 16) as u16 as i16,
            wheel: (motion >> 32) as u8 as i8,
            pan: (motion >> 40) as u8 as i8,
        })
    }
}

/// What `interrupt` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InputEvents(pub u32);

impl InputEvents {
    /// Nothing had come.
    pub const NONE: InputEvents = InputEvents(0);
    /// Something had.
    pub const DATA: InputEvents = InputEvents(1 << 0);
    /// It was not in step: some of it was dropped, and the class is to `poll`.
    pub const OUT_OF_STEP: InputEvents = InputEvents(1 << 1);
    /// The device was reset, or plugged in: the class is to `reconnect`.
    pub const NEW: InputEvents = InputEvents(1 << 2);
    /// There is more, which is for another call.
    pub const MORE: InputEvents = InputEvents(1 << 3);

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn has(self, other: InputEvents) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::ops::BitOr for InputEvents {
    type Output = InputEvents;
    fn bitor(self, other: InputEvents) -> InputEvents {
        InputEvents(self.0 | other.0)
    }
}

impl Words for InputEvents {
    fn to_words(&self) -> [u64; 7] {
        self.0.to_words()
    }
    fn from_words(words: [u64; 7]) -> Option<InputEvents> {
        u32::from_words(words).filter(|bits| bits >> 4 == 0).map(InputEvents)
    }
}

/// The way up for reports.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    services: &'a dyn Services,
}

impl<'a> Input<'a> {
    pub(crate) fn new(services: &'a dyn Services) -> Input<'a> {
        Input { services }
    }

    /// Hands up a report: it leaves when this call commits, behind those before it. More than [`MAX_REPORTS`] in one call are a
    /// fault.
    ///
    /// # Errors
    /// None.
    pub fn report(&self, report: Report) -> Result<(), Error> {
        let [buttons, motion] = report.to_words();
        self.services.post(Request::Report, [buttons, motion, 0, 0])
    }

    /// Says that so many bytes of the device were of no use, and are dropped: counted when this call commits.
    ///
    /// # Errors
    /// None.
    pub fn dropped(&self, bytes: u32) -> Result<(), Error> {
        self.services.post(Request::Dropped, [bytes.into(), 0, 0, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_crosses_as_it_is_and_what_is_none_does_not() {
        for report in [
            Report::default(),
            Report { buttons: Buttons::ALL, x: -1, y: i16::MIN, wheel: -8, pan: 7 },
            Report { buttons: Buttons::EXTRA, x: i16::MAX, y: 1, wheel: i8::MAX, pan: i8::MIN },
        ] {
            assert_eq!(Report::from_words(report.to_words()), Some(report));
        }
        assert_eq!(Report::from_words([1 << 5, 0]), None);
        assert_eq!(Report::from_words([1 << 32, 0]), None);
        assert_eq!(Report::from_words([0, 1 << 48]), None);
        assert_eq!(InputEvents::from_words([1 << 4, 0, 0, 0, 0, 0, 0]), None);
        let both = InputEvents::DATA | InputEvents::NEW;
        assert_eq!(InputEvents::from_words(both.to_words()), Some(both));
    }
}
