//! From what a person typed to a bus: `pci:0000:00:04.0` over VFIO, `usb:1-2` or `usb:07a6:8511` over libusb, `serio:serio1` over
//! serio_raw, `vfio-user:/run/card.sock` and `serio-line:/run/mouse.sock` in another process, `model:rtl8139` in this one.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use model_psmouse::PsMouseHandle;
use model_wire::{FarHost, FarHostConfig, WireConfig};
use udrv::device::{DeviceId, Opened};
use udrv::keep::Inherited;
use udrv::serio::raw::{self, ParseSerioNameError, RawSerioPort, SerioName};
use udrv::serio::socket::{ConnectError, SocketPort};
use udrv::usb::libusb::{self, Arrivals, LibusbDevice, OpenOptions, ParseUsbNameError, UsbName, UsbSysfs};
use udrv::vfio::{OpenError, VfioFds, VfioFunction};
use udrv::vfio_user::{self, VfioUserFunction};
use udrv_bus::{BusError, DmaMapping, ParseAddressError, PciAddress, SerioPort, UsbDevice, UsbId};

use crate::models::{Model, ParseModelError};

/// Which device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// A PCI function bound to vfio-pci.
    Pci(PciAddress),
    /// A USB device.
    Usb(UsbName),
    /// A PS/2 device at a serio port of this machine.
    Serio(SerioName),
    /// One whose line is served at an absolute path.
    SerioLine(PathBuf),
    /// What a vfio-user server shows at an absolute path.
    VfioUser(PathBuf),
    /// A model in this process.
    Model(Model),
}

