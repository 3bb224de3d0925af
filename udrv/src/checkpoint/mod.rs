//! What a device is set to, as a file: it goes from one process into another, behind another device of the same kind.
//!
//! It is what a restart replays (rung 3 of the ladder), in the class's own words, and nothing of the driver's memory: the next version of
//! a driver reads it too. What is not understood is refused, and so is what the device there cannot do, before anything of it
//! is changed. What each class is set to is its own affair ([`NetSettings`], [`SoundSettings`], [`InputSettings`]); checking, changing and putting
//! back is `run/checkpoint.rs`.
//!
//! ```
//! use udrv::checkpoint::Checkpoint;
//!
//! let error = Checkpoint::parse(br#"{"format": 2}"#).unwrap_err().to_string();
//! assert!(error.contains("format = 2"), "{error}");
//! ```

mod changes;
mod table;
mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use self::changes::changes;
pub use self::changes::{Change, Refusal, Restored};
pub use self::table::Table;
pub(crate) use self::text::{as_text, in_a_line};
pub use crate::input::InputSettings;
pub use crate::net::NetSettings;
pub use crate::sound::SoundSettings;
use crate::supervisor::policy::Protect;

/// Version of the format. Another one is refused.
pub const FORMAT: u32 = 1;
/// The longest file, bytes: none of ours has a tenth of that.
pub const MAX_BYTES: usize = 32 * 1024;

/// A device's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// See [`FORMAT`].
    pub format: u32,
    /// Name of the driver. Another one's settings are refused.
    pub driver: String,
    /// The chip that it was saved from. Another one of the same driver takes what it can do.
    pub chip: Chip,
    /// Its class, and what that has been told.
    pub settings: ClassSettings,
    /// Which entry points run as transactions; those that are not named stay as they are.
    pub policy: Table<Protect>,
}

/// A chip, as its bus tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chip {
    /// Vendor and device (PCI) or product (USB), or kind and protocol of the port (serio), in hexadecimal.
    pub id: String,
    /// Revision; 0 where the bus tells none.
    pub revision: u8,
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} revision {}", in_a_line(&self.id), self.revision)
    }
}

/// What a class has been told of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassSettings {
    /// Network.
    Net(NetSettings),
    /// Sound.
    Sound(SoundSettings),
    /// Input.
    Input(InputSettings),
}

impl ClassSettings {
    /// The class, as in the file.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            ClassSettings::Net(_) => "net",
            ClassSettings::Sound(_) => "sound",
            ClassSettings::Input(_) => "input",
        }
    }
}

/// A file that is no checkpoint, or not one for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Too long.
    #[error(
        "no checkpoint: it has more than {MAX_BYTES} bytes, which none of ours has; name the file that udrvctl checkpoint save has written"
    )]
    TooLong,
    /// Another version of the format.
    #[error("format = {0}: this version reads {FORMAT}; save it anew, with the udrvctl and udrvd that are to read it")]
    Format(u32),
    /// Not JSON, or not this JSON.
    #[error("no checkpoint: {0}; correct it there, or save it anew")]
    Malformed(String),
}

/// What is the same in all versions.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

impl Checkpoint {
    /// Reads what [`Checkpoint::to_text`] has written.
    ///
    /// # Errors
    /// [`CheckpointError`]: one line that names the place.
    pub fn parse(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
        if bytes.len() > MAX_BYTES {
            return Err(CheckpointError::TooLong);
        }
        let malformed = |error: serde_json::Error| CheckpointError::Malformed(in_a_line(&error.to_string()));
        // first: what another version has need not make sense here
        let AnyFormat { format } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format != FORMAT {
            return Err(CheckpointError::Format(format));
        }
        serde_json::from_slice(bytes).map_err(malformed)
    }

    /// JSON for people, at most [`MAX_BYTES`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data is JSON");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests;
