//! The device as the framework drives it, whatever its bus: registers, memory that it may reach, a way to say that there is
//! work.
//!
//! A PCI function has all of that (`pci.rs`); a USB device gets it from a host controller in software
//! ([`crate::usb::controller`]), a PS/2 device from another ([`crate::serio::controller`]). The register window and the classes
//! above know this trait alone.

mod pci;

use std::fmt;
use std::os::fd::BorrowedFd;

use udrv_bus::{BusError, DmaMapping, PciFunction, PciId, ResetKind, SerioId, SerioPort, UsbDevice, UsbId, Width};
use udrv_driver::{Bus, Identity};

use self::pci::PciDevice;
use crate::serio::{self, CommandError};
use crate::usb::controller::{Controller, EndpointError, Reopen};

/// Offset of the revision id in configuration space.
const REVISION: u16 = 8;

/// Which device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceId {
    /// Vendor and device id of a PCI function.
    Pci(PciId),
    /// Vendor and product id of a USB device.
    Usb(UsbId),
    /// What the kernel says of a serio port.
    Serio(SerioId),
}

impl DeviceId {
    /// Both numbers; of a serio port its kind and protocol.
    #[must_use]
    pub const fn numbers(self) -> (u16, u16) {
        match self {
            DeviceId::Pci(id) => (id.vendor, id.device),
            DeviceId::Usb(id) => (id.vendor, id.product),
            DeviceId::Serio(id) => (id.kind as u16, id.protocol as u16),
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceId::Pci(id) => id.fmt(f),
            DeviceId::Usb(id) => id.fmt(f),
            DeviceId::Serio(id) => id.fmt(f),
        }
    }
}

/// See the module's text. Multi-byte values are in host order.
pub trait Device: Send {
    /// For people: `pci:0000:00:04.0`, `usb:1-1`, `model:rtl8139`.
    fn name(&self) -> String;
    /// Bytes of its registers.
    fn register_bytes(&self) -> u64;
    /// Reads a register. `offset` in bytes, naturally aligned.
    fn read(&mut self, offset: u64, width: Width) -> Result<u32, BusError>;
    /// Writes a register. `offset` in bytes, naturally aligned.
    fn write(&mut self, offset: u64, width: Width, value: u32) -> Result<(), BusError>;
    /// Whether who only looks on may read the register at `offset`, if its kind allows it: where reading one asks the device, he
    /// may not.
    fn may_be_looked_at(&self, offset: u64) -> bool {
        let _ = offset;
        true
    }
    /// Whether it is there: a register that reads as all ones may be one, or of a device that has left.
    fn answers(&mut self) -> bool;

    /// Whether one that has left may come back.
    fn comes_back(&self) -> bool {
        false
    }
    /// Whether one that has left is back; it is then as after power-on.
    fn look_for_return(&mut self) -> Result<bool, BusError> {
        Ok(false)
    }

    /// Lets its registers answer; and lets it reach memory, or not.
    fn enable(&mut self, dma: bool) -> Result<(), BusError>;
    /// From here on it reaches no memory, whatever it was told before.
    fn stop_dma(&mut self) -> Result<(), BusError>;
    /// Addresses at which memory may be mapped for it, as inclusive ranges in ascending order.
    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError>;
    /// Lets it reach `mapping`. Page aligned; must not overlap another mapping.
    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError>;
    /// Takes back the mapping that starts at `iova` and has `size` bytes.
    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError>;

    /// How it says that there is work. By messages alone, if nothing else is said here.
    fn notices(&mut self) -> Result<Notices, BusError> {
        Ok(Notices { line: false, messages: true })
    }
    /// From now on each assertion of its line adds one to the eventfd and masks the line, until [`Device::unmask_line`].
    fn enable_line(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        let _ = event;
        Err(BusError::Unsupported("an interrupt line"))
    }
    /// Unmasks the line; if it is still asserted it fires again at once.
    fn unmask_line(&mut self) -> Result<(), BusError> {
        Err(BusError::Unsupported("an interrupt line"))
    }
    /// From now on each message adds one to the eventfd: an edge, and it comes again only after all causes were gone.
    fn enable_messages(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError>;
    /// Neither line nor messages any more.
    fn disable_notices(&mut self) -> Result<(), BusError>;

    /// Resets it, if its bus can.
    fn reset(&mut self) -> Result<ResetKind, BusError>;

    /// As [`PciFunction::kept_alive_by`].
    fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        Vec::new()
    }
    /// As [`PciFunction::leave_running`].
    fn leave_running(&mut self, leaves: bool) {
        let _ = leaves;
    }
    /// Whether it may reach memory now.
    fn has_dma(&mut self) -> Result<bool, BusError> {
        Ok(false)
    }
}

