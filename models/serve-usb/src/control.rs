//! Control transfers, as a client asks for them.

use udrv_bus::{BusError, Setup, UsbDevice};

/// `bmRequestType`, `bRequest`.
const SET_ADDRESS: (u8, u8) = (0x00, 5);
const CLEAR_FEATURE_OF_ENDPOINT: (u8, u8) = (0x02, 1);
/// Feature selector.
const ENDPOINT_HALT: u16 = 0;

/// The setup stage as it is on the bus, and `wLength`.
pub(crate) fn setup(bytes: [u8; 8]) -> (Setup, usize) {
    let [request_type, request, v0, v1, i0, i1, l0, l1] = bytes;
    let [value, index, length] = [[v0, v1], [i0, i1], [l0, l1]].map(u16::from_le_bytes);
    (Setup { request_type, request, value, index }, length.into())
}

/// Does it; bytes transferred. What the host of the device does by itself is done, or left to it: the halt of an endpoint
/// has two ends, and the address is its affair.
pub(crate) fn transfer(device: &mut dyn UsbDevice, setup: Setup, data: &mut [u8]) -> Result<usize, BusError> {
    match (setup.request_type, setup.request) {
        SET_ADDRESS => Ok(0),
        CLEAR_FEATURE_OF_ENDPOINT if setup.value == ENDPOINT_HALT && setup.index & 0x7f != 0 => {
            device.clear_halt(setup.index as u8).map(|()| 0)
        }
        _ if setup.request_type & 0x80 != 0 => device.control_in(setup, data),
        _ => device.control_out(setup, data).map(|()| data.len()),
    }
}
