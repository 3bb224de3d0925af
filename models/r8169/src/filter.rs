//! Which frames the receiver takes (datasheet, RCR): a function of the address, no state.

use crate::regs::{rcr, rxd};

/// Polynomial of the Ethernet CRC, most significant bit first.
const POLYNOMIAL: u32 = 0x04c1_1db7;

/// Bit of the hash filter that a multicast address selects, 0 to 63: the upper six bits of the address's CRC, computed
/// in transmission order (datasheet, MAR). On PCI bit n is bit n % 8 of MAR n / 8, on PCI Express of MAR 7 - n / 8.
#[must_use]
pub fn multicast_bit(address: &[u8; 6]) -> u8 {
    let mut crc = u32::MAX;
    for byte in address {
        for bit in 0..8 {
            let feedback = crc >> 31 != u32::from(byte >> bit & 1);
            crc = crc << 1 ^ if feedback { POLYNOMIAL } else { 0 };
        }
    }
    (crc >> 26) as u8
}

/// The address bits of the descriptor for `destination`, or `None` when the frame is not for us.
///
/// AAP means what the datasheet says: all *physical* (unicast) addresses. A promiscuous receiver needs AM with an
/// all-ones hash, and AB, as well.
pub(crate) fn accept(rcr: u32, station: &[u8; 6], mar: &[u8; 8], is_pcie: bool, destination: &[u8; 6]) -> Option<u32> {
    let (taken, flag) = if *destination == [0xff; 6] {
        (rcr & rcr::AB != 0, rxd::BAR)
    } else if destination[0] & 1 != 0 {
        let bit = multicast_bit(destination);
        let at = usize::from(if is_pcie { 7 - bit / 8 } else { bit / 8 });
        (rcr & rcr::AM != 0 && mar[at] >> (bit % 8) & 1 != 0, rxd::MAR)
    } else if destination == station {
        (rcr & (rcr::APM | rcr::AAP) != 0, rxd::PAM)
    } else {
        (rcr & rcr::AAP != 0, 0)
    };
    taken.then_some(flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    const OTHER: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x57];
    const GROUP: [u8; 6] = [0x01, 0, 0x5e, 0, 0, 1];

    #[test]
    fn the_hash_is_the_big_endian_crc_of_the_address() {
        for address in [GROUP, OTHER, [0x33, 0x33, 0, 0, 0, 1], [0x01, 0x80, 0xc2, 0, 0, 0]] {
            let reflected = !crc32fast::hash(&address);
            assert_eq!(u32::from(multicast_bit(&address)), reflected.reverse_bits() >> 26);
        }
        // All-hosts group: known from every driver's multicast table.
        assert_eq!(multicast_bit(&GROUP), 31);
    }

    #[test]
    fn the_hash_stands_the_other_way_round_on_pci_express() {
        let (mut pci, mut pcie) = ([0; 8], [0; 8]);
        (pci[3], pcie[4]) = (0x80, 0x80);
        for (mar, is_pcie, taken) in [(pci, false, true), (pci, true, false), (pcie, true, true), (pcie, false, false)]
        {
            let flag = taken.then_some(rxd::MAR);
            assert_eq!(accept(rcr::AM, &ME, &mar, is_pcie, &GROUP), flag);
        }
    }

    #[test]
    fn the_table() {
        type Row = (u32, u8, [u8; 6], Option<u32>);
        let rows: [Row; 14] = [
            (0, 0xff, ME, None),
            (0, 0xff, GROUP, None),
            (0, 0xff, [0xff; 6], None),
            (rcr::APM, 0, ME, Some(rxd::PAM)),
            (rcr::APM, 0, OTHER, None),
            (rcr::AAP, 0, ME, Some(rxd::PAM)),
            (rcr::AAP, 0, OTHER, Some(0)),
            (rcr::AAP, 0xff, GROUP, None),
            (rcr::AAP, 0xff, [0xff; 6], None),
            (rcr::AM, 0xff, GROUP, Some(rxd::MAR)),
            (rcr::AM, 0, GROUP, None),
            (rcr::AM, 0xff, [0xff; 6], None),
            (rcr::AB, 0, [0xff; 6], Some(rxd::BAR)),
            (rcr::AB | rcr::AM | rcr::APM, 0xff, OTHER, None),
        ];
        for (i, (rcr, mar, to, expect)) in rows.into_iter().enumerate() {
            assert_eq!(accept(rcr, &ME, &[mar; 8], false, &to), expect, "row {i}");
        }
    }
}
