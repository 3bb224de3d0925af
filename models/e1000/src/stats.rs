//! The statistics registers (manual, 13.7): reading clears, and none goes around: they stick at all ones.

use crate::regs::stat;

/// Low halves of the counters of 64 bits; the high half follows each.
const WIDE: [u32; 4] = [stat::GORCL, stat::GOTCL, stat::TORL, stat::TOTL];
/// Ends of the classes of length, bytes with CRC.
const CLASSES: [usize; 5] = [64, 127, 255, 511, 1023];

const REGISTERS: usize = ((stat::END - stat::FIRST) / 4) as usize;

#[derive(Debug)]
pub(crate) struct Stats([u32; REGISTERS]);

impl Default for Stats {
    fn default() -> Self {
        Self([0; REGISTERS])
    }
}

const fn index(register: u32) -> usize {
    ((register - stat::FIRST) / 4) as usize
}

impl Stats {
    /// Reading clears; the low half of a wide counter is cleared by the read of the high one.
    pub(crate) fn read(&mut self, register: u32) -> u32 {
        let at = index(register);
        if WIDE.contains(&register) {
            return self.0[at];
        }
        if WIDE.contains(&(register - 4)) {
            self.0[at - 1] = 0;
        }
        std::mem::take(&mut self.0[at])
    }

    pub(crate) fn count(&mut self, register: u32) {
        let counter = &mut self.0[index(register)];
        *counter = counter.saturating_add(1);
    }

    /// Adds to a counter of 64 bits.
    pub(crate) fn add_octets(&mut self, low: u32, octets: usize) {
        let at = index(low);
        let sum = (u64::from(self.0[at + 1]) << 32 | u64::from(self.0[at])).saturating_add(octets as u64);
        (self.0[at], self.0[at + 1]) = (sum as u32, (sum >> 32) as u32);
    }

    /// Counts a length of `octets` with CRC in the six classes that begin at `first`.
    pub(crate) fn count_length(&mut self, first: u32, octets: usize) {
        let class = CLASSES.partition_point(|end| *end < octets);
        self.count(first + 4 * class as u32);
    }
}
