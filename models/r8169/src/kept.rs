//! Registers that keep what is written, and do nothing by themselves.

use std::ops::Range;

use crate::config::Variant;
use crate::regs;

/// Bytes that do so in every chip: first, and first behind.
const COMMON: [Range<u8>; 6] = [
    regs::FLASH..regs::FLASH + 4,
    regs::MULINT..regs::MULINT + 2,
    regs::PMCH..regs::PMCH + 1,
    regs::MAGIC..regs::MAGIC + 4,
    regs::WAKEUP..regs::WAKEUP_END,
    regs::INTRMITIGATE..regs::INTRMITIGATE + 2,
];
/// The RTL8168B has CSI at this place.
const TBI: Range<u8> = regs::TBICSR0..regs::PHYSTATUS;
/// ETThr after reset: no early transmission.
const ETTHR_DEFAULT: u8 = 0x3f;

#[derive(Debug)]
pub(crate) struct Kept {
    bytes: [u8; regs::SIZE as usize],
    variant: Variant,
}

impl Kept {
    pub(crate) const fn new(variant: Variant) -> Self {
        let mut bytes = [0; regs::SIZE as usize];
        bytes[regs::ETTHR as usize] = ETTHR_DEFAULT;
        Self { bytes, variant }
    }

    fn keeps(&self, at: u8) -> bool {
        COMMON.iter().any(|range| range.contains(&at))
            || at == regs::ETTHR
            || at >= regs::FUNCTION_EVENTS
            || !self.variant.is_pcie() && TBI.contains(&at)
    }

    /// The double word at `at`; what is kept nowhere is 0.
    pub(crate) fn read(&self, at: u8) -> u32 {
        let at = usize::from(at);
        self.bytes[at..at + 4].iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    /// Writes the named bytes of a double word, where they are kept.
    pub(crate) fn write(&mut self, at: u8, bytes: [u8; 4], lanes: u8) {
        for (i, byte) in (0..4).zip(bytes) {
            if lanes >> i & 1 != 0 && self.keeps(at + i) {
                self.bytes[usize::from(at + i)] = byte;
            }
        }
    }
}
