//! DMA memory of plain safe Rust, for tests of models.
//!
//! Not for real devices: it has no address that VFIO could pin ([`DmaMemory::host_address`] is 0).

use std::sync::{Mutex, PoisonError};

use udrv_bus::{BusError, DmaMemory};

/// Bytes behind a lock.
#[derive(Debug)]
pub struct TestMemory(Mutex<Vec<u8>>);

impl TestMemory {
    /// `size` bytes of 0.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self(Mutex::new(vec![0; size]))
    }

    fn with<R>(&self, offset: u64, len: usize, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, BusError> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(offset).ok();
        let range = from.and_then(|from| Some(from..from.checked_add(len)?));
        range.and_then(|range| bytes.get_mut(range)).map(f).ok_or_else(|| BusError::Dma {
            iova: offset,
            len: len as u64,
            why: "it does not fit into the memory".into(),
        })
    }
}

impl DmaMemory for TestMemory {
    fn size(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn read(&self, offset: u64, to: &mut [u8]) -> Result<(), BusError> {
        self.with(offset, to.len(), |bytes| to.copy_from_slice(bytes))
    }

    fn write(&self, offset: u64, from: &[u8]) -> Result<(), BusError> {
        self.with(offset, from.len(), |bytes| bytes.copy_from_slice(from))
    }

    fn host_address(&self) -> u64 {
        0
    }
}
