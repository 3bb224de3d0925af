//! A PS/2 device as a driver sees it: a controller that speaks with it, of which the device's settings are registers.
//!
//! The controller is the framework's own. What a command of the device is in terms of registers the driver declares
//! ([`crate::Bus::Serio`]):
//!
//! - a *setting* is a register of kind `WriteOnly`: writing it sends the command, and an abort sends it once more with the value of
//!   before, if the call that failed has sent it at all;
//! - a *question* is a register of kind `ReadOnly`: reading it sends the command, and gives what the device answers. Where the
//!   device forgets what it has told, kind `Fifo`: an answer that a failed call got is given again.
//!
//! ACK, RESEND and ERROR are the controller's business: it sends a byte again up to [`ATTEMPTS`] times, and what the device does not
//! acknowledge ends in [`crate::Error::Bus`], or in [`crate::Error::Gone`] when it has not answered twice in a row.
//!
//! Beside these there are registers that every such device has, below [`FIRST`]:
//!
//! - [`DATA`]: what the device sends by itself, a byte with each read, as [`data`] says.
//! - [`COMMAND`]: sends any command, as [`command`] says, and waits for what comes back, in [`RESPONSE`]. An abort runs `restore`.

use crate::{RegisterInfo, joined, register_map};

/// Times that a byte is sent before the device is said not to take it.
pub const ATTEMPTS: u32 = 3;
/// Bytes of an answer, at most.
pub const MAX_RESPONSE: usize = 4;
/// Where registers begin that a driver may declare, bytes.
pub const FIRST: u16 = 0x20;
/// Where they end.
pub const END: u16 = 0x100;

register_map! {
    /// What the device sends by itself: the oldest byte that was not taken, or 0 without [`data::VALID`].
    DATA: u32 = 0x00, Fifo;
    /// Sends a command.
    COMMAND: u32 = 0x04, Command;
    /// What the device answered to the last COMMAND, the first byte lowest.
    RESPONSE: u32 = 0x08, ReadOnly;
}

/// The registers of a device and those that every such device has, for [`crate::Driver::REGISTERS`]. `N` is how many entries both
/// have together: [`map_length`].
#[must_use]
pub const fn with_port<const N: usize>(device: &[RegisterInfo]) -> [RegisterInfo; N] {
    joined(device, REGISTERS)
}

/// Entries that the map of a device has together with those that every device has.
#[must_use]
pub const fn map_length(device: &[RegisterInfo]) -> usize {
    device.len() + REGISTERS.len()
}

/// DATA.
pub mod data {
    /// There is a byte, in bits 7:0.
    pub const VALID: u32 = 1 << 31;
    /// Between the byte before it and this one the device was sent a command, or bytes were lost: it does not belong to what was
    /// begun before that.
    pub const BROKEN: u32 = 1 << 30;
    /// Shift of the milliseconds between the byte before it and this one, at most [`MOST_PAUSE`].
    pub const PAUSE_SHIFT: u32 = 8;
    /// It was this long, or longer; before the first byte too.
    pub const MOST_PAUSE: u32 = 0xffff;
}

/// COMMAND: the command in bits 7:0.
pub mod command {
    /// With an argument, in bits 15:8.
    pub const ARGUMENT: u32 = 1 << 16;
    /// Shift of the argument.
    pub const ARGUMENT_SHIFT: u32 = 8;
    /// Shift of the number of bytes that the device answers beside its acknowledgements, at most [`super::MAX_RESPONSE`].
    pub const RESPONSE_SHIFT: u32 = 20;
    /// The answer is that of a reset: seconds may pass before it. Behind its first byte it may end, as a keyboard's does: the
    /// second is all ones then.
    pub const SLOW: u32 = 1 << 24;
    /// Nobody may be there: not to be acknowledged is an ordinary answer, and RESPONSE is all ones then.
    pub const TRY: u32 = 1 << 25;
}

/// A register of the device: one of its commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerioCommand {
    /// Offset of the register that is declared for it, from [`FIRST`] up.
    pub offset: u16,
    /// What the register is.
    pub is: SerioRegister,
}

/// See [`SerioCommand`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerioRegister {
    /// A setting: the command, then the value as its argument.
    Argument(u8),
    /// A setting: one command for each value, from 0 up.
    Choice(&'static [u8]),
    /// A question: the command, and how many bytes are answered, at most 4; the first is lowest in the value.
    Answer(u8, u8),
}
