//! The IOMMU side of an open: a container, which of the type1 models it speaks, which bus addresses it allows.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use udrv_bus::{BusError, PciAddress};
use vfio_bindings::bindings::vfio::{
    VFIO_API_VERSION, VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE, VFIO_IOMMU_INFO_CAPS,
    VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU, vfio_iommu_type1_info,
};

use super::{OpenError, Sysfs, abi, caps};

/// An open `/dev/vfio/vfio`.
#[derive(Debug)]
pub(super) struct Container {
    fd: OwnedFd,
}

impl Container {
    /// Opens the container node and checks that it is a VFIO this code knows.
    pub(super) fn open(sysfs: &Sysfs, address: PciAddress) -> Result<Self, OpenError> {
        let node = sysfs.container_node();
        let file: File = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&node)
            .map_err(|error| sysfs.open_error(address, node, error))?;
        let container = Container { fd: file.into() };
        let found = abi::api_version(container.as_fd()).map_err(OpenError::io("VFIO_GET_API_VERSION"))?;
        if found != VFIO_API_VERSION {
            return Err(OpenError::ApiVersion { found });
        }
        Ok(container)
    }

    /// A container that another process set up.
    pub(super) fn adopt(fd: OwnedFd) -> Self {
        Container { fd }
    }

    /// Chooses the IOMMU model; a group must be attached. v2 unmaps exactly what was mapped, v1 may take more:
    /// preferred in that order. Both are the same driver.
    pub(super) fn set_iommu(&self, address: PciAddress) -> Result<(), OpenError> {
        let known = |kind| abi::has_extension(self.as_fd(), kind).map_err(OpenError::io("VFIO_CHECK_EXTENSION"));
        let kind = match (known(VFIO_TYPE1v2_IOMMU)?, known(VFIO_TYPE1_IOMMU)?) {
            (true, _) => VFIO_TYPE1v2_IOMMU,
            (false, true) => VFIO_TYPE1_IOMMU,
            (false, false) => return Err(OpenError::NoType1),
        };
        abi::set_iommu(self.as_fd(), kind).map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM) => OpenError::UnsafeInterrupts { address },
            Some(libc::ENODEV) => OpenError::NoType1,
            _ => OpenError::io(format!("VFIO_SET_IOMMU type {kind}"))(error),
        })
    }

    /// Bus addresses that may be mapped: inclusive, ascending. A kernel that lists none (before 5.4) is taken to
    /// allow all: its MAP_DMA still refuses what it cannot do.
    pub(super) fn iova_ranges(&self) -> Result<Vec<(u64, u64)>, BusError> {
        const OPERATION: &str = "VFIO_IOMMU_GET_INFO";
        let bad = |why: String| BusError::Io {
            operation: format!("{OPERATION}: {why}"),
            source: io::Error::from(io::ErrorKind::InvalidData),
        };
        let (info, buffer) =
            abi::iommu_info(self.as_fd()).map_err(|source| BusError::Io { operation: OPERATION.to_owned(), source })?;
        let first = if info.flags & VFIO_IOMMU_INFO_CAPS == 0 { 0 } else { info.cap_offset };
        let fixed = size_of::<vfio_iommu_type1_info>();
        let found = caps::find(buffer.bytes(), first, fixed, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE as u16);
        let found = found.map_err(|chain| bad(format!("capability at {:#x} is out of bounds", chain.offset)))?;
        let Some(capability) = found else { return Ok(vec![(0, u64::MAX)]) };
        let mut ranges = caps::iova_ranges(capability).ok_or_else(|| bad("truncated list of ranges".to_owned()))?;
        ranges.sort_unstable();
        let backwards = ranges.iter().any(|(first, last)| first > last);
        if backwards || !ranges.is_sorted_by(|a, b| a.1 < b.0) {
            return Err(bad("ranges that overlap or run backwards".to_owned()));
        }
        Ok(ranges)
    }

    /// Maps `size` bytes at `vaddr` of this process to `iova`, for reading and writing by the device.
    pub(super) fn map(&self, vaddr: u64, iova: u64, size: u64) -> io::Result<()> {
        abi::map_dma(self.as_fd(), VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, vaddr, iova, size)
    }

    /// Takes back all that is mapped, whoever has mapped it.
    pub(super) fn unmap_all(&self) -> io::Result<()> {
        abi::unmap_all(self.as_fd())
    }

    /// Takes a mapping back; the answer is how many bytes went.
    pub(super) fn unmap(&self, iova: u64, size: u64) -> io::Result<u64> {
        abi::unmap_dma(self.as_fd(), iova, size)
    }
}

impl AsFd for Container {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
