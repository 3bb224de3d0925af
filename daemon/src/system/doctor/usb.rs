//! A USB device: its driver, its node. udrvd takes it from the kernel's driver by itself.

use udrv::usb::libusb::DeviceSummary;

use super::super::System;
use super::Check;

impl System {
    pub(super) fn check_usb(&self, device: &DeviceSummary) -> Vec<Check> {
        let drivers = self.usb_drivers(device);
        let driver = match drivers.first().map(String::as_str) {
            None => Check::ok("kernel-driver", "no driver has it"),
            Some("usbfs") => Check::ok("kernel-driver", "usbfs: a process drives it"),
            Some(_) => Check::ok("kernel-driver", format!("{}, from which udrvd takes it", drivers.join(", "))),
        };
        let mut checks = vec![driver];
        let node = self.usb().node(device);
        if !node.exists() {
            let says = format!("{} is not there", node.display());
            let mend = "mount -t devtmpfs devtmpfs /dev, or start udev: systemctl start systemd-udevd";
            checks.push(Check::failure("node", says, mend));
            return checks;
        }
        let access = self.check_access("node", &node);
        let id = device.id;
        let rule = format!(
            "a udev rule: SUBSYSTEM==\"usb\", ATTR{{idVendor}}==\"{:04x}\", ATTR{{idProduct}}==\"{:04x}\", GROUP=\"udrv\", \
             MODE=\"0660\"; or run udrvd with sudo",
            id.vendor, id.product
        );
        let mend = access.mend.is_some().then_some(rule);
        checks.push(Check { mend, ..access });
        if drivers.iter().any(|driver| driver == "usbfs") {
            checks.push(self.check_holder(&[node]));
        }
        checks
    }
}
