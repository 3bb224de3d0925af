//! Whether a device has the endpoints that a driver declares.

use udrv_bus::{EndpointKind, UsbDevice};
use udrv_driver::usb::Endpoint;

/// What a driver needs and the device does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No such endpoint.
    #[error("it has no endpoint {address:#04x}, which the driver needs; it has {found}")]
    Missing {
        /// `bEndpointAddress`.
        address: u8,
        /// Those that it has.
        found: String,
    },
    /// The endpoint transfers in another way.
    #[error("its endpoint {address:#04x} is {found}, and the driver needs {expected}")]
    Kind {
        /// `bEndpointAddress`.
        address: u8,
        /// How it transfers.
        found: &'static str,
        /// How it should.
        expected: &'static str,
    },
}

/// Whether the device has what the driver uses.
pub(super) fn check(device: &dyn UsbDevice, endpoints: &[Endpoint]) -> Result<(), EndpointError> {
    let kind = |interrupt| if interrupt { "an interrupt endpoint" } else { "a bulk endpoint" };
    for &Endpoint { address, interrupt } in endpoints {
        let found = device.endpoints().iter().find(|found| found.address == address);
        let Some(found) = found else {
            let all: Vec<String> = device.endpoints().iter().map(|e| format!("{:#04x}", e.address)).collect();
            let found = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            return Err(EndpointError::Missing { address, found });
        };
        let is_interrupt = found.kind == EndpointKind::Interrupt;
        if is_interrupt != interrupt {
            return Err(EndpointError::Kind { address, found: kind(is_interrupt), expected: kind(interrupt) });
        }
    }
    Ok(())
}
