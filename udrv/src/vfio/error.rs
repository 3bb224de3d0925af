//! Why a function could not be opened, each in one line with what mends it.
//!
//! These texts are read by people who just ran a command: they name the thing, its state and the commands to type.
//! Not here: errors after the open, which are [`udrv_bus::BusError`].

use std::fmt;
use std::io;
use std::path::PathBuf;

use udrv_bus::{BusError, PciAddress};

/// Why [`super::VfioFunction::open`] failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such function on this machine.
    #[error("there is no PCI function {address}; {network}")]
    NotPresent {
        /// What was asked for.
        address: PciAddress,
        /// The network functions that do exist, as a clause.
        network: String,
    },
    /// A driver of the kernel has the function.
    #[error(
        "{address} is bound to the kernel driver '{driver}'; give it to VFIO with: sudo udrvctl bind pci:{address}"
    )]
    KernelDriver {
        /// The function.
        address: PciAddress,
        /// Name of the driver.
        driver: String,
    },
    /// No driver has the function; VFIO needs vfio-pci to have it.
    #[error("{address} has no driver bound, and vfio-pci is needed: sudo udrvctl bind pci:{address}")]
    NoDriver {
        /// The function.
        address: PciAddress,
    },
    /// The function is in no IOMMU group.
    #[error(
        "{address} is behind no IOMMU (no iommu_group in sysfs): enable VT-d or AMD-Vi in the firmware and boot \
         with intel_iommu=on (Intel) or amd_iommu=on (AMD) on the kernel command line"
    )]
    NoIommu {
        /// The function.
        address: PciAddress,
    },
    /// VFIO runs without an IOMMU here: the device could reach all memory.
    #[error(
        "{address} is in VFIO's no-IOMMU mode, where the device can overwrite any memory: refused; \
         boot with intel_iommu=on or amd_iommu=on and vfio.enable_unsafe_noiommu_mode=0"
    )]
    NoIommuMode {
        /// The function.
        address: PciAddress,
    },
    /// `/dev/vfio/vfio` does not exist.
    #[error("{} is missing: VFIO is not loaded; as root: modprobe vfio-pci", node.display())]
    NoVfio {
        /// The container node.
        node: PathBuf,
    },
    /// The group has no node in `/dev/vfio`.
    #[error(
        "{} is missing although {address} is in that group: is udev (or devtmpfs on /dev) running?",
        node.display()
    )]
    NoGroupNode {
        /// The function.
        address: PciAddress,
        /// The group node.
        node: PathBuf,
    },
    /// The node exists and may not be opened.
    #[error(
        "no permission on {} (owner {owner}, mode {mode:04o}) for user {user}; \
         as root: setfacl -m u:{user}:rw {} (or: chown {user} {})",
        node.display(), node.display(), node.display()
    )]
    NoPermission {
        /// The node.
        node: PathBuf,
        /// `user:group` that own it.
        owner: String,
        /// Permission bits.
        mode: u32,
        /// Who we are.
        user: String,
    },
    /// Someone else has the group open.
    #[error(
        "{} is in use: another process has {address} or its group open; find it with: fuser -v {}",
        node.display(), node.display()
    )]
    GroupBusy {
        /// The function.
        address: PciAddress,
        /// The group node.
        node: PathBuf,
    },
    /// A member of the group is held by a driver of the kernel, so VFIO gives none of them.
    #[error(
        "IOMMU group {group} of {address} is not viable: all its functions must be on vfio-pci or without a driver; \
         its members: {members}"
    )]
    NotViable {
        /// The function.
        address: PciAddress,
        /// Group number.
        group: u32,
        /// Each member with its driver.
        members: String,
    },
    /// The container knows no type1 IOMMU.
    #[error("VFIO has no type1 IOMMU here; as root: modprobe vfio_iommu_type1")]
    NoType1,
    /// The kernel refuses because interrupts cannot be remapped.
    #[error(
        "the IOMMU of {address} cannot remap interrupts, so VFIO refuses it: enable interrupt remapping (x2APIC) in \
         the firmware, or accept the risk with: modprobe vfio_iommu_type1 allow_unsafe_interrupts=1"
    )]
    UnsafeInterrupts {
        /// The function.
        address: PciAddress,
    },
    /// A VFIO with another API.
    #[error("VFIO API version is {found}, this program knows 0")]
    ApiVersion {
        /// What the kernel said.
        found: u32,
    },
    /// VFIO says the device is no PCI function, or a region that every PCI function has is missing.
    #[error("{address} does not look like a PCI function to VFIO: {why}")]
    NotPci {
        /// The function.
        address: PciAddress,
        /// What is missing.
        why: &'static str,
    },
    /// Bus mastering could not be cleared: the function may be writing to memory still.
    #[error("{address} keeps bus mastering on although it was cleared (command register {command:#06x}): not opened")]
    StillMastering {
        /// The function.
        address: PciAddress,
        /// What its command register says.
        command: u32,
    },
    /// Faults of mapped BARs cannot be caught in this process.
    #[error("mapped BARs cannot be guarded: {0}")]
    Traps(#[from] fgft::InitError),
    /// The kernel refused for a reason without advice.
    #[error("{operation}: {source}")]
    Io {
        /// The call and its operand.
        operation: String,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// The first accesses to the function failed.
    #[error("{address} was opened but does not answer: {source}")]
    Access {
        /// The function.
        address: PciAddress,
        /// What failed.
        #[source]
        source: BusError,
    },
}

impl OpenError {
    /// For `map_err` on a call without advice of its own.
    pub(super) fn io(operation: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
        let operation = operation.into();
        move |source| OpenError::Io { operation, source }
    }
}

/// The limit on locked memory does not allow a DMA mapping. Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemlockTooLow {
    /// The soft limit now, or `None` for unlimited.
    pub limit: Option<u64>,
    /// What is locked already.
    pub locked: u64,
    /// What the new mapping adds.
    pub wanted: u64,
}

impl fmt::Display for MemlockTooLow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = self.locked.saturating_add(self.wanted).div_ceil(1024);
        let Some(limit) = self.limit else {
            return write!(f, "the kernel is out of memory to pin ({needed} KiB needed, no limit on locked memory)");
        };
        write!(
            f,
            "the limit on locked memory is {} KiB and {needed} KiB are needed; raise it with: ulimit -l {needed} \
             (in a systemd unit: LimitMEMLOCK={needed}K)",
            limit / 1024
        )
    }
}
