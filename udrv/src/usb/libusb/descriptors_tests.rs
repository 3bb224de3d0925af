//! Descriptors as they should be, and each way in which they are not.

use proptest::prelude::*;
use udrv_bus::{EndpointInfo, EndpointKind, UsbId};

use super::{DescriptorError, Descriptors};

/// Those of an ADM8511: bulk IN, bulk OUT, interrupt IN.
fn adm8511() -> Vec<u8> {
    let mut bytes = vec![18, 1, 0x10, 1, 0, 0, 0, 64, 0xa6, 0x07, 0x11, 0x85, 0x01, 0x01, 1, 2, 3, 1];
    bytes.extend([9, 2, 39, 0, 1, 1, 0, 0x80, 0x70]);
    bytes.extend([9, 4, 0, 0, 3, 0, 0, 0, 0]);
    bytes.extend([7, 5, 0x81, 2, 64, 0, 0]);
    bytes.extend([7, 5, 0x02, 2, 64, 0, 0]);
    bytes.extend([7, 5, 0x83, 3, 8, 0, 1]);
    bytes
}

/// Where the parts begin.
const CONFIGURATION: usize = 18;
const INTERFACE: usize = 27;
const FIRST_ENDPOINT: usize = 36;

fn endpoints(bytes: &[u8]) -> Result<Vec<EndpointInfo>, DescriptorError> {
    Descriptors::new(bytes)?.endpoints(1, 0)
}

fn changed(at: usize, value: u8) -> Vec<u8> {
    let mut bytes = adm8511();
    bytes[at] = value;
    bytes
}

#[test]
fn a_device_says_what_it_is() {
    let bytes = adm8511();
    let device = Descriptors::new(&bytes).unwrap();
    assert_eq!(device.id, UsbId { vendor: 0x07a6, product: 0x8511 });
    assert_eq!(device.first_configuration(), Ok(1));
    let info = |address, kind, max_packet| EndpointInfo { address, kind, max_packet };
    let (bulk, interrupt) = (EndpointKind::Bulk, EndpointKind::Interrupt);
    let expected = [info(0x81, bulk, 64), info(0x02, bulk, 64), info(0x83, interrupt, 8)];
    assert_eq!(device.endpoints(1, 0).unwrap(), expected);
}

#[test]
fn what_is_not_there_is_told() {
    let bytes = adm8511();
    let device = Descriptors::new(&bytes).unwrap();
    assert_eq!(device.endpoints(2, 0), Err(DescriptorError::NoConfiguration(2)));
    assert_eq!(device.endpoints(1, 1), Err(DescriptorError::NoInterface { configuration: 1, interface: 1 }));
    let bare = Descriptors::new(&bytes[..CONFIGURATION]).unwrap();
    assert_eq!(bare.first_configuration(), Err(DescriptorError::Unconfigurable));
    assert_eq!(bare.endpoints(1, 0), Err(DescriptorError::NoConfiguration(1)));
}

#[test]
fn the_second_of_two_configurations_and_only_the_first_setting_of_an_interface() {
    let mut bytes = adm8511();
    let (size, value) = ((9 + 9 + 7 + 5 + 9 + 7 + 9 + 7) as u8, 5);
    bytes.extend([9, 2, size, 0, 2, value, 0, 0x80, 0x32]);
    bytes.extend([9, 4, 0, 0, 1, 2, 6, 0, 0]);
    bytes.extend([5, 0x24, 0, 0x10, 1]); // of the class
    bytes.extend([7, 5, 0x82, 3, 16, 0, 32]);
    bytes.extend([9, 4, 1, 0, 1, 10, 0, 0, 0]);
    bytes.extend([7, 5, 0x83, 1, 0, 2, 1]); // isochronous
    bytes.extend([9, 4, 1, 1, 1, 10, 0, 0, 0]);
    bytes.extend([7, 5, 0x84, 2, 0, 2, 0]);
    let device = Descriptors::new(&bytes).unwrap();
    let only = EndpointInfo { address: 0x82, kind: EndpointKind::Interrupt, max_packet: 16 };
    assert_eq!(device.endpoints(5, 0), Ok(vec![only]));
    assert_eq!(device.endpoints(5, 1), Ok(vec![]), "isochronous endpoints are counted and not used");
}

