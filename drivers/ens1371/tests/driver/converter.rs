//! The sample rate converter of the small chip.

const BUSY: u32 = 1 << 23;
const DISABLE: u32 = 1 << 22;
const WE: u32 = 1 << 24;
/// A converter that was switched on before it knew what to do locks up.
const TOLD_FIRST: [usize; 6] = [0x70, 0x71, 0x74, 0x75, 0x78, 0x79];

/// Words whose low byte is its own.
const INT_REGS: [usize; 3] = [0x71, 0x75, 0x79];

pub(crate) struct Converter {
    memory: [u16; 128],
    register: u32,
    /// Reads for which it is busy.
    busy: u32,
    /// Where in its cycle it is.
    cycle: u32,
    /// What the last read has said of that.
    last: u32,
    /// It was read in a safe moment, and not written since.
    safe: bool,
    pub(crate) hangs: bool,
    /// Its cycle stands at this.
    pub(crate) stuck_at: Option<u32>,
    /// Times that its own bytes were written over while it ran.
    pub(crate) disturbed: u32,
}

impl Default for Converter {
    fn default() -> Converter {
        let (memory, register) = ([0xaaaa; 128], DISABLE);
        Converter {
            memory,
            register,
            busy: 0,
            cycle: 0,
            last: 0,
            safe: false,
            hangs: false,
            stuck_at: None,
            disturbed: 0,
        }
    }
}

impl Converter {
    /// What it was told of the streams: not its own.
    pub(crate) fn told(&self) -> Vec<u16> {
        let is_own = |at: usize| INT_REGS.contains(&at);
        let word = |at: usize| self.memory[at] & if is_own(at) { 0xff00 } else { 0xffff };
        [0x6c, 0x6d]
            .into_iter()
            .chain(0x70..0x80)
            .filter(|at| ![0x72, 0x76, 0x7a, 0x7b].contains(at))
            .map(word)
            .collect()
    }

    pub(crate) fn word(&self, at: usize) -> u16 {
        self.memory[at]
    }

    pub(crate) fn stands(&self) -> bool {
        self.register & DISABLE != 0
    }

    /// Streams that it was told to hold.
    pub(crate) fn holds(&self) -> u32 {
        self.register >> 19 & 7
    }

    pub(crate) fn is_safe(&self) -> bool {
        self.safe
    }

    /// Whoever was at it knows nothing of it any more.
    pub(crate) fn forget(&mut self) {
        *self = Converter::default();
    }

    pub(crate) fn read(&mut self) -> u32 {
        if self.hangs {
            return self.register & !WE | BUSY;
        }
        if self.busy > 0 {
            self.busy -= 1;
            return self.register & !WE | BUSY;
        }
        // it tells where it is if it was asked to; its own bytes go on
        let asked = self.register & 0x7_0000 == 0x1_0000 && !self.stands();
        self.cycle = if asked { self.stuck_at.unwrap_or((self.cycle + 1) % 8) } else { 0 };
        if !self.stands() {
            for at in INT_REGS {
                self.memory[at] = self.memory[at] & 0xff00 | self.memory[at].wrapping_add(1) & 0x00ff;
            }
        }
        self.safe = asked && self.cycle == 1 && self.last == 0;
        self.last = self.cycle;
        let at = (self.register >> 25) as usize;
        self.register & 0xfe78_0000 | self.cycle << 16 | u32::from(self.memory[at])
    }

    pub(crate) fn write(&mut self, value: u32) {
        assert!(self.busy == 0 || self.hangs, "it is busy");
        if self.stands() && value & DISABLE == 0 {
            assert!(TOLD_FIRST.iter().all(|at| self.memory[*at] & 0xfff0 != 0), "it locks up: {:x?}", self.told());
        }
        let at = (value >> 25) as usize;
        if value & WE != 0 {
            let own = if self.stands() || !INT_REGS.contains(&at) { 0 } else { 0x00ff };
            // it goes on by a few while it is read and written
            let old = self.memory[at];
            if own != 0 && (old.wrapping_sub(value as u16) & own) > 16 {
                self.disturbed += 1;
            }
            self.memory[at] = value as u16;
            self.busy = 2;
        }
        self.register = value & 0xfe7f_0000;
        self.safe = false;
        self.last = u32::MAX;
    }
}
