//! The one list of drivers and what they drive.

use udrv::endpoint::NetEndpoint;
use udrv::net::{DeviceError, Inbox, NetDevice, Options};
use udrv_bus::{PciFunction, PciId};
use udrv_driver::NetDriver;

/// A driver, and how to run it.
pub struct Driver {
    /// Name of the chip.
    pub name: &'static str,
    /// PCI ids that it drives.
    pub ids: &'static [(u16, u16)],
    start: Start,
}

type Start = fn(Box<dyn PciFunction>, Box<dyn NetEndpoint>, Options) -> Result<Box<dyn Running>, DeviceError>;

/// All of them.
pub const DRIVERS: &[Driver] = &[net::<e1000::E1000>(), net::<r8169::R8169>(), net::<rtl8139::Rtl8139>()];

/// A device that has been started.
pub trait Running {
    /// Runs it until it is told to stop.
    ///
    /// # Errors
    /// See [`NetDevice::run`].
    fn run(self: Box<Self>, inbox: &Inbox) -> Result<(), DeviceError>;
}

const fn net<D: NetDriver>() -> Driver {
    Driver {
        name: D::NAME,
        ids: D::IDS,
        start: |bus, endpoint, options| {
            NetDevice::<D>::start(bus, endpoint, options).map(|device| Box::new(device) as Box<dyn Running>)
        },
    }
}

impl<D: NetDriver> Running for NetDevice<D> {
    fn run(self: Box<Self>, inbox: &Inbox) -> Result<(), DeviceError> {
        NetDevice::run(*self, inbox)
    }
}

impl Driver {
    /// Starts a device.
    ///
    /// # Errors
    /// See [`NetDevice::start`].
    pub fn start(
        &self,
        bus: Box<dyn PciFunction>,
        endpoint: Box<dyn NetEndpoint>,
        options: Options,
    ) -> Result<Box<dyn Running>, DeviceError> {
        (self.start)(bus, endpoint, options)
    }
}

/// The driver for a PCI id.
#[must_use]
pub fn for_id(id: PciId) -> Option<&'static Driver> {
    DRIVERS.iter().find(|driver| driver.ids.contains(&(id.vendor, id.device)))
}

/// What can be driven, for an error message.
#[must_use]
pub fn known() -> String {
    let one = |driver: &Driver| {
        let ids: Vec<String> =
            driver.ids.iter().map(|(vendor, device)| PciId { vendor: *vendor, device: *device }.to_string()).collect();
        format!("{} ({})", driver.name, ids.join(", "))
    };
    DRIVERS.iter().map(one).collect::<Vec<_>>().join("; ")
}
