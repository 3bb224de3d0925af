//! The memory that a controller reaches, by bus address.

use udrv_bus::{BusError, DmaMapping};

/// One mapping, or none yet.
#[derive(Debug, Default)]
pub(super) struct Memory(Option<DmaMapping>);

impl Memory {
    /// Makes `mapping` all there is.
    pub(super) fn map(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        match &self.0 {
            Some(old) => Err(dma(mapping.iova, mapping.memory.size(), format!("{:#x} is mapped already", old.iova))),
            None => {
                self.0 = Some(mapping);
                Ok(())
            }
        }
    }

    /// Takes back the mapping at `iova`.
    pub(super) fn unmap(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        match self.0.take_if(|mapping| mapping.iova == iova && mapping.memory.size() == size) {
            Some(_) => Ok(()),
            None => Err(dma(iova, size, "it was never mapped".to_owned())),
        }
    }

    /// Copies out what is at `address`.
    pub(super) fn read(&self, address: u32, to: &mut [u8]) -> Result<(), BusError> {
        let (mapping, offset) = self.find(address, to.len())?;
        mapping.memory.read(offset, to)
    }

    /// Copies in.
    pub(super) fn write(&self, address: u32, from: &[u8]) -> Result<(), BusError> {
        let (mapping, offset) = self.find(address, from.len())?;
        mapping.memory.write(offset, from)
    }

    /// Whether `length` bytes at `address` are in it.
    pub(super) fn has(&self, address: u32, length: usize) -> bool {
        self.find(address, length).is_ok()
    }

    fn find(&self, address: u32, length: usize) -> Result<(&DmaMapping, u64), BusError> {
        let within = |mapping: &&DmaMapping| {
            let offset = u64::from(address).checked_sub(mapping.iova);
            offset.is_some_and(|offset| offset + length as u64 <= mapping.memory.size())
        };
        let mapping = self.0.as_ref().filter(within);
        let mapping = mapping.ok_or_else(|| dma(address.into(), length as u64, "it is not mapped".to_owned()))?;
        Ok((mapping, u64::from(address) - mapping.iova))
    }
}

fn dma(iova: u64, len: u64, why: String) -> BusError {
    BusError::Dma { iova, len, why }
}
