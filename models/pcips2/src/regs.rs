//! Registers, in I/O space: one byte each. Names are those of Linux's driver; no data sheet is known to us.

/// Control.
pub const CTRL: u32 = 0;
/// Status, read only.
pub const STATUS: u32 = 1;
/// A byte from the port, or to it.
pub const DATA: u32 = 2;
/// Bytes of I/O space.
pub const SIZE: u32 = 8;

/// Bits of [`CTRL`].
pub mod ctrl {
    /// Interrupt while the transmitter is empty.
    pub const TXIRQ: u8 = 1 << 2;
    /// The port is on; while it is off it holds the clock.
    pub const ENABLE: u8 = 1 << 3;
    /// Interrupt while a byte is there.
    pub const RXIRQ: u8 = 1 << 4;
    /// What is kept.
    pub const WRITABLE: u8 = 0x1f;
}

/// Bits of [`STATUS`].
pub mod status {
    /// The clock line is high.
    pub const CLK: u8 = 1 << 0;
    /// The data line is high.
    pub const DAT: u8 = 1 << 1;
    /// The parity bit that came with the byte in [`super::DATA`].
    pub const PARITY: u8 = 1 << 2;
    /// A byte is there.
    pub const RXFULL: u8 = 1 << 5;
    /// A byte is being sent.
    pub const TXBUSY: u8 = 1 << 6;
    /// A byte can be sent.
    pub const TXEMPTY: u8 = 1 << 7;
}
