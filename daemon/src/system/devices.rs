//! Which devices there are, what drives them here, and who has them.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::Serialize;
use udrv::device::DeviceId;
use udrv::serio::raw::{self, PortSummary, SerioName};
use udrv::usb::libusb::{self, UsbName};
use udrv::vfio::{FunctionSummary, is_vfio_driver};
use udrv_bus::{PciAddress, UsbId};

use super::System;
use super::address::Address;
use super::holders::{Holder, Holders};
use crate::drivers::{self, Driver};
use crate::protocol::socket_path;

/// A device of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// As udrvd takes it.
    pub device: String,
    /// What it is called.
    pub name: String,
    /// Vendor and device id; of a PS/2 port kind and protocol.
    pub id: String,
    /// Our driver for it, if there is one.
    pub driver: Option<&'static str>,
    /// The kernel's driver that has it.
    pub kernel_driver: Option<String>,
    /// Its IOMMU group.
    pub iommu_group: Option<u32>,
    /// Who drives it now.
    pub driven_by: DrivenBy,
}

/// Who drives a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "who", rename_all = "kebab-case")]
pub enum DrivenBy {
    /// A udrvd, which answers at this control socket.
    Udrvd {
        /// Its path.
        socket: PathBuf,
    },
    /// Another process, which has its device node open.
    Process(Holder),
    /// A driver of the kernel.
    Kernel {
        /// Its name.
        driver: String,
    },
    /// Nobody.
    Nobody,
}

impl fmt::Display for DrivenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DrivenBy::Udrvd { .. } => f.write_str("udrvd"),
            DrivenBy::Process(holder) => holder.fmt(f),
            DrivenBy::Kernel { .. } => f.write_str("kernel"),
            DrivenBy::Nobody => f.write_str("nobody"),
        }
    }
}

/// What was found, and what could not be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// By bus, each in order of address.
    pub devices: Vec<Device>,
    /// A line for each bus that cannot be listed. A bus that this machine does not have is none.
    pub unreadable: Vec<String>,
}

/// Drivers of the kernel that only pass a device on to a process.
pub(super) fn passes_on(driver: &str) -> bool {
    is_vfio_driver(driver) || driver == "usbfs" || driver == "serio_raw"
}

