//! Which frames the receiver takes (EthCtrl0, EthCtrl2, multicast hash table): a function of the address, no state.

/// Bit of the hash table that a multicast address selects, 0 to 63: the lower six bits of the address's CRC in the
/// reflected form, without the last inversion.
#[must_use]
pub fn multicast_bit(address: &[u8; 6]) -> u8 {
    (!crc32fast::hash(address) & 0x3f) as u8
}

/// What the receiver is set to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter<'a> {
    pub(crate) station: &'a [u8; 6],
    pub(crate) hash: &'a [u8; 8],
    pub(crate) promiscuous: bool,
    pub(crate) all_multicast: bool,
}

impl Filter<'_> {
    /// Whether a frame to `destination` is taken. Broadcast always is: there is no switch for it.
    pub(crate) fn takes(&self, destination: &[u8; 6]) -> bool {
        if self.promiscuous || *destination == [0xff; 6] {
            return true;
        }
        if destination[0] & 1 == 0 {
            return destination == self.station;
        }
        let bit = multicast_bit(destination);
        self.all_multicast || self.hash[usize::from(bit / 8)] >> (bit % 8) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    const OTHER: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x57];
    const GROUP: [u8; 6] = [0x01, 0, 0x5e, 0, 0, 1];

    #[test]
    fn the_hash_is_the_little_endian_crc_of_the_address() {
        for address in [GROUP, OTHER, [0x33, 0x33, 0, 0, 0, 1], [0x01, 0x80, 0xc2, 0, 0, 0]] {
            let mut crc = u32::MAX;
            for byte in address {
                crc ^= u32::from(byte);
                for _ in 0..8 {
                    crc = crc >> 1 ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 };
                }
            }
            assert_eq!(u32::from(multicast_bit(&address)), crc & 0x3f);
        }
    }

    #[test]
    fn the_table() {
        let (all, none) = ([0xff; 8], [0; 8]);
        let mut one = [0; 8];
        one[usize::from(multicast_bit(&GROUP) / 8)] = 1 << (multicast_bit(&GROUP) % 8);
        for (i, (promiscuous, all_multicast, hash, to, taken)) in [
            (false, false, &none, ME, true),
            (false, false, &all, OTHER, false),
            (false, true, &none, OTHER, false),
            (true, false, &none, OTHER, true),
            (false, false, &none, [0xff; 6], true),
            (false, false, &none, GROUP, false),
            (false, false, &one, GROUP, true),
            (false, false, &one, [0x01, 0, 0x5e, 0, 0, 2], false),
            (false, true, &none, GROUP, true),
            (true, false, &none, GROUP, true),
        ]
        .into_iter()
        .enumerate()
        {
            let filter = Filter { station: &ME, hash, promiscuous, all_multicast };
            assert_eq!(filter.takes(&to), taken, "row {i}");
        }
    }
}
