//! How the device interrupts: by its line, a level, or by messages, which are edges.
//!
//! A line that is unmasked fires again while a cause is left. A message comes only when the first cause comes after all
//! were gone: who serves the device and leaves one would never hear of it again. So what a line does is done here for
//! messages: `interrupt` is called until it finds no cause ([`ROUNDS`]), and where it does not come to that, or cannot say,
//! the next unmasking makes the eventfd fire ([`Signal::Messages`]). All that decides about a line, such as
//! `interrupts.rs`, then holds for messages too.

use std::fmt;
use std::os::fd::AsFd;
use std::str::FromStr;

use nix::sys::eventfd::EventFd;
use udrv_bus::BusError;

use crate::device::{Device, Notices};

/// Calls of `interrupt` in a row: a cause comes while others are acknowledged, now and then; one that is still there
/// after so many is stuck, or traffic is heavy.
pub(crate) const ROUNDS: u32 = 4;

/// Which kind of interrupt is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InterruptChoice {
    /// MSI where there is, else the line.
    Auto,
    /// The line, INTx. The usual one: Linux's own driver leaves the MSI of the chips that have it here alone.
    #[default]
    Line,
    /// MSI.
    Msi,
}

impl InterruptChoice {
    /// `auto`, `line` or `msi`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            InterruptChoice::Auto => "auto",
            InterruptChoice::Line => "line",
            InterruptChoice::Msi => "msi",
        }
    }
}

impl fmt::Display for InterruptChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for InterruptChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<InterruptChoice, String> {
        match text {
            "auto" => Ok(InterruptChoice::Auto),
            "line" => Ok(InterruptChoice::Line),
            "msi" => Ok(InterruptChoice::Msi),
            other => Err(format!("no interrupts are called '{other}'; there are auto, line and msi")),
        }
    }
}

/// What is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// A line: INTx.
    Line,
    /// Messages: MSI, or transfers that end. `left`: causes may be left in the device of which no message will tell.
    Messages { left: bool },
}

impl Signal {
    /// Sets up what is asked for. `None`: there is no MSI, and nothing else was to be used.
    pub(crate) fn set_up(
        choice: InterruptChoice,
        device: &mut dyn Device,
        event: &EventFd,
    ) -> Result<Option<Signal>, BusError> {
        let Notices { line, messages } = device.notices()?;
        if messages && (choice != InterruptChoice::Line || !line) {
            device.enable_messages(event.as_fd())?;
            return Ok(Some(Signal::Messages { left: false }));
        }
        if choice == InterruptChoice::Msi {
            return Ok(None);
        }
        device.enable_line(event.as_fd())?;
        Ok(Some(Signal::Line))
    }

    pub(crate) const fn is_messages(self) -> bool {
        matches!(self, Signal::Messages { .. })
    }

    /// Causes may be left in the device. Of a line nothing has to be remembered.
    pub(crate) fn leaves(&mut self, causes: bool) {
        if let Signal::Messages { left } = self {
            *left = causes;
        }
    }

    /// Whether a cause may be left.
    pub(crate) const fn is_left(self) -> bool {
        matches!(self, Signal::Messages { left: true })
    }

    /// Has it fire if a cause is left.
    pub(crate) fn unmask(&mut self, device: &mut dyn Device, event: &EventFd) -> Result<(), BusError> {
        match self {
            Signal::Line => device.unmask_line(),
            Signal::Messages { left } => {
                if std::mem::take(left) {
                    // full only after 2^64 of them, and then it is readable
                    let _full = event.write(1);
                }
                Ok(())
            }
        }
    }
}
