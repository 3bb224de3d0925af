//! The declared registers and what is known of them, for who looks at a device from outside.

use serde::{Deserialize, Serialize};

/// A declared register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterStatus {
    /// Datasheet name; of several the number behind it.
    pub name: String,
    /// Offset as declared: bytes, and above them the page.
    pub offset: u16,
    /// Bytes.
    pub width: u8,
    /// What reading and writing it does: [`udrv_driver::Kind::name`].
    pub kind: String,
    /// What it holds, as far as the framework knows: what a fault is undone by. `None`: not of this kind, or not known yet.
    pub shadow: Option<u32>,
    /// What the device says. `None`: it was not asked, for reading it would change something or was not wanted, or does not answer.
    pub live: Option<u32>,
}
