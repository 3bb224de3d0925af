//! Which memory is mapped at which bus address.
//!
//! Holds a share of each [`DmaMemory`] for as long as the device may reach it, so that it cannot be freed under the
//! device. A mapping leaves the table only when the kernel has confirmed that it is gone, whole.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use udrv_bus::{BusError, DmaMapping, DmaMemory};

use super::MemlockTooLow;

/// Bytes of a page; type1 maps nothing smaller on x86-64.
const PAGE: u64 = 4096;

/// Who does the mapping: the container, or a stand-in under test.
pub(super) trait Mapper {
    /// Maps `size` bytes at `vaddr` to `iova`.
    fn map(&self, vaddr: u64, iova: u64, size: u64) -> io::Result<()>;
    /// Unmaps, and says how many bytes went.
    fn unmap(&self, iova: u64, size: u64) -> io::Result<u64>;
}

impl Mapper for super::container::Container {
    fn map(&self, vaddr: u64, iova: u64, size: u64) -> io::Result<()> {
        self.map(vaddr, iova, size)
    }
    fn unmap(&self, iova: u64, size: u64) -> io::Result<u64> {
        self.unmap(iova, size)
    }
}

/// All mappings of one function, by bus address.
#[derive(Default)]
pub(super) struct DmaTable {
    mappings: BTreeMap<u64, Mapped>,
}

struct Mapped {
    size: u64,
    _memory: Arc<dyn DmaMemory>, // kept, not used: the device writes there
}

impl DmaTable {
    /// Maps `mapping` for the device.
    pub(super) fn map(&mut self, mapper: &impl Mapper, mapping: DmaMapping) -> Result<(), BusError> {
        let (iova, size) = self.check(&mapping)?;
        let vaddr = mapping.memory.host_address();
        mapper.map(vaddr, iova, size).map_err(|error| map_error(iova, size, error))?;
        self.mappings.insert(iova, Mapped { size, _memory: mapping.memory });
        Ok(())
    }

    /// Notes a mapping which the kernel holds already, made by the process before this one.
    pub(super) fn adopt(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        let (iova, size) = self.check(&mapping)?;
        self.mappings.insert(iova, Mapped { size, _memory: mapping.memory });
        Ok(())
    }

    /// Takes back exactly one mapping.
    pub(super) fn unmap(&mut self, mapper: &impl Mapper, iova: u64, size: u64) -> Result<(), BusError> {
        match self.mappings.get(&iova) {
            None => return Err(refused(iova, size, "there is no mapping at this address")),
            Some(mapped) if mapped.size != size => {
                return Err(refused(iova, size, format!("the mapping there has {:#x} bytes", mapped.size)));
            }
            Some(_) => {}
        }
        let gone = mapper.unmap(iova, size).map_err(|source| BusError::Io {
            operation: format!("VFIO_IOMMU_UNMAP_DMA {iova:#x}, {size:#x} bytes"),
            source,
        })?;
        if gone != size {
            // It stays in the table, and its memory stays alive: part of it may still be the device's.
            return Err(refused(iova, size, format!("the kernel unmapped {gone:#x} bytes")));
        }
        self.mappings.remove(&iova);
        Ok(())
    }

    /// Takes everything back. Goes on after an error and returns the first; what failed stays in the table.
    pub(super) fn unmap_all(&mut self, mapper: &impl Mapper) -> Result<(), BusError> {
        let all: Vec<(u64, u64)> = self.mappings.iter().map(|(iova, mapped)| (*iova, mapped.size)).collect();
        let mut first = Ok(());
        for (iova, size) in all {
            first = first.and(self.unmap(mapper, iova, size));
        }
        first
    }

    fn check(&self, mapping: &DmaMapping) -> Result<(u64, u64), BusError> {
        let (iova, size, vaddr) = (mapping.iova, mapping.memory.size(), mapping.memory.host_address());
        let aligned = [iova, size, vaddr].iter().all(|n| n.is_multiple_of(PAGE));
        if size == 0 || !aligned {
            return Err(refused(iova, size, "bus address, host address and size must be whole pages"));
        }
        let Some(last) = iova.checked_add(size - 1) else {
            return Err(refused(iova, size, "runs past the end of the address space"));
        };
        // The last mapping that starts at or before our end is the only one that can reach into us.
        if let Some((other, mapped)) = self.mappings.range(..=last).next_back()
            && other + (mapped.size - 1) >= iova
        {
            return Err(refused(iova, size, format!("overlaps the mapping at {other:#x}, {:#x} bytes", mapped.size)));
        }
        Ok((iova, size))
    }
}

fn refused(iova: u64, len: u64, why: impl Into<String>) -> BusError {
    BusError::Dma { iova, len, why: why.into() }
}

