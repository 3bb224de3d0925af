//! A USB device of which one interface is ours.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::BusError;

/// Vendor and product id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UsbId {
    /// `idVendor`.
    pub vendor: u16,
    /// `idProduct`.
    pub product: u16,
}

impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.product)
    }
}

/// The setup stage of a control transfer (USB 2.0, 9.3). Its direction is bit 7 of `request_type`; its length that of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// `bmRequestType`.
    pub request_type: u8,
    /// `bRequest`.
    pub request: u8,
    /// `wValue`.
    pub value: u16,
    /// `wIndex`.
    pub index: u16,
}

/// How an endpoint transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointKind {
    /// In bulk.
    Bulk,
    /// By interrupts, which are polls.
    Interrupt,
}

/// An endpoint of the interface, beside endpoint 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointInfo {
    /// `bEndpointAddress`: number, and bit 7 for one that sends to the host (IN).
    pub address: u8,
    /// Bulk or interrupt.
    pub kind: EndpointKind,
    /// `wMaxPacketSize`, bytes.
    pub max_packet: u16,
}

impl EndpointInfo {
    /// Whether the device sends on it.
    #[must_use]
    pub const fn is_in(self) -> bool {
        self.address & 0x80 != 0
    }
}

/// What to transfer on an endpoint other than 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The endpoint's address, direction included.
    pub endpoint: u8,
    /// Comes back with the completion; of the caller's choice.
    pub token: u64,
    /// OUT: the bytes. IN: as many as there is room for; their values do not matter.
    pub data: Vec<u8>,
    /// OUT: end with an empty packet if the last one would be full.
    pub zero_packet: bool,
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferStatus {
    /// As it should.
    Done,
    /// The endpoint is halted, until [`UsbDevice::clear_halt`].
    Stalled,
    /// The device sent more than there was room for (babble).
    Overflow,
    /// By [`UsbDevice::cancel`] or [`UsbDevice::reset`].
    Cancelled,
    /// The device is not there any more.
    Gone,
    /// Something on the bus went wrong.
    Failed,
}

/// A transfer that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// As in [`Transfer`].
    pub endpoint: u8,
    /// As in [`Transfer`].
    pub token: u64,
    /// How it ended.
    pub status: TransferStatus,
    /// The transfer's memory again; of an IN transfer the first `length` bytes are what came.
    pub data: Vec<u8>,
    /// Bytes transferred, at most the length of `data`.
    pub length: usize,
}

/// How long a control transfer may take (USB 2.0, 9.2.6.4 allows 5 s in all; no chip that works needs it).
pub const CONTROL_TIMEOUT: Duration = Duration::from_secs(1);

/// A USB device with one interface claimed, by us alone.
///
/// Transfers on one endpoint are done in the order in which they were submitted. Nothing here waits for the device but control
/// transfers ([`CONTROL_TIMEOUT`]), [`UsbDevice::cancel`], [`UsbDevice::clear_halt`] and [`UsbDevice::reset`].
pub trait UsbDevice: Send {
    /// For people: `usb:1-1.2` or `model:pegasus`.
    fn name(&self) -> String;
    /// Its id.
    fn id(&self) -> UsbId;
    /// The endpoints of the claimed interface.
    fn endpoints(&self) -> &[EndpointInfo];

    /// A control transfer from the device: says how many bytes came, which may be fewer than there is room for.
    fn control_in(&mut self, setup: Setup, to: &mut [u8]) -> Result<usize, BusError>;
    /// A control transfer to the device, of all of `data` or an error.
    fn control_out(&mut self, setup: Setup, data: &[u8]) -> Result<(), BusError>;

    /// Queues a transfer. It ends in [`UsbDevice::reap`], whatever happens to it; on `Err` there is nothing to end.
    fn submit(&mut self, transfer: Transfer) -> Result<(), BusError>;
    /// The next transfer that has ended.
    fn reap(&mut self) -> Option<Completion>;
    /// Ends all transfers of an endpoint, and returns when they have: no memory of theirs is written after it. What had
    /// ended before keeps its status. They are to be reaped.
    fn cancel(&mut self, endpoint: u8) -> Result<(), BusError>;
    /// Ends the halt of an endpoint and resets its data toggle. No transfer may be queued on it.
    fn clear_halt(&mut self, endpoint: u8) -> Result<(), BusError>;

    /// From now on each transfer that ends, and the device's leaving, adds one to the eventfd. The implementation keeps a
    /// duplicate of `event`.
    fn set_event(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError>;
    /// Resets the port: the device is as after power-on, configured again and the interface claimed again. Transfers end.
    fn reset(&mut self) -> Result<(), BusError>;
}
