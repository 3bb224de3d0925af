//! Every check of a machine and its devices, each with the command that mends it.
//!
//! `machine.rs` looks at what all devices need, `pci.rs`, `usb.rs` and `serio.rs` at one device. A check never stops the
//! others: what cannot be read is a warning that says so.

mod machine;
mod node;
mod pci;
mod serio;
mod usb;

use std::path::Path;

use serde::Serialize;
use udrv::device::DeviceId;
use udrv::usb::libusb::{self, UsbName};
use udrv::vfio::OpenError;

use super::System;
use super::address::Address;
use super::devices::{find_usb, for_serio, for_usb};
use crate::drivers::{self, Class, Driver};

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but less well than it could, or it is not known.
    Warning,
    /// The device cannot be driven as long as that is so.
    Failure,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name, which stays the same.
    pub check: &'static str,
    /// The device that it is about; none: the machine.
    pub device: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
    /// In one line.
    pub says: String,
    /// What mends it, in one line: a command where there is one. Of all that are not [`Verdict::Ok`].
    pub mend: Option<String>,
}

impl Check {
    fn ok(check: &'static str, says: impl Into<String>) -> Check {
        Check { check, device: None, verdict: Verdict::Ok, says: says.into(), mend: None }
    }

    fn warning(check: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Check {
        Check { check, device: None, verdict: Verdict::Warning, says: says.into(), mend: Some(mend.into()) }
    }

    fn failure(check: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Check {
        Check { verdict: Verdict::Failure, ..Check::warning(check, says, mend) }
    }

    /// Of something that is needed a failure, else a warning.
    fn lacks(needed: bool, check: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Check {
        let verdict = if needed { Verdict::Failure } else { Verdict::Warning };
        Check { verdict, ..Check::warning(check, says, mend) }
    }
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Those of the machine first.
    pub checks: Vec<Check>,
}

impl Report {
    /// The worst verdict.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        let any = |verdict| self.checks.iter().any(|check| check.verdict == verdict);
        match (any(Verdict::Failure), any(Verdict::Warning)) {
            (true, _) => Verdict::Failure,
            (false, true) => Verdict::Warning,
            (false, false) => Verdict::Ok,
        }
    }
}

/// There is no such device, or more than one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoDevice(String);

/// What the devices in question need of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Needs {
    pci: bool,
    serio: bool,
    net: bool,
    sound: bool,
    input: bool,
    /// One device was asked for: what it does not need is not looked at.
    only: bool,
}

impl Needs {
    fn add(&mut self, address: &Address, driver: Option<&Driver>) {
        self.pci |= matches!(address, Address::Pci(_));
        self.serio |= matches!(address, Address::Serio(_));
        let class = driver.map(|driver| driver.class);
        self.net |= matches!(class, Some(Class::Net(..)));
        self.sound |= matches!(class, Some(Class::Sound(_)));
        self.input |= matches!(class, Some(Class::Input(_)));
    }
}

impl System {
    /// Checks the machine for a device, and the device; without one, for all those that a driver here can drive.
    ///
    /// # Errors
    /// There is no such device.
    pub fn doctor(&self, device: Option<&Address>, runtime: &Path) -> Result<Report, NoDevice> {
        let devices = match device {
            Some(address) => vec![address.clone()],
            None => {
                let ours = self.devices(runtime).devices.into_iter().filter(|device| device.driver.is_some());
                ours.filter_map(|device| device.device.parse().ok()).collect()
            }
        };
        let mut needs = Needs { only: device.is_some(), ..Needs::default() };
        let mut own = Vec::new();
        for address in &devices {
            let (driver, checks) = self.check_device(address)?;
            needs.add(address, driver);
            own.extend(checks.into_iter().map(|check| Check { device: Some(address.to_string()), ..check }));
        }
        let mut checks = self.check_machine(needs);
        if devices.is_empty() {
            let mend = "udrvctl list --all shows what there is; without a card: udrvd run model:rtl8139";
            checks.push(Check::warning("devices", "no device here that a driver of udrv drives", mend));
        }
        checks.extend(own);
        Ok(Report { checks })
    }

    /// The device's driver, and its checks.
    fn check_device(&self, address: &Address) -> Result<(Option<&'static Driver>, Vec<Check>), NoDevice> {
        let (driver, mut checks) = match address {
            Address::Pci(at) => match self.pci().function(*at) {
                Some(function) => (drivers::for_id(DeviceId::Pci(function.id)), self.check_pci(&function)),
                None => return Err(NoDevice(self.no_function(*at))),
            },
            Address::Usb(name) => {
                let device = self.usb_device_of(name)?;
                (for_usb(device.id), self.check_usb(&device))
            }
            Address::Serio(name) => {
                let port = self.serio_port(name).map_err(NoDevice)?;
                (for_serio(&port), self.check_serio(&port))
            }
        };
        let supported = match driver {
            Some(driver) => Check::ok("supported", format!("driver {}", driver.name)),
            None => {
                let known = format!("drivers: {}", drivers::known());
                Check::failure("supported", "no driver of udrv drives it", known)
            }
        };
        checks.insert(0, supported);
        Ok((driver, checks))
    }

    fn no_function(&self, address: udrv_bus::PciAddress) -> String {
        match self.pci().check(address) {
            Err(error @ OpenError::NotPresent { .. }) => error.to_string(),
            _ => format!("sysfs does not say what pci:{address} is"),
        }
    }

    fn usb_device_of(&self, name: &UsbName) -> Result<libusb::DeviceSummary, NoDevice> {
        match find_usb(self, name) {
            Ok(Some(device)) => Ok(device),
            Ok(None) => {
                Err(NoDevice(format!("there is no USB device {name} here; udrvctl list --all shows those there are")))
            }
            Err(error) => Err(NoDevice(error.to_string())),
        }
    }
}

#[cfg(test)]
#[path = "../doctor_tests.rs"]
mod tests;
