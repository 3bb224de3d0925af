//! The 93C46 beside the chip, and the registers through which its words are read and written.

use crate::chip::Chip;
use crate::regs::{self, ctrl2, eprom};

/// Words of 16 bits.
pub const WORDS: usize = 64;
/// Interval of endpoint 3 in the high byte.
const INTERVAL: usize = 4;

/// As the factory leaves it: words 0 to 2 are the station address, the interval is in the high byte of word 4. Of the
/// others nothing is known that a driver would read: they are blank.
pub(crate) fn programmed(mac: [u8; 6], interval: u8) -> [u16; WORDS] {
    let mut words = [0xffff; WORDS];
    for (word, pair) in words.iter_mut().zip(mac.chunks_exact(2)) {
        *word = u16::from_le_bytes([pair[0], pair[1]]);
    }
    words[INTERVAL] = u16::from(interval) << 8;
    words
}

/// An access that is under way, as the registers show it.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// EpromCtrl as it was written.
    control: u8,
    /// Reads of EpromCtrl until it is done; `None`: there is none.
    left: Option<u32>,
    done: bool,
}

impl Chip {
    /// A write of EpromCtrl: a command, or none. What was under way has ended.
    pub(crate) fn write_eprom_ctrl(&mut self, value: u8) {
        let control = value & (eprom::READ | eprom::WRITE);
        let left = (control != 0).then_some(self.config.eprom_polls);
        self.eprom_access = Access { control, left, done: false };
        if left == Some(0) && !self.trouble.on.eprom_silent {
            self.finish_eprom();
        }
    }

    /// A read of EpromCtrl.
    pub(crate) fn read_eprom_ctrl(&mut self) -> u8 {
        match self.eprom_access.left {
            _ if self.trouble.on.eprom_silent => {}
            Some(0) => self.finish_eprom(),
            Some(left) => self.eprom_access.left = Some(left - 1),
            None => {}
        }
        self.eprom_access.control | if self.eprom_access.done { eprom::DONE } else { 0 }
    }

    fn finish_eprom(&mut self) {
        let at = usize::from(self.kept[usize::from(regs::EPROM_OFFSET)]) % WORDS;
        let data = usize::from(regs::EPROM_DATA);
        if self.eprom_access.control & eprom::READ != 0 {
            self.kept[data..data + 2].copy_from_slice(&self.eprom[at].to_le_bytes());
        } else if self.kept[usize::from(regs::ETH_CTRL2)] & ctrl2::EPROM_WRITE != 0 {
            self.eprom[at] = u16::from_le_bytes([self.kept[data], self.kept[data + 1]]);
            self.counters.eprom_writes += 1;
        }
        self.eprom_access.left = None;
        self.eprom_access.done = true;
    }

    /// Loads the station address.
    pub(crate) fn load_station(&mut self) {
        let id = usize::from(regs::ETH_ID);
        for (i, word) in self.eprom[..3].iter().enumerate() {
            self.kept[id + 2 * i..id + 2 * i + 2].copy_from_slice(&word.to_le_bytes());
        }
    }
}
