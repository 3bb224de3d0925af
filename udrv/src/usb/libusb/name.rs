//! Which USB device: the port that it is plugged into, or its id.

use std::fmt;
use std::str::FromStr;

use udrv_bus::UsbId;

/// Ports on the way from a root hub, at most: the root hub's and those of five hubs (USB 2.0, 4.1.1).
const MAX_TIERS: usize = 6;

/// Where a device is plugged in, as sysfs writes it: `1-1.2` is bus 1, port 1 of the root hub, port 2 of the hub there. It
/// stays the same when the device is unplugged and comes back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortPath {
    bus: u8,
    ports: Vec<u8>,
}

impl fmt::Display for PortPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bus)?;
        for (tier, port) in self.ports.iter().enumerate() {
            write!(f, "{}{port}", if tier == 0 { '-' } else { '.' })?;
        }
        Ok(())
    }
}

impl PortPath {
    /// `None` for anything else, such as sysfs's names for root hubs (`usb1`) and interfaces (`1-1:1.0`).
    pub(super) fn parse(text: &str) -> Option<PortPath> {
        let (bus, ports) = text.split_once('-')?;
        let ports: Vec<u8> = ports.split('.').map(decimal).collect::<Option<_>>()?;
        (ports.len() <= MAX_TIERS).then_some(PortPath { bus: decimal(bus)?, ports })
    }
}

/// A USB device by name: `usb:1-1.2` (what is plugged in there) or `usb:07a6:8511` (the one device with this id).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UsbName {
    /// By where it is plugged in.
    Port(PortPath),
    /// By vendor and product.
    Id(UsbId),
}

/// Text that is not the name of a USB device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a USB device: expected usb:BUS-PORT[.PORT] in decimal, for example usb:1-1.2 (see ls /sys/bus/usb/devices), \
     or usb:VENDOR:PRODUCT in four hexadecimal digits each, for example usb:07a6:8511 (see lsusb)"
)]
pub struct ParseUsbNameError(String);

impl fmt::Display for UsbName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsbName::Port(path) => write!(f, "usb:{path}"),
            UsbName::Id(id) => write!(f, "usb:{id}"),
        }
    }
}

impl FromStr for UsbName {
    type Err = ParseUsbNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseUsbNameError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<UsbName> {
    let device = text.strip_prefix("usb:")?;
    if let Some((vendor, product)) = device.split_once(':') {
        return Some(UsbName::Id(UsbId { vendor: id(vendor)?, product: id(product)? }));
    }
    PortPath::parse(device).map(UsbName::Port)
}

/// Four hexadecimal digits.
pub(super) fn id(text: &str) -> Option<u16> {
    let plain = text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

/// A number from 1 to 255, as the kernel writes it.
fn decimal(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["usb:1-1", "usb:1-1.2", "usb:255-12.3.4.5.6.7", "usb:07a6:8511", "usb:abcd:00ef"] {
            assert_eq!(text.parse::<UsbName>().unwrap().to_string(), text);
        }
        let id = UsbId { vendor: 0x07a6, product: 0x8511 };
        assert_eq!("usb:07A6:8511".parse(), Ok(UsbName::Id(id)));
    }

    #[test]
    fn refuses_what_is_no_name_and_says_what_is() {
        for bad in [
            "",
            "usb:",
            "usb:1",
            "usb:1-",
            "usb:-1",
            "usb:1-0",
            "usb:0-1",
            "usb:1-1.",
            "usb:1-1..2",
            "usb:1-01",
            "usb:256-1",
            "usb:1-256",
            "usb:1-+1",
            "usb:1-1:1.0",
            "usb:usb1",
            "usb:1-1.2.3.4.5.6.7",
            "usb:7a6:8511",
            "usb:07a6:8511 ",
            "usb:07a6",
            "usb:07a6:85111",
            "usb:07a6:+851",
            "usb:07a6:8511:1",
            "1-1.2",
            "07a6:8511",
            "pci:0000:00:04.0",
        ] {
            let error = bad.parse::<UsbName>().expect_err(bad).to_string();
            assert!(error.starts_with(&format!("'{bad}'")) && error.contains("usb:1-1.2") && error.contains("lsusb"));
        }
    }
}
