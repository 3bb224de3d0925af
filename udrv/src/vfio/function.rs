//! [`VfioFunction`]: the open, the [`PciFunction`] it gives, and the close in the order that keeps memory safe.
//!
//! Order on any exit: interrupts off, bus mastering off, reset if there is one, DMA unmapped, fds closed. A device
//! which masters the bus while its memory goes back to the system would write into somebody else's.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tracing::{debug, warn};
use udrv_bus::{BarInfo, BarKind, BusError, DmaMapping, PciAddress, PciFunction, ResetKind, Width};
use vfio_bindings::bindings::vfio::{VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_NUM_REGIONS};

use super::container::Container;
use super::device::{Device, Region};
use super::dma_table::DmaTable;
use super::group::Group;
use super::irq::{Intx, Msi};
use super::mapped_bar::MappedBar;
use super::{OpenError, Sysfs};

/// Configuration space (PCI Local Bus 3.0, 6.1): the vendor id.
const VENDOR_ID: u64 = 0x00;
/// Configuration space: the command register.
const COMMAND: u64 = 0x04;
/// Command register: the function answers in I/O space.
const COMMAND_IO: u32 = 1 << 0;
/// Command register: the function answers in memory space.
const COMMAND_MEMORY: u32 = 1 << 1;
/// Command register: the function may start transfers of its own.
const COMMAND_MASTER: u32 = 1 << 2;
/// Configuration space: the first of six base address registers of 4 bytes.
const BAR0: u64 = 0x10;
/// BAR bit 0: it is I/O ports.
const BAR_IO: u32 = 1;

/// A PCI function opened through VFIO, by this process alone.
pub struct VfioFunction {
    address: PciAddress,
    // Dropped from top to bottom: mappings of BARs before the device, the device before its group and container.
    bars: [Option<Bar>; 6],
    config: Region,
    intx: Intx,
    msi: Msi,
    device: Device,
    dma: DmaTable,
    group: Group,
    container: Container,
    leave_running: bool,
}

#[derive(Debug)]
struct Bar {
    kind: BarKind,
    region: Region,
    mapped: Option<MappedBar>,
}

/// The three file descriptors that keep a function alive: while somebody holds all of them, its DMA goes on and nothing
/// resets it.
#[derive(Debug)]
pub struct VfioFds {
    /// `/dev/vfio/vfio`, with the group attached and the DMA mappings.
    pub container: OwnedFd,
    /// `/dev/vfio/<group>`.
    pub group: OwnedFd,
    /// The device.
    pub device: OwnedFd,
}

impl VfioFds {
    /// Their names with a keeper: container, group, device.
    pub const NAMES: [&'static str; 3] = ["vfio-container", "vfio-group", "vfio-device"];
}

impl VfioFunction {
    /// Opens a function, with bus mastering off and its BARs answering.
    ///
    /// # Errors
    /// Whatever keeps it from being opened, with what mends it.
    pub fn open(address: PciAddress) -> Result<Self, OpenError> {
        Self::open_at(&Sysfs::default(), address)
    }

    /// [`VfioFunction::open`] with `sys` and `dev` elsewhere.
    ///
    /// # Errors
    /// As [`VfioFunction::open`].
    pub fn open_at(sysfs: &Sysfs, address: PciAddress) -> Result<Self, OpenError> {
        let number = sysfs.check(address)?;
        let container = Container::open(sysfs, address)?;
        let group = Group::open(sysfs, address, number)?;
        group.attach(&container)?;
        container.set_iommu(address)?;
        let device = group.device(address)?;
        let mut function = Self::assemble(address, container, group, device)?;
        function.take_over()?;
        debug!(%address, group = number, "opened through VFIO");
        Ok(function)
    }

    /// Goes on with a function that a process before this one opened and left running, with `mappings` as they are in
    /// the kernel. Touches neither bus mastering nor mappings. The INTx line is in an unknown state: enable it, then
    /// always unmask it.
    ///
    /// # Errors
    /// When the fds are not those of a VFIO PCI function, or `mappings` are no possible set of mappings.
    pub fn adopt(address: PciAddress, fds: VfioFds, mappings: Vec<DmaMapping>) -> Result<Self, OpenError> {
        let (container, group) = (Container::adopt(fds.container), Group::adopt(fds.group));
        let mut function = Self::assemble(address, container, group, fds.device)?;
        for mapping in mappings {
            function.dma.adopt(mapping).map_err(|source| OpenError::Access { address, source })?;
        }
        Ok(function)
    }

