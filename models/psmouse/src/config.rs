//! Which mouse, how fast it is, and what moves its time.

use std::time::Duration;

/// Mice that differ in what a driver can find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// Three buttons, no wheel: identifier 00 for ever.
    Ps2,
    /// The Microsoft IntelliMouse: a wheel once the rates 200, 100, 80 were set one after the other; then 03.
    IntelliMouse,
    /// The IntelliMouse Explorer: five buttons once 200, 200, 80 were set after that; then 04.
    #[default]
    Explorer,
    /// A touchpad that answers Synaptics' identify query, and is a [`Variant::Ps2`] beside that: its absolute mode is not here.
    Synaptics,
}

/// Names of the variants, and the usual configuration with each.
pub const VARIANTS: &[(&str, Variant)] = &[
    ("imex", Variant::Explorer),
    ("imps2", Variant::IntelliMouse),
    ("ps2", Variant::Ps2),
    ("synaptics", Variant::Synaptics),
];

/// What moves the mouse's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Time.
    #[default]
    Real,
    /// Only [`crate::PsMouseHandle::advance`].
    Manual,
}

/// How to build a mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Which.
    pub variant: Variant,
    /// What moves its time.
    pub clock: Clock,
    /// A byte on the line, either way: 11 bits at 10 to 16.7 kHz.
    pub byte: Duration,
    /// From a byte of the host until the mouse begins to answer. The host gives it 20 ms until the answer is there.
    pub think: Duration,
    /// The self test: 300 to 500 ms.
    pub self_test: Duration,
    /// Whether it is plugged in from the start, and its first self test long over: a machine that has booted.
    pub plugged_in: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            variant: Variant::default(),
            clock: Clock::default(),
            byte: Duration::from_millis(1),
            think: Duration::from_millis(1),
            self_test: Duration::from_millis(400),
            plugged_in: true,
        }
    }
}

impl Config {
    /// The default of another variant.
    #[must_use]
    pub fn of(variant: Variant) -> Self {
        Self { variant, ..Self::default() }
    }
}