impl System {
    /// All devices on PCI, USB and PS/2. `runtime` is the directory of control sockets.
    #[must_use]
    pub fn devices(&self, runtime: &Path) -> Listing {
        let mut listing = Listing::default();
        match self.pci().functions() {
            Ok(functions) => {
                let ids: Vec<(u16, u16)> = functions.iter().map(|f| DeviceId::Pci(f.id).numbers()).collect();
                let names = self.pci_names(&ids);
                for function in functions {
                    let name = names.of(DeviceId::Pci(function.id).numbers(), function.class);
                    listing.devices.push(self.pci_device(&function, name, runtime));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => listing.unreadable.push(format!("the PCI bus cannot be listed: {error}")),
        }
        match self.usb().devices() {
            Ok(devices) => listing.devices.extend(devices.iter().map(|device| self.usb_device(device, runtime))),
            Err(libusb::OpenError::NoUsb { .. }) => {}
            Err(error) => listing.unreadable.push(format!("the USB bus cannot be listed: {error}")),
        }
        match self.serio().ports() {
            Ok(ports) => listing.devices.extend(ports.iter().map(|port| self.serio_device(port, runtime))),
            Err(raw::OpenError::NoSerio { .. }) => {}
            Err(error) => listing.unreadable.push(format!("the PS/2 ports cannot be listed: {error}")),
        }
        listing
    }

    /// One device. `runtime` is the directory of control sockets.
    ///
    /// # Errors
    /// Why there is none, or not only one, in words.
    pub(super) fn device(&self, address: &Address, runtime: &Path) -> Result<Device, String> {
        let none = || format!("there is no {address} on this machine: udrvctl list --all shows what there is");
        match address {
            Address::Pci(at) => {
                let function = self.pci().function(*at);
                function.map(|function| self.pci_device(&function, String::new(), runtime)).ok_or_else(none)
            }
            Address::Usb(name) => {
                let found = find_usb(self, name).map_err(|error| error.to_string())?;
                found.map(|summary| self.usb_device(&summary, runtime)).ok_or_else(none)
            }
            Address::Serio(name) => self.serio_port(name).map(|port| self.serio_device(&port, runtime)),
        }
    }

    /// The name of one PCI function.
    pub(super) fn pci_name(&self, function: &FunctionSummary) -> String {
        let id = DeviceId::Pci(function.id).numbers();
        self.pci_names(&[id]).of(id, function.class)
    }

    fn pci_device(&self, function: &FunctionSummary, name: String, runtime: &Path) -> Device {
        let device = format!("pci:{}", function.address);
        let holders = self.holders(&self.vfio_nodes(function.address));
        let driven_by = driven_by(runtime, &[&device], holders, function.driver.as_deref());
        Device {
            name,
            id: function.id.to_string(),
            driver: drivers::for_id(DeviceId::Pci(function.id)).map(|driver| driver.name),
            kernel_driver: function.driver.clone(),
            iommu_group: self.pci().group(function.address),
            driven_by,
            device,
        }
    }

    fn usb_device(&self, summary: &libusb::DeviceSummary, runtime: &Path) -> Device {
        let device = format!("usb:{}", summary.port);
        let drivers = self.usb_drivers(summary);
        let by_id = format!("usb:{}", summary.id);
        let holders = self.holders(&[self.usb().node(summary)]);
        let kernel_driver = drivers.into_iter().next();
        // libusb's own and those of the kernel open nodes of hubs to watch them: only who has taken an interface drives it
        let holders = if kernel_driver.as_deref() == Some("usbfs") { holders } else { Holders::default() };
        Device {
            driven_by: driven_by(runtime, &[&device, &by_id], holders, kernel_driver.as_deref()),
            name: if summary.product.is_empty() { "USB device".to_owned() } else { summary.product.clone() },
            id: summary.id.to_string(),
            driver: for_usb(summary.id).map(|driver| driver.name),
            kernel_driver,
            iommu_group: None,
            device,
        }
    }

    fn serio_device(&self, port: &PortSummary, runtime: &Path) -> Device {
        let device = format!("serio:{}", port.name);
        let (by_id, by_text) = (SerioName::Id(port.id), SerioName::Description(port.description.clone()));
        let names = [&*device, &by_id.to_string(), &by_text.to_string()];
        let holders = self.holders(self.serio().node(&port.name).as_slice());
        Device {
            driven_by: driven_by(runtime, &names, holders, port.driver.as_deref()),
            name: if port.description.is_empty() { "PS/2 port".to_owned() } else { port.description.clone() },
            id: port.id.to_string(),
            driver: for_serio(port).map(|driver| driver.name),
            kernel_driver: port.driver.clone(),
            iommu_group: None,
            device,
        }
    }

    /// The nodes by which a process can have a function: the group's, and the device's own.
    pub(super) fn vfio_nodes(&self, address: PciAddress) -> Vec<PathBuf> {
        let group = self.pci().group(address).map(|group| self.pci().group_node(group));
        let own = self.names(format!("sys/bus/pci/devices/{address}/vfio-dev"));
        let own = own.into_iter().map(|name| self.path(format!("dev/vfio/devices/{name}")));
        group.into_iter().chain(own).collect()
    }

    /// The drivers that have interfaces of a USB device, each once.
    pub(super) fn usb_drivers(&self, summary: &libusb::DeviceSummary) -> Vec<String> {
        let folder = format!("sys/bus/usb/devices/{}", summary.port);
        let interface = format!("{}:", summary.port);
        let interfaces = self.names(&folder).into_iter().filter(|name| name.starts_with(&interface));
        let mut drivers: Vec<String> =
            interfaces.filter_map(|name| self.link(format!("{folder}/{name}/driver"))).collect();
        drivers.dedup();
        drivers
    }

    /// The serio port of a name.
    ///
    /// # Errors
    /// Why there is none, or not only one, in words.
    pub(super) fn serio_port(&self, name: &SerioName) -> Result<PortSummary, String> {
        self.serio().require(name).map_err(|error| match error {
            raw::OpenError::NoSerio { .. } => format!("there is no serio port {name}: {error}"),
            error => error.to_string(),
        })
    }
}

/// Our driver for what is at a serio port: for mice, and a keyboard is none.
pub(super) fn for_serio(port: &PortSummary) -> Option<&'static Driver> {
    drivers::for_id(DeviceId::Serio(port.id)).filter(|_| !port.is_keyboard())
}

/// Our driver for a USB device.
pub(super) fn for_usb(id: UsbId) -> Option<&'static Driver> {
    drivers::for_id(DeviceId::Usb(id))
}

/// The USB device of a name.
///
/// # Errors
/// As [`libusb::UsbSysfs::find`].
pub(super) fn find_usb(system: &System, name: &UsbName) -> Result<Option<libusb::DeviceSummary>, libusb::OpenError> {
    match system.usb().find(name) {
        Err(libusb::OpenError::NoUsb { .. }) => Ok(None),
        other => other,
    }
}

/// `names` are those by which a udrvd may have been given the device.
fn driven_by(runtime: &Path, names: &[&str], holders: Holders, kernel_driver: Option<&str>) -> DrivenBy {
    // a socket that nobody serves is what a daemon leaves that was killed; a link leads to that of a daemon with a file
    let nobody = |path: &PathBuf| {
        UnixStream::connect(path).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    };
    let sockets = names.iter().map(|name| socket_path(runtime, name));
    let socket = sockets.into_iter().find(|path| path.exists() && !nobody(path));
    match (socket, holders.seen.into_iter().next(), kernel_driver) {
        (Some(socket), ..) => DrivenBy::Udrvd { socket },
        (None, Some(holder), _) => DrivenBy::Process(holder),
        (None, None, Some(driver)) if !passes_on(driver) => DrivenBy::Kernel { driver: driver.to_owned() },
        _ => DrivenBy::Nobody,
    }
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
