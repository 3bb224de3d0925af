//! The serial EEPROM beside the chip: a 93C46, 64 words of 16 bits, on a four-wire bus (Microwire).
//!
//! What its words mean is the chip's affair, and so is the register in which a driver finds its pins.
//!
//! A command is a start bit, two bits of operation, six of address; the bits are taken at the rising edge of SK
//! while CS is high, and leading zeros are skipped. READ answers a dummy zero with the last address bit and then
//! the word, most significant bit first, one bit a rising edge. Writing and erasing take no time here.

/// Words of a 93C46.
pub const WORDS: usize = 64;

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

/// A 93C46 and the levels on its pins.
#[derive(Debug)]
pub struct Eeprom {
    words: [u16; WORDS],
    phase: Phase,
    selected: bool,
    clock: bool,
    write_enabled: bool,
    out: bool,
}

impl Eeprom {
    /// One with these contents, after power-on: writing is disabled.
    #[must_use]
    pub const fn new(words: [u16; WORDS]) -> Self {
        Self { words, phase: Phase::Idle, selected: false, clock: false, write_enabled: false, out: true }
    }

    /// What lies at `index`; 0xffff behind the end.
    #[must_use]
    pub fn word(&self, index: usize) -> u16 {
        self.words.get(index).copied().unwrap_or(0xffff)
    }

    /// The contents, to be changed as if by a programmer on the bench.
    pub const fn words(&mut self) -> &mut [u16; WORDS] {
        &mut self.words
    }

    /// Level of the data-out pin; pulled up when the EEPROM does not drive it.
    #[must_use]
    pub const fn data_out(&self) -> bool {
        self.out
    }

    /// The three input pins change.
    pub fn pins(&mut self, select: bool, clock: bool, data: bool) {
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
        let mut e = Eeprom::new(std::array::from_fn(|i| 0x8129 ^ i as u16));
        for address in [0, 1, 62, 63] {
            assert_eq!(read(&mut e, address), 0x8129 ^ u16::from(address));
        }
    }

    #[test]
    fn leading_zeros_are_skipped() {
        let mut e = Eeprom::new([0; WORDS]);
        e.pins(true, false, false);
        send(&mut e, 0b110 << 6, 14);
        assert!(!e.data_out());
    }

    #[test]
    fn writes_only_when_enabled() {
        let mut e = Eeprom::new([0; WORDS]);
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