/// Text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDeviceError {
    /// No known prefix.
    #[error(
        "'{0}' names no device: expected pci:ADDRESS (pci:0000:00:04.0), usb:PORT or usb:VENDOR:PRODUCT (usb:1-2, \
         usb:07a6:8511), serio:PORT (serio:serio1), vfio-user:SOCKET (vfio-user:/run/card.sock), serio-line:SOCKET or model:NAME \
         (model:rtl8139)"
    )]
    Prefix(String),
    /// Not an absolute path.
    #[error("'{path}' is not the path of a socket: expected {kind}:/PATH, from the root")]
    Path {
        /// `vfio-user` or `serio-line`.
        kind: &'static str,
        /// What was typed.
        path: String,
    },
    /// Not an address.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// No name of a USB device.
    #[error(transparent)]
    Usb(#[from] ParseUsbNameError),
    /// No name of a serio port.
    #[error(transparent)]
    Serio(#[from] ParseSerioNameError),
    /// No such model.
    #[error(transparent)]
    Model(#[from] ParseModelError),
}

impl FromStr for DeviceName {
    type Err = ParseDeviceError;
    fn from_str(text: &str) -> Result<DeviceName, ParseDeviceError> {
        match text.split_once(':') {
            Some(("pci", address)) => Ok(DeviceName::Pci(address.parse()?)),
            Some(("usb", _)) => Ok(DeviceName::Usb(text.parse()?)),
            Some(("model", name)) => Ok(DeviceName::Model(name.parse()?)),
            Some(("serio", _)) => Ok(DeviceName::Serio(text.parse()?)),
            Some(("serio-line", path)) => Ok(DeviceName::SerioLine(from_the_root("serio-line", path)?)),
            Some(("vfio-user", path)) => Ok(DeviceName::VfioUser(from_the_root("vfio-user", path)?)),
            _ => Err(ParseDeviceError::Prefix(text.to_owned())),
        }
    }
}

/// The path of a socket of this kind.
fn from_the_root(kind: &'static str, path: &str) -> Result<PathBuf, ParseDeviceError> {
    let is_one = path.starts_with('/') && path.len() > 1;
    if is_one { Ok(path.into()) } else { Err(ParseDeviceError::Path { kind, path: path.to_owned() }) }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Pci(address) => write!(f, "pci:{address}"),
            DeviceName::Usb(name) => name.fmt(f),
            DeviceName::Serio(name) => name.fmt(f),
            DeviceName::SerioLine(path) => write!(f, "serio-line:{}", path.display()),
            DeviceName::VfioUser(path) => write!(f, "vfio-user:{}", path.display()),
            DeviceName::Model(model) => write!(f, "model:{model}"),
        }
    }
}

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DeviceOpenError {
    /// VFIO said no.
    #[error(transparent)]
    Vfio(#[from] OpenError),
    /// The USB device is not to be had.
    #[error(transparent)]
    Usb(#[from] libusb::OpenError),
    /// The serio port is not to be had.
    #[error(transparent)]
    Serio(#[from] raw::OpenError),
    /// Nobody serves the line.
    #[error(transparent)]
    SerioLine(#[from] ConnectError),
    /// There is no vfio-user server, or it serves nothing that could be driven.
    #[error(transparent)]
    VfioUser(#[from] vfio_user::OpenError),
    /// The device's id could not be read.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The process has no room for descriptors.
    #[error("a descriptor cannot be duplicated: {0}")]
    Descriptors(#[source] std::io::Error),
    /// The far host's thread could not be started.
    #[error("cannot start the far host: {0}")]
    FarHost(#[source] std::io::Error),
}

/// An open device, and what has to live as long as it does.
pub struct OpenDevice {
    /// It.
    pub opened: Opened,
    /// Its id.
    pub id: DeviceId,
    /// The host at the other end of a model's wire.
    pub far_host: Option<FarHost>,
    /// The bench of a mouse in software.
    pub mouse: Option<PsMouseHandle>,
}

impl OpenDevice {
    /// With its id.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(mut opened: Opened) -> Result<OpenDevice, DeviceOpenError> {
        let id = opened.id()?.ok_or(BusError::Gone { operation: "reading its id" })?;
        Ok(OpenDevice { opened, id, far_host: None, mouse: None })
    }
}

impl DeviceName {
    /// Waits until it is plugged in: one on USB. Others are there, or are not. `tell` is told what is waited for, at least once a
    /// minute.
    ///
    /// # Errors
    /// [`DeviceOpenError`].
    pub fn wait(&self, tell: impl Fn(&str)) -> Result<(), DeviceOpenError> {
        /// Where no messages about devices come, and to say once more what is waited for.
        const LOOK: Duration = Duration::from_secs(60);
        let DeviceName::Usb(name) = self else { return Ok(()) };
        let mut arrivals = Arrivals::new(name.clone())?;
        let mut deadline = Instant::now();
        loop {
            match arrivals.wait(deadline) {
                Err(error @ (libusb::OpenError::NotPresent { .. } | libusb::OpenError::NoUsb { .. })) => {
                    tracing::info!("waiting: {error}");
                    tell(&format!("waiting: {error}"));
                    deadline = Instant::now() + LOOK;
                }
                other => return Ok(other?),
            }
        }
    }

    /// Whether it can be looked at while another process drives it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        // a vfio-user server answers one question after the other
        matches!(self, DeviceName::Pci(_))
    }

    /// Makes it of what a process before this one has left, and touches nothing of it. `None`: a part is missing.
    ///
    /// # Errors
    /// [`DeviceOpenError`].
    pub fn adopt(&self, inherited: &Inherited, mapping: DmaMapping) -> Result<Option<Opened>, DeviceOpenError> {
        Ok(match self {
            DeviceName::Pci(address) => match vfio_fds(inherited)? {
                Some(fds) => Some(Box::new(VfioFunction::adopt(*address, fds, vec![mapping])?).into()),
                None => None,
            },
            DeviceName::VfioUser(path) => match inherited.get(VfioUserFunction::SOCKET) {
                Some(socket) => {
                    let socket = socket.try_clone_to_owned().map_err(DeviceOpenError::Descriptors)?;
                    Some(Box::new(VfioUserFunction::adopt(path, socket, vec![mapping])?).into())
                }
                None => None,
            },
            DeviceName::Usb(_) | DeviceName::Model(_) | DeviceName::Serio(_) | DeviceName::SerioLine(_) => None,
        })
    }

    /// Takes over what a process before this one has left of it, to begin anew: it reaches no memory any more. `None`: it
    /// is to be opened.
    ///
    /// # Errors
    /// [`DeviceOpenError`].
    pub fn reclaim(&self, inherited: &Inherited) -> Result<Option<Opened>, DeviceOpenError> {
        match self {
            DeviceName::Pci(address) => match vfio_fds(inherited)? {
                Some(fds) => Ok(Some(Box::new(VfioFunction::reclaim(*address, fds)?).into())),
                None => Ok(None),
            },
            // closing its socket ends it
            DeviceName::VfioUser(_)
            | DeviceName::Usb(_)
            | DeviceName::Model(_)
            | DeviceName::Serio(_)
            | DeviceName::SerioLine(_) => Ok(None),
        }
    }

    /// Opens it. `far_host` is whether a model's wire has a host at its other end.
    ///
    /// # Errors
    /// [`DeviceOpenError`].
    pub fn open(&self, far_host: bool) -> Result<OpenDevice, DeviceOpenError> {
        let mut mouse = None;
        let (opened, far_host): (Opened, _) = match self {
            DeviceName::Pci(address) => (Box::new(VfioFunction::open(*address)?).into(), None),
            DeviceName::Usb(name) => (open_usb(name)?, None),
            DeviceName::Serio(name) => (open_serio(name)?, None),
            DeviceName::SerioLine(path) => (connect_line(path)?, None),
            DeviceName::VfioUser(path) => (Box::new(VfioUserFunction::open(path)?).into(), None),
            DeviceName::Model(model) => match model.build_port() {
                Some((card, bench)) => {
                    mouse = Some(bench);
                    (card.opened(), None)
                }
                None => {
                    let (card, port) = model.build(WireConfig::default());
                    let port = port.filter(|_| far_host);
                    let host = port.map(|port| FarHost::start(port, FarHostConfig::default())).transpose();
                    (card.opened(), host.map_err(DeviceOpenError::FarHost)?)
                }
            },
        };
        Ok(OpenDevice { far_host, mouse, ..OpenDevice::of(opened)? })
    }
}

/// Opens a serio port, and has it opened again by the same name when it has left and is back.
fn open_serio(name: &SerioName) -> Result<Opened, raw::OpenError> {
    let open = |name: &SerioName| RawSerioPort::open(name, raw::OpenOptions::default());
    let port = Box::new(open(name)?);
    let name = name.clone();
    let reopen = move || -> Result<Box<dyn SerioPort>, BusError> { Ok(Box::new(open(&name)?)) };
    Ok(Opened::Serio { port, reopen: Some(Box::new(reopen)) })
}

/// Connects to a line that is served, and again when who serves it has gone.
fn connect_line(path: &Path) -> Result<Opened, ConnectError> {
    let port = Box::new(SocketPort::connect(path)?);
    let path = path.to_owned();
    let reopen = move || -> Result<Box<dyn SerioPort>, BusError> { Ok(Box::new(SocketPort::connect(&path)?)) };
    Ok(Opened::Serio { port, reopen: Some(Box::new(reopen)) })
}

/// All three, or there is no device.
fn vfio_fds(inherited: &Inherited) -> Result<Option<VfioFds>, DeviceOpenError> {
    let [Some(container), Some(group), Some(device)] = VfioFds::NAMES.map(|name| inherited.get(name)) else {
        return Ok(None);
    };
    let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map_err(DeviceOpenError::Descriptors);
    Ok(Some(VfioFds { container: own(container)?, group: own(group)?, device: own(device)? }))
}

/// Opens a USB device, and has it opened by the same name when it comes back. Another one in its place is let alone: opening it
/// would take it from the kernel's driver.
fn open_usb(name: &UsbName) -> Result<Opened, libusb::OpenError> {
    let device = Box::new(LibusbDevice::open(name, OpenOptions::default())?);
    let (name, id) = (name.clone(), device.id());
    let reopen = move || -> Result<Box<dyn UsbDevice>, BusError> {
        if let Ok(Some(found)) = UsbSysfs::default().find(&name) {
            expect(found.id, id)?;
        }
        let device = LibusbDevice::open(&name, OpenOptions::default()).map_err(|error| match error {
            libusb::OpenError::NotPresent { .. } | libusb::OpenError::NoUsb { .. } | libusb::OpenError::Left { .. } => {
                BusError::Gone { operation: "opening it again" }
            }
            other => BusError::Io { operation: "opening it again".to_owned(), source: std::io::Error::other(other) },
        })?;
        Ok(Box::new(device))
    };
    Ok(Opened::Usb { device, reopen: Some(Box::new(reopen)) })
}

/// Whether what was found in its place is it.
fn expect(found: UsbId, id: UsbId) -> Result<(), BusError> {
    if found == id {
        return Ok(());
    }
    let why = format!("it is {found} now, and was {id}: plug in the one that was there");
    Err(BusError::Io { operation: "opening it again".to_owned(), source: std::io::Error::other(why) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Family, MODELS};

    #[test]
    fn another_device_in_its_place_is_told() {
        let (it, other) = (UsbId { vendor: 0x07a6, product: 0x8511 }, UsbId { vendor: 0x07a6, product: 0x0986 });
        assert!(expect(it, it).is_ok());
        let error = expect(other, it).unwrap_err().to_string();
        assert!(error.contains("it is 07a6:0986 now, and was 07a6:8511"), "{error}");
    }

    #[test]
    fn names_are_read_and_wrong_ones_explained() {
        let models = MODELS.iter().flat_map(Family::models).map(|model| format!("model:{model}"));
        for good in models
            .chain(
                ["serio:serio1", "serio:01:00", "serio:i8042 AUX port", "serio-line:/run/mouse.sock"]
                    .map(str::to_owned),
            )
            .chain(["pci:0000:00:04.0", "usb:1-2.1", "usb:07a6:8511", "vfio-user:/run/a:b.sock"].map(str::to_owned))
        {
            assert_eq!(good.parse::<DeviceName>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "pci",
            "pci:",
            "pci:zz",
            "usb:",
            "usb:nothing",
            "model:",
            "model:nothing",
            "model:r8169-nothing",
            "vfio-user:",
            "vfio-user:/",
            "vfio-user:card.sock",
            "serio:",
            "serio-line:",
            "serio-line:mouse.sock",
            "0000:00:04.0",
        ] {
            let message = bad.parse::<DeviceName>().unwrap_err().to_string();
            assert!(!message.contains('\n') && message.len() > 20, "{message}");
        }
        let message = "model:nothing".parse::<DeviceName>().unwrap_err().to_string();
        assert!(MODELS.iter().all(|family| message.contains(family.name)), "{message}");
    }
}
