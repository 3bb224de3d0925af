//! Why a device could not be opened, each in one line with what mends it; and libusb's errors in the words of the bus.
//!
//! Not here: errors after the open, which are [`udrv_bus::BusError`].

use std::io;
use std::path::PathBuf;

use udrv_bus::{BusError, UsbId};

use super::descriptors::DescriptorError;
use super::name::UsbName;
use super::sysfs::DeviceSummary;

/// Why [`super::LibusbDevice::open`] failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The kernel shows no USB bus.
    #[error(
        "there is no USB here ({} is missing): load the driver of the host controller, as root: modprobe xhci-pci \
         (in a container: it must be given /sys and /dev/bus/usb)",
        missing.display()
    )]
    NoUsb {
        /// What is missing.
        missing: PathBuf,
    },
    /// There is no such device.
    #[error("there is no USB device {name}; {others}")]
    NotPresent {
        /// What was asked for.
        name: UsbName,
        /// The devices that there are, as a clause.
        others: String,
    },
    /// More than one device has the id.
    #[error("more than one USB device is {name}: name the one that is meant by its port: {devices}")]
    Ambiguous {
        /// What was asked for.
        name: UsbName,
        /// Those devices.
        devices: String,
    },
    /// The device has no node.
    #[error("{device} has no node {}: is devtmpfs (or udev) on /dev? In a container it must be given", node.display())]
    NoNode {
        /// The device.
        device: Box<DeviceSummary>,
        /// Its node.
        node: PathBuf,
    },
    /// The node may not be opened.
    #[error(
        "no permission on {} (owner {owner}, mode {mode:04o}) for user {user}; as root: echo {} > \
         /etc/udev/rules.d/70-udrv-usb.rules; udevadm control --reload; udevadm trigger (or for once: chown {user} {})",
        node.display(), udev_rule(device.id, user), node.display()
    )]
    NoPermission {
        /// The device.
        device: Box<DeviceSummary>,
        /// Its node.
        node: PathBuf,
        /// `user:group` that own it.
        owner: String,
        /// Permission bits.
        mode: u32,
        /// Who we are.
        user: String,
    },
    /// The device left while it was opened.
    #[error("{device} has left while it was being opened: plug it in again")]
    Left {
        /// The device.
        device: Box<DeviceSummary>,
    },
    /// What it says of itself makes no sense.
    #[error("{device} does not describe itself as a USB device must: {source}")]
    Descriptors {
        /// The device.
        device: Box<DeviceSummary>,
        /// What is wrong.
        #[source]
        source: DescriptorError,
    },
    /// A driver of the kernel has the interface, and was not to be or could not be detached.
    #[error(
        "{device} is held by the kernel driver '{driver}' ({why}); as root: echo {interface} > \
         /sys/bus/usb/drivers/{driver}/unbind"
    )]
    KernelDriver {
        /// The device.
        device: Box<DeviceSummary>,
        /// Name of the driver.
        driver: String,
        /// Sysfs's name for the interface.
        interface: String,
        /// Why it was not detached.
        why: String,
    },
    /// Another process has the interface.
    #[error("{device} is in use by another process; find it with: fuser -v {}", node.display())]
    Busy {
        /// The device.
        device: Box<DeviceSummary>,
        /// Its node.
        node: PathBuf,
    },
    /// libusb does not start.
    #[error("libusb does not start ({source}): it needs /dev/bus/usb with a device in it, and a netlink socket")]
    Start {
        /// What it says.
        #[source]
        source: rusb::Error,
    },
    /// libusb refused for a reason without advice.
    #[error("{device}: {operation}: {source}")]
    Libusb {
        /// The device.
        device: Box<DeviceSummary>,
        /// What was being done.
        operation: &'static str,
        /// What it says.
        #[source]
        source: rusb::Error,
    },
    /// The kernel refused for a reason without advice.
    #[error("{operation}: {source}")]
    Io {
        /// The call and its operand.
        operation: String,
        /// errno.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// For `map_err` on a call of libusb without advice of its own.
    pub(super) fn libusb(device: &DeviceSummary, operation: &'static str) -> impl FnOnce(rusb::Error) -> OpenError {
        move |source| match source {
            rusb::Error::NoDevice => OpenError::Left { device: device.clone().into() },
            source => OpenError::Libusb { device: device.clone().into(), operation, source },
        }
    }
}

/// A line for udev that gives devices of this id to `user`, quoted for a shell.
fn udev_rule(id: UsbId, user: &str) -> String {
    format!(
        r#"'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{:04x}", ATTR{{idProduct}}=="{:04x}", OWNER="{user}", MODE="0660"'"#,
        id.vendor, id.product
    )
}

/// What an operation on an open device failed with. `operation` is what was done, `operand` to what.
pub(super) fn bus_error(operation: &'static str, operand: impl std::fmt::Display, error: rusb::Error) -> BusError {
    let named = format!("{operation} {operand}");
    let io =
        |kind: io::ErrorKind, why: &str| BusError::Io { operation: named.clone(), source: io::Error::new(kind, why) };
    match error {
        rusb::Error::NoDevice => BusError::Gone { operation },
        rusb::Error::Pipe => BusError::Stall { operation: named },
        rusb::Error::Timeout => {
            BusError::Timeout { operation: named, milliseconds: udrv_bus::CONTROL_TIMEOUT.as_millis() as u64 }
        }
        rusb::Error::Overflow => io(io::ErrorKind::InvalidData, "the device sent more than there was room for"),
        rusb::Error::Io => BusError::Io { operation: named, source: io::Error::from_raw_os_error(libc::EIO) },
        rusb::Error::Access => BusError::Io { operation: named, source: io::Error::from_raw_os_error(libc::EACCES) },
        rusb::Error::Busy => BusError::Io { operation: named, source: io::Error::from_raw_os_error(libc::EBUSY) },
        rusb::Error::NoMem => BusError::Io { operation: named, source: io::Error::from_raw_os_error(libc::ENOMEM) },
        rusb::Error::InvalidParam => io(io::ErrorKind::InvalidInput, "libusb does not take these parameters"),
        rusb::Error::Other => io(io::ErrorKind::Other, "the kernel refused, and libusb does not say why"),
        other => io(io::ErrorKind::Other, &other.to_string()),
    }
}

/// An operation that is refused before it reaches the device.
pub(super) fn invalid(operation: impl Into<String>, why: impl Into<String>) -> BusError {
    BusError::Io { operation: operation.into(), source: io::Error::new(io::ErrorKind::InvalidInput, why.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_libusb_keep_their_meaning() {
        let error = |error| bus_error("read of", "registers", error);
        assert!(matches!(error(rusb::Error::NoDevice), BusError::Gone { operation: "read of" }));
        assert!(matches!(error(rusb::Error::Pipe), BusError::Stall { operation } if operation == "read of registers"));
        assert!(matches!(error(rusb::Error::Timeout), BusError::Timeout { milliseconds: 1000, .. }));
        for (from, words) in [
            (rusb::Error::Overflow, "read of registers: the device sent more than there was room for"),
            (rusb::Error::Io, "read of registers: Input/output error"),
            (rusb::Error::InvalidParam, "does not take these parameters"),
            (rusb::Error::NotFound, "read of registers: Entity not found"),
            (rusb::Error::Busy, "Device or resource busy"),
            (rusb::Error::Other, "libusb does not say why"),
            (rusb::Error::Access, "Permission denied"),
        ] {
            let BusError::Io { .. } = error(from) else { panic!("{from} is an I/O error") };
            assert!(error(from).to_string().contains(words), "{}", error(from));
        }
    }
}
