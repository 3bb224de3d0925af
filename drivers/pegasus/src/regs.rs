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
        /// Multicast hash, bits 0 to 31.
        MAR0: u32 = 0x08, Config;
        /// Multicast hash, bits 32 to 63.
        MAR4: u32 = 0x0c, Config;
        /// Station address, bytes 0 to 3.
        ETHID0: u32 = 0x10, Config;
        /// Station address, bytes 4 and 5.
        ETHID4: u16 = 0x14, Config;
        /// Without a name: Pegasus II.
        REG1D: u8 = 0x1d, Command;
        /// Word of the EEPROM that is meant.
        EPROMOFFSET: u8 = 0x20, Command;
        /// What it holds.
        EPROMDATA: u16 = 0x21, ReadOnly;
        /// Access to the EEPROM.
        EPROMCTRL: u8 = 0x23, Command;
        /// PHYADDR, PHYDATA and PHYCTRL as one: an access to the PHY.
        PHYACCESS: u32 = 0x25, Command;
        /// What a register of the PHY holds.
        PHYDATA: u16 = 0x26, ReadOnly;
        /// Access to the PHY.
        PHYCTRL: u8 = 0x28, Command;
        /// Without a name: Pegasus II.
        REG7B: u8 = 0x7b, Command;
        /// General purpose pins, which hold the PHY in reset.
        GPIO0: u8 = 0x7e, Command;
        /// More of them.
        GPIO1: u8 = 0x7f, Command;
        /// Without a name: Pegasus II.
        REG80: u8 = 0x80, Command;
        /// Without a name: Pegasus II.
        REG81: u8 = 0x81, Command;
        /// Without a name: keeps what is written on an ADM8513.
        REG83: u8 = 0x83, Command;
        /// Without a name: Pegasus II.
        REG84: u8 = 0x84, Command;
    }
}

const COUNT: usize = usb::map_length(device::REGISTERS);
const ALL: [RegisterInfo; COUNT] = usb::with_controller(device::REGISTERS);
/// Those of the chip and of the controller.
pub const REGISTERS: &[RegisterInfo] = &ALL;

/// Bits of ETHCTRL0.
pub mod ethctrl0 {
    /// Transmitter.
    pub const TX: u8 = 1 << 7;
    /// Receiver.
    pub const RX: u8 = 1 << 6;
    /// The status of a received frame comes behind it.
    pub const STATUS_APPENDED: u8 = 1 << 3;
    /// All multicast.
    pub const ALL_MULTICAST: u8 = 1 << 1;
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
    /// What endpoint 3 told is told once.
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

/// Values of GPIO0 and GPIO1.
pub mod gpio {
    /// GPIO0: the PHY is in reset.
    pub const PHY_RESET: u8 = 0x24;
    /// GPIO0: it is not.
    pub const PHY_RUNS: u8 = 0x26;
    /// GPIO1.
    pub const LEDS: u8 = 0x26;
}
