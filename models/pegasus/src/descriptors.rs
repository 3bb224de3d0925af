//! What the adapter says it is (USB 1.1, 9.6), and how whoever opens it reads that.

use udrv_bus::{EndpointInfo, EndpointKind, UsbId};

use crate::config::Config;
use crate::misbehave::BadDescriptors;

/// Descriptor types.
pub(crate) const DEVICE: u8 = 1;
pub(crate) const CONFIGURATION: u8 = 2;
pub(crate) const STRING: u8 = 3;
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;

/// Of endpoint 0.
const MAX_PACKET_0: u8 = 8;
/// `bmAttributes`: fed by the bus, wakes it up.
const ATTRIBUTES: u8 = 0xa0;
/// `bMaxPower`, units of 2 mA.
const MAX_POWER: u8 = 80;
/// English, of the United States.
const LANGUAGE: u16 = 0x0409;
/// Strings 1 to 3: manufacturer, product, serial number.
const STRINGS: [&str; 3] = ["ADMtek", "USB To LAN Converter", "0001"];
const VENDOR_SPECIFIC: u8 = 0xff;

/// Address of the endpoint that frames are received from.
pub const BULK_IN: u8 = 0x81;
/// Address of the endpoint that frames are sent to.
pub const BULK_OUT: u8 = 0x02;
/// Address of the endpoint that tells of the status.
pub const INTERRUPT: u8 = 0x83;

/// The endpoints of a good adapter.
pub(crate) const ENDPOINTS: [EndpointInfo; 3] = [
    EndpointInfo { address: BULK_IN, kind: EndpointKind::Bulk, max_packet: 64 },
    EndpointInfo { address: BULK_OUT, kind: EndpointKind::Bulk, max_packet: 64 },
    EndpointInfo { address: INTERRUPT, kind: EndpointKind::Interrupt, max_packet: 8 },
];

/// The id as it is said.
pub(crate) fn id(config: &Config, bad: &BadDescriptors) -> UsbId {
    let id = config.variant.id();
    UsbId { product: bad.product.unwrap_or(id.product), ..id }
}

/// The device descriptor.
pub(crate) fn device(config: &Config, bad: &BadDescriptors) -> Vec<u8> {
    let [id, release] = [id(config, bad).product, config.variant.release()].map(u16::to_le_bytes);
    let vendor = config.variant.id().vendor.to_le_bytes();
    let head = [18, DEVICE, 0x10, 0x01, 0, 0, 0, MAX_PACKET_0];
    [&head[..], &vendor, &id, &release, &[1, 2, 3, 1]].concat()
}

/// Configuration 1 with its interface and endpoints.
pub(crate) fn configuration(config: &Config, bad: &BadDescriptors) -> Vec<u8> {
    let endpoints: Vec<EndpointInfo> = said(bad).collect();
    let total = (9 + 9 + 7 * endpoints.len()) as u16;
    let [low, high] = total.to_le_bytes();
    let class = bad.class.unwrap_or(VENDOR_SPECIFIC);
    let mut bytes = vec![9, CONFIGURATION, low, high, 1, 1, 0, ATTRIBUTES, MAX_POWER];
    bytes.extend([9, INTERFACE, 0, 0, endpoints.len() as u8, class, VENDOR_SPECIFIC, VENDOR_SPECIFIC, 0]);
    for endpoint in endpoints {
        let [low, high] = endpoint.max_packet.to_le_bytes();
        let (attributes, interval) = match endpoint.kind {
            EndpointKind::Bulk => (2, 0),
            EndpointKind::Interrupt => (3, config.interval),
        };
        bytes.extend([7, ENDPOINT, endpoint.address, attributes, low, high, interval]);
    }
    bytes.truncate(bad.cut.unwrap_or(bytes.len()));
    bytes
}

/// The endpoints as they are described.
fn said(bad: &BadDescriptors) -> impl Iterator<Item = EndpointInfo> {
    ENDPOINTS.into_iter().filter(|e| bad.missing != Some(e.address)).map(|mut endpoint| {
        if let Some((_, size)) = bad.max_packet.filter(|(address, _)| *address == endpoint.address) {
            endpoint.max_packet = size;
        }
        if let Some((_, kind)) = bad.kind.filter(|(address, _)| *address == endpoint.address) {
            endpoint.kind = kind;
        }
        endpoint
    })
}

/// A string descriptor, if there is one with this index.
pub(crate) fn string(index: u8) -> Option<Vec<u8>> {
    let units: Vec<u16> = match index {
        0 => vec![LANGUAGE],
        _ => STRINGS.get(usize::from(index) - 1)?.encode_utf16().collect(),
    };
    let mut bytes = vec![2 + 2 * units.len() as u8, STRING];
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    Some(bytes)
}

/// The endpoints that a configuration descriptor describes, as a bus reads it: what does not fit ends it.
pub(crate) fn endpoints(mut bytes: &[u8]) -> Vec<EndpointInfo> {
    let mut found = Vec::new();
    while let Some(&length) = bytes.first()
        && length >= 2
        && let Some((descriptor, rest)) = bytes.split_at_checked(length.into())
    {
        if let [_, ENDPOINT, address, attributes, low, high, ..] = *descriptor {
            let kind = if attributes & 3 == 3 { EndpointKind::Interrupt } else { EndpointKind::Bulk };
            found.push(EndpointInfo { address, kind, max_packet: u16::from_le_bytes([low, high]) });
        }
        bytes = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_read_back() {
        let (config, mut bad) = (Config::default(), BadDescriptors::default());
        let bytes = configuration(&config, &bad);
        assert_eq!((bytes.len(), bytes[2]), (39, 39));
        assert_eq!(endpoints(&bytes), ENDPOINTS);
        bad.missing = Some(BULK_OUT);
        bad.max_packet = Some((BULK_IN, 512));
        bad.kind = Some((INTERRUPT, EndpointKind::Bulk));
        let found = endpoints(&configuration(&config, &bad));
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].max_packet, found[1].kind), (512, EndpointKind::Bulk));
        for cut in 0..39 {
            let bad = BadDescriptors { cut: Some(cut), ..BadDescriptors::default() };
            let bytes = configuration(&config, &bad);
            assert_eq!((bytes.len(), endpoints(&bytes).len()), (cut, cut.saturating_sub(18) / 7));
        }
    }
}
