//! Which chip it is: HWVERID of TCR, section 5.7.
//!
//! For the log only. All of them speak the legacy mode that this driver uses; the 8139C+ has a second one beside it.

use crate::regs::tcr::HWVERID;

/// Bits 30 to 26, and bits 23 and 22 of TCR.
const fn id(high: u32, low: u32) -> u32 {
    high << 26 | low << 22
}

const NAMES: [(u32, &str); 11] = [
    (id(0b10000, 0b00), "RTL8139"),
    (id(0b11000, 0b00), "RTL8139 rev K"),
    (id(0b11100, 0b00), "RTL8139A"),
    (id(0b11100, 0b10), "RTL8139A-G"),
    (id(0b11110, 0b00), "RTL8139B"),
    (id(0b11111, 0b00), "RTL8130"),
    (id(0b11101, 0b00), "RTL8139C"),
    (id(0b11110, 0b10), "RTL8100"),
    (id(0b11101, 0b01), "RTL8139D or RTL8100B"),
    (id(0b11101, 0b10), "RTL8139C+"),
    (id(0b11101, 0b11), "RTL8101"),
];

/// The name of the chip with this TCR.
pub(crate) fn name(tcr: u32) -> Option<&'static str> {
    NAMES.into_iter().find(|(id, _)| *id == tcr & HWVERID).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_whatever_the_other_bits() {
        for (i, (id, name)) in NAMES.into_iter().enumerate() {
            assert_eq!(id & !HWVERID, 0);
            assert!(NAMES[..i].iter().all(|(other, _)| *other != id), "{name}");
            assert_eq!(super::name(id | 0x0300_0600), Some(name));
        }
        assert_eq!(name(0x7480_0000), Some("RTL8139C+"), "QEMU's");
        assert_eq!(name(0x0300_0600), None);
        assert_eq!(name(u32::MAX), None);
    }
}
