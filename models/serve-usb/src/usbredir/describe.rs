//! What the device is, as the protocol tells it: read from its descriptors.

use udrv_bus::{BusError, Setup, UsbDevice};

/// Endpoints and interfaces that the protocol has places for.
const PLACES: usize = 32;
/// An endpoint that is not there.
const NO_ENDPOINT: u8 = 255;
/// Descriptor types.
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;
/// Speeds.
const FULL: u8 = 1;
const HIGH: u8 = 2;
/// Largest bulk packet at full speed, bytes.
const FULL_SPEED_BULK: u16 = 64;
/// Longest configuration that is read, bytes.
const LONGEST: usize = 4096;

#[derive(Debug, Clone, Copy)]
struct Interface {
    number: u8,
    class: [u8; 3],
}

#[derive(Debug, Clone, Copy)]
struct Endpoint {
    address: u8,
    kind: u8,
    interval: u8,
    interface: u8,
    max_packet: u16,
}

/// See the file's text.
#[derive(Debug)]
pub(super) struct Description {
    device: [u8; 18],
    interfaces: Vec<Interface>,
    endpoints: Vec<Endpoint>,
}

fn descriptor(device: &mut dyn UsbDevice, kind: u8, to: &mut [u8]) -> Result<usize, BusError> {
    let setup = Setup { request_type: 0x80, request: 6, value: u16::from(kind) << 8, index: 0 };
    device.control_in(setup, to)
}

impl Description {
    /// Asks the device. Of the interfaces, alternate setting 0 is told.
    pub(super) fn read(device: &mut dyn UsbDevice) -> Result<Description, BusError> {
        let mut bytes = [0; 18];
        let got = descriptor(device, 1, &mut bytes)?;
        if got < bytes.len() {
            return Err(BusError::Short { operation: "the device descriptor".into(), expected: bytes.len(), got });
        }
        let mut head = [0; 9];
        let got = descriptor(device, 2, &mut head)?;
        if got < head.len() {
            let operation = "the configuration descriptor".into();
            return Err(BusError::Short { operation, expected: head.len(), got });
        }
        let mut all = vec![0; usize::from(u16::from_le_bytes([head[2], head[3]])).min(LONGEST)];
        let got = descriptor(device, 2, &mut all)?;
        let mut description = Description { device: bytes, interfaces: Vec::new(), endpoints: Vec::new() };
        description.parse(&all[..got.min(all.len())]);
        Ok(description)
    }

    /// As far as descriptors are whole.
    fn parse(&mut self, mut bytes: &[u8]) {
        let mut current = None;
        while let Some(&length) = bytes.first()
            && length >= 2
            && let Some((descriptor, rest)) = bytes.split_at_checked(length.into())
        {
            match *descriptor {
                [_, INTERFACE, number, alternate, _, class, subclass, protocol, ..] => {
                    let told = alternate == 0 && self.interfaces.len() < PLACES;
                    current = told.then_some(number);
                    if told {
                        self.interfaces.push(Interface { number, class: [class, subclass, protocol] });
                    }
                }
                [_, ENDPOINT, address, attributes, low, high, interval, ..] => {
                    if let Some(interface) = current {
                        let max_packet = u16::from_le_bytes([low, high]);
                        self.endpoints.push(Endpoint {
                            address,
                            kind: attributes & 3,
                            interval,
                            interface,
                            max_packet,
                        });
                    }
                }
                _ => {}
            }
            bytes = rest;
        }
    }

    /// `device_connect`.
    pub(super) fn connect(&self, release: bool) -> Vec<u8> {
        let high = self.endpoints.iter().any(|e| e.kind == 2 && e.max_packet > FULL_SPEED_BULK);
        let mut bytes = vec![if high { HIGH } else { FULL }];
        // Class, subclass, protocol; vendor, product and, if wanted, release.
        bytes.extend(&self.device[4..7]);
        bytes.extend(&self.device[8..if release { 14 } else { 12 }]);
        bytes
    }

    /// `interface_info`.
    pub(super) fn interfaces(&self) -> Vec<u8> {
        let mut bytes = (self.interfaces.len() as u32).to_le_bytes().to_vec();
        let mut column = |of: fn(&Interface) -> u8| {
            let mut places = [0; PLACES];
            places.iter_mut().zip(&self.interfaces).for_each(|(place, interface)| *place = of(interface));
            bytes.extend(places);
        };
        column(|interface| interface.number);
        column(|interface| interface.class[0]);
        column(|interface| interface.class[1]);
        column(|interface| interface.class[2]);
        bytes
    }

    /// `ep_info`, with the sizes of packets if the client knows them. Those to the device come first, by number.
    pub(super) fn endpoints(&self, max_packet: bool) -> Vec<u8> {
        let mut places = [None; PLACES];
        for endpoint in &self.endpoints {
            places[usize::from((endpoint.address & 0x80) >> 3 | endpoint.address & 0x0f)] = Some(*endpoint);
        }
        let mut bytes = Vec::new();
        // Endpoint 0 is a control endpoint, both ways.
        let absent = |at: usize| if at.is_multiple_of(16) { 0 } else { NO_ENDPOINT };
        bytes.extend(places.iter().enumerate().map(|(at, place)| place.map_or(absent(at), |e| e.kind)));
        bytes.extend(places.iter().map(|place| place.map_or(0, |e| e.interval)));
        bytes.extend(places.iter().map(|place| place.map_or(0, |e| e.interface)));
        if max_packet {
            let sizes = places.iter().map(|place| place.map_or(0, |e| e.max_packet));
            bytes.extend(sizes.flat_map(u16::to_le_bytes));
        }
        bytes
    }
}
