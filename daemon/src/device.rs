//! From what a person typed to a bus: `pci:0000:00:04.0` over VFIO, `vfio-user:/run/card.sock` in another process,
//! `model:rtl8139` in this one.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use model_wire::{FarHost, FarHostConfig, WireConfig};
use udrv::vfio::{OpenError, VfioFunction};
use udrv::vfio_user::{self, VfioUserFunction};
use udrv_bus::{BusError, ParseAddressError, PciAddress, PciFunction, PciId, Width};

use crate::models::{Model, ParseModelError};

/// Which device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// A PCI function bound to vfio-pci.
    Pci(PciAddress),
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
        "'{0}' names no device: expected pci:ADDRESS (pci:0000:00:04.0), vfio-user:SOCKET (vfio-user:/run/card.sock) \
         or model:NAME (model:rtl8139)"
    )]
    Prefix(String),
    /// Not an absolute path.
    #[error("'{0}' is not the path of a vfio-user socket: expected vfio-user:/PATH, from the root")]
    Path(String),
    /// Not an address.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// No such model.
    #[error(transparent)]
    Model(#[from] ParseModelError),
}

impl FromStr for DeviceName {
    type Err = ParseDeviceError;
    fn from_str(text: &str) -> Result<DeviceName, ParseDeviceError> {
        match text.split_once(':') {
            Some(("pci", address)) => Ok(DeviceName::Pci(address.parse()?)),
            Some(("model", name)) => Ok(DeviceName::Model(name.parse()?)),
            Some(("vfio-user", path)) if path.starts_with('/') && path.len() > 1 => {
                Ok(DeviceName::VfioUser(path.into()))
            }
            Some(("vfio-user", path)) => Err(ParseDeviceError::Path(path.to_owned())),
            _ => Err(ParseDeviceError::Prefix(text.to_owned())),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Pci(address) => write!(f, "pci:{address}"),
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
    /// There is no vfio-user server, or it serves nothing that could be driven.
    #[error(transparent)]
    VfioUser(#[from] vfio_user::OpenError),
    /// The device's id could not be read.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The far host's thread could not be started.
    #[error("cannot start the far host: {0}")]
    FarHost(#[source] std::io::Error),
}

/// An open device, and what has to live as long as it does.
pub struct OpenDevice {
    /// The function.
    pub bus: Box<dyn PciFunction>,
    /// Its id.
    pub id: PciId,
    /// The host at the other end of a model's wire.
    pub far_host: Option<FarHost>,
}

impl DeviceName {
    /// Opens it. `far_host` is whether a model's wire has a host at its other end.
    ///
    /// # Errors
    /// [`DeviceOpenError`].
    pub fn open(&self, far_host: bool) -> Result<OpenDevice, DeviceOpenError> {
        let (mut bus, far_host): (Box<dyn PciFunction>, _) = match self {
            DeviceName::Pci(address) => (Box::new(VfioFunction::open(*address)?), None),
            DeviceName::VfioUser(path) => (Box::new(VfioUserFunction::open(path)?), None),
            DeviceName::Model(model) => {
                let (card, port) = model.build(WireConfig::default());
                let host = far_host.then(|| FarHost::start(port, FarHostConfig::default())).transpose();
                (card.function, host.map_err(DeviceOpenError::FarHost)?)
            }
        };
        let mut word = |offset| bus.config_read(offset, Width::U16).map(|value| value as u16);
        let id = PciId { vendor: word(0)?, device: word(2)? };
        Ok(OpenDevice { bus, id, far_host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Family, MODELS};

    #[test]
    fn names_are_read_and_wrong_ones_explained() {
        let models = MODELS.iter().flat_map(Family::models).map(|model| format!("model:{model}"));
        for good in models.chain(["pci:0000:00:04.0", "vfio-user:/run/a:b.sock"].map(str::to_owned)) {
            assert_eq!(good.parse::<DeviceName>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "pci",
            "pci:",
            "pci:zz",
            "usb:1-1",
            "model:",
            "model:nothing",
            "model:r8169-nothing",
            "vfio-user:",
            "vfio-user:/",
            "vfio-user:card.sock",
            "0000:00:04.0",
        ] {
            let message = bad.parse::<DeviceName>().unwrap_err().to_string();
            assert!(!message.contains('\n') && message.len() > 20, "{message}");
        }
        let message = "model:nothing".parse::<DeviceName>().unwrap_err().to_string();
        assert!(MODELS.iter().all(|family| message.contains(family.name)), "{message}");
    }
}
