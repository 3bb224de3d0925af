//! What sysfs and `/dev/vfio` say about a function before anything is opened.
//!
//! Reads only. The root is injectable so that every diagnosis is tested on a tree in a temporary folder. Binding a
//! driver is not done here: it needs root, and whoever runs the daemon should see it done (the errors name `udrvctl
//! bind`, which does it).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use udrv_bus::{PciAddress, PciId};

use super::OpenError;
use crate::users;

/// PCI base class of network controllers.
const CLASS_NETWORK: u8 = 0x02;

/// Where `sys/` and `dev/` are: `/` on a real machine.
#[derive(Debug, Clone)]
pub struct Sysfs {
    root: PathBuf,
}

/// One PCI function as sysfs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSummary {
    /// Where it is.
    pub address: PciAddress,
    /// Vendor and device id.
    pub id: PciId,
    /// Class code, 24 bits: base class, subclass, programming interface.
    pub class: u32,
    /// The driver that has it, if any.
    pub driver: Option<String>,
}

impl fmt::Display for FunctionSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let driver = self.driver.as_deref().unwrap_or("no driver");
        write!(f, "{} [{}] ({driver})", self.address, self.id)
    }
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::at("/")
    }
}

impl Sysfs {
    /// A machine whose `sys` and `dev` are under `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Sysfs { root: root.into() }
    }

    /// All PCI functions in order of address.
    ///
    /// # Errors
    /// When the folder of devices cannot be read; a function that vanishes meanwhile is left out.
    pub fn functions(&self) -> io::Result<Vec<FunctionSummary>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.root.join("sys/bus/pci/devices"))? {
            let name = entry?.file_name();
            let address = name.to_str().and_then(|n| n.parse().ok());
            all.extend(address.and_then(|address| self.function(address)));
        }
        all.sort_by_key(|function| function.address);
        Ok(all)
    }

    /// One function, or `None` if it is not there.
    #[must_use]
    pub fn function(&self, address: PciAddress) -> Option<FunctionSummary> {
        let directory = self.device(address);
        let hex = |file: &str| {
            let text = fs::read_to_string(directory.join(file)).ok()?;
            u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
        };
        let id = PciId { vendor: hex("vendor")? as u16, device: hex("device")? as u16 };
        Some(FunctionSummary { address, id, class: hex("class")?, driver: self.driver(address) })
    }

    /// The IOMMU group of a function that is ready to be opened, or why it is not.
    ///
    /// # Errors
    /// The first that applies, in the order in which one has to mend them.
    pub fn check(&self, address: PciAddress) -> Result<u32, OpenError> {
        if !self.device(address).exists() {
            return Err(OpenError::NotPresent { address, network: self.network_clause() });
        }
        let Some(group) = self.group(address) else {
            return Err(OpenError::NoIommu { address });
        };
        match self.driver(address) {
            None => return Err(OpenError::NoDriver { address }),
            Some(driver) if !is_vfio_driver(&driver) => return Err(OpenError::KernelDriver { address, driver }),
            Some(_) => {}
        }
        if self.is_noiommu(group) {
            return Err(OpenError::NoIommuMode { address });
        }
        if !self.container_node().exists() {
            return Err(OpenError::NoVfio { node: self.container_node() });
        }
        let node = self.group_node(group);
        if !node.exists() {
            return Err(OpenError::NoGroupNode { address, node });
        }
        Ok(group)
    }

    /// The members of a group, in order of address, for [`OpenError::NotViable`]. Bridges are listed too.
    pub(super) fn members_clause(&self, group: u32) -> String {
        let directory = self.root.join(format!("sys/kernel/iommu_groups/{group}/devices"));
        let entries = fs::read_dir(directory).map(|d| d.filter_map(|e| e.ok()?.file_name().into_string().ok()));
        let mut names: Vec<String> = entries.map(Iterator::collect).unwrap_or_default();
        names.sort();
        let describe = |name: String| {
            let driver = name.parse().ok().and_then(|address| self.driver(address));
            format!("{name} ({})", driver.as_deref().unwrap_or("no driver"))
        };
        let members: Vec<String> = names.into_iter().map(describe).collect();
        if members.is_empty() { "unknown (sysfs lists none)".to_owned() } else { members.join(", ") }
    }

    /// What opening `node` failed with, in the words of VFIO. `address` is the function it was for.
    pub(super) fn open_error(&self, address: PciAddress, node: PathBuf, error: io::Error) -> OpenError {
        match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => {
                let (owner, mode) = users::owner(&node);
                OpenError::NoPermission { node, owner, mode, user: users::us() }
            }
            Some(libc::EBUSY) => OpenError::GroupBusy { address, node },
            // ENODEV and ENXIO: a static node whose module is not loaded.
            Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) if node == self.container_node() => {
                OpenError::NoVfio { node }
            }
            Some(libc::ENOENT) => OpenError::NoGroupNode { address, node },
            _ => OpenError::Io { operation: format!("open {}", node.display()), source: error },
        }
    }

    /// `/dev/vfio/vfio`.
    #[must_use]
    pub fn container_node(&self) -> PathBuf {
        self.root.join("dev/vfio/vfio")
    }

    /// `/dev/vfio/<group>`.
    #[must_use]
    pub fn group_node(&self, group: u32) -> PathBuf {
        self.root.join(format!("dev/vfio/{group}"))
    }

    /// The function's folder.
    #[must_use]
    pub fn device(&self, address: PciAddress) -> PathBuf {
        self.root.join(format!("sys/bus/pci/devices/{address}"))
    }

    /// Name of the driver that has it, if one has.
    #[must_use]
    pub fn driver(&self, address: PciAddress) -> Option<String> {
        link_name(&self.device(address).join("driver"))
    }

    /// Number of its IOMMU group, if it is in one.
    #[must_use]
    pub fn group(&self, address: PciAddress) -> Option<u32> {
        link_name(&self.device(address).join("iommu_group"))?.parse().ok()
    }

    /// A group that VFIO made up for a device without an IOMMU: its name says so, and its node is named otherwise.
    #[must_use]
    pub fn is_noiommu(&self, group: u32) -> bool {
        let name = fs::read_to_string(self.root.join(format!("sys/kernel/iommu_groups/{group}/name")));
        name.is_ok_and(|name| name.trim() == "vfio-noiommu")
            || self.root.join(format!("dev/vfio/noiommu-{group}")).exists()
    }

    fn network_clause(&self) -> String {
        let all = match self.functions() {
            Ok(all) => all,
            Err(error) => return format!("the PCI bus could not be listed: {error}"),
        };
        let network = all.iter().filter(|f| (f.class >> 16) as u8 == CLASS_NETWORK);
        let listed: Vec<String> = network.map(ToString::to_string).collect();
        match listed.len() {
            0 => format!("none of the {} PCI functions here is a network controller", all.len()),
            _ => format!("network functions here: {}", listed.join(", ")),
        }
    }
}

/// vfio-pci itself, or one of its variant drivers (`mlx5_vfio_pci` and the like), which serve the same interface.
#[must_use]
pub fn is_vfio_driver(name: &str) -> bool {
    name == "vfio-pci" || name.ends_with("-vfio-pci") || name.ends_with("_vfio_pci")
}

/// The last component of what a symbolic link points to.
fn link_name(link: &Path) -> Option<String> {
    Some(fs::read_link(link).ok()?.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
#[path = "sysfs_tests.rs"]
mod tests;
