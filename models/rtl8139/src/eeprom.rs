//! The serial EEPROM beside the chip: a 93C46, 64 words of 16 bits, on a four-wire bus.
//!
//! A command is a start bit, two bits of operation, six of address; the bits are taken at the rising edge of SK
//! while CS is high, and leading zeros are skipped. READ answers a dummy zero with the last address bit and then
//! the word, most significant bit first, one bit a rising edge. Writing and erasing take no time here.

/// Words of a 93C46.
pub(crate) const WORDS: usize = 64;

/// Contents, datasheet, EEPROM contents: what auto-load reads.
pub(crate) mod layout {
    /// 0x8129: the EEPROM has been programmed.
    pub(crate) const SIGNATURE: usize = 0;
    pub(crate) const VENDOR: usize = 1;
    pub(crate) const DEVICE: usize = 2;
    pub(crate) const SUBSYSTEM_VENDOR: usize = 3;
    pub(crate) const SUBSYSTEM: usize = 4;
    /// Min_Gnt low, Max_Lat high.
    pub(crate) const GRANT_LATENCY: usize = 5;
    /// CONFIG3 in the high byte.
    pub(crate) const CONFIG3: usize = 6;
    /// Three words of station address.
    pub(crate) const ETHERNET_ID: usize = 7;
    /// CONFIG0 low, CONFIG1 high.
    pub(crate) const CONFIG01: usize = 10;
    /// CONFIG4 in the high byte (byte 0x19).
    pub(crate) const CONFIG4: usize = 12;
    /// CONFIG5 in the high byte (byte 0x1f).
    pub(crate) const CONFIG5: usize = 15;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for the start bit.
    Idle,
    /// Operation and address come in: bits so far, and how many.
    Command { bits: u8, count: u8 },
    /// Data goes out.
    Read { word: u16, left: u8 },
    /// Data comes in, for one word or for all.
    Write { address: Option<u8>, word: u16, count: u8 },
    /// Nothing until CS falls.
    Done,
}

#[derive(Debug)]
pub(crate) struct Eeprom {
    words: [u16; WORDS],
    phase: Phase,
    selected: bool,
    clock: bool,
    write_enabled: bool,
    out: bool,
}

impl Eeprom {
    pub(crate) fn new(mac: [u8; 6]) -> Self {
        let mut words = [0; WORDS];
        words[layout::SIGNATURE] = 0x8129;
        words[layout::VENDOR] = 0x10ec;
        words[layout::DEVICE] = 0x8139;
        words[layout::SUBSYSTEM_VENDOR] = 0x10ec;
        words[layout::SUBSYSTEM] = 0x8139;
        words[layout::GRANT_LATENCY] = 0x4020;
        for (word, pair) in words[layout::ETHERNET_ID..].iter_mut().zip(mac.chunks_exact(2)) {
            *word = u16::from_le_bytes([pair[0], pair[1]]);
        }
        // LEDS1: the second of the four LED settings of CONFIG1. The rest of the CONFIG bytes is 0.
        words[layout::CONFIG01] = 0x4000;
        Self { words, phase: Phase::Idle, selected: false, clock: false, write_enabled: false, out: true }
    }

    pub(crate) fn word(&self, index: usize) -> u16 {
        self.words.get(index).copied().unwrap_or(0xffff)
    }

    pub(crate) fn ethernet_id(&self) -> [u8; 6] {
        let mut id = [0; 6];
        for (i, pair) in id.chunks_exact_mut(2).enumerate() {
            pair.copy_from_slice(&self.word(layout::ETHERNET_ID + i).to_le_bytes());
        }
        id
    }

    /// Level of the data-out pin; pulled up when the EEPROM does not drive it.
    pub(crate) const fn data_out(&self) -> bool {
        self.out
    }

    /// The three input pins change.
    pub(crate) fn pins(&mut self, select: bool, clock: bool, data: bool) {
        if !select {
            self.phase = Phase::Idle;
            self.out = true;
        } else if self.selected && clock && !self.clock {
            self.rising(data);
        }
        self.selected = select;
        self.clock = clock;
    }

