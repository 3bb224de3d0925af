//! The declared registers and what is known of them, for who looks at a device from outside.

use serde::{Deserialize, Serialize};
use udrv_driver::Kind;

/// What reading and writing a register does: [`Kind`], with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "they are those of `Kind`")]
pub enum RegisterKind {
    Config,
    DmaAddress,
    ReadOnly,
    ReadClears,
    Fifo,
    WriteOneClears,
    Doorbell,
    Tail,
    WriteOnly,
    Command,
}

impl From<Kind> for RegisterKind {
    fn from(kind: Kind) -> RegisterKind {
        match kind {
            Kind::Config => RegisterKind::Config,
            Kind::DmaAddress => RegisterKind::DmaAddress,
            Kind::ReadOnly => RegisterKind::ReadOnly,
            Kind::ReadClears => RegisterKind::ReadClears,
            Kind::Fifo => RegisterKind::Fifo,
            Kind::WriteOneClears => RegisterKind::WriteOneClears,
            Kind::Doorbell => RegisterKind::Doorbell,
            Kind::Tail => RegisterKind::Tail,
            Kind::WriteOnly => RegisterKind::WriteOnly,
            Kind::Command => RegisterKind::Command,
        }
    }
}

/// A declared register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterStatus {
    /// Datasheet name; of several the number behind it.
    pub name: String,
    /// Offset as declared: bytes, and above them the page.
    pub offset: u16,
    /// Bytes.
    pub width: u8,
    /// What reading and writing it does.
    pub kind: RegisterKind,
    /// What it holds, as far as the framework knows: what a fault is undone by. `None`: not of this kind, or not known yet.
    pub shadow: Option<u32>,
    /// What the device says. `None`: it was not asked, for reading it would change something or was not wanted, or does not answer.
    pub live: Option<u32>,
}