    /// Takes over a function that a process before this one has left, to begin anew with it: quiet, reset if that can be,
    /// without mappings and interrupts, as after [`VfioFunction::open`].
    ///
    /// # Errors
    /// When the fds are not those of a VFIO PCI function, or it cannot be made quiet.
    pub fn reclaim(address: PciAddress, fds: VfioFds) -> Result<Self, OpenError> {
        let mut function = Self::adopt(address, fds, Vec::new())?;
        let access = |source| OpenError::Access { address, source };
        // before all else: whatever it was at, it reaches no memory from here on
        function.set_mastering_off().map_err(access)?;
        function.intx.forget(&function.device);
        function.msi.forget(&function.device);
        function.reset().map_err(access)?;
        function.take_over()?;
        function
            .container
            .unmap_all()
            .map_err(OpenError::io("VFIO_IOMMU_UNMAP_DMA of what a process before has mapped"))?;
        Ok(function)
    }

    /// Duplicates of the fds which a successor needs.
    ///
    /// # Errors
    /// When the process has no room for more file descriptors.
    pub fn fds(&self) -> io::Result<VfioFds> {
        let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned();
        Ok(VfioFds {
            container: own(self.container.as_fd())?,
            group: own(self.group.as_fd())?,
            device: own(self.device.as_fd())?,
        })
    }

    /// Where this function is.
    #[must_use]
    pub fn address(&self) -> PciAddress {
        self.address
    }

    /// Whether BAR `bar` is mapped into this process (as opposed to reached by system calls).
    #[must_use]
    pub fn is_mapped(&self, bar: u8) -> bool {
        self.bars.get(usize::from(bar)).is_some_and(|bar| bar.as_ref().is_some_and(|bar| bar.mapped.is_some()))
    }

    fn assemble(address: PciAddress, container: Container, group: Group, fd: OwnedFd) -> Result<Self, OpenError> {
        let device = Device::new(fd).map_err(OpenError::io("VFIO_DEVICE_GET_INFO"))?;
        if !device.is_pci() {
            return Err(OpenError::NotPci { address, why: "it does not say so itself" });
        }
        if device.regions <= VFIO_PCI_CONFIG_REGION_INDEX || device.regions > 2 * VFIO_PCI_NUM_REGIONS {
            return Err(OpenError::NotPci { address, why: "its number of regions is not that of a PCI function" });
        }
        let region_error = |index: u32| OpenError::io(format!("VFIO_DEVICE_GET_REGION_INFO {index}"));
        let config = device.region(VFIO_PCI_CONFIG_REGION_INDEX).map_err(region_error(VFIO_PCI_CONFIG_REGION_INDEX))?;
        if config.size < 256 {
            return Err(OpenError::NotPci { address, why: "its configuration space is smaller than 256 bytes" });
        }
        let mut bars = [const { None }; 6];
        for (index, bar) in (0u32..).zip(bars.iter_mut()) {
            let region = device.region(index).map_err(region_error(index))?;
            if region.size == 0 {
                continue; // not implemented, or the upper half of a 64-bit BAR
            }
            let raw = device.read(&config, BAR0 + 4 * u64::from(index), Width::U32);
            let raw = raw.map_err(OpenError::io(format!("read of BAR {index} in configuration space")))?;
            let kind = if raw & BAR_IO == 0 { BarKind::Memory } else { BarKind::Io };
            let mapped = match kind {
                BarKind::Memory => MappedBar::new(device.as_fd(), &region)?,
                BarKind::Io => None,
            };
            *bar = Some(Bar { kind, region, mapped });
        }
        let (intx, msi, dma) = (Intx::default(), Msi::default(), DmaTable::default());
        Ok(VfioFunction { address, bars, config, intx, msi, device, dma, group, container, leave_running: false })
    }

    /// After a fresh open: bus mastering off, whatever the last user left behind, and the BARs decoded.
    fn take_over(&mut self) -> Result<(), OpenError> {
        let address = self.address;
        let access = |source| OpenError::Access { address, source };
        let vendor = self.config_read(VENDOR_ID as u16, Width::U16).map_err(access)?;
        if vendor == Width::U16.all_ones() {
            return Err(access(BusError::Gone { operation: "read of the vendor id" }));
        }
        self.set_mastering_off().map_err(access)?;
        let command = self.config_read(COMMAND as u16, Width::U16).map_err(access)?;
        if command & COMMAND_MASTER != 0 {
            return Err(OpenError::StillMastering { address, command });
        }
        let has = |kind| self.bars.iter().flatten().any(|bar| bar.kind == kind);
        let io = if has(BarKind::Io) { COMMAND_IO } else { 0 };
        let memory = if has(BarKind::Memory) { COMMAND_MEMORY } else { 0 };
        self.config_write(COMMAND as u16, Width::U16, command | io | memory).map_err(access)
    }

    fn set_mastering_off(&mut self) -> Result<(), BusError> {
        let command = self.config_read(COMMAND as u16, Width::U16)?;
        if command == Width::U16.all_ones() {
            return Err(BusError::Gone { operation: "read of the command register" });
        }
        self.config_write(COMMAND as u16, Width::U16, command & !COMMAND_MASTER)
    }

    fn implemented(&self, bar: u8) -> Result<&Bar, BusError> {
        self.bars.get(usize::from(bar)).and_then(Option::as_ref).ok_or(BusError::NoSuchBar(bar))
    }

