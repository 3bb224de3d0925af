//! What mice there are, and what they can do.

use udrv_driver::{Buttons, InputVariant, Reg};

use crate::regs::{self, id};

/// How packets look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Three bytes, three buttons.
    Ps2,
    /// A fourth: the wheel.
    ImPs2,
    /// A fourth: the wheel and two more buttons, or more of the wheel.
    ImExPs2,
}

impl Protocol {
    /// Its usual name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Protocol::Ps2 => "PS/2",
            Protocol::ImPs2 => "ImPS/2",
            Protocol::ImExPs2 => "ImExPS/2",
        }
    }

    /// What READ DEVICE TYPE says of a mouse that speaks so.
    pub(crate) const fn id(self) -> u8 {
        match self {
            Protocol::Ps2 => id::MOUSE,
            Protocol::ImPs2 => id::INTELLIMOUSE,
            Protocol::ImExPs2 => id::EXPLORER,
        }
    }

    /// Bytes of a packet.
    pub(crate) const fn length(self) -> usize {
        match self {
            Protocol::Ps2 => 3,
            Protocol::ImPs2 | Protocol::ImExPs2 => 4,
        }
    }

    /// READ DATA, with that many.
    pub(crate) const fn packet(self) -> Reg<u32> {
        match self {
            Protocol::Ps2 => regs::PACKET3,
            Protocol::ImPs2 | Protocol::ImExPs2 => regs::PACKET4,
        }
    }

    /// Buttons that can be told. How many of them a mouse has nobody says.
    pub(crate) const fn buttons(self) -> Buttons {
        match self {
            Protocol::Ps2 | Protocol::ImPs2 => Buttons(Buttons::LEFT.0 | Buttons::RIGHT.0 | Buttons::MIDDLE.0),
            Protocol::ImExPs2 => Buttons::ALL,
        }
    }
}

/// A sort of mouse.
#[derive(Debug)]
pub(crate) struct Mouse {
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
}

impl Mouse {
    const fn variant(&self) -> InputVariant {
        InputVariant {
            name: self.name,
            protocol: self.protocol.name(),
            buttons: self.protocol.buttons(),
            wheel: !matches!(self.protocol, Protocol::Ps2),
            pan: matches!(self.protocol, Protocol::ImExPs2),
        }
    }
}

/// All of them. What `probe` finds is a place in here.
pub(crate) const MICE: [Mouse; 5] = [
    Mouse { name: "PS/2 mouse", protocol: Protocol::Ps2 },
    Mouse { name: "IntelliMouse", protocol: Protocol::ImPs2 },
    Mouse { name: "IntelliMouse Explorer", protocol: Protocol::ImExPs2 },
    Mouse { name: "Synaptics touchpad", protocol: Protocol::Ps2 },
    Mouse { name: "ALPS touchpad", protocol: Protocol::Ps2 },
];

/// The same as the framework has them.
pub(crate) const VARIANTS: [InputVariant; MICE.len()] = {
    let mut variants = [MICE[PLAIN].variant(); MICE.len()];
    let mut number = 0;
    while number < MICE.len() {
        variants[number] = MICE[number].variant();
        number += 1;
    }
    variants
};

/// Places in [`MICE`].
pub(crate) const PLAIN: usize = 0;
/// See [`PLAIN`].
pub(crate) const INTELLIMOUSE: usize = 1;
/// See [`PLAIN`].
pub(crate) const EXPLORER: usize = 2;
/// See [`PLAIN`].
pub(crate) const SYNAPTICS: usize = 3;
/// See [`PLAIN`].
pub(crate) const ALPS: usize = 4;
