//! Which frames the receiver takes (manual, 10.1 and RCTL): functions of the frame and of the tables.

use crate::chip::E1000;
use crate::regs::{self, rah, rctl};

/// Bytes of both addresses.
const ADDRESSES: usize = 12;
/// Bytes of a VLAN tag.
pub(crate) const TAG: usize = 4;

/// Bit of the multicast table that an address selects, 0 to 4095, with the offset that RCTL.MO gives: register
/// `bit / 32`, bit `bit % 32` (manual, MTA).
#[must_use]
pub fn multicast_bit(address: &[u8; 6], offset: u32) -> u32 {
    let shift = [4, 3, 2, 0][(offset & 3) as usize];
    (u32::from(address[5]) << 8 | u32::from(address[4])) >> shift & 0xfff
}

impl E1000 {
    /// The VLAN tag of `frame`, if its type is the one in VET.
    pub(crate) fn tag(&self, frame: &[u8]) -> Option<u16> {
        let [t0, t1, c0, c1] = *frame.get(ADDRESSES..)?.first_chunk::<TAG>()?;
        let tagged = u32::from(u16::from_be_bytes([t0, t1])) == self.kept.read(regs::VET);
        tagged.then_some(u16::from_be_bytes([c0, c1]))
    }

    /// Whether the frame's addresses pass: `Some(true)` if only by an inexact filter, the multicast table.
    pub(crate) fn passes_addresses(&self, destination: &[u8; 6], source: &[u8; 6]) -> Option<bool> {
        let exact = self.receive_address.chunks_exact(2).any(|pair| {
            let [l0, l1, l2, l3] = pair[0].to_le_bytes();
            let [h0, h1, ..] = pair[1].to_le_bytes();
            let compared = if pair[1] & rah::SOURCE != 0 { source } else { destination };
            pair[1] & rah::AV != 0 && *compared == [l0, l1, l2, l3, h0, h1]
        });
        let multicast = destination[0] & 1 != 0;
        let on = |bits| self.rctl & bits != 0;
        if exact || (*destination == [0xff; 6] && on(rctl::BAM)) || on(if multicast { rctl::MPE } else { rctl::UPE }) {
            return Some(false);
        }
        let bit = multicast_bit(destination, self.rctl >> rctl::MO_SHIFT);
        (multicast && self.multicast[(bit / 32) as usize] >> (bit % 32) & 1 != 0).then_some(true)
    }

    /// Whether the frame's tag passes RCTL.VFE and CFIEN. A frame without a tag does.
    pub(crate) fn passes_vlan(&self, tag: Option<u16>) -> bool {
        let Some(tag) = tag else { return true };
        if self.rctl & rctl::VFE == 0 {
            return true;
        }
        let canonical = u32::from(tag) >> 12 & 1 == u32::from(self.rctl & rctl::CFI != 0);
        let id = tag & 0xfff;
        (self.rctl & rctl::CFIEN == 0 || canonical) && self.vlan_filter[usize::from(id / 32)] >> (id % 32) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_twelve_bits_of_the_address() {
        // Bits 47:36, 46:35, 45:34 and 43:32 of the address whose first byte is the lowest.
        let address = [0x01, 0x00, 0x5e, 0x00, 0x34, 0x12];
        assert_eq!([0, 1, 2, 3].map(|mo| multicast_bit(&address, mo)), [0x123, 0x246, 0x48d, 0x234]);
    }
}
