//! What a device says of itself (USB 2.0, 9.6), as far as transfers need it.
//!
//! libusb has a parser too, but what is cut short it takes for fewer endpoints, and then nothing says so.

use udrv_bus::{EndpointInfo, EndpointKind, UsbId};

/// Descriptor types (USB 2.0, table 9-5).
mod types {
    pub(super) const DEVICE: u8 = 1;
    pub(super) const CONFIGURATION: u8 = 2;
    pub(super) const INTERFACE: u8 = 4;
    pub(super) const ENDPOINT: u8 = 5;
}

/// Bytes of each kind (9.6.1, 9.6.3, 9.6.5, 9.6.6). An endpoint's may be longer in audio devices.
const DEVICE_LENGTH: usize = 18;
const CONFIGURATION_LENGTH: usize = 9;
const INTERFACE_LENGTH: usize = 9;
const ENDPOINT_LENGTH: usize = 7;
/// Bits of `wMaxPacketSize` that are the size (9.6.6).
const PACKET_SIZE: u16 = 0x7ff;
/// Bits of `bEndpointAddress` that mean something.
const ENDPOINT_ADDRESS: u8 = 0x8f;

/// What is wrong with a device's descriptors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// They end where there should be more.
    #[error("its {what} descriptor at byte {at} is cut short ({have} of {need} bytes)")]
    Truncated {
        /// Which one.
        what: &'static str,
        /// Where it begins, bytes.
        at: usize,
        /// Bytes that it says or must have.
        need: usize,
        /// Bytes that there are.
        have: usize,
    },
    /// Something else stands there.
    #[error("at byte {at} there is a descriptor of type {found:#04x} and not the {what}'s")]
    Unexpected {
        /// What should be there.
        what: &'static str,
        /// Where, bytes.
        at: usize,
        /// `bDescriptorType` that is there.
        found: u8,
    },
    /// No configuration has this value.
    #[error("it has no configuration {0}")]
    NoConfiguration(u8),
    /// It has no configuration at all.
    #[error("it has no configuration")]
    Unconfigurable,
    /// The configuration has no such interface.
    #[error("its configuration {configuration} has no interface {interface}")]
    NoInterface {
        /// `bConfigurationValue`.
        configuration: u8,
        /// `bInterfaceNumber`.
        interface: u8,
    },
    /// An interface with fewer endpoints than it says, or more.
    #[error("its interface {interface} says that it has {said} endpoints and describes {found}")]
    EndpointCount {
        /// `bInterfaceNumber`.
        interface: u8,
        /// `bNumEndpoints`.
        said: u8,
        /// Those that follow.
        found: usize,
    },
    /// An endpoint that cannot be.
    #[error("its endpoint {address:#04x} {why}")]
    Endpoint {
        /// `bEndpointAddress`.
        address: u8,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A device's descriptors, of which the configurations are read when they are asked for.
#[derive(Debug)]
pub(super) struct Descriptors<'a> {
    /// Vendor and product.
    pub(super) id: UsbId,
    bytes: &'a [u8],
}

/// One descriptor and where it is.
struct Descriptor<'a> {
    at: usize,
    kind: u8,
    bytes: &'a [u8],
}

impl<'a> Descriptors<'a> {
    /// From the device descriptor with all configurations behind it, as sysfs has them.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DescriptorError> {
        let device = expect(bytes, 0, "device", types::DEVICE, DEVICE_LENGTH)?;
        let word = |at| u16::from_le_bytes([device[at], device[at + 1]]);
        Ok(Descriptors { id: UsbId { vendor: word(8), product: word(10) }, bytes })
    }

    /// `bConfigurationValue` of the first configuration.
    pub(super) fn first_configuration(&self) -> Result<u8, DescriptorError> {
        let bytes = self.configurations().next().ok_or(DescriptorError::Unconfigurable)??.1;
        Ok(bytes[5])
    }

    /// Bulk and interrupt endpoints of an interface, in its first setting.
    pub(super) fn endpoints(&self, configuration: u8, interface: u8) -> Result<Vec<EndpointInfo>, DescriptorError> {
        for found in self.configurations() {
            let (at, bytes) = found?;
            if bytes[5] == configuration {
                return endpoints(&self.bytes[..at + bytes.len()], at, interface, configuration);
            }
        }
        Err(DescriptorError::NoConfiguration(configuration))
    }

    /// Where each begins, and its bytes with all that belongs to it.
    fn configurations(&self) -> impl Iterator<Item = Result<(usize, &'a [u8]), DescriptorError>> {
        let (bytes, mut at) = (self.bytes, DEVICE_LENGTH);
        std::iter::from_fn(move || {
            if at >= bytes.len() {
                return None;
            }
            let begin = at;
            let all =
                expect(bytes, begin, "configuration", types::CONFIGURATION, CONFIGURATION_LENGTH).and_then(|head| {
                    let total = usize::from(u16::from_le_bytes([head[2], head[3]])).max(CONFIGURATION_LENGTH);
                    let have = bytes.len() - begin;
                    let all = bytes.get(begin..begin + total);
                    all.ok_or(DescriptorError::Truncated { what: "configuration", at: begin, need: total, have })
                });
            at = all.as_ref().map_or(bytes.len(), |all| begin + all.len()); // an error is the last one
            Some(all.map(|all| (begin, all)))
        })
    }
}