#[test]
fn descriptors_that_are_cut_short_are_told_wherever_the_cut_is() {
    let bytes = adm8511();
    for end in (0..bytes.len()).filter(|end| *end != CONFIGURATION) {
        let error = endpoints(&bytes[..end]).expect_err("cut short");
        assert!(matches!(error, DescriptorError::Truncated { .. }), "{end}: {error}");
        assert!(error.to_string().contains("cut short"));
    }
    // the configuration ends within an endpoint, an endpoint is longer than what is left
    let short = endpoints(&changed(CONFIGURATION + 2, 20)).unwrap_err();
    assert_eq!(short, DescriptorError::Truncated { what: "next", at: FIRST_ENDPOINT, need: 7, have: 2 });
    let long = endpoints(&changed(FIRST_ENDPOINT + 14, 8)).unwrap_err();
    assert!(matches!(long, DescriptorError::Truncated { at: 50, need: 8, have: 7, .. }), "{long:?}");
    for length in [0, 1] {
        let none = endpoints(&changed(INTERFACE, length)).unwrap_err();
        assert!(matches!(none, DescriptorError::Truncated { at: INTERFACE, need: 2, .. }), "{none:?}");
    }
    let small = endpoints(&changed(INTERFACE, 8)).unwrap_err();
    assert!(matches!(small, DescriptorError::Truncated { what: "interface", need: 9, have: 8, .. }), "{small:?}");
}

#[test]
fn what_stands_in_the_wrong_place_is_told() {
    let device = Descriptors::new(&changed(1, 2)).map(drop).unwrap_err();
    assert_eq!(device, DescriptorError::Unexpected { what: "device", at: 0, found: 2 });
    let configuration = endpoints(&changed(CONFIGURATION + 1, 7)).unwrap_err();
    assert_eq!(configuration, DescriptorError::Unexpected { what: "configuration", at: CONFIGURATION, found: 7 });
}

#[test]
fn endpoints_that_cannot_be_are_told() {
    for (at, value, why) in [
        (FIRST_ENDPOINT + 2, 0x80, "number"),      // endpoint 0 is nobody's
        (FIRST_ENDPOINT + 2, 0x91, "number"),      // a reserved bit
        (FIRST_ENDPOINT + 2, 0x83, "twice"),       // also the interrupt endpoint's
        (FIRST_ENDPOINT + 4, 0, "packets"),        // of no bytes
        (INTERFACE + 4, 2, "describes 3"),         // bNumEndpoints
        (INTERFACE + 4, 4, "describes 3"),         //
        (FIRST_ENDPOINT + 8, 0x24, "describes 2"), // one is something else
    ] {
        let error = endpoints(&changed(at, value)).unwrap_err().to_string();
        assert!(error.contains(why), "{at} {value:#x}: {error}");
    }
    // bits of high-bandwidth endpoints are not size
    let info = endpoints(&changed(FIRST_ENDPOINT + 19, 0x08)).unwrap();
    assert_eq!(info[2].max_packet, 8);
}

proptest! {
    #[test]
    fn any_bytes_give_endpoints_or_an_error(
        mut bytes in prop::collection::vec(any::<u8>(), 0..120), keep in 0..60_usize, at in 0..60_usize, value: u8,
    ) {
        // begins like a device's, so that the parser gets far
        let good = adm8511();
        let keep = keep.min(bytes.len()).min(good.len());
        bytes[..keep].copy_from_slice(&good[..keep]);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        if let Ok(found) = endpoints(&bytes) {
            for (index, info) in found.iter().enumerate() {
                prop_assert!(info.max_packet > 0 && info.address & 0x0f != 0 && info.address & 0x70 == 0);
                prop_assert!(found[..index].iter().all(|other| other.address != info.address));
            }
        }
    }
}