    fn rising(&mut self, data: bool) {
        let bit = u8::from(data);
        self.phase = match self.phase {
            Phase::Idle if data => Phase::Command { bits: 0, count: 0 },
            Phase::Command { bits, count: 7 } => self.command(bits << 1 | bit),
            Phase::Command { bits, count } => Phase::Command { bits: bits << 1 | bit, count: count + 1 },
            Phase::Read { word, left: left @ 1.. } => {
                self.out = word & 0x8000 != 0;
                Phase::Read { word: word << 1, left: left - 1 }
            }
            Phase::Write { address, word, count } => {
                let word = word << 1 | u16::from(bit);
                if count == 15 {
                    self.store(address, word);
                    Phase::Done
                } else {
                    Phase::Write { address, word, count: count + 1 }
                }
            }
            Phase::Read { .. } => Phase::Done,
            unchanged => unchanged,
        };
    }

    fn command(&mut self, bits: u8) -> Phase {
        let address = bits & 0x3f;
        match (bits >> 6, address >> 4) {
            (0b10, _) => {
                self.out = false;
                return Phase::Read { word: self.word(usize::from(address)), left: 16 };
            }
            (0b01, _) => return Phase::Write { address: Some(address), word: 0, count: 0 },
            (0b11, _) => self.store(Some(address), 0xffff),
            (_, 0b11) => self.write_enabled = true,
            (_, 0b00) => self.write_enabled = false,
            (_, 0b10) => self.store(None, 0xffff),
            _ => return Phase::Write { address: None, word: 0, count: 0 },
        }
        Phase::Done
    }

    fn store(&mut self, address: Option<u8>, word: u16) {
        // Ready: the pin shows it while CS stays high.
        self.out = true;
        if !self.write_enabled {
            return;
        }
        match address {
            Some(address) => self.words[usize::from(address) % WORDS] = word,
            None => self.words = [word; WORDS],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(e: &mut Eeprom, bits: u32, count: u32) {
        for i in (0..count).rev() {
            let data = bits >> i & 1 == 1;
            e.pins(true, false, data);
            e.pins(true, true, data);
        }
    }

    fn read(e: &mut Eeprom, address: u8) -> u16 {
        e.pins(false, false, false);
        e.pins(true, false, false);
        send(e, 0b110 << 6 | u32::from(address), 9);
        assert!(!e.data_out(), "the dummy zero");
        (0..16).fold(0, |word, _| {
            e.pins(true, false, false);
            e.pins(true, true, false);
            word << 1 | u16::from(e.data_out())
        })
    }

    fn command(e: &mut Eeprom, bits: u32, count: u32) {
        e.pins(false, false, false);
        e.pins(true, false, false);
        send(e, bits, count);
        e.pins(false, false, false);
    }

    #[test]
    fn reads_words_bit_by_bit() {
        let mut e = Eeprom::new([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert_eq!(read(&mut e, 0), 0x8129);
        assert_eq!([read(&mut e, 7), read(&mut e, 8), read(&mut e, 9)], [0x5452, 0x1200, 0x5634]);
    }

    #[test]
    fn leading_zeros_are_skipped() {
        let mut e = Eeprom::new([0; 6]);
        e.pins(true, false, false);
        send(&mut e, 0b110 << 6, 14);
        assert!(!e.data_out());
    }

    #[test]
    fn writes_only_when_enabled() {
        let mut e = Eeprom::new([0; 6]);
        let write = 0b101 << 22 | 20 << 16 | 0xbeef;
        command(&mut e, write, 25);
        assert_eq!(read(&mut e, 20), 0);
        command(&mut e, 0b100 << 6 | 0x30, 9);
        command(&mut e, write, 25);
        assert_eq!(read(&mut e, 20), 0xbeef);
        command(&mut e, 0b111 << 6 | 20, 9);
        assert_eq!(read(&mut e, 20), 0xffff);
        command(&mut e, 0b100 << 22 | 0x10 << 16 | 0x1234, 25);
        assert_eq!(read(&mut e, 63), 0x1234);
        command(&mut e, 0b100 << 6 | 0x20, 9);
        assert_eq!(read(&mut e, 0), 0xffff);
        command(&mut e, 0b100 << 6, 9);
        command(&mut e, write, 25);
        assert_eq!(read(&mut e, 20), 0xffff);
    }
}
