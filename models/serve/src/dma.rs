//! The client's memory, as far as the model can reach it.
//!
//! A client maps what its device could reach: QEMU maps all of a guest's memory, from address 0 on and beyond 4 GiB. A
//! model has [`PciFunction::iova_ranges`], and gets of each mapping the part that lies in them: pages that it cannot
//! address it will not address. Memory that comes without a descriptor is noted, so that it can be unmapped, and is not
//! there for the model.
//!
//! Memory is read and written with `pread` and `pwrite` on the descriptor, page cache to page cache: nothing is mapped
//! here, so a client that shrinks its file gives itself a master abort and not us a SIGBUS. An access of up to 8 aligned
//! bytes is one move of the kernel's copy routine.
//!
//! A guest with an IOMMU maps page by page, and QEMU sends the descriptor of the guest's memory with each page: a file
//! that is open already is not kept open twice.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Arc, Weak};

use rustix::fs::fcntl_getfl;
use udrv_bus::{BusError, DmaMapping, DmaMemory, PciFunction};
use udrv_vfio_user::message::{DmaMap, DmaUnmap};

/// Mappings are whole pages.
const PAGE: u64 = 4096;

/// More than a guest or a driver has: 256 MiB in pages.
const MOST: usize = 65_536;
/// The same of files, each of which is a descriptor.
const MOST_FILES: usize = 256;

/// A piece of a client's file.
struct Shared {
    file: Arc<File>,
    start: u64,
    size: u64,
    writable: bool,
}

impl Shared {
    /// Where `len` bytes at `offset` are in the file, if all of them are inside.
    fn place(&self, offset: u64, len: usize) -> Result<u64, BusError> {
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.size => Ok(self.start + offset),
            _ => Err(BusError::Dma { iova: offset, len: len as u64, why: "outside the client's memory".into() }),
        }
    }
}

impl DmaMemory for Shared {
    fn size(&self) -> u64 {
        self.size
    }
    fn read(&self, offset: u64, to: &mut [u8]) -> Result<(), BusError> {
        let place = self.place(offset, to.len())?;
        self.file.read_exact_at(to, place).map_err(failed("pread of the client's memory"))
    }
    fn write(&self, offset: u64, from: &[u8]) -> Result<(), BusError> {
        let place = self.place(offset, from.len())?;
        if !self.writable {
            return Err(failed("pwrite to the client's memory")(io::ErrorKind::PermissionDenied.into()));
        }
        self.file.write_all_at(from, place).map_err(failed("pwrite to the client's memory"))
    }
    /// There is none: it is not mapped here.
    fn host_address(&self) -> u64 {
        0
    }
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> BusError {
    move |source| BusError::Io { operation: operation.to_owned(), source }
}

/// A client's file by device, inode and the way it was opened.
type Identity = (u64, u64, u32);

/// All mappings of a client.
#[derive(Default)]
pub(crate) struct Dma {
    /// By bus address: bytes, and the parts (bus address, bytes) that the model has.
    mappings: BTreeMap<u64, (u64, Vec<(u64, u64)>)>,
    /// Files that are open, as long as a mapping is in them.
    files: BTreeMap<Identity, Weak<File>>,
}

impl Dma {
    /// The file behind a descriptor, and its size in bytes: the one that is open already, if it is that.
    fn file(&mut self, fd: OwnedFd) -> Result<(Arc<File>, u64), BusError> {
        let file = File::from(fd);
        let data = file.metadata().map_err(failed("fstat of the client's memory"))?;
        let mode = fcntl_getfl(&file).map_err(|e| failed("fcntl of the client's memory")(e.into()))?;
        let identity = (data.dev(), data.ino(), mode.bits());
        if let Some(open) = self.files.get(&identity).and_then(Weak::upgrade) {
            return Ok((open, data.len()));
        }
        self.files.retain(|_, file| file.strong_count() > 0);
        if self.files.len() >= MOST_FILES {
            return Err(BusError::Unsupported("memory in so many files"));
        }
        let file = Arc::new(file);
        self.files.insert(identity, Arc::downgrade(&file));
        Ok((file, data.len()))
    }

