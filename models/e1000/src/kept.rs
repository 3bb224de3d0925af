//! Registers that keep what is written and do nothing, or are only looked up: timers, thresholds, LEDs, wake-up.

use crate::regs;

/// Offset, bits that keep what is written, value after reset; ascending.
const TABLE: [(u32, u32, u32); 36] = [
    (regs::CTRL_EXT, !regs::ctrl_ext::EE_RST, 0),
    (regs::FCAL, u32::MAX, 0),
    (regs::FCAH, 0xffff, 0),
    (regs::FCT, 0xffff, 0),
    (regs::VET, 0xffff, 0x8100),
    (regs::ITR, 0xffff, 0),
    (regs::FCTTV, 0xffff, 0),
    (regs::TXCW, 0xc000_ffff, 0),
    (regs::TIPG, 0x3fff_ffff, 0x0060_2006),
    (regs::AIT, 0xffff, 0),
    (regs::LEDCTL, u32::MAX, 0x0706_8302),
    (regs::FCRTL, 0x8000_fff8, 0),
    (regs::FCRTH, 0x8000_fff8, 0),
    // FPD, bit 31, flushes what is delayed: nothing is.
    (regs::RDTR, 0xffff, 0),
    (regs::RXDCTL, 0x013f_3f3f, 0x0001_0000),
    (regs::RADV, 0xffff, 0),
    (regs::RSRPD, 0xfff, 0),
    (regs::TXDMAC, 1, 0),
    (regs::TIDV, 0xffff, 0),
    (regs::TXDCTL, 0xff3f_3f3f, 0),
    (regs::TADV, 0xffff, 0),
    (regs::TSPMT, u32::MAX, 0x0100_0400),
    (regs::WUC, 0xf, 0),
    (regs::WUFC, 0x000f_80ff, 0),
    (regs::WUS, 0, 0),
    (regs::MANC, u32::MAX, 0),
    (regs::IPAV, 0x0001_000f, 0),
    // IP4AT, an address every eight bytes.
    (0x5840, u32::MAX, 0),
    (0x5848, u32::MAX, 0),
    (0x5850, u32::MAX, 0),
    (0x5858, u32::MAX, 0),
    // IP6AT.
    (0x5880, u32::MAX, 0),
    (0x5884, u32::MAX, 0),
    (0x5888, u32::MAX, 0),
    (0x588c, u32::MAX, 0),
    // WUPL.
    (0x5900, 0, 0),
];

#[derive(Debug)]
pub(crate) struct Kept([u32; TABLE.len()]);

impl Kept {
    pub(crate) fn new() -> Self {
        Self(TABLE.map(|(_, _, reset)| reset))
    }

    fn find(offset: u32) -> Option<usize> {
        TABLE.binary_search_by_key(&offset, |(at, ..)| *at).ok()
    }

    /// The register at `offset`; what is none reads 0.
    pub(crate) fn read(&self, offset: u32) -> u32 {
        Self::find(offset).map_or(0, |i| self.0[i])
    }

    pub(crate) fn write(&mut self, offset: u32, value: u32) {
        if let Some(i) = Self::find(offset) {
            self.0[i] = value & TABLE[i].1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.is_sorted_by_key(|(at, ..)| *at));
    }
}
