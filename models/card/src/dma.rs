//! The bus master: memory that the chip may reach, by bus address.
//!
//! An access that no mapping answers is a master abort (PCI Local Bus 2.2, 3.3.3.1). Nothing of such a transfer is
//! counted as moved, though bytes before the hole may have been.

use udrv_bus::{BusError, DmaMapping};

/// Mappings are whole pages.
const PAGE: u64 = 4096;

/// Bus addresses that a master of 32 address bits can be mapped at: without the page at 0 (a forgotten address shall
/// not work by luck) and without the window of interrupt messages that an x86 IOMMU reserves.
pub const RANGES_32: [(u64, u64); 2] = [(0x1000, 0xfedf_ffff), (0xfef0_0000, 0xffff_ffff)];

/// The same for a master that knows dual address cycles, behind an IOMMU of 39 bits.
pub const RANGES_64: [(u64, u64); 2] = [(0x1000, 0xfedf_ffff), (0xfef0_0000, 0x7f_ffff_ffff)];

/// The access met no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterAbort;

/// The mappings of one card.
#[derive(Debug)]
pub struct Dma {
    ranges: Vec<(u64, u64)>,
    /// Ascending by bus address; no overlaps.
    mappings: Vec<DmaMapping>,
}

impl Default for Dma {
    /// A master of 32 address bits, [`RANGES_32`].
    fn default() -> Self {
        Self::new(&RANGES_32)
    }
}

impl Dma {
    /// A master that can be mapped in `ranges`, inclusive and ascending. Its address counters have the bits that the
    /// last range needs.
    #[must_use]
    pub fn new(ranges: &[(u64, u64)]) -> Self {
        Self { ranges: ranges.to_vec(), mappings: Vec::new() }
    }

    /// Where it can be mapped.
    #[must_use]
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// The bits of an address that this master drives, as a mask.
    #[must_use]
    pub fn mask(&self) -> u64 {
        let last = self.ranges.last().map_or(0, |(_, last)| *last);
        u64::MAX.checked_shr(last.leading_zeros()).unwrap_or(0)
    }

    /// Adds a mapping, or says why it cannot be ([`BusError::Dma`]).
    pub fn map(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        let (iova, len) = (mapping.iova, mapping.memory.size());
        let refuse = |why: &str| Err(BusError::Dma { iova, len, why: why.into() });
        let Some(last) = len.checked_sub(1).and_then(|n| iova.checked_add(n)) else {
            return refuse("it is empty or ends behind the address space");
        };
        if !iova.is_multiple_of(PAGE) || !len.is_multiple_of(PAGE) {
            return refuse("it is not page aligned");
        }
        if !self.ranges.iter().any(|(from, to)| iova >= *from && last <= *to) {
            return refuse("it is outside the ranges that this device can reach");
        }
        let at = self.mappings.partition_point(|m| m.iova < iova);
        let before = at.checked_sub(1).map(|i| &self.mappings[i]);
        if before.is_some_and(|m| m.iova + m.memory.size() > iova)
            || self.mappings.get(at).is_some_and(|m| m.iova <= last)
        {
            return refuse("it overlaps another mapping");
        }
        self.mappings.insert(at, mapping);
        Ok(())
    }

    /// Takes back the mapping of `len` bytes at `iova`; [`BusError::Dma`] if there is none.
    pub fn unmap(&mut self, iova: u64, len: u64) -> Result<(), BusError> {
        match self.mappings.iter().position(|m| m.iova == iova && m.memory.size() == len) {
            Some(at) => {
                self.mappings.remove(at);
                Ok(())
            }
            None => Err(BusError::Dma { iova, len, why: "it was never mapped".into() }),
        }
    }

    /// Takes back every mapping.
    pub fn unmap_all(&mut self) {
        self.mappings.clear();
    }

    /// The mapping at `address`, of which bits that the master does not drive are nothing: itself, offset, bytes left.
    fn find(&self, address: u64) -> Result<(&DmaMapping, u64, usize), MasterAbort> {
        let address = address & self.mask();
        let at = self.mappings.partition_point(|m| m.iova <= address).checked_sub(1).ok_or(MasterAbort)?;
        let mapping = &self.mappings[at];
        let offset = address - mapping.iova;
        let left = mapping.memory.size().checked_sub(offset).filter(|n| *n != 0).ok_or(MasterAbort)?;
        Ok((mapping, offset, usize::try_from(left).unwrap_or(usize::MAX)))
    }

