//! Which frames the receiver takes (datasheet, RCR): a function of the address, no state.

use crate::regs::{rcr, rx};

/// Polynomial of the Ethernet CRC, most significant bit first.
const POLYNOMIAL: u32 = 0x04c1_1db7;

/// Bit of MAR0-7 that a multicast address selects, 0 to 63: the upper six bits of the address's CRC, computed in
/// transmission order (datasheet, MAR).
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

/// The address bits of the header status for `destination`, or `None` when the frame is not for us.
///
/// AAP means what the datasheet says: all *physical* (unicast) addresses. A promiscuous receiver needs AM with an
/// all-ones hash, and AB, as well.
pub(crate) fn accept(rcr: u32, station: &[u8; 6], hash: &[u8; 8], destination: &[u8; 6]) -> Option<u16> {
    let (taken, flag) = if *destination == [0xff; 6] {
        (rcr & rcr::AB != 0, rx::BAR)
    } else if destination[0] & 1 != 0 {
        let bit = multicast_bit(destination);
        (rcr & rcr::AM != 0 && hash[usize::from(bit / 8)] >> (bit % 8) & 1 != 0, rx::MAR)
    } else if destination == station {
        (rcr & (rcr::APM | rcr::AAP) != 0, rx::PAM)
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
        // CRC-32 of the address in the usual reflected form, its bits reversed, upper six bits.
        for address in [GROUP, OTHER, [0x33, 0x33, 0, 0, 0, 1], [0x01, 0x80, 0xc2, 0, 0, 0]] {
            let reflected = !crc32fast::hash(&address);
            assert_eq!(u32::from(multicast_bit(&address)), reflected.reverse_bits() >> 26);
        }
        // All-hosts group: known from every driver's multicast table.
        assert_eq!(multicast_bit(&GROUP), 31);
    }

    #[test]
    fn the_table() {
        let all = [0xff; 8];
        let none = [0; 8];
        let bit = multicast_bit(&GROUP);
        let mut one = [0; 8];
        one[usize::from(bit / 8)] = 1 << (bit % 8);
        type Row<'a> = (u32, &'a [u8; 8], [u8; 6], Option<u16>);
        let rows: [Row<'_>; 15] = [
            (0, &all, ME, None),
            (0, &all, GROUP, None),
            (0, &all, [0xff; 6], None),
            (rcr::APM, &none, ME, Some(rx::PAM)),
            (rcr::APM, &none, OTHER, None),
            (rcr::AAP, &none, ME, Some(rx::PAM)),
            (rcr::AAP, &none, OTHER, Some(0)),
            (rcr::AAP, &all, GROUP, None),
            (rcr::AAP, &all, [0xff; 6], None),
            (rcr::AM, &all, GROUP, Some(rx::MAR)),
            (rcr::AM, &one, GROUP, Some(rx::MAR)),
            (rcr::AM, &none, GROUP, None),
            (rcr::AM, &all, [0xff; 6], None),
            (rcr::AB, &none, [0xff; 6], Some(rx::BAR)),
            (rcr::AB | rcr::AM | rcr::APM, &all, OTHER, None),
        ];
        for (i, (rcr, hash, to, expect)) in rows.into_iter().enumerate() {
            assert_eq!(accept(rcr, &ME, hash, &to), expect, "row {i}");
        }
    }
}