fn map_error(iova: u64, size: u64, error: io::Error) -> BusError {
    match error.raw_os_error() {
        Some(libc::ENOMEM) => refused(iova, size, memlock(size).to_string()),
        Some(libc::EEXIST) => refused(iova, size, "the kernel has a mapping there already"),
        Some(libc::EINVAL) => refused(iova, size, "the IOMMU does not allow this bus address (see iova_ranges)"),
        Some(libc::ENOSPC) => {
            refused(iova, size, "the kernel's limit of mappings is reached (vfio_iommu_type1.dma_entry_limit)")
        }
        _ => BusError::Io { operation: format!("VFIO_IOMMU_MAP_DMA {iova:#x}, {size:#x} bytes"), source: error },
    }
}

/// What the limit on locked memory is now. Unreadable counts as unlimited and as nothing locked: it is for a message
/// only.
fn memlock(wanted: u64) -> MemlockTooLow {
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK).ok().map(|(soft, _)| soft).filter(|soft| *soft != RLIM_INFINITY);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let kib: u64 = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
    MemlockTooLow { limit, locked: kib * 1024, wanted }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    struct Memory(u64, u64);
    impl DmaMemory for Memory {
        fn size(&self) -> u64 {
            self.1
        }
        fn read(&self, _: u64, _: &mut [u8]) -> Result<(), BusError> {
            Err(BusError::Unsupported("read"))
        }
        fn write(&self, _: u64, _: &[u8]) -> Result<(), BusError> {
            Err(BusError::Unsupported("write"))
        }
        fn host_address(&self) -> u64 {
            self.0
        }
    }

    #[derive(Default)]
    struct Fake {
        calls: RefCell<Vec<(u64, u64)>>,
        errno: Cell<Option<i32>>,
        short: Cell<u64>,
    }
    impl Mapper for Fake {
        fn map(&self, _: u64, iova: u64, size: u64) -> io::Result<()> {
            self.calls.borrow_mut().push((iova, size));
            self.errno.get().map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
        }
        fn unmap(&self, iova: u64, size: u64) -> io::Result<u64> {
            self.calls.borrow_mut().push((iova, size));
            Ok(size - self.short.get())
        }
    }

    fn mapping(iova: u64, size: u64) -> DmaMapping {
        DmaMapping { iova, memory: Arc::new(Memory(0x7000_0000, size)) }
    }

    #[test]
    fn refuses_overlap_from_every_side_before_the_kernel_is_asked() {
        let (mut table, fake) = (DmaTable::default(), Fake::default());
        table.map(&fake, mapping(0x10_000, 0x3000)).unwrap();
        for (iova, size) in
            [(0x10_000, 0x1000), (0xf000, 0x2000), (0x12_000, 0x1000), (0x1000, 0x10_0000), (0x11_000, 0x1000)]
        {
            assert!(table.map(&fake, mapping(iova, size)).unwrap_err().to_string().contains("overlaps"), "{iova:#x}");
        }
        assert_eq!(fake.calls.borrow().len(), 1);
        table.map(&fake, mapping(0x13_000, 0x1000)).unwrap();
        table.map(&fake, mapping(0xf000, 0x1000)).unwrap();
    }

    #[test]
    fn refuses_odd_empty_and_overflowing_mappings() {
        let (mut table, fake) = (DmaTable::default(), Fake::default());
        for bad in [
            mapping(0x800, 0x1000),
            mapping(0x1000, 0),
            mapping(0x1000, 0x10),
            mapping(0u64.wrapping_sub(0x1000), 0x2000),
        ] {
            assert!(matches!(table.map(&fake, bad), Err(BusError::Dma { .. })));
        }
        let odd_host = DmaMapping { iova: 0x1000, memory: Arc::new(Memory(0x7000_0010, 0x1000)) };
        assert!(table.map(&fake, odd_host).is_err());
        table.map(&fake, mapping(0u64.wrapping_sub(0x1000), 0x1000)).unwrap(); // the very last page is fine
        assert!(table.map(&fake, mapping(0u64.wrapping_sub(0x1000), 0x1000)).is_err());
    }

    #[test]
    fn a_mapping_stays_until_the_kernel_confirms_all_of_it() {
        let (mut table, fake) = (DmaTable::default(), Fake::default());
        table.map(&fake, mapping(0x1000, 0x2000)).unwrap();
        assert!(table.unmap(&fake, 0x1000, 0x1000).is_err());
        assert!(table.unmap(&fake, 0x2000, 0x1000).is_err());
        fake.short.set(0x1000);
        assert!(table.unmap(&fake, 0x1000, 0x2000).unwrap_err().to_string().contains("unmapped 0x1000"));
        assert_eq!(table.mappings.len(), 1);
        fake.short.set(0);
        table.unmap_all(&fake).unwrap();
        assert!(table.mappings.is_empty());
    }

    #[test]
    fn errno_of_the_kernel_is_told_as_advice() {
        let (mut table, fake) = (DmaTable::default(), Fake::default());
        for (errno, text) in
            [(libc::ENOMEM, "KiB"), (libc::EEXIST, "already"), (libc::EINVAL, "iova_ranges"), (libc::ENOSPC, "limit")]
        {
            fake.errno.set(Some(errno));
            let error = table.map(&fake, mapping(0x1000, 0x1000)).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        assert!(table.mappings.is_empty());
    }
}
