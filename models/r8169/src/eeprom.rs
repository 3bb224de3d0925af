//! What the 93C46 beside the chip holds (datasheet, EEPROM contents): what auto-load reads.

use model_card::eeprom::{Eeprom, WORDS};

use crate::config::Variant;

/// 0x8129: the EEPROM has been programmed.
const SIGNATURE: usize = 0;
const VENDOR: usize = 1;
const DEVICE: usize = 2;
pub(crate) const SUBSYSTEM_VENDOR: usize = 3;
pub(crate) const SUBSYSTEM: usize = 4;
/// Min_Gnt low, Max_Lat high.
pub(crate) const GRANT_LATENCY: usize = 5;
/// Three words of station address.
const ETHERNET_ID: usize = 7;
/// CONFIG0 to 5, two a word.
const CONFIGS: usize = 10;

/// As the factory leaves it.
pub(crate) fn programmed(variant: Variant, mac: [u8; 6]) -> Eeprom {
    let mut words = [0; WORDS];
    words[SIGNATURE] = 0x8129;
    words[VENDOR] = 0x10ec;
    words[DEVICE] = variant.device();
    words[SUBSYSTEM_VENDOR] = 0x10ec;
    words[SUBSYSTEM] = variant.device();
    words[GRANT_LATENCY] = 0x4020;
    for (word, pair) in words[ETHERNET_ID..].iter_mut().zip(mac.chunks_exact(2)) {
        *word = u16::from_le_bytes([pair[0], pair[1]]);
    }
    // CONFIG1: LEDS1, the second of the four LED settings, and PMEn. The rest of the CONFIG bytes is 0.
    words[CONFIGS] = 0x4100;
    Eeprom::new(words)
}

/// The bytes of three words.
fn six(eeprom: &Eeprom, at: usize) -> [u8; 6] {
    let mut bytes = [0; 6];
    for (i, pair) in bytes.chunks_exact_mut(2).enumerate() {
        pair.copy_from_slice(&eeprom.word(at + i).to_le_bytes());
    }
    bytes
}

/// The station address.
pub(crate) fn ethernet_id(eeprom: &Eeprom) -> [u8; 6] {
    six(eeprom, ETHERNET_ID)
}

/// CONFIG0 to 5.
pub(crate) fn configs(eeprom: &Eeprom) -> [u8; 6] {
    six(eeprom, CONFIGS)
}
