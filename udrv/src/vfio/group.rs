//! The ownership side of an open: an IOMMU group, which is opened by one process at a time or not at all.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use udrv_bus::PciAddress;
use vfio_bindings::bindings::vfio::VFIO_GROUP_FLAGS_VIABLE;

use super::container::Container;
use super::{OpenError, Sysfs, abi};

/// An open `/dev/vfio/<group>`.
#[derive(Debug)]
pub(super) struct Group {
    fd: OwnedFd,
}

impl Group {
    /// Opens group `number` and checks that VFIO may have all of it.
    pub(super) fn open(sysfs: &Sysfs, address: PciAddress, number: u32) -> Result<Self, OpenError> {
        let node = sysfs.group_node(number);
        let file: File = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&node)
            .map_err(|error| sysfs.open_error(address, node, error))?;
        let group = Group { fd: file.into() };
        let flags = abi::group_flags(group.as_fd()).map_err(OpenError::io("VFIO_GROUP_GET_STATUS"))?;
        if flags & VFIO_GROUP_FLAGS_VIABLE == 0 {
            return Err(OpenError::NotViable { address, group: number, members: sysfs.members_clause(number) });
        }
        Ok(group)
    }

    /// A group that another process opened.
    pub(super) fn adopt(fd: OwnedFd) -> Self {
        Group { fd }
    }

    /// Puts the group into a container.
    pub(super) fn attach(&self, container: &Container) -> Result<(), OpenError> {
        abi::set_container(self.as_fd(), container.as_fd()).map_err(OpenError::io("VFIO_GROUP_SET_CONTAINER"))
    }

    /// Opens one function of the group.
    pub(super) fn device(&self, address: PciAddress) -> Result<OwnedFd, OpenError> {
        abi::device_fd(self.as_fd(), &address.to_string())
            .map_err(OpenError::io(format!("VFIO_GROUP_GET_DEVICE_FD {address}")))
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
