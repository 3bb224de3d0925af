//! The address of a PCI function, as sysfs and lspci -D write it.

use std::fmt;
use std::str::FromStr;

/// `dddd:bb:dd.f`, for example `0000:00:04.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PciAddress {
    /// PCI segment (domain).
    pub segment: u16,
    /// Bus number.
    pub bus: u8,
    /// Device number, 0 to 31.
    pub device: u8,
    /// Function number, 0 to 7.
    pub function: u8,
}

/// Text that is not a PCI address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a PCI address: expected dddd:bb:dd.f in hexadecimal, for example 0000:00:04.0 (see lspci -D)")]
pub struct ParseAddressError(String);

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.segment, self.bus, self.device, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = ParseAddressError;

    /// Takes `dddd:bb:dd.f`, and `bb:dd.f` for segment 0.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseAddressError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<PciAddress> {
    let (head, function) = text.rsplit_once('.')?;
    let (head, device) = head.rsplit_once(':')?;
    let (segment, bus) = head.rsplit_once(':').unwrap_or(("0", head));
    let hex = |s: &str, max_len: usize, max: u16| {
        let plain = !s.is_empty() && s.len() <= max_len && s.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then(|| u16::from_str_radix(s, 16).ok()).flatten().filter(|n| *n <= max)
    };
    Some(PciAddress {
        segment: hex(segment, 4, u16::MAX)?,
        bus: hex(bus, 2, 0xff)? as u8,
        device: hex(device, 2, 31)? as u8,
        function: hex(function, 1, 7)? as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_lspci_short_form() {
        let a: PciAddress = "0000:00:04.0".parse().unwrap();
        assert_eq!(a.to_string(), "0000:00:04.0");
        assert_eq!("1f:1d.7".parse::<PciAddress>().unwrap().to_string(), "0000:1f:1d.7");
    }

    #[test]
    fn refuses_what_is_not_an_address() {
        for bad in [
            "",
            ":",
            "0000:00:04",
            "0000:00:20.0",
            "0000:00:04.8",
            "00000:00:04.0",
            "0:0:+4.0",
            "0000:00:04.0 ",
            "x:y:z.w",
            "1:2:3:4.0",
        ] {
            assert!(bad.parse::<PciAddress>().is_err(), "{bad:?} was taken");
        }
    }
}
