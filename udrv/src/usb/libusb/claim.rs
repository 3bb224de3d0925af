//! The interface taken from the kernel, and given back however this ends.

use std::sync::Arc;

use rusb::{Context, DeviceHandle};
use tracing::warn;

use super::device::OpenOptions;
use super::error::OpenError;
use super::sysfs::{DeviceSummary, UsbSysfs};

/// An interface that is ours. Given back on drop, to whichever driver of the kernel's takes it: one that had it may have lost it to a
/// process before this one, which was killed.
#[derive(Debug)]
pub(super) struct Claim {
    handle: Arc<DeviceHandle<Context>>,
    interface: u8,
    /// Name of the driver that had it.
    driver: Option<String>,
    claimed: bool,
}

impl Claim {
    /// Takes the interface of a device that is in `configuration`.
    pub(super) fn take(
        sysfs: &UsbSysfs,
        device: &DeviceSummary,
        handle: &Arc<DeviceHandle<Context>>,
        configuration: u8,
        options: OpenOptions,
    ) -> Result<Claim, OpenError> {
        let interface = options.interface;
        let owner = || sysfs.driver(&device.port, configuration, interface);
        let mut claim = Claim { handle: handle.clone(), interface, driver: None, claimed: false };
        let active = handle.kernel_driver_active(interface);
        if active.map_err(OpenError::libusb(device, "asking for the kernel's driver"))? {
            let (interface_name, driver) = owner();
            let driver = driver.unwrap_or_else(|| "unknown".to_owned());
            let refused = |why: String| OpenError::KernelDriver {
                device: device.clone().into(),
                driver: driver.clone(),
                interface: interface_name,
                why,
            };
            if !options.detach_kernel_driver {
                return Err(refused("detaching it was not asked for".to_owned()));
            }
            match handle.detach_kernel_driver(interface) {
                Ok(()) => claim.driver = Some(driver),
                Err(rusb::Error::NotFound) => {} // it left by itself
                Err(rusb::Error::NoDevice) => return Err(OpenError::Left { device: device.clone().into() }),
                Err(error) => return Err(refused(format!("detaching it failed: {error}"))),
            }
        }
        match handle.claim_interface(interface) {
            Ok(()) => {
                claim.claimed = true;
                Ok(claim)
            }
            Err(rusb::Error::Busy) => Err(match owner() {
                (interface, Some(driver)) if driver != "usbfs" => {
                    let why = "it took the interface while it was being claimed".to_owned();
                    OpenError::KernelDriver { device: device.clone().into(), driver, interface, why }
                }
                _ => OpenError::Busy { device: device.clone().into(), node: sysfs.node(device) },
            }),
            Err(error) => Err(OpenError::libusb(device, "claiming the interface")(error)),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let interface = self.interface;
        let tell = |step: &str, result: rusb::Result<()>| match result {
            Ok(()) | Err(rusb::Error::NoDevice) => {} // it has left: there is nothing to give back
            Err(error) => warn!(interface, %error, driver = self.driver, "closing: {step} failed"),
        };
        if self.claimed {
            tell("releasing the interface", self.handle.release_interface(interface));
        }
        if self.claimed || self.driver.is_some() {
            match (self.handle.attach_kernel_driver(interface), &self.driver) {
                (Err(rusb::Error::NotFound), None) => {} // there is none for it
                (given, _) => tell("giving it back to the kernel's driver", given),
            }
        }
    }
}
