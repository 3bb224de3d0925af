//! Whether the kernel has taken a device: its driver, and the interface that makes.

use std::time::{Duration, Instant};

use super::super::System;
use super::super::address::Address;
use super::super::devices::{find_usb, passes_on};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

impl System {
    /// The driver that has it, whatever that does with it.
    pub(super) fn driver_of(&self, address: &Address) -> Option<String> {
        match address {
            Address::Usb(name) => {
                let device = find_usb(self, name).ok().flatten()?;
                self.usb_drivers(&device).into_iter().next()
            }
            address => self.state(address).driver,
        }
    }

    /// The one that drives it.
    pub(super) fn kernels_driver(&self, address: &Address) -> Option<String> {
        self.driver_of(address).filter(|driver| !passes_on(driver))
    }

    pub(super) fn interface_of(&self, address: &Address) -> Option<String> {
        let folder = match address {
            Address::Pci(address) => format!("sys/bus/pci/devices/{address}"),
            Address::Usb(name) => {
                format!("sys/bus/usb/devices/{}", find_usb(self, name).ok().flatten()?.port)
            }
            Address::Serio(_) => return None,
        };
        self.interfaces(&folder).into_iter().next()
    }

    /// Whether udev, where there is one, is done with an interface: it may give it another name, which is the one that stays.
    pub(super) fn is_settled(&self, interface: &str) -> bool {
        if !self.exists("run/udev/control") {
            return true;
        }
        let index = self.text(format!("sys/class/net/{interface}/ifindex"));
        let known = index.and_then(|index| self.text(format!("run/udev/data/n{index}"))).unwrap_or_default();
        // without the time at which it was done, it is not
        known.lines().any(|line| line.starts_with("I:")) && !known.lines().any(|line| line == "E:ID_RENAMING=1")
    }
}

/// Whether it comes true in time.
pub(super) fn within(time: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    loop {
        if ready() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}