fn endpoints(
    bytes: &[u8],
    begin: usize,
    interface: u8,
    configuration: u8,
) -> Result<Vec<EndpointInfo>, DescriptorError> {
    let mut said = None; // of the interface, once it is found
    let (mut found, mut endpoints) = (0, Vec::<EndpointInfo>::new());
    for descriptor in walk(bytes, begin) {
        let Descriptor { at, kind, .. } = descriptor?;
        match kind {
            types::INTERFACE => {
                if said.is_some() {
                    break;
                }
                let bytes = expect(bytes, at, "interface", types::INTERFACE, INTERFACE_LENGTH)?;
                if bytes[2] == interface && bytes[3] == 0 {
                    said = Some(bytes[4]);
                }
            }
            types::ENDPOINT if said.is_some() => {
                found += 1;
                let bytes = expect(bytes, at, "endpoint", types::ENDPOINT, ENDPOINT_LENGTH)?;
                let info = endpoint(bytes)?;
                let twice = endpoints.iter().any(|other| Some(other.address) == info.map(|info| info.address));
                if twice {
                    return Err(DescriptorError::Endpoint { address: bytes[2], why: "is described twice" });
                }
                endpoints.extend(info);
            }
            _ => {} // of the class, or the vendor's own
        }
    }
    let said = said.ok_or(DescriptorError::NoInterface { configuration, interface })?;
    if usize::from(said) != found {
        return Err(DescriptorError::EndpointCount { interface, said, found });
    }
    Ok(endpoints)
}

/// `None` for kinds of endpoint that are not used here.
fn endpoint(bytes: &[u8]) -> Result<Option<EndpointInfo>, DescriptorError> {
    let (address, max_packet) = (bytes[2], u16::from_le_bytes([bytes[4], bytes[5]]) & PACKET_SIZE);
    let wrong = |why| Err(DescriptorError::Endpoint { address, why });
    if address & !ENDPOINT_ADDRESS != 0 || address & 0x0f == 0 {
        return wrong("has a number that cannot be");
    }
    let kind = match bytes[3] & 3 {
        2 => EndpointKind::Bulk,
        3 => EndpointKind::Interrupt,
        _ => return Ok(None), // control, isochronous
    };
    if max_packet == 0 {
        return wrong("has packets of no bytes");
    }
    Ok(Some(EndpointInfo { address, kind, max_packet }))
}

/// All descriptors from `at` on.
fn walk(bytes: &[u8], mut at: usize) -> impl Iterator<Item = Result<Descriptor<'_>, DescriptorError>> {
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let begin = at;
        let have = bytes.len() - begin;
        let length = usize::from(bytes[begin]);
        let Some(found) = bytes.get(begin..begin + length).filter(|found| found.len() >= 2) else {
            at = bytes.len(); // an error is the last one
            let (need, have) = if length < 2 { (2, length) } else { (length, have) };
            return Some(Err(DescriptorError::Truncated { what: "next", at: begin, need, have }));
        };
        at += length;
        Some(Ok(Descriptor { at: begin, kind: found[1], bytes: found }))
    })
}

/// The descriptor at `at`, which must be of this kind and have `length` bytes at least.
fn expect<'a>(
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
    kind: u8,
    length: usize,
) -> Result<&'a [u8], DescriptorError> {
    let Some(found) = walk(bytes, at).next() else {
        return Err(DescriptorError::Truncated { what, at, need: length, have: 0 });
    };
    let truncated = |have| DescriptorError::Truncated { what, at, need: length, have };
    let found = found.map_err(|_| truncated(bytes.len() - at))?;
    if found.kind != kind {
        return Err(DescriptorError::Unexpected { what, at, found: found.kind });
    }
    if found.bytes.len() < length { Err(truncated(found.bytes.len())) } else { Ok(found.bytes) }
}

#[cfg(test)]
#[path = "descriptors_tests.rs"]
mod tests;
