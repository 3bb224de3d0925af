//! USB as a driver sees it: a host controller with a ring of transfer descriptors for each endpoint.
//!
//! Beside the registers of the device (offsets below [`CONTROLLER`], each access a control transfer) there are those of a
//! host controller, which is the framework's own and costs no transfer. A ring lies in DMA memory, and a driver treats
//! it as it would the ring of a chip: what commits is sent, what is aborted never was.
//!
//! ```text
//!   word 0   bus address of the bytes
//!   word 1   how many there are (OUT), or may come (IN)
//!   word 2   how many there were, when OWN is gone
//!   word 3   OWN, CHAIN, and when OWN is gone the status
//! ```
//!
//! - OWN hands a descriptor over (`dma.hand_over`), and [`RING_DOORBELL`] has the controller look: it starts transfers from
//!   where it stands up to a descriptor without OWN. It takes OWN off in the order of the ring. A descriptor of which the
//!   device has said something wrong has a status other than [`status::DONE`].
//! - Descriptors with CHAIN and the first without are one transfer, whose bytes are put together. OUT only.
//! - [`RING_RESET`] ends all transfers of a ring and puts the controller back to its first descriptor.
//! - [`RING_COUNT`] says how many descriptors the controller has taken since then: one that is reset by somebody else, or was
//!   given some that the driver does not know of, is not where the driver thinks.
//! - [`CAUSES`] has a bit for each ring in which OWN was taken off since it was read. An endpoint that is halted has its bit set
//!   again by each doorbell.
//!
//! After a stall an endpoint is halted: its transfers end with [`status::STALLED`], and [`RING_RESET`] ends the halt.

use crate::{RegisterInfo, joined};

/// Rings that there may be.
pub const ENDPOINTS: usize = 4;
/// Descriptors that a ring may have.
pub const MAX_DESCRIPTORS: u32 = 256;
/// Bytes of a descriptor.
pub const DESCRIPTOR_BYTES: u32 = 16;
/// Descriptors that may be chained.
pub const MAX_CHAIN: usize = 4;
/// Bytes of a transfer, at most.
pub const MAX_TRANSFER: u32 = 64 * 1024;
/// Where the controller's registers begin, bytes.
pub const CONTROLLER: u16 = 0x1000;

/// An endpoint of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// `bEndpointAddress`: number, and bit 7 for IN.
    pub address: u8,
    /// It transfers by interrupts, else in bulk.
    pub interrupt: bool,
}

pub mod controller {
    //! The registers of the controller.

    crate::register_map! {
        /// Rings in which transfers have ended.
        CAUSES: u32 = 0x1000, ReadClears;
        /// Vendor id in the upper half, product id in the lower.
        DEVICE_ID: u32 = 0x1004, ReadOnly;
        /// Where a ring lies.
        RING_BASE[4]: u32 = 0x1010, DmaAddress;
        /// How many descriptors it has; 0: it is not used.
        RING_SIZE[4]: u32 = 0x1020, Config;
        /// Has the controller look at it.
        RING_DOORBELL[4]: u32 = 0x1030, Tail;
        /// Descriptors taken since RING_RESET.
        RING_COUNT[4]: u32 = 0x1040, ReadOnly;
        /// Ends its transfers.
        RING_RESET[4]: u32 = 0x1050, Command;
    }
}

#[doc(no_inline)]
pub use controller::{CAUSES, DEVICE_ID, RING_BASE, RING_COUNT, RING_DOORBELL, RING_RESET, RING_SIZE};

/// Bytes of registers, the device's and the controller's.
pub const REGISTER_BYTES: u16 = 0x1060;

/// In word 3: the descriptor is the controller's.
pub const OWN: u32 = 1 << 31;
/// In word 3: the bytes of the next follow in the same transfer.
pub const CHAIN: u32 = 1 << 30;

/// What word 3 says when OWN is gone.
pub mod status {
    /// Nothing has happened to it yet.
    pub const NONE: u32 = 0;
    /// As it should.
    pub const DONE: u32 = 1;
    /// The endpoint is halted.
    pub const STALLED: u32 = 2;
    /// The device sent more than there was room for.
    pub const OVERFLOW: u32 = 3;
    /// It was ended by RING_RESET or with the device's DMA.
    pub const CANCELLED: u32 = 4;
    /// The device has left.
    pub const GONE: u32 = 5;
    /// The bus has failed.
    pub const FAILED: u32 = 6;
    /// The descriptor makes no sense: not DMA memory of this device, too long, chained where it must not be.
    pub const REFUSED: u32 = 7;
}

/// The registers of a device and those of the controller, for [`crate::Driver::REGISTERS`]. `N` is how many entries both
/// have together: [`map_length`].
#[must_use]
pub const fn with_controller<const N: usize>(device: &[RegisterInfo]) -> [RegisterInfo; N] {
    joined(device, controller::REGISTERS)
}

/// Entries that the map of a device has together with the controller's.
#[must_use]
pub const fn map_length(device: &[RegisterInfo]) -> usize {
    device.len() + controller::REGISTERS.len()
}
