//! What the 93C46 beside the chip holds (datasheet, EEPROM contents): what auto-load reads.

use model_card::eeprom::{Eeprom, WORDS};

/// 0x8129: the EEPROM has been programmed.
const SIGNATURE: usize = 0;
const VENDOR: usize = 1;
const DEVICE: usize = 2;
pub(crate) const SUBSYSTEM_VENDOR: usize = 3;
pub(crate) const SUBSYSTEM: usize = 4;
/// Min_Gnt low, Max_Lat high.
pub(crate) const GRANT_LATENCY: usize = 5;
/// CONFIG3 in the high byte.
pub(crate) const CONFIG3: usize = 6;
/// Three words of station address.
const ETHERNET_ID: usize = 7;
/// CONFIG0 low, CONFIG1 high.
pub(crate) const CONFIG01: usize = 10;
/// CONFIG4 in the high byte (byte 0x19).
pub(crate) const CONFIG4: usize = 12;
/// CONFIG5 in the high byte (byte 0x1f).
pub(crate) const CONFIG5: usize = 15;

/// As the factory leaves it.
pub(crate) fn programmed(mac: [u8; 6]) -> Eeprom {
    let mut words = [0; WORDS];
    words[SIGNATURE] = 0x8129;
    words[VENDOR] = 0x10ec;
    words[DEVICE] = 0x8139;
    words[SUBSYSTEM_VENDOR] = 0x10ec;
    words[SUBSYSTEM] = 0x8139;
    words[GRANT_LATENCY] = 0x4020;
    for (word, pair) in words[ETHERNET_ID..].iter_mut().zip(mac.chunks_exact(2)) {
        *word = u16::from_le_bytes([pair[0], pair[1]]);
    }
    // LEDS1: the second of the four LED settings of CONFIG1. The rest of the CONFIG bytes is 0.
    words[CONFIG01] = 0x4000;
    Eeprom::new(words)
}

/// The station address.
pub(crate) fn ethernet_id(eeprom: &Eeprom) -> [u8; 6] {
    let mut id = [0; 6];
    for (i, pair) in id.chunks_exact_mut(2).enumerate() {
        pair.copy_from_slice(&eeprom.word(ETHERNET_ID + i).to_le_bytes());
    }
    id
}
