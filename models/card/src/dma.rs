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
