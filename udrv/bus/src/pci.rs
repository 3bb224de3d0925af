//! A PCI function and the memory it may reach.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::BusError;

/// Width of one register access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Width {
    /// 8 bits.
    U8,
    /// 16 bits.
    U16,
    /// 32 bits.
    U32,
}

impl Width {
    /// 1, 2 or 4.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Width::U8 => 1,
            Width::U16 => 2,
            Width::U32 => 4,
        }
    }

    /// The value that a device which is not there answers: all ones at this width.
    #[must_use]
    pub const fn all_ones(self) -> u32 {
        match self {
            Width::U8 => 0xff,
            Width::U16 => 0xffff,
            Width::U32 => 0xffff_ffff,
        }
    }
}

/// Vendor and device id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PciId {
    /// Vendor id, configuration space offset 0.
    pub vendor: u16,
    /// Device id, configuration space offset 2.
    pub device: u16,
}

impl fmt::Display for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

/// What kind of address space a BAR is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory.
    Memory,
}

/// One base address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarInfo {
    /// I/O ports or memory.
    pub kind: BarKind,
    /// Bytes.
    pub size: u64,
}

/// How a reset was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetKind {
    /// The bus or function was reset (FLR, power state, slot).
    Function,
    /// There is no such reset for this device: the driver's own soft reset has to do.
    None,
}

/// Memory that a device may read and write: a sealed memfd, shared with the framework.
///
/// Offsets are bytes from its start. An access that does not fit is refused whole.
pub trait DmaMemory: Send + Sync {
    /// Bytes.
    fn size(&self) -> u64;
    /// Copies out. `Err` when `offset + to.len()` exceeds the size.
    fn read(&self, offset: u64, to: &mut [u8]) -> Result<(), BusError>;
    /// Copies in. `Err` when `offset + from.len()` exceeds the size.
    fn write(&self, offset: u64, from: &[u8]) -> Result<(), BusError>;
    /// Address of its mapping in this process (what VFIO pins).
    fn host_address(&self) -> u64;
    /// The memfd behind it, whose offset 0 is its first byte: what a device in another process maps. `None` for memory
    /// that only this process has.
    fn memfd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A piece of [`DmaMemory`] at a bus address.
#[derive(Clone)]
pub struct DmaMapping {
    /// Bus address of the first byte.
    pub iova: u64,
    /// The memory; all of it is mapped.
    pub memory: Arc<dyn DmaMemory>,
}

impl fmt::Debug for DmaMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DmaMapping {{ iova: {:#x}, size: {:#x} }}", self.iova, self.memory.size())
    }
}

/// A PCI function, opened by us alone: configuration space, BARs, DMA mappings, and how it interrupts: its INTx line, or
/// messages (MSI), of which one kind is set up at a time.
///
/// Multi-byte values are in host order here; the implementation does the little-endian part.
pub trait PciFunction: Send {
    /// For people: `pci:0000:00:04.0` or `model:rtl8139`.
    fn name(&self) -> String;

    /// Reads configuration space at `offset` (bytes, naturally aligned).
    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError>;
    /// Writes configuration space at `offset` (bytes, naturally aligned).
    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError>;

    /// What BAR `bar` (0 to 5) is, or [`BusError::NoSuchBar`].
    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError>;
    /// Reads a register. `offset` in bytes, naturally aligned.
    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError>;
    /// Writes a register. `offset` in bytes, naturally aligned.
    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError>;

    /// Bus addresses that may be mapped, as inclusive ranges in ascending order.
    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError>;
    /// Lets the device reach `mapping`. Page aligned; must not overlap another mapping.
    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError>;
    /// Takes back the mapping that starts at `iova` and has `size` bytes.
    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError>;

    /// From now on each assertion of INTx adds one to the eventfd and masks the line, until
    /// [`PciFunction::unmask_intx`]. The implementation keeps a duplicate of `event`.
    fn enable_intx(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError>;
    /// Unmasks the line; if it is still asserted it fires again at once.
    fn unmask_intx(&mut self) -> Result<(), BusError>;
    /// Stops interrupts and drops the eventfd.
    fn disable_intx(&mut self) -> Result<(), BusError>;

    /// Whether it can interrupt by messages.
    fn has_msi(&mut self) -> Result<bool, BusError> {
        Ok(false)
    }
    /// From now on each message adds one to the eventfd. Nothing is masked by that, and nothing can be: a message is an
    /// edge, and comes again only after the device's causes were all gone. The implementation keeps a duplicate of
    /// `event`.
    fn enable_msi(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        let _ = event;
        Err(BusError::Unsupported("MSI"))
    }
    /// Stops messages and drops the eventfd. Nothing to do if there is none.
    fn disable_msi(&mut self) -> Result<(), BusError> {
        Ok(())
    }

    /// Resets the function if the bus can. Errors of a reset that exists are reported, not swallowed.
    fn reset(&mut self) -> Result<ResetKind, BusError>;

    /// Descriptors that keep it going, with their names: while somebody holds all of them and its DMA memory, nothing
    /// stops or resets it, and another process can go on with it. In the order in which they are to be handed out. None:
    /// it ends with this process.
    fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        Vec::new()
    }
    /// Whether a drop closes those descriptors and does nothing else, for another process goes on with it.
    fn leave_running(&mut self, leaves: bool) {
        let _ = leaves;
    }
}
