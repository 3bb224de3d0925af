//! PCI configuration space, header type 0 (datasheet, PCI configuration space table; PCI Local Bus 2.3 chapter 6).
//!
//! Not here: power management and vital product data. CONFIG1.PMEn and VPD keep what is written, but no capability
//! list appears.

use udrv_bus::PciId;

use crate::config::Variant;
use crate::eeprom::{Eeprom, layout};

/// What the card says it is.
pub const ID: PciId = PciId { vendor: 0x10ec, device: 0x8139 };

/// Bits of the command register.
pub(crate) mod command {
    pub(crate) const IO: u16 = 1 << 0;
    pub(crate) const MEMORY: u16 = 1 << 1;
    pub(crate) const BUS_MASTER: u16 = 1 << 2;
    pub(crate) const SERR: u16 = 1 << 8;
    pub(crate) const INTX_DISABLE: u16 = 1 << 10;
    /// Bits that keep what is written: I/O, memory, bus master, parity response, SERR#, INTx disable.
    pub(crate) const WRITABLE: u16 = IO | MEMORY | BUS_MASTER | 1 << 6 | SERR | INTX_DISABLE;
}

/// Bits of the status register.
pub(crate) mod status {
    /// INTx is asserted, whatever the disable bit says.
    pub(crate) const INTX: u16 = 1 << 3;
    /// Fast back-to-back capable, medium DEVSEL.
    pub(crate) const FIXED: u16 = 1 << 7 | 0b01 << 9;
    pub(crate) const RECEIVED_MASTER_ABORT: u16 = 1 << 13;
    pub(crate) const SIGNALED_SYSTEM_ERROR: u16 = 1 << 14;
    /// Bits that are cleared by writing one.
    pub(crate) const WRITE_ONE_CLEARS: u16 = 0xf900;
}

const COMMAND: u16 = 0x04;
const STATUS: u16 = 0x06;

#[derive(Debug)]
pub(crate) struct ConfigSpace {
    bytes: [u8; 256],
    /// Bits that keep what is written.
    mask: [u8; 256],
}

impl ConfigSpace {
    pub(crate) fn new(variant: Variant, eeprom: &Eeprom) -> Self {
        let mut space = Self { bytes: [0; 256], mask: [0; 256] };
        space.set16(0x00, ID.vendor);
        space.set16(0x02, ID.device);
        space.set16(STATUS, status::FIXED);
        space.bytes[0x08] = variant.revision();
        // Class 02 00 00: Ethernet controller.
        space.bytes[0x0b] = 0x02;
        // BAR 0: 256 bytes of I/O. BAR 1: 256 bytes of memory, 32 bits, not prefetchable.
        space.bytes[0x10] = 1;
        space.mask[0x11..0x14].fill(0xff);
        space.mask[0x15..0x18].fill(0xff);
        space.set16(0x2c, eeprom.word(layout::SUBSYSTEM_VENDOR));
        space.set16(0x2e, eeprom.word(layout::SUBSYSTEM));
        // Interrupt line is the system's scratch byte; pin 1 is INTA#.
        space.mask[0x3c] = 0xff;
        space.bytes[0x3d] = 1;
        space.set16(0x3e, eeprom.word(layout::GRANT_LATENCY));
        // Cache line size, latency timer.
        space.mask[0x0c..0x0e].fill(0xff);
        let command = command::WRITABLE.to_le_bytes();
        space.mask[0x04..0x06].copy_from_slice(&command);
        space
    }

    fn set16(&mut self, at: u16, value: u16) {
        let at = usize::from(at);
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn get16(&self, at: u16) -> u16 {
        let at = usize::from(at);
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    pub(crate) fn command(&self) -> u16 {
        self.get16(COMMAND)
    }

    pub(crate) fn has(&self, command_bits: u16) -> bool {
        self.command() & command_bits == command_bits
    }

    pub(crate) fn set_status(&mut self, bits: u16) {
        self.set16(STATUS, self.get16(STATUS) | bits);
    }

    pub(crate) fn set_intx(&mut self, asserted: bool) {
        let rest = self.get16(STATUS) & !status::INTX;
        self.set16(STATUS, if asserted { rest | status::INTX } else { rest });
    }

    /// Reads `len` bytes (1, 2 or 4) at `at`, which the caller has checked.
    pub(crate) fn read(&self, at: u16, len: u64) -> u32 {
        (0..len as usize).fold(0, |value, i| value | u32::from(self.bytes[usize::from(at) + i]) << (8 * i))
    }

    /// Writes `len` bytes at `at`, which the caller has checked.
    pub(crate) fn write(&mut self, at: u16, len: u64, value: u32) {
        for i in 0..len as usize {
            let at = usize::from(at) + i;
            let byte = (value >> (8 * i)) as u8;
            let clears = match at {
                0x06 => status::WRITE_ONE_CLEARS as u8,
                0x07 => (status::WRITE_ONE_CLEARS >> 8) as u8,
                _ => 0,
            };
            let kept = self.bytes[at] & !self.mask[at] & !(clears & byte);
            self.bytes[at] = kept | byte & self.mask[at];
        }
    }
}