/// How a device says that there is work: at least one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notices {
    /// A line, which is a level and can be masked.
    pub line: bool,
    /// Messages, which are edges.
    pub messages: bool,
}

/// A device of any bus, opened, before a driver has been found to fit it.
pub enum Opened {
    /// A PCI function.
    Pci(Box<dyn PciFunction>),
    /// A USB device.
    Usb {
        /// It.
        device: Box<dyn UsbDevice>,
        /// How to have it back after it was unplugged, if there is a way.
        reopen: Option<Reopen>,
    },
    /// A serio port, with a PS/2 device at its end.
    Serio {
        /// It.
        port: Box<dyn SerioPort>,
        /// How to have it back after it has left, if there is a way.
        reopen: Option<serio::controller::Reopen>,
    },
}

impl From<Box<dyn PciFunction>> for Opened {
    fn from(function: Box<dyn PciFunction>) -> Opened {
        Opened::Pci(function)
    }
}

impl<F: PciFunction + 'static> From<Box<F>> for Opened {
    fn from(function: Box<F>) -> Opened {
        Opened::Pci(function)
    }
}

/// Why a driver cannot have a device.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// It is on another bus.
    #[error("it is on {found}, and the driver's devices are on {expected}")]
    OtherBus {
        /// Where it is.
        found: &'static str,
        /// Where the driver's are.
        expected: &'static str,
    },
    /// It has not the endpoints.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The driver's commands cannot be registers.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// It has none of the BARs.
    #[error("it has none of the BARs {0:?} that the driver needs")]
    NoBar(&'static [u8]),
    /// It cannot be looked at.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl Opened {
    /// For people.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Opened::Pci(function) => function.name(),
            Opened::Usb { device, .. } => device.name(),
            Opened::Serio { port, .. } => port.name(),
        }
    }

    /// As [`PciFunction::leave_running`].
    pub fn leave_running(&mut self, leaves: bool) {
        if let Opened::Pci(function) = self {
            function.leave_running(leaves);
        }
    }

    /// Name of its bus.
    fn bus(&self) -> &'static str {
        match self {
            Opened::Pci(_) => "PCI",
            Opened::Usb { .. } => "USB",
            Opened::Serio { .. } => "serio",
        }
    }

    /// Which device it is. `None`: it does not answer.
    ///
    /// # Errors
    /// What the bus says.
    pub fn id(&mut self) -> Result<Option<DeviceId>, BusError> {
        match self {
            Opened::Pci(function) => Ok(pci::id(&mut **function)?.map(DeviceId::Pci)),
            Opened::Usb { device, .. } => Ok(Some(DeviceId::Usb(device.id()))),
            // of the port: what is plugged in there tells only when it is asked, by its driver
            Opened::Serio { port, .. } => Ok(Some(DeviceId::Serio(port.id()))),
        }
    }

    /// Which device it is, for its driver. `None`: it does not answer.
    ///
    /// # Errors
    /// What the bus says.
    pub(crate) fn identity(&mut self) -> Result<Option<Identity>, BusError> {
        let revision = match self {
            Opened::Pci(function) => function.config_read(REVISION, Width::U8)? as u8,
            // a matter of each product, and told with none of the descriptors that are read here
            Opened::Usb { .. } | Opened::Serio { .. } => 0,
        };
        let identity = |(vendor, product)| Identity { vendor, product, revision };
        Ok(self.id()?.map(|id| identity(id.numbers())))
    }

    /// The device with the parts of it that a driver declares.
    ///
    /// # Errors
    /// [`FitError`].
    pub fn fit(self, bus: Bus) -> Result<Box<dyn Device>, FitError> {
        match (self, bus) {
            (Opened::Pci(function), Bus::Pci { bars, pages }) => Ok(Box::new(PciDevice::new(function, bars, pages)?)),
            (Opened::Usb { device, reopen }, Bus::Usb { read, write, endpoints }) => {
                Ok(Box::new(Controller::new(device, reopen, (read, write), endpoints)?))
            }
            (Opened::Serio { port, reopen }, Bus::Serio { commands }) => {
                Ok(Box::new(serio::controller::Controller::new(port, reopen, commands)?))
            }
            (opened, bus) => Err(FitError::OtherBus { found: opened.bus(), expected: bus.name() }),
        }
    }
}
