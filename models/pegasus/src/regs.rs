//! Registers (AN986 and ADM8511 data sheets, register description), one byte each, and the MII registers behind them.

/// Bytes of the register space.
pub const SIZE: usize = 256;

/// Vendor requests on endpoint 0; `wIndex` is the first register.
pub mod request {
    /// Reads registers, from the device.
    pub const GET_REGISTERS: u8 = 0xf0;
    /// Writes registers, to the device.
    pub const SET_REGISTERS: u8 = 0xf1;
    /// `bmRequestType` of reading.
    pub const READ: u8 = 0xc0;
    /// `bmRequestType` of writing.
    pub const WRITE: u8 = 0x40;
}

/// Ethernet control 0.
pub const ETH_CTRL0: u8 = 0x00;
/// Ethernet control 1.
pub const ETH_CTRL1: u8 = 0x01;
/// Ethernet control 2.
pub const ETH_CTRL2: u8 = 0x02;
/// Multicast hash table, eight bytes.
pub const MULTICAST: u8 = 0x08;
/// Station address, six bytes.
pub const ETH_ID: u8 = 0x10;
/// Pause timer, two bytes.
pub const PAUSE: u8 = 0x18;
/// Receive FIFO: packets, for flow control.
pub const RX_FLOW_PACKETS: u8 = 0x1a;
/// Receive FIFO: bytes, for flow control.
pub const RX_FLOW_FIFO: u8 = 0x1b;
/// Without a name in public; drivers of the ADM8511 write 0.
pub const REG_1D: u8 = 0x1d;
/// EEPROM: index of the word.
pub const EPROM_OFFSET: u8 = 0x20;
/// EEPROM: the word, low byte first.
pub const EPROM_DATA: u8 = 0x21;
/// EEPROM: command and state.
pub const EPROM_CTRL: u8 = 0x23;
/// MII: address of the PHY.
pub const PHY_ADDR: u8 = 0x25;
/// MII: the word, low byte first.
pub const PHY_DATA: u8 = 0x26;
/// MII: register, command and state.
pub const PHY_CTRL: u8 = 0x28;
/// USB status: suspend and resume.
pub const USB_STATUS: u8 = 0x2a;
/// Transmit status: how the last frames failed.
pub const TX_STATUS0: u8 = 0x2b;
/// Transmit status: packets in the FIFO.
pub const TX_STATUS1: u8 = 0x2c;
/// Receive status.
pub const RX_STATUS: u8 = 0x2d;
/// Frames lost for want of room: bit 7 says that there were more than 32767, below it the upper seven bits.
pub const RX_LOST_HIGH: u8 = 0x2e;
/// Frames lost, the lower eight bits.
pub const RX_LOST_LOW: u8 = 0x2f;
/// Wake-up control.
pub const WAKEUP_CTRL: u8 = 0x78;
/// Internal PHY control (ADM8511).
pub const PHY_POWER: u8 = 0x7b;
/// General purpose pins 0 and 1.
pub const GPIO0: u8 = 0x7e;
/// General purpose pins 2 and 3.
pub const GPIO1: u8 = 0x7f;
/// Which PHY is in use (ADM8511).
pub const REG_81: u8 = 0x81;
/// Keeps what is written in an ADM8513, and so tells it from these chips.
pub const REG_83: u8 = 0x83;

/// Bits of [`ETH_CTRL0`].
pub mod ctrl0 {
    /// The CRC is received too.
    pub const RX_CRC: u8 = 1 << 0;
    /// All multicast frames.
    pub const ALL_MULTICAST: u8 = 1 << 1;
    /// A received frame is followed by its status.
    pub const RX_STATUS: u8 = 1 << 3;
    /// Wakes up.
    pub const WAKE: u8 = 1 << 4;
    /// Receives.
    pub const RX: u8 = 1 << 6;
    /// Transmits.
    pub const TX: u8 = 1 << 7;
}