    /// Maps what the model can reach of it.
    pub(crate) fn map(
        &mut self,
        function: &mut dyn PciFunction,
        map: &DmaMap,
        fd: Option<OwnedFd>,
    ) -> Result<(), BusError> {
        let (iova, size) = (map.address, map.size);
        let refuse = |why: &str| Err(BusError::Dma { iova, len: size, why: why.into() });
        let aligned = [iova, size, map.offset].iter().all(|n| n.is_multiple_of(PAGE));
        let Some(last) = size.checked_sub(1).and_then(|n| iova.checked_add(n)).filter(|_| aligned) else {
            return refuse("address, size and offset must be whole pages of the address space");
        };
        if self.mappings.range(..=last).next_back().is_some_and(|(at, (bytes, _))| at + (bytes - 1) >= iova) {
            return refuse("it overlaps another mapping");
        }
        if self.mappings.len() >= MOST {
            return refuse("there are too many mappings");
        }
        let mut parts = Vec::new();
        if let Some(fd) = fd.filter(|_| map.flags & DmaMap::READ != 0) {
            let (file, bytes) = self.file(fd)?;
            if map.offset.checked_add(size).is_none_or(|end| end > bytes) {
                return refuse("the descriptor's file is smaller");
            }
            for (from, to) in function.iova_ranges()? {
                let (from, to) = (from.max(iova), to.min(last));
                if from > to {
                    continue;
                }
                let (start, size) = (map.offset + (from - iova), to - from + 1);
                let memory = Shared { file: file.clone(), start, size, writable: map.flags & DmaMap::WRITE != 0 };
                if let Err(error) = function.map_dma(DmaMapping { iova: from, memory: Arc::new(memory) }) {
                    give_back(function, &parts)?;
                    return Err(error);
                }
                parts.push((from, size));
            }
        }
        self.mappings.insert(iova, (size, parts));
        Ok(())
    }

    /// Unmaps what lies in the range, and says how many bytes that were: none, as for VFIO, is no mistake, and a guest's
    /// IOMMU sweeps its whole address space. A mapping is unmapped whole or not at all.
    pub(crate) fn unmap(&mut self, function: &mut dyn PciFunction, unmap: &DmaUnmap) -> Result<u64, BusError> {
        let (iova, len) = (unmap.address, unmap.size);
        let refuse = |why: &str| Err(BusError::Dma { iova, len, why: why.into() });
        let chosen: Vec<u64> = if unmap.flags == DmaUnmap::ALL && (iova, len) == (0, 0) {
            self.mappings.keys().copied().collect()
        } else if unmap.flags != 0 {
            return Err(BusError::Unsupported("this kind of unmapping"));
        } else {
            let Some(last) = len.checked_sub(1).and_then(|n| iova.checked_add(n)) else {
                return refuse("it is empty or ends behind the address space");
            };
            let below = self.mappings.range(..=last).rev().map(|(at, (bytes, _))| (*at, at + (bytes - 1)));
            let touched: Vec<(u64, u64)> = below.take_while(|(_, end)| *end >= iova).collect();
            if touched.iter().any(|(from, to)| *from < iova || *to > last) {
                return refuse("it cuts a mapping");
            }
            touched.iter().map(|(from, _)| *from).collect()
        };
        let mut unmapped = 0;
        for at in chosen {
            let (size, parts) = &self.mappings[&at];
            give_back(function, parts)?;
            unmapped += size;
            self.mappings.remove(&at);
        }
        Ok(unmapped)
    }
}

fn give_back(function: &mut dyn PciFunction, parts: &[(u64, u64)]) -> Result<(), BusError> {
    parts.iter().try_for_each(|(iova, size)| function.unmap_dma(*iova, *size))
}
