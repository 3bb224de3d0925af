//! A memory BAR mapped into this process: loads and stores that may hit a device which is not there.
//!
//! Only whole-page memory BARs come here; I/O ports and smaller BARs are read and written through the device fd. An
//! access while the device does not decode memory (off, unplugged, reset) raises SIGBUS, which `fgft::mmio` turns
//! into an error. The mapping carries fgft's device key, so that a wild write of a driver cannot reach the chip. A
//! thread that has that key shut sees the device as gone: call `fgft::init` before threads start.
// The accesses are raw volatile loads and stores: nothing in safe Rust reaches device memory.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use fgft::regions::RegionName;
use memmap2::{MmapOptions, MmapRaw};
use udrv_bus::{BusError, Width};

use super::OpenError;
use super::device::Region;

/// Bytes of a page, the unit in which BARs are mapped.
const PAGE: u64 = 4096;

/// One mapped BAR. Unmapped when dropped, which must be before the device fd is closed for good: a mapping counts as
/// an open.
#[derive(Debug)]
pub(super) struct MappedBar {
    map: MmapRaw,
    /// For reports of faults.
    _name: RegionName,
}

impl MappedBar {
    /// Maps all of `region`, or `None` if it is not one that can be mapped whole.
    pub(super) fn new(device: BorrowedFd<'_>, region: &Region) -> Result<Option<Self>, OpenError> {
        if !region.mappable || region.size == 0 || !region.size.is_multiple_of(PAGE) {
            return Ok(None);
        }
        fgft::init()?; // before the first access: it installs the handler that catches the SIGBUS
        let failed = |source| OpenError::Io { operation: format!("mmap of a BAR of {:#x} bytes", region.size), source };
        let len = usize::try_from(region.size).map_err(|_| failed(io::Error::from(io::ErrorKind::InvalidInput)))?;
        let map = MmapOptions::new().len(len).offset(region.offset).map_raw(device.as_raw_fd()).map_err(failed)?;
        if let Some(key) = fgft::device_key() {
            crate::pkey::tag(&map, key).map_err(OpenError::io("pkey_mprotect of a BAR"))?;
        }
        let start = map.as_ptr() as u64;
        let _name = fgft::regions::name_region(start..start + len as u64, "a mapped BAR of the device");
        Ok(Some(MappedBar { map, _name }))
    }

    /// Loads from `offset`.
    pub(super) fn read(&self, offset: u64, width: Width) -> Result<u32, BusError> {
        let address = self.address(offset, width)?;
        // SAFETY: `address` checked that `width` bytes at it lie inside the mapping and are aligned (a mapping begins
        // at a page); the mapping lives as long as self, and `new` ran fgft::init. fgft returns an error where the
        // device does not answer.
        let value = unsafe {
            match width {
                Width::U8 => fgft::mmio::read_u8(address).map(u32::from),
                Width::U16 => fgft::mmio::read_u16(address.cast()).map(|v| u32::from(u16::from_le(v))),
                Width::U32 => fgft::mmio::read_u32(address.cast()).map(u32::from_le),
            }
        };
        value.map_err(|_| BusError::Gone { operation: "load from a mapped BAR" })
    }

    /// Stores to `offset`.
    pub(super) fn write(&self, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        let address = self.address(offset, width)?;
        // SAFETY: as in `read`; device memory is nobody's Rust object, so a store cannot break one.
        let done = unsafe {
            match width {
                Width::U8 => fgft::mmio::write_u8(address, value as u8),
                Width::U16 => fgft::mmio::write_u16(address.cast(), (value as u16).to_le()),
                Width::U32 => fgft::mmio::write_u32(address.cast(), value.to_le()),
            }
        };
        done.map_err(|_| BusError::Gone { operation: "store to a mapped BAR" })
    }

    /// The place of an access in this process. Checked here again although [`Region::check`] ran: the unsafe code above
    /// leans on nothing outside this file.
    fn address(&self, offset: u64, width: Width) -> Result<*mut u8, BusError> {
        let size = self.map.len() as u64;
        let fits =
            offset.checked_add(width.bytes()).is_some_and(|end| end <= size) && offset.is_multiple_of(width.bytes());
        if !fits {
            return Err(BusError::OutOfRange { space: "mapped BAR".to_owned(), size, offset, width });
        }
        Ok(self.map.as_mut_ptr().wrapping_add(offset as usize))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    /// A file stands in for the device fd: shrunk, its mapping raises SIGBUS just as a BAR does that is not decoded.
    #[test]
    fn loads_and_stores_of_each_width_and_sigbus_is_gone() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 * PAGE).unwrap();
        let region = Region::for_test(2 * PAGE, PAGE);
        let bar = MappedBar::new(file.as_fd(), &region).unwrap().expect("whole pages");
        bar.write(0x10, Width::U32, 0x1234_5678).unwrap();
        bar.write(0x12, Width::U8, 0xff).unwrap();
        bar.write(0x16, Width::U16, 0xbeef).unwrap();
        assert_eq!(bar.read(0x10, Width::U32).unwrap(), 0x12ff_5678);
        assert_eq!(bar.read(0x16, Width::U16).unwrap(), 0xbeef);
        assert_eq!(bar.read(0x11, Width::U8).unwrap(), 0x56);
        for (offset, width) in
            [(2 * PAGE, Width::U8), (2 * PAGE - 2, Width::U32), (1, Width::U16), (u64::MAX, Width::U8)]
        {
            assert!(matches!(bar.read(offset, width), Err(BusError::OutOfRange { .. })));
            assert!(matches!(bar.write(offset, width, 0), Err(BusError::OutOfRange { .. })));
        }
        file.set_len(2 * PAGE).unwrap();
        bar.read(0, Width::U32).unwrap();
        for width in [Width::U8, Width::U16, Width::U32] {
            assert!(matches!(bar.read(PAGE, width), Err(BusError::Gone { .. })));
            assert!(matches!(bar.write(PAGE, width, 0), Err(BusError::Gone { .. })));
        }
    }

    #[test]
    fn smaller_than_a_page_is_not_mapped() {
        let file = tempfile::tempfile().unwrap();
        assert!(MappedBar::new(file.as_fd(), &Region::for_test(256, 0)).unwrap().is_none());
        assert!(MappedBar::new(file.as_fd(), &Region::for_test(0, 0)).unwrap().is_none());
        assert!(MappedBar::new(file.as_fd(), &Region::for_test(PAGE + 256, 0)).unwrap().is_none());
    }
}
