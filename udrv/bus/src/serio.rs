//! A serio port: a line of bytes, both ways, with a keyboard, a mouse or nothing at its other end.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::BusError;

/// What the kernel says of a port (`include/uapi/linux/serio.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SerioId {
    /// What kind of port it is: 0x01 has a PS/2 device at its end, 0x05 one behind another (pass-through), 0x06 a keyboard whose
    /// scan codes the controller translates.
    pub kind: u8,
    /// What speaks over it, where that is known of the port; 0 for PS/2.
    pub protocol: u8,
}

impl fmt::Display for SerioId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}", self.kind, self.protocol)
    }
}

/// A byte that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerioByte {
    /// It.
    pub value: u8,
    /// When it came, on a monotonic clock that the port has for itself.
    pub at: Duration,
}

/// A serio port of which we are the only user. What comes is kept, in order, until it is read; a port that must keep too much
/// drops the newest.
pub trait SerioPort: Send {
    /// For people: `serio:serio1` or `model:psmouse`.
    fn name(&self) -> String;
    /// What the kernel says of it.
    fn id(&self) -> SerioId;
    /// Sends a byte. It need not be at the other end when this returns.
    ///
    /// # Errors
    /// [`BusError::Gone`] when the port is not there any more, or what the kernel says.
    fn write(&mut self, byte: u8) -> Result<(), BusError>;
    /// Takes the oldest byte that has come. If there is none, waits for one for as long as `patience`, which may be zero.
    ///
    /// # Errors
    /// As for [`SerioPort::write`]. Bytes that came before the port went can still be read.
    fn read(&mut self, patience: Duration) -> Result<Option<SerioByte>, BusError>;
    /// The port's clock.
    fn now(&self) -> Duration;
    /// From now on each byte that comes adds one to the eventfd, once for several that come at a time if need be. If some have
    /// come already it adds one at once. `None`: not any more.
    ///
    /// # Errors
    /// What the kernel says.
    fn announce(&mut self, event: Option<BorrowedFd<'_>>) -> Result<(), BusError>;
}
