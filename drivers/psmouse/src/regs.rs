//! The commands of a mouse as registers, their arguments, and the bits of what it answers.
//!
//! Names are those of the IBM PS/2 technical reference ("Mouse Controller"). Offsets are ours: a mouse has none.
//!
//! # Kinds, and why
//!
//! - What is set for good is `WriteOnly`: an abort sends the command once more with the value of before, and nothing where
//!   the failed call has sent none.
//! - What a mouse tells is `ReadOnly`, READ DATA too, though a mouse forgets the movement that it has told there. As a
//!   `Fifo` its answer would be given again to whoever asks next, and that may be after newer packets have said that a
//!   button is up which was down in it. The movement of one packet is less than a button that is stuck.
//! - What is set only on the way to something else (the rates of a knock, the arguments of a query) goes through COMMAND,
//!   and an abort runs `restore`. So does what `reconnect` sets: it is what the registers hold already, and `restore` looks
//!   what of it is missing.

use udrv_driver::serio::{self, SerioCommand, SerioRegister, command};
use udrv_driver::{Reg, RegisterInfo};

#[doc(no_inline)]
pub use udrv_driver::serio::{COMMAND, DATA, RESPONSE, data};

pub mod device {
    //! Those of the mouse, each access to which is a command.

    udrv_driver::register_map! {
        /// Set sampling rate: reports a second.
        SAMPLE_RATE: u32 = 0x20, WriteOnly;
        /// Set resolution: 0 to 3 for 1, 2, 4 and 8 counts a millimetre.
        RESOLUTION: u32 = 0x24, WriteOnly;
        /// Set scaling: 0 for 1:1, 1 for 2:1.
        SCALING: u32 = 0x28, WriteOnly;
        /// Enable (1) and disable (0): whether it reports by itself.
        REPORTING: u32 = 0x2c, WriteOnly;
        /// Status request: bits of [`super::status`], resolution, rate.
        STATUS: u32 = 0x30, ReadOnly;
        /// Read device type: [`super::id`].
        ID: u32 = 0x34, ReadOnly;
        /// Read data, of a mouse whose packets have three bytes.
        PACKET3: u32 = 0x38, ReadOnly;
        /// Read data, of one whose packets have four.
        PACKET4: u32 = 0x3c, ReadOnly;
    }
}

#[doc(no_inline)]
pub use device::{ID, PACKET3, PACKET4, REPORTING, RESOLUTION, SAMPLE_RATE, SCALING, STATUS};

const COUNT: usize = serio::map_length(device::REGISTERS);
const ALL: [RegisterInfo; COUNT] = serio::with_port(device::REGISTERS);
/// Those of the mouse and of its port.
pub const REGISTERS: &[RegisterInfo] = &ALL;

const fn is(register: Reg<u32>, is: SerioRegister) -> SerioCommand {
    SerioCommand { offset: register.offset(), is }
}

/// What each of them is on the line.
pub const COMMANDS: &[SerioCommand] = &[
    is(SAMPLE_RATE, SerioRegister::Argument(SET_SAMPLE_RATE)),
    is(RESOLUTION, SerioRegister::Argument(SET_RESOLUTION)),
    is(SCALING, SerioRegister::Choice(&[SET_SCALING_1_1, SET_SCALING_2_1])),
    is(REPORTING, SerioRegister::Choice(&[DISABLE, ENABLE])),
    is(STATUS, SerioRegister::Answer(0xe9, 3)),
    is(ID, SerioRegister::Answer(0xf2, 1)),
    is(PACKET3, SerioRegister::Answer(0xeb, 3)),
    is(PACKET4, SerioRegister::Answer(0xeb, 4)),
];

/// Set scaling 1:1.
pub const SET_SCALING_1_1: u8 = 0xe6;
/// Set scaling 2:1.
pub const SET_SCALING_2_1: u8 = 0xe7;
/// Set resolution.
pub const SET_RESOLUTION: u8 = 0xe8;
/// Set stream mode.
pub const SET_STREAM_MODE: u8 = 0xea;
/// Set sampling rate.
pub const SET_SAMPLE_RATE: u8 = 0xf3;
/// Enable: it reports by itself.
pub const ENABLE: u8 = 0xf4;
/// Disable: it does not.
pub const DISABLE: u8 = 0xf5;
/// Set default: reporting off, rate 100, resolution 2, scaling 1:1.
pub const SET_DEFAULT: u8 = 0xf6;

/// Into COMMAND: a reset, which is answered by the outcome of the self test and the device type.
pub const RESET: u32 = 0xff | 2 << command::RESPONSE_SHIFT | command::SLOW;

/// Into COMMAND: this command with this argument.
#[must_use]
pub const fn with_argument(code: u8, argument: u8) -> u32 {
    code as u32 | (argument as u32) << command::ARGUMENT_SHIFT | command::ARGUMENT
}

/// What a mouse says after its self test, and unasked when it has been plugged in: that it was passed, ...
pub const BAT_PASSED: u8 = 0xaa;
/// ... or not.
pub const BAT_FAILED: u8 = 0xfc;

/// ID, and what comes after a self test.
pub mod id {
    /// A mouse whose packets have three bytes.
    pub const MOUSE: u8 = 0x00;
    /// An IntelliMouse that has been woken.
    pub const INTELLIMOUSE: u8 = 0x03;
    /// An IntelliMouse Explorer that has been woken.
    pub const EXPLORER: u8 = 0x04;
    /// The first byte of what keyboards say.
    pub const KEYBOARD: u8 = 0xab;
}

/// The first byte of STATUS; in the second is the resolution, in the third the rate.
pub mod status {
    /// Scaling is 2:1.
    pub const SCALING: u8 = 1 << 4;
    /// It reports by itself.
    pub const ENABLED: u8 = 1 << 5;
    /// It reports only when it is asked.
    pub const REMOTE: u8 = 1 << 6;
}

/// The first byte of a packet. The three lowest bits are buttons.
pub mod first {
    /// Always set.
    pub const SYNC: u8 = 1 << 3;
    /// Ninth bit of the movement to the right.
    pub const X_SIGN: u8 = 1 << 4;
    /// Ninth bit of the movement away from the user.
    pub const Y_SIGN: u8 = 1 << 5;
}

/// The fourth byte of an Explorer's packet.
pub mod fourth {
    /// What it is about.
    pub const FORM: u8 = 0b11 << 6;
    /// The wheel in six bits, and no buttons.
    pub const WHEEL: u8 = 0b10 << 6;
    /// The wheel as it is tilted in six bits, and no buttons.
    pub const PAN: u8 = 0b01 << 6;
    /// The fourth button, where the wheel has four bits.
    pub const SIDE: u8 = 1 << 4;
    /// The fifth.
    pub const EXTRA: u8 = 1 << 5;
}

/// Longest pause in a packet, milliseconds: what other drivers take (Linux's psmouse). Behind a longer one a packet begins.
pub const MOST_PAUSE: u32 = 500;
/// No self test is shorter, milliseconds: an AA behind such a pause is not in a packet that was begun before it. The IBM
/// reference gives it 300 to 500.
pub const SHORTEST_TEST: u32 = 250;
