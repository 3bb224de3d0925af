//! Where the reports of an input device go: a device node that applications read, or a file.
//!
//! The endpoint is told what has changed ([`Frame`]), and knows no reports: which buttons are down, and what is to be done when the
//! device is in trouble, is the class's affair (`crate::input`).

mod adopt;
mod choice;
mod error;
mod none;
mod record;
mod sys;
mod uinput;

use std::os::fd::BorrowedFd;

use udrv_driver::{Buttons, InputInfo};

pub use adopt::{KEPT, taken_over};
pub use choice::{Choice, Options as ChoiceOptions};
pub use error::InputEndpointError;
pub use none::NoInput;
pub use record::{Line, Recorder};
pub use uinput::Uinput;

/// A device that points, for those who look at it.
#[derive(Debug, Clone, Copy)]
pub struct Pointer<'a> {
    /// Name of the driver.
    pub driver: &'static str,
    /// For people: `serio:serio1`.
    pub device: &'a str,
    /// What it is.
    pub info: InputInfo,
}

/// How a device was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// As something new: no button of it is down.
    New,
    /// As what is there already: nobody notices, and buttons are as they were told.
    Same,
    /// As what another process has left: which buttons of it are down is not known.
    Adopted,
}

/// What has changed at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frame {
    /// Buttons that go down.
    pub press: Buttons,
    /// Buttons that go up.
    pub release: Buttons,
    /// To the right, counts.
    pub x: i16,
    /// Towards the user, counts.
    pub y: i16,
    /// Clicks of the wheel, away from the user.
    pub wheel: i8,
    /// Clicks of it to the right.
    pub pan: i8,
}

/// See the module's text. No call waits.
pub trait InputEndpoint: Send {
    /// For people and the log: `/dev/input/event5`, `events.jsonl`.
    fn name(&self) -> String;

    /// Shows the device: once before all else, and again when it may be another.
    ///
    /// # Errors
    /// What is in the way, with what mends it.
    fn show(&mut self, pointer: &Pointer<'_>) -> Result<Shown, InputEndpointError>;

    /// Tells what has changed. The device's buttons and axes are those that were shown last.
    ///
    /// # Errors
    /// The endpoint is broken.
    fn emit(&mut self, frame: &Frame) -> Result<(), InputEndpointError>;

    /// A descriptor which keeps what was shown alive when this process ends, and by which name its successor knows it
    /// ([`taken_over`]). `None`: there is none.
    fn to_keep(&self) -> Option<(&'static str, BorrowedFd<'_>)> {
        None
    }
}

/// Buttons and their names.
pub const NAMES: [(Buttons, &str); 5] = [
    (Buttons::LEFT, "left"),
    (Buttons::RIGHT, "right"),
    (Buttons::MIDDLE, "middle"),
    (Buttons::SIDE, "side"),
    (Buttons::EXTRA, "extra"),
];

/// The names of `buttons`.
#[must_use]
pub fn names(buttons: Buttons) -> Vec<String> {
    NAMES.into_iter().filter(|(button, _)| buttons.has(*button)).map(|(_, name)| name.to_owned()).collect()
}
