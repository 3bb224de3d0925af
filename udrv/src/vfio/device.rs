//! One open device fd: its regions, read and written whole or not at all, and its reset.
//!
//! A region access that moves fewer bytes than asked is an error here. Libraries that ignore it turn a failed read into
//! a register value.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use udrv_bus::{BusError, ResetKind, Width};
use vfio_bindings::bindings::vfio::{
    VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_RESET, VFIO_REGION_INFO_CAP_SPARSE_MMAP, VFIO_REGION_INFO_FLAG_CAPS,
    VFIO_REGION_INFO_FLAG_MMAP, VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info,
};

use super::{abi, caps};

/// An open VFIO device.
#[derive(Debug)]
pub(super) struct Device {
    file: File,
    flags: u32,
    /// How many regions it has.
    pub(super) regions: u32,
    /// How many interrupt indices it has.
    pub(super) irqs: u32,
}

/// A region of a device: a BAR, or configuration space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region {
    /// Bytes; 0 is a BAR that is not implemented.
    pub(super) size: u64,
    /// Where it begins in the device fd.
    pub(super) offset: u64,
    /// It may be mapped, all of it.
    pub(super) mappable: bool,
    readable: bool,
    writable: bool,
}

impl Device {
    /// Takes an open device fd.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        let info = abi::device_info(fd.as_fd())?;
        Ok(Device { file: fd.into(), flags: info.flags, regions: info.num_regions, irqs: info.num_irqs })
    }

    /// Whether VFIO says that this is a PCI function.
    pub(super) fn is_pci(&self) -> bool {
        self.flags & VFIO_DEVICE_FLAGS_PCI != 0
    }

    /// Region `index`.
    pub(super) fn region(&self, index: u32) -> io::Result<Region> {
        let (info, buffer) = abi::region_info(self.as_fd(), index)?;
        let first = if info.flags & VFIO_REGION_INFO_FLAG_CAPS == 0 { 0 } else { info.cap_offset };
        let fixed = size_of::<vfio_region_info>();
        // A region with holes (the MSI-X table, on kernels before 4.16) is not worth a second kind of access: pread
        // it all.
        let sparse = caps::find(buffer.bytes(), first, fixed, VFIO_REGION_INFO_CAP_SPARSE_MMAP as u16)
            .map_err(|chain| io::Error::other(format!("capability at {:#x} is out of bounds", chain.offset)))?;
        Ok(Region {
            size: info.size,
            offset: info.offset,
            mappable: info.flags & VFIO_REGION_INFO_FLAG_MMAP != 0 && sparse.is_none(),
            readable: info.flags & VFIO_REGION_INFO_FLAG_READ != 0,
            writable: info.flags & VFIO_REGION_INFO_FLAG_WRITE != 0,
        })
    }

    /// Reads `width` at `offset` of a region, which must have been checked with [`Region::check`]; little endian.
    pub(super) fn read(&self, region: &Region, offset: u64, width: Width) -> io::Result<u32> {
        if !region.readable {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        let mut bytes = [0u8; 4];
        let len = width.bytes() as usize;
        let moved = self.file.read_at(&mut bytes[..len], region.offset + offset)?;
        if moved != len {
            return Err(io::Error::other(format!("short read: {moved} of {len} bytes")));
        }
        Ok(u32::from_le_bytes(bytes)) // the bytes above `len` are 0
    }

    /// Writes `width` at `offset` of a region, as [`Device::read`] reads.
    pub(super) fn write(&self, region: &Region, offset: u64, width: Width, value: u32) -> io::Result<()> {
        if !region.writable {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        let len = width.bytes() as usize;
        let moved = self.file.write_at(&value.to_le_bytes()[..len], region.offset + offset)?;
        if moved != len {
            return Err(io::Error::other(format!("short write: {moved} of {len} bytes")));
        }
        Ok(())
    }

    /// Resets the function, if the kernel knows how for this device.
    pub(super) fn reset(&self) -> Result<ResetKind, BusError> {
        if self.flags & VFIO_DEVICE_FLAGS_RESET == 0 {
            return Ok(ResetKind::None);
        }
        abi::reset(self.as_fd())
            .map_err(|source| BusError::Io { operation: "VFIO_DEVICE_RESET".to_owned(), source })?;
        Ok(ResetKind::Function)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Region {
    /// Whether an access fits: naturally aligned and inside. `space` names the region in the error.
    pub(super) fn check(&self, space: impl Fn() -> String, offset: u64, width: Width) -> Result<(), BusError> {
        let outside = || BusError::OutOfRange { space: space(), size: self.size, offset, width };
        let end = offset.checked_add(width.bytes()).ok_or_else(outside)?;
        if end > self.size {
            return Err(outside());
        }
        if !offset.is_multiple_of(width.bytes()) {
            return Err(BusError::Io {
                operation: format!("{}: {width:?} at {offset:#x} is not aligned to its width", space()),
                source: io::Error::from(io::ErrorKind::InvalidInput),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
impl Region {
    /// A region as a device might have it.
    pub(super) fn for_test(size: u64, offset: u64) -> Self {
        Region { size, offset, mappable: true, readable: true, writable: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(size: u64) -> Region {
        Region::for_test(size, 0)
    }

    #[test]
    fn accesses_are_bounded_and_aligned() {
        let check = |offset, width| region(0x100).check(|| "BAR 1".to_owned(), offset, width);
        assert!(check(0xfc, Width::U32).is_ok());
        assert!(check(0xff, Width::U8).is_ok());
        assert!(matches!(check(0x100, Width::U8), Err(BusError::OutOfRange { .. })));
        assert!(matches!(check(0xfe, Width::U32), Err(BusError::OutOfRange { .. })));
        assert!(matches!(check(u64::MAX, Width::U16), Err(BusError::OutOfRange { .. })));
        assert!(matches!(check(0x41, Width::U16), Err(BusError::Io { .. })));
        assert!(check(0, Width::U32).is_ok());
        assert!(region(0).check(String::new, 0, Width::U8).is_err());
    }

    #[test]
    fn short_transfers_are_errors_and_bytes_are_little_endian() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]).unwrap();
        let device = Device { file, flags: 0, regions: 0, irqs: 0 };
        let region = region(0x100);
        assert_eq!(device.read(&region, 0, Width::U32).unwrap(), 0x7856_3412);
        assert_eq!(device.read(&region, 2, Width::U16).unwrap(), 0x7856);
        assert_eq!(device.read(&region, 5, Width::U8).unwrap(), 0xbc);
        assert!(device.read(&region, 4, Width::U32).unwrap_err().to_string().contains("2 of 4"));
        device.write(&region, 4, Width::U16, 0xbeef).unwrap();
        assert_eq!(device.read(&region, 4, Width::U16).unwrap(), 0xbeef);
        let closed = Region { readable: false, writable: false, ..region };
        assert!(device.read(&closed, 0, Width::U8).is_err() && device.write(&closed, 0, Width::U8, 0).is_err());
        assert_eq!(device.reset().unwrap(), ResetKind::None);
    }
}
