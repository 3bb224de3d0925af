//! What sysfs and `/dev/bus/usb` say about USB devices, before any is opened.
//!
//! Everything is read below a root that tests put elsewhere.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use udrv_bus::UsbId;

use super::error::OpenError;
use super::name::{self, PortPath, UsbName};
use crate::users;

/// Characters of a device's own text that are shown.
const MAX_TEXT: usize = 60;

/// A machine's USB devices, as its kernel shows them.
#[derive(Debug, Clone)]
pub struct UsbSysfs {
    root: PathBuf,
}

/// A device that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSummary {
    /// Where.
    pub port: PortPath,
    /// What.
    pub id: UsbId,
    /// The number of its bus; with `address` it names the node in `/dev/bus/usb`.
    pub bus: u8,
    /// Its address on the bus, another one each time that it is plugged in.
    pub address: u8,
    /// Value of the configuration that it is in, if it is in any.
    pub configuration: Option<u8>,
    /// What it calls itself; may be empty.
    pub product: String,
}

impl fmt::Display for DeviceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "usb:{} {}", self.port, self.id)?;
        if self.product.is_empty() { Ok(()) } else { write!(f, " ({})", self.product) }
    }
}

impl Default for UsbSysfs {
    fn default() -> Self {
        UsbSysfs { root: "/".into() }
    }
}

impl UsbSysfs {
    /// That of a tree with `sys` and `dev` in it.
    #[must_use]
    pub fn at(root: &std::path::Path) -> Self {
        UsbSysfs { root: root.to_owned() }
    }

    /// All devices but the root hubs, in order of port.
    ///
    /// # Errors
    /// [`OpenError::NoUsb`] if the kernel shows no USB bus.
    pub fn devices(&self) -> Result<Vec<DeviceSummary>, OpenError> {
        let folder = self.root.join("sys/bus/usb/devices");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(OpenError::NoUsb { missing: folder }),
            Err(source) => return Err(OpenError::Io { operation: format!("list {}", folder.display()), source }),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut all: Vec<DeviceSummary> = names.filter_map(|name| self.summary(PortPath::parse(&name)?)).collect();
        all.sort_by(|a, b| a.port.cmp(&b.port));
        Ok(all)
    }

    /// The device of a name, if it is plugged in.
    ///
    /// # Errors
    /// [`OpenError::Ambiguous`] if there are two with the id; as [`UsbSysfs::devices`].
    pub fn find(&self, name: &UsbName) -> Result<Option<DeviceSummary>, OpenError> {
        let mut matching = self.devices()?;
        matching.retain(|device| match name {
            UsbName::Port(port) => device.port == *port,
            UsbName::Id(id) => device.id == *id,
        });
        if matching.len() > 1 {
            let devices = listed(&matching);
            return Err(OpenError::Ambiguous { name: name.clone(), devices });
        }
        Ok(matching.pop())
    }

    /// The device of a name, which must be there and open to us.
    pub(super) fn require(&self, name: &UsbName) -> Result<DeviceSummary, OpenError> {
        let Some(device) = self.find(name)? else {
            let all = self.devices()?;
            let others = match all.len() {
                0 => "no USB device is plugged in".to_owned(),
                _ => format!("plugged in: {}", listed(&all)),
            };
            return Err(OpenError::NotPresent { name: name.clone(), others });
        };
        let opened = fs::OpenOptions::new().read(true).write(true).open(self.node(&device));
        opened.map_err(|error| self.node_error(&device, error))?;
        Ok(device)
    }

    /// What an open of the node failed with, in words.
    pub(super) fn node_error(&self, device: &DeviceSummary, source: io::Error) -> OpenError {
        let (node, device) = (self.node(device), Box::new(device.clone()));
        match source.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => {
                let (owner, mode) = users::owner(&node);
                let user = users::us();
                OpenError::NoPermission { device, node, owner, mode, user }
            }
            Some(libc::ENOENT) => OpenError::NoNode { device, node },
            Some(libc::ENODEV | libc::ENXIO) => OpenError::Left { device },
            _ => OpenError::Io { operation: format!("open {}", node.display()), source },
        }
    }

    /// The device and its configurations in the words of USB: all its descriptors, one after the other.
    pub(super) fn descriptors(&self, device: &DeviceSummary) -> Result<Vec<u8>, OpenError> {
        let file = self.folder(&device.port).join("descriptors");
        fs::read(&file).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => OpenError::Left { device: device.clone().into() },
            _ => OpenError::Io { operation: format!("read {}", file.display()), source },
        })
    }

    /// Name of the driver that has an interface, and sysfs's name for the interface. `usbfs` stands for a process.
    pub(super) fn driver(&self, port: &PortPath, configuration: u8, interface: u8) -> (String, Option<String>) {
        let name = format!("{port}:{configuration}.{interface}");
        let link = fs::read_link(self.root.join("sys/bus/usb/devices").join(&name).join("driver"));
        let driver = link.ok().and_then(|to| Some(to.file_name()?.to_str()?.to_owned()));
        (name, driver)
    }

    /// `/dev/bus/usb/BBB/DDD`.
    #[must_use]
    pub fn node(&self, device: &DeviceSummary) -> PathBuf {
        self.root.join(format!("dev/bus/usb/{:03}/{:03}", device.bus, device.address))
    }

    fn folder(&self, port: &PortPath) -> PathBuf {
        self.root.join(format!("sys/bus/usb/devices/{port}"))
    }

    /// `None` for one that leaves while it is looked at.
    fn summary(&self, port: PortPath) -> Option<DeviceSummary> {
        let folder = self.folder(&port);
        let text = |file: &str| Some(fs::read_to_string(folder.join(file)).ok()?.trim().to_owned());
        let id = UsbId { vendor: name::id(&text("idVendor")?)?, product: name::id(&text("idProduct")?)? };
        let (bus, address) = (text("busnum")?.parse().ok()?, text("devnum")?.parse().ok()?);
        let configuration = text("bConfigurationValue")?.parse().ok().filter(|value| *value != 0);
        // the device's own text, which goes to terminals
        let product = text("product").unwrap_or_default();
        let product = product.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
        Some(DeviceSummary { port, id, bus, address, configuration, product })
    }
}

fn listed(devices: &[DeviceSummary]) -> String {
    devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "sysfs_tests.rs"]
pub(super) mod tests;
