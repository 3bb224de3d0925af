//! Which chip it is: the version in TCR, which other drivers call XID.
//!
//! Exactly these are driven. Chips that are not, though they have the same PCI ids: the first RTL8169 (no gigabit in its
//! early steppings, and other needs), the RTL8110SCe (0x98000000), and everything from the RTL8168C on, which wants
//! tables of PHY and bus settings, and firmware.

use udrv_driver::AROUND_MTU;

use crate::ring::CRC;

/// A chip that is driven. Its number is in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    mask: u32,
    id: u32,
    pub(crate) name: &'static str,
    pub(crate) bus: Bus,
    /// CPCR wants bit 14.
    pub(crate) is_s: bool,
    /// An overflow of the FIFO stops its receiver for good.
    pub(crate) overflow_stops: bool,
    /// The largest MTU, bytes: frames of 7 KiB with tag and CRC on PCI, of 4 KiB on PCIe.
    pub(crate) max_mtu: u32,
    /// CONFIG4 has a bit for an MTU above the usual.
    pub(crate) has_jumbo_bit: bool,
}

/// The largest MTU of all of them.
pub(crate) const MAX_MTU: u32 = 7 * 1024 - AROUND_MTU - CRC;

/// What it sits on, from which most other differences follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bus {
    Pci,
    Pcie,
}

/// Bits of the version in TCR of the PCI chips.
const PCI: u32 = 0xfc80_0000;
/// The same on PCIe, where bit 31 does not count and two more do.
const PCIE: u32 = 0x7cf0_0000;

const fn pci(id: u32, name: &'static str, is_s: bool) -> Version {
    let (bus, max_mtu) = (Bus::Pci, MAX_MTU);
    Version { mask: PCI, id, name, bus, is_s, overflow_stops: false, max_mtu, has_jumbo_bit: false }
}

const fn pcie(id: u32, name: &'static str, is_first: bool) -> Version {
    let (bus, max_mtu) = (Bus::Pcie, 4 * 1024 - AROUND_MTU - CRC);
    Version { mask: PCIE, id, name, bus, is_s: false, overflow_stops: is_first, max_mtu, has_jumbo_bit: !is_first }
}

/// All of them.
pub(crate) const VERSIONS: [Version; 7] = [
    pci(0x0080_0000, "RTL8169S", true),
    pci(0x0400_0000, "RTL8110S", true),
    pci(0x1000_0000, "RTL8169SB or RTL8110SB", false),
    pci(0x1800_0000, "RTL8169SC or RTL8110SC", false),
    pcie(0x3000_0000, "RTL8168B, first", true),
    pcie(0x3800_0000, "RTL8168B", false),
    pcie(0x3850_0000, "RTL8168B, E or F", false),
];

/// The number of the chip with this TCR; `None` if it is not driven.
pub(crate) fn find(tcr: u32) -> Option<usize> {
    VERSIONS.iter().position(|version| tcr & version.mask == version.id)
}

/// The version bits of a TCR, for the log.
pub(crate) fn xid(tcr: u32) -> u32 {
    tcr & (PCI | PCIE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_whatever_the_other_bits() {
        for (number, version) in VERSIONS.into_iter().enumerate() {
            assert_eq!(version.id & !version.mask, 0);
            assert_eq!(find(version.id), Some(number));
            assert_eq!(find(version.id | 0x0300_0700), Some(number), "what the driver writes into TCR");
            assert_eq!(xid(version.id | 0x0300_0700), version.id);
        }
    }

    #[test]
    fn others_are_refused() {
        let first_8169 = 0;
        let from_8168c_on = [0x3c00_0000, 0x3c20_0000, 0x3c80_0000, 0x2810_0000, 0x2c10_0000, 0x4c00_0000, 0x5400_0000];
        let fast_ethernet = [0x3400_0000, 0x3420_0000, 0x2480_0000, 0x4090_0000];
        for tcr in [first_8169, 0x9800_0000, u32::MAX].into_iter().chain(from_8168c_on).chain(fast_ethernet) {
            assert_eq!(find(tcr), None, "{tcr:#x}");
        }
    }
}