/// Bits of [`ETH_CTRL1`].
pub mod ctrl1 {
    /// Resets the MAC; clears itself.
    pub const RESET: u8 = 1 << 3;
    /// 100 Mbit/s.
    pub const SPEED_100: u8 = 1 << 4;
    /// Full duplex.
    pub const FULL: u8 = 1 << 5;
    /// Bits that keep what is written: also HomePNA and its delay.
    pub const KEPT: u8 = 0x74;
}

/// Bits of [`ETH_CTRL2`].
pub mod ctrl2 {
    /// Reading endpoint 3 clears the status registers.
    pub const EP3_CLEARS: u8 = 1 << 0;
    /// Damaged frames, runts and giants too.
    pub const BAD_FRAMES: u8 = 1 << 1;
    /// Frames to anyone.
    pub const PROMISCUOUS: u8 = 1 << 2;
    /// The MAC hears itself.
    pub const LOOPBACK: u8 = 1 << 3;
    /// The EEPROM can be written.
    pub const EPROM_WRITE: u8 = 1 << 4;
    /// Loads the station address from the EEPROM; clears itself.
    pub const EPROM_LOAD: u8 = 1 << 5;
    /// Bits that keep what is written.
    pub const KEPT: u8 = 0x1f;
}

/// Bits of [`EPROM_CTRL`].
pub mod eprom {
    /// Writes the word.
    pub const WRITE: u8 = 1 << 0;
    /// Reads the word.
    pub const READ: u8 = 1 << 1;
    /// It has been done.
    pub const DONE: u8 = 1 << 2;
}

/// Bits of [`PHY_CTRL`].
pub mod phy {
    /// The MII register.
    pub const REGISTER: u8 = 0x1f;
    /// Writes it.
    pub const WRITE: u8 = 1 << 5;
    /// Reads it.
    pub const READ: u8 = 1 << 6;
    /// It has been done.
    pub const DONE: u8 = 1 << 7;
}

/// Bits of [`PHY_POWER`].
pub mod phy_power {
    /// The internal PHY is held in reset.
    pub const RESET: u8 = 1 << 0;
    /// It is on.
    pub const ON: u8 = 1 << 1;
}

/// Bits of [`GPIO0`].
pub mod gpio {
    /// Level of pin 0 as an output.
    pub const OUT0: u8 = 1 << 1;
    /// Pin 0 is an output.
    pub const SELECT0: u8 = 1 << 2;
    /// What keeps what is written in both registers: outputs and selections. The others are inputs, and nothing is there.
    pub const KEPT: u8 = 0x36;
}

/// Bits of [`TX_STATUS0`].
pub mod tx0 {
    /// The frame was too long.
    pub const JABBER: u8 = 1 << 2;
    /// The carrier went away.
    pub const CARRIER_LOSS: u8 = 1 << 3;
    /// There was no carrier.
    pub const NO_CARRIER: u8 = 1 << 4;
}

/// Bits of [`TX_STATUS1`].
pub mod tx1 {
    /// Nothing waits.
    pub const EMPTY: u8 = 1 << 6;
}

/// Bits of [`RX_STATUS`].
pub mod rx {
    /// Frames were lost for want of room.
    pub const OVERRUN: u8 = 1 << 0;
}

/// Bits of the status byte that follows a received frame.
pub mod rxd {
    /// To a multicast address; broadcast is one.
    pub const MULTICAST: u8 = 1 << 0;
    /// Too long.
    pub const GIANT: u8 = 1 << 1;
    /// Too short.
    pub const RUNT: u8 = 1 << 2;
    /// The CRC is wrong.
    pub const CRC: u8 = 1 << 3;
    /// Bits left over.
    pub const DRIBBLE: u8 = 1 << 4;
}

/// Bits of byte 5 of the packet of endpoint 3; bytes 0 to 4 are the registers from [`TX_STATUS0`] on.
pub mod wakeup {
    /// There is a link.
    pub const LINK: u8 = 1 << 0;
}

pub use model_wire::mii;
