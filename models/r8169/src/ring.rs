//! Where the chip is in a ring of descriptors (datasheet, descriptor structures).
//!
//! A ring ends with the descriptor that has EOR, or after 1024. There is no tail: OWN says whose a descriptor is.

use crate::regs::desc;

#[derive(Debug, Clone, Default)]
pub(crate) struct Ring {
    base: u64,
    index: u16,
    /// A master abort: nothing moves until the ring begins anew.
    pub(crate) stopped: bool,
}

impl Ring {
    pub(crate) const fn low(&self) -> u32 {
        self.base as u32
    }

    pub(crate) const fn high(&self) -> u32 {
        (self.base >> 32) as u32
    }

    /// A write of the lower half of its address.
    pub(crate) fn set_low(&mut self, low: u32) {
        self.base = self.base & !0xffff_ffff | u64::from(low & !0xff);
        self.restart();
    }

    /// A write of the upper half.
    pub(crate) fn set_high(&mut self, high: u32) {
        self.base = self.base & 0xffff_ffff | u64::from(high) << 32;
        self.restart();
    }

    /// From its first descriptor.
    pub(crate) fn restart(&mut self) {
        self.index = 0;
        self.stopped = false;
    }

    /// Bus address of the descriptor whose turn it is, before DAC counts.
    pub(crate) const fn address(&self) -> u64 {
        self.base.wrapping_add(self.index as u64 * desc::SIZE)
    }

    /// To the descriptor behind one with this first word.
    pub(crate) fn advance(&mut self, word: u32) {
        self.index = if word & desc::EOR != 0 { 0 } else { (self.index + 1) % desc::MOST };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_ends_with_eor_or_after_1024() {
        let mut ring = Ring::default();
        ring.set_low(0x1234_56ff);
        ring.set_high(7);
        assert_eq!((ring.low(), ring.high(), ring.address()), (0x1234_5600, 7, 0x7_1234_5600));
        ring.advance(0);
        assert_eq!(ring.address(), 0x7_1234_5610);
        ring.advance(desc::EOR);
        assert_eq!(ring.address(), 0x7_1234_5600);
        (0..1023).for_each(|_| ring.advance(0));
        assert_eq!(ring.address(), 0x7_1234_95f0);
        ring.advance(0);
        assert_eq!(ring.address(), 0x7_1234_5600);
    }
}
