//! What the 93C46 beside the chip holds, and the two ways to it: pins (EECD) and EERD (manual, chapter 5).

use model_card::eeprom::{Eeprom, WORDS};

use crate::chip::E1000;
use crate::config::Config;
use crate::regs::{eecd, eerd};

/// Initialization control word 1.
const CONTROL_1: usize = 0x0a;
pub(crate) const SUBSYSTEM: usize = 0x0b;
pub(crate) const SUBSYSTEM_VENDOR: usize = 0x0c;
const DEVICE: usize = 0x0d;
const VENDOR: usize = 0x0e;
const CHECKSUM: usize = 0x3f;

/// Signature 01, memory BARs of 32 bits, full duplex, ids are loaded from here; no power management.
const CONTROL_1_VALUE: u16 = 0b01 << 14 | 1 << 13 | 1 << 10 | 0b11;
/// What the words 0 to 0x3f add up to.
const SUM: u16 = 0xbaba;
/// PRO/1000 MT Desktop Adapter; the others tell their own id.
const SUBSYSTEM_82540EM: u16 = 0x001e;

/// As the factory leaves it.
pub(crate) fn programmed(config: &Config) -> Eeprom {
    let mut words = [0; WORDS];
    for (word, pair) in words.iter_mut().zip(config.mac.chunks_exact(2)) {
        *word = u16::from_le_bytes([pair[0], pair[1]]);
    }
    words[CONTROL_1] = CONTROL_1_VALUE;
    let device = config.variant.device();
    words[SUBSYSTEM] = if device == 0x100e { SUBSYSTEM_82540EM } else { device };
    words[SUBSYSTEM_VENDOR] = 0x8086;
    words[DEVICE] = device;
    words[VENDOR] = 0x8086;
    words[CHECKSUM] = words.iter().fold(SUM, |left, word| left.wrapping_sub(*word));
    Eeprom::new(words)
}

impl E1000 {
    /// The pins can be driven: they were asked for, or need not be.
    const fn owns_pins(&self) -> bool {
        self.config.variant.is_82544() || self.eecd & eecd::REQ != 0
    }

    pub(crate) fn read_eecd(&self) -> u32 {
        let out = if self.owns_pins() && self.eeprom.data_out() { eecd::DO } else { 0 };
        let granted = if self.eecd & eecd::REQ != 0 { eecd::GNT } else { 0 };
        self.eecd | out | granted | eecd::PRES
    }

    pub(crate) fn write_eecd(&mut self, value: u32) {
        let request = if self.config.variant.is_82544() { 0 } else { eecd::REQ };
        self.eecd = value & (eecd::SK | eecd::CS | eecd::DI | eecd::FWE | request);
        let owned = self.owns_pins();
        let on = |pin| owned && value & pin != 0;
        self.lie_about_checksum();
        self.eeprom.pins(on(eecd::CS), on(eecd::SK), on(eecd::DI));
    }

    /// A read is over at once.
    pub(crate) fn write_eerd(&mut self, value: u32) {
        if self.config.variant.is_82544() {
            return;
        }
        let address = value >> eerd::ADDR_SHIFT & 0xff;
        self.eerd = address << eerd::ADDR_SHIFT;
        if value & eerd::START != 0 {
            self.lie_about_checksum();
            // The address lines that a 93C46 does not have are not there.
            let word = self.eeprom.word(address as usize % WORDS);
            self.eerd |= u32::from(word) << eerd::DATA_SHIFT | eerd::DONE;
        }
    }

    /// Makes the last word wrong or right, as the switch says.
    fn lie_about_checksum(&mut self) {
        let lies = self.parts.trouble.on.eeprom_checksum;
        if lies != self.checksum_lies {
            let word = &mut self.eeprom.words()[CHECKSUM];
            *word = if lies { word.wrapping_add(1) } else { word.wrapping_sub(1) };
            self.checksum_lies = lies;
        }
    }
}