    /// A value read from a BAR. All ones is what a bus answers for a device that has left, and may be a register's
    /// value too: the vendor id tells which. Not seen here: I/O ports that are not decoded read as all ones while the
    /// function is there.
    fn alive(&self, value: u32, width: Width) -> Result<u32, BusError> {
        let gone = value == width.all_ones()
            && self.device.read(&self.config, VENDOR_ID, Width::U16).is_ok_and(|id| id == Width::U16.all_ones());
        if gone { Err(BusError::Gone { operation: "read of a BAR" }) } else { Ok(value) }
    }

    /// A failed access to the device fd: gone, or something else?
    fn access_error(&self, operation: &'static str, place: impl fmt::Display, source: io::Error) -> BusError {
        let gone = match source.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => true,
            // EIO is also what a BAR gives that is not decoded. A function that is there still says who it is.
            Some(libc::EIO) => {
                let vendor = self.device.read(&self.config, VENDOR_ID, Width::U16);
                vendor.map_or(true, |vendor| vendor == Width::U16.all_ones())
            }
            _ => false,
        };
        if gone {
            BusError::Gone { operation }
        } else {
            BusError::Io { operation: format!("{operation} {place}"), source }
        }
    }
}

impl PciFunction for VfioFunction {
    fn name(&self) -> String {
        format!("pci:{}", self.address)
    }

    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        let offset = u64::from(offset);
        self.config.check(|| "configuration space".to_owned(), offset, width)?;
        let value = self.device.read(&self.config, offset, width);
        value.map_err(|error| self.access_error("read of configuration space", format_args!("at {offset:#x}"), error))
    }

    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError> {
        let offset = u64::from(offset);
        self.config.check(|| "configuration space".to_owned(), offset, width)?;
        let done = self.device.write(&self.config, offset, width, value);
        done.map_err(|error| self.access_error("write to configuration space", format_args!("at {offset:#x}"), error))
    }

    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError> {
        let bar = self.implemented(bar)?;
        Ok(BarInfo { kind: bar.kind, size: bar.region.size })
    }

    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        let Bar { region, mapped, .. } = self.implemented(bar)?;
        region.check(|| format!("BAR {bar}"), offset, width)?;
        let value = match mapped {
            Some(mapped) => mapped.read(offset, width)?,
            None => self.device.read(region, offset, width).map_err(|error| {
                self.access_error("read of a BAR", format_args!("(BAR {bar} at {offset:#x})"), error)
            })?,
        };
        self.alive(value, width)
    }

    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        let Bar { region, mapped, .. } = self.implemented(bar)?;
        region.check(|| format!("BAR {bar}"), offset, width)?;
        match mapped {
            Some(mapped) => mapped.write(offset, width, value),
            None => self.device.write(region, offset, width, value).map_err(|error| {
                self.access_error("write to a BAR", format_args!("(BAR {bar} at {offset:#x})"), error)
            }),
        }
    }

    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        self.container.iova_ranges()
    }

    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.dma.map(&self.container, mapping)
    }

    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.dma.unmap(&self.container, iova, size)
    }

    fn enable_intx(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.intx.enable(&self.device, event)
    }

    fn unmask_intx(&mut self) -> Result<(), BusError> {
        self.intx.unmask(&self.device)
    }

    fn disable_intx(&mut self) -> Result<(), BusError> {
        self.intx.disable(&self.device)
    }

    fn has_msi(&mut self) -> Result<bool, BusError> {
        Msi::is_there(&self.device)
    }

    fn enable_msi(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.msi.enable(&self.device, event)
    }

    fn disable_msi(&mut self) -> Result<(), BusError> {
        self.msi.disable(&self.device)
    }

    fn reset(&mut self) -> Result<ResetKind, BusError> {
        self.device.reset()
    }

    /// The device last: without the others it cannot be had again.
    fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        let [container, group, device] = VfioFds::NAMES;
        vec![(container, self.container.as_fd()), (group, self.group.as_fd()), (device, self.device.as_fd())]
    }

    /// If nobody holds duplicates of [`VfioFunction::fds`] and of its DMA memory, the kernel quiesces it at the last close.
    fn leave_running(&mut self, leaves: bool) {
        self.leave_running = leaves;
    }
}

impl Drop for VfioFunction {
    fn drop(&mut self) {
        if self.leave_running {
            return;
        }
        let address = self.address;
        let tell = |step: &str, result: Result<(), BusError>| {
            if let Err(error) = result {
                warn!(%address, %error, "closing: {step} failed");
            }
        };
        tell("disabling the interrupt", self.disable_intx());
        tell("disabling MSI", self.disable_msi());
        tell("clearing bus mastering", self.set_mastering_off());
        tell("reset", self.reset().map(drop));
        tell("unmapping DMA", self.dma.unmap_all(&self.container));
    }
}

impl fmt::Debug for VfioFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VfioFunction").field("address", &self.address).field("bars", &self.bars).finish_non_exhaustive()
    }
}
