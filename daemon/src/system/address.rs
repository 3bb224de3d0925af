//! A device of this machine by name, as udrvd takes it.

use std::fmt;
use std::str::FromStr;

use udrv::serio::raw::{ParseSerioNameError, SerioName};
use udrv::usb::libusb::{ParseUsbNameError, UsbName};
use udrv_bus::{ParseAddressError, PciAddress};

/// Which device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `pci:0000:03:00.0`.
    Pci(PciAddress),
    /// `usb:1-2`, or `usb:07a6:8511`.
    Usb(UsbName),
    /// `serio:serio1`, or `serio:01:00`, or `serio:i8042 AUX port`.
    Serio(SerioName),
}

/// Text that is the name of no device of a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No known prefix. A model and what a vfio-user server shows have no place on this machine.
    #[error(
        "'{0}' is no device of this machine: expected pci:ADDRESS (pci:0000:03:00.0), usb:PORT or usb:VENDOR:PRODUCT \
         (usb:1-2, usb:07a6:8511) or serio:PORT (serio:serio1); udrvctl list --all shows them"
    )]
    Prefix(String),
    /// Not an address.
    #[error(transparent)]
    Pci(#[from] ParseAddressError),
    /// No name of a USB device.
    #[error(transparent)]
    Usb(#[from] ParseUsbNameError),
    /// No name of a serio port.
    #[error(transparent)]
    Serio(#[from] ParseSerioNameError),
}

impl FromStr for Address {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Address, ParseError> {
        match text.split_once(':') {
            Some(("pci", address)) => Ok(Address::Pci(address.parse()?)),
            Some(("usb", _)) => Ok(Address::Usb(text.parse()?)),
            Some(("serio", _)) => Ok(Address::Serio(text.parse()?)),
            _ => Err(ParseError::Prefix(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Pci(address) => write!(f, "pci:{address}"),
            Address::Usb(name) => name.fmt(f),
            Address::Serio(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_and_wrong_ones_explained() {
        for good in [
            "pci:0000:03:00.0",
            "usb:1-2.1",
            "usb:07a6:8511",
            "serio:serio0",
            "serio:serio4294967295",
            "serio:01:00",
            "serio:i8042 AUX port",
        ] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            ":",
            "pci",
            "pci:",
            "usb:",
            "serio:",
            "serio:serio",
            "serio:serio01",
            "serio:serio+1",
            "serio:serio4294967296",
            "serio:serio1/../serio0",
            "model:rtl8139",
            "vfio-user:/run/card.sock",
            "0000:03:00.0",
        ] {
            let message = bad.parse::<Address>().expect_err(bad).to_string();
            assert!(
                !message.contains('\n') && message.contains("for example") || message.contains("expected"),
                "{message}"
            );
        }
    }

    proptest! {
        /// Whatever it is, it is read or refused; and what was read is written as it was read.
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = text.parse::<Address>();
        }

        #[test]
        fn what_looks_like_a_name_is_read_as_it_is_written(
            text in "(pci|usb|serio|model|):[0-9a-fs]{0,6}[:.-]?(serio)?[0-9a-f]{0,5}[:.]?[0-9a-f]{0,3}"
        ) {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }

        #[test]
        fn addresses_come_back(segment: u16, bus: u8, device in 0_u8..32, function in 0_u8..8, port: u32) {
            for address in [
                Address::Pci(PciAddress { segment, bus, device, function }),
                Address::Serio(SerioName::Port(format!("serio{port}"))),
            ] {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }
    }
}
