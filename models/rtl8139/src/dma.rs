//! The bus master: memory that the chip may reach, by bus address.
//!
//! An access that no mapping answers is a master abort (PCI Local Bus 2.2, 3.3.3.1). Nothing of such a transfer is
//! counted as moved, though bytes before the hole may have been.

use udrv_bus::{BusError, DmaMapping};

/// Mappings are whole pages.
const PAGE: u64 = 4096;

/// Bus addresses that can be mapped: 32 bits, without the page at 0 (a forgotten address shall not work by
/// luck) and without the window of interrupt messages that an x86 IOMMU reserves.
pub(crate) const IOVA_RANGES: [(u64, u64); 2] = [(0x1000, 0xfedf_ffff), (0xfef0_0000, 0xffff_ffff)];

/// The access met no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MasterAbort;

#[derive(Default)]
pub(crate) struct Dma {
    /// Ascending by bus address; no overlaps.
    mappings: Vec<DmaMapping>,
}

impl Dma {
    pub(crate) fn map(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        let (iova, len) = (mapping.iova, mapping.memory.size());
        let refuse = |why: &str| Err(BusError::Dma { iova, len, why: why.into() });
        let Some(last) = len.checked_sub(1).and_then(|n| iova.checked_add(n)) else {
            return refuse("it is empty or ends behind the address space");
        };
        if !iova.is_multiple_of(PAGE) || !len.is_multiple_of(PAGE) {
            return refuse("it is not page aligned");
        }
        if !IOVA_RANGES.iter().any(|(from, to)| iova >= *from && last <= *to) {
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

    pub(crate) fn unmap(&mut self, iova: u64, len: u64) -> Result<(), BusError> {
        match self.mappings.iter().position(|m| m.iova == iova && m.memory.size() == len) {
            Some(at) => {
                self.mappings.remove(at);
                Ok(())
            }
            None => Err(BusError::Dma { iova, len, why: "it was never mapped".into() }),
        }
    }

    /// The mapping at `address`: itself, offset, bytes left in it.
    fn find(&self, address: u32) -> Result<(&DmaMapping, u64, usize), MasterAbort> {
        let address = u64::from(address);
        let at = self.mappings.partition_point(|m| m.iova <= address).checked_sub(1).ok_or(MasterAbort)?;
        let mapping = &self.mappings[at];
        let offset = address - mapping.iova;
        let left = mapping.memory.size().checked_sub(offset).filter(|n| *n != 0).ok_or(MasterAbort)?;
        Ok((mapping, offset, usize::try_from(left).unwrap_or(usize::MAX)))
    }

    pub(crate) fn read(&self, mut address: u32, mut to: &mut [u8]) -> Result<(), MasterAbort> {
        while !to.is_empty() {
            let (mapping, offset, left) = self.find(address)?;
            let (now, later) = to.split_at_mut(left.min(to.len()));
            mapping.memory.read(offset, now).map_err(|_| MasterAbort)?;
            address = address.wrapping_add(now.len() as u32);
            to = later;
        }
        Ok(())
    }

    pub(crate) fn write(&self, mut address: u32, mut from: &[u8]) -> Result<(), MasterAbort> {
        while !from.is_empty() {
            let (mapping, offset, left) = self.find(address)?;
            let (now, later) = from.split_at(left.min(from.len()));
            mapping.memory.write(offset, now).map_err(|_| MasterAbort)?;
            address = address.wrapping_add(now.len() as u32);
            from = later;
        }
        Ok(())
    }
}
