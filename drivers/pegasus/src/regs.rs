//! Registers: names, widths, kinds, bits. One vendor request reads or writes a run of them.

use udrv_driver::{RegisterInfo, usb};

pub mod device {
    //! Those of the chip, each access to which is a control transfer.

    udrv_driver::register_map! {
        /// Ethernet control 0: transmitter and receiver.
        ETHCTRL0: u8 = 0x00, Config;
        /// Ethernet control 1: reset, and what the link is.
        ETHCTRL1: u8 = 0x01, Command;
        /// Ethernet control 2: what is received beside, and how endpoint 3 tells.
        ETHCTRL2: u8 = 0x02, Config;
        /// Station address, bytes 0 to 3.
        ETHID0: u32 = 0x10, Config;
        /// Station address, bytes 4 and 5.
        ETHID4: u16 = 0x14, Config;
        /// Receive FIFO control (Pegasus II): which memory, how many frames.
        RXFC: u8 = 0x1d, Command;
        /// EPROMOFFSET, EPROMDATA and EPROMCTRL as one: an access to the EEPROM.
        EPROMACCESS: u32 = 0x20, Command;
        /// What a word of the EEPROM holds.
        EPROMDATA: u16 = 0x21, ReadOnly;
        /// How far the access is.
        EPROMCTRL: u8 = 0x23, ReadOnly;
        /// PHYADDR, PHYDATA and PHYCTRL as one: an access to the PHY.
        PHYACCESS: u32 = 0x25, Command;
        /// What a register of the PHY holds.
        PHYDATA: u16 = 0x26, ReadOnly;
        /// How far the access is.
        PHYCTRL: u8 = 0x28, ReadOnly;
        /// Control of the internal PHY (Pegasus II).
        IPHYC: u8 = 0x7b, Command;
        /// General purpose pins, GPIO0 and GPIO1 as one: they hold an external PHY in reset, and light LEDs.
        GPIO: u16 = 0x7e, Command;
        /// TEST and TM, test modes (Pegasus II), as one: which PHY is in use.
        TEST: u16 = 0x80, Command;
        /// Without a name (Pegasus II). An ADM8513 keeps what is written.
        REG83: u8 = 0x83, Command;
        /// Without a name (Pegasus II).
        REG84: u8 = 0x84, Command;
    }
}

const COUNT: usize = usb::map_length(device::REGISTERS);
const ALL: [RegisterInfo; COUNT] = usb::with_controller(device::REGISTERS);
/// Those of the chip and of the controller.
pub const REGISTERS: &[RegisterInfo] = &ALL;

/// Bits of ETHCTRL0.
///
/// Some chips send the CRC whatever RX_CRC says, so all are told to.
pub mod ethctrl0 {
    /// Transmitter.
    pub const TX: u8 = 1 << 7;
    /// Receiver.
    pub const RX: u8 = 1 << 6;
    /// The status of a received frame comes behind it.
    pub const STATUS_APPENDED: u8 = 1 << 3;
    /// All multicast.
    pub const ALL_MULTICAST: u8 = 1 << 1;
    /// The CRC of a received frame comes behind it.
    pub const RX_CRC: u8 = 1 << 0;
}

/// Bits of ETHCTRL1.
pub mod ethctrl1 {
    /// Full duplex.
    pub const FULL_DUPLEX: u8 = 1 << 5;
    /// 100 Mbit/s.
    pub const SPEED_100: u8 = 1 << 4;
    /// Resets the MAC; clears itself.
    pub const RESET: u8 = 1 << 3;
}

/// Bits of ETHCTRL2.
pub mod ethctrl2 {
    /// Everything on the wire.
    pub const PROMISCUOUS: u8 = 1 << 2;
    /// What endpoint 3 has told it tells once.
    pub const EP3_CLEARS: u8 = 1 << 0;
}

/// Bits of EPROMCTRL.
pub mod epromctrl {
    /// Read.
    pub const READ: u8 = 1 << 1;
    /// It is done.
    pub const DONE: u8 = 1 << 2;
}

/// Bits of PHYCTRL; the low five are the PHY's register.
pub mod phyctrl {
    /// It is done.
    pub const DONE: u8 = 1 << 7;
    /// Read.
    pub const READ: u8 = 1 << 6;
    /// Write.
    pub const WRITE: u8 = 1 << 5;
}

/// Values of IPHYC.
pub mod iphyc {
    /// The PHY is in reset.
    pub const RESET: u8 = 1 << 0;
    /// It is on.
    pub const ON: u8 = 1 << 1;
}

/// Values of GPIO; GPIO0 is the low byte.
pub mod gpio {
    /// Pin 0 low: an external PHY is in reset. GPIO1 lights LEDs.
    pub const PHY_RESET: u16 = 0x2624;
    /// Pin 0 high: it is not.
    pub const PHY_RUNS: u16 = 0x2626;
}

/// Values of the registers that only drivers explain, by what they write.
pub mod pegasus_ii {
    /// RXFC: the memory in the chip, 16 frames.
    pub const RXFC: u8 = 0;
    /// TEST and TM: the PHY in the chip.
    pub const TEST: u16 = 0x02c0;
    /// REG83.
    pub const REG83: u8 = 0xff;
    /// REG84.
    pub const REG84: u8 = 1;
    /// What an ADM8513 keeps in REG83, and no other does.
    pub const KEPT: u8 = 0xa5;
}