    /// Fills `to` from `address` on; it may span mappings that touch, and goes around at the end of what the master
    /// can address.
    pub fn read(&self, mut address: u64, mut to: &mut [u8]) -> Result<(), MasterAbort> {
        while !to.is_empty() {
            let (mapping, offset, left) = self.find(address)?;
            let (now, later) = to.split_at_mut(left.min(to.len()));
            mapping.memory.read(offset, now).map_err(|_| MasterAbort)?;
            address = address.wrapping_add(now.len() as u64);
            to = later;
        }
        Ok(())
    }

    /// Writes `from` at `address` and on.
    pub fn write(&self, mut address: u64, mut from: &[u8]) -> Result<(), MasterAbort> {
        while !from.is_empty() {
            let (mapping, offset, left) = self.find(address)?;
            let (now, later) = from.split_at(left.min(from.len()));
            mapping.memory.write(offset, now).map_err(|_| MasterAbort)?;
            address = address.wrapping_add(now.len() as u64);
            from = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use udrv_bus::DmaMemory;

    use super::*;
    use crate::testing::TestMemory;

    fn map(dma: &mut Dma, iova: u64, size: usize) -> Result<Arc<TestMemory>, BusError> {
        let memory = Arc::new(TestMemory::new(size));
        dma.map(DmaMapping { iova, memory: memory.clone() }).map(|()| memory)
    }

    #[test]
    fn the_mask_has_the_bits_of_the_last_address() {
        assert_eq!(Dma::default().mask(), 0xffff_ffff);
        assert_eq!(Dma::new(&RANGES_64).mask(), 0x7f_ffff_ffff);
        assert_eq!(Dma::new(&[(0, u64::MAX)]).mask(), u64::MAX);
        assert_eq!((Dma::new(&[]).mask(), Dma::new(&[(0, 0)]).mask()), (0, 0));
    }

    #[test]
    fn transfers_span_mappings_and_go_around_the_end() {
        let mut dma = Dma::new(&[(0, 0xffff_ffff)]);
        let last = map(&mut dma, 0xffff_f000, 4096).unwrap();
        let first = map(&mut dma, 0, 4096).unwrap();
        let second = map(&mut dma, 4096, 4096).unwrap();
        dma.write(0xffff_fffe, &[1, 2, 3, 4]).unwrap();
        dma.write(4095, &[5, 6]).unwrap();
        let mut two = [0; 2];
        last.read(4094, &mut two).unwrap();
        assert_eq!(two, [1, 2]);
        first.read(0, &mut two).unwrap();
        assert_eq!(two, [3, 4]);
        second.read(0, &mut two).unwrap();
        assert_eq!(two, [6, 0]);
        // Bits that the master does not drive are nothing.
        dma.read(0x5_0000_0000 + 4095, &mut two).unwrap();
        assert_eq!(two, [5, 6]);
        assert_eq!(dma.read(0x2000, &mut two), Err(MasterAbort));
        assert_eq!(dma.read(0x1fff, &mut two), Err(MasterAbort));
        dma.unmap_all();
        assert_eq!(dma.read(0, &mut two), Err(MasterAbort));
        assert_eq!(dma.read(0, &mut []), Ok(()), "nothing reaches nowhere");
    }

    #[test]
    fn what_cannot_be_mapped_says_so() {
        let mut dma = Dma::new(&RANGES_64);
        for (iova, size) in
            [(0, 4096), (0x1001, 4096), (0x1000, 100), (0x1000, 0), (0xfee0_0000, 4096), (1 << 39, 4096)]
        {
            assert!(map(&mut dma, iova, size).is_err(), "{iova:#x} {size}");
        }
        map(&mut dma, 0x7f_ffff_f000, 4096).unwrap();
        assert!(map(&mut dma, 0x7f_ffff_e000, 8192).is_err(), "it overlaps");
        assert!(dma.unmap(0x7f_ffff_f000, 8192).is_err());
        dma.unmap(0x7f_ffff_f000, 4096).unwrap();
        map(&mut dma, 0x7f_ffff_e000, 8192).unwrap();
    }
}
