//! Ordinary errors of drivers. A broken rule (an undeclared register, a foreign buffer) is not among them: that is
//! a fault, and ends the call.

use core::fmt;

/// Why an entry point could not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// No room now: the caller keeps what it brought and comes again.
    Busy,
    /// The device does not answer any more.
    Gone,
    /// The bus refused an access.
    Bus,
    /// DMA memory is used up.
    NoMemory,
    /// The device is not one that this driver knows.
    NotThisDevice,
    /// The chip cannot do that.
    Unsupported,
    /// The request makes no sense in this state (for example transmit before open).
    NotReady,
    /// The device did not become ready in time.
    Timeout {
        /// Offset of the register that was watched.
        register: u16,
        /// Its last value.
        value: u32,
    },
    /// The device said something that cannot be.
    Nonsense {
        /// Offset of the register, or of the place in DMA memory.
        register: u16,
        /// What it said.
        value: u32,
    },
}

impl Error {
    /// One word, never 0.
    #[must_use]
    pub fn to_word(self) -> u64 {
        let (code, register, value) = match self {
            Error::Busy => (1, 0, 0),
            Error::Gone => (2, 0, 0),
            Error::Bus => (3, 0, 0),
            Error::NoMemory => (4, 0, 0),
            Error::NotThisDevice => (5, 0, 0),
            Error::Unsupported => (6, 0, 0),
            Error::NotReady => (7, 0, 0),
            Error::Timeout { register, value } => (8, register, value),
            Error::Nonsense { register, value } => (9, register, value),
        };
        code | u64::from(register) << 8 | u64::from(value) << 32
    }

    /// From a word that crossed the border.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Error> {
        let (register, value) = ((word >> 8) as u16, (word >> 32) as u32);
        Some(match word as u8 {
            1 => Error::Busy,
            2 => Error::Gone,
            3 => Error::Bus,
            4 => Error::NoMemory,
            5 => Error::NotThisDevice,
            6 => Error::Unsupported,
            7 => Error::NotReady,
            8 => Error::Timeout { register, value },
            9 => Error::Nonsense { register, value },
            _ => return None,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Busy => f.write_str("busy"),
            Error::Gone => f.write_str("the device is gone"),
            Error::Bus => f.write_str("the bus refused an access"),
            Error::NoMemory => f.write_str("DMA memory is used up"),
            Error::NotThisDevice => f.write_str("not a device that this driver knows"),
            Error::Unsupported => f.write_str("the chip cannot do that"),
            Error::NotReady => f.write_str("not possible in this state"),
            Error::Timeout { register, value } => {
                write!(f, "register {register:#x} did not become ready (last value {value:#x})")
            }
            Error::Nonsense { register, value } => write!(f, "the device says nonsense: {value:#x} at {register:#x}"),
        }
    }
}

impl core::error::Error for Error {}
