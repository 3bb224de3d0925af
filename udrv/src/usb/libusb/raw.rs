//! One asynchronous transfer of libusb, and its memory.
//!
//! libusb keeps pointers to the transfer, to its buffer and to our [`Note`] from submit until the callback returns. So a
//! [`Flight`] owns the first two and frees them only once the callback has been (`Note::ended`), and the callback owns
//! the third. A flight that is dropped before is leaked: memory that the kernel may yet write to is never used again.
// libusb's asynchronous transfers exist only as its C functions on raw pointers (rusb has no safe form of them). The
// blocks here are all there is; their invariant is the paragraph above.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusb::constants::{
    LIBUSB_TRANSFER_ADD_ZERO_PACKET, LIBUSB_TRANSFER_CANCELLED, LIBUSB_TRANSFER_COMPLETED, LIBUSB_TRANSFER_NO_DEVICE,
    LIBUSB_TRANSFER_OVERFLOW, LIBUSB_TRANSFER_STALL, LIBUSB_TRANSFER_TYPE_BULK, LIBUSB_TRANSFER_TYPE_INTERRUPT,
};
use rusb::ffi::{
    libusb_alloc_transfer, libusb_cancel_transfer, libusb_free_transfer, libusb_submit_transfer, libusb_transfer,
};
use rusb::{Context, DeviceHandle};
use udrv_bus::{BusError, EndpointInfo, EndpointKind, Transfer, TransferStatus};

use super::engine::Carrier;
use super::error::{bus_error, invalid};
use super::queue::{Ended, Queue};

/// Carries transfers over an open device whose interface is claimed.
#[derive(Debug)]
pub(super) struct Usb {
    /// The device.
    pub(super) handle: Arc<DeviceHandle<Context>>,
    /// The interface that is claimed.
    pub(super) interface: u8,
    /// Its endpoints.
    pub(super) endpoints: Vec<EndpointInfo>,
}

/// What the callback needs.
#[derive(Debug)]
struct Note {
    serial: u64,
    queue: Arc<Queue>,
    /// libusb uses neither the transfer nor the buffer any more.
    ended: AtomicBool,
}

/// See the module's text.
pub(super) struct Flight {
    transfer: NonNull<libusb_transfer>,
    /// Taken apart, so that nothing but its pointer is used while libusb has it.
    buffer: NonNull<u8>,
    length: usize,
    capacity: usize,
    note: Arc<Note>,
    /// The transfer points into it.
    _handle: Arc<dyn Send + Sync>,
}

// SAFETY: the pointers are to heap memory that the flight owns, and libusb's functions on a transfer may be called from any
// thread (its documentation, "Multi-threaded applications and asynchronous I/O").
unsafe impl Send for Flight {}

impl Carrier for Usb {
    type Flight = Flight;

    fn start(&mut self, transfer: Transfer, serial: u64, queue: &Arc<Queue>) -> Result<Flight, BusError> {
        let Transfer { endpoint, data, zero_packet, .. } = transfer;
        let operation = || format!("a transfer of {} bytes on endpoint {endpoint:#04x}", data.len());
        let info = self.endpoints.iter().find(|info| info.address == endpoint);
        let info = info.ok_or_else(|| invalid(operation(), "the interface has no such endpoint"))?;
        let length = i32::try_from(data.len()).map_err(|_| invalid(operation(), "libusb counts to 2 GiB"))?;
        let kind = match info.kind {
            EndpointKind::Bulk => LIBUSB_TRANSFER_TYPE_BULK,
            EndpointKind::Interrupt => LIBUSB_TRANSFER_TYPE_INTERRUPT,
        };
        if zero_packet && (info.is_in() || info.kind != EndpointKind::Bulk) {
            return Err(BusError::Unsupported("an empty packet at the end of other transfers than bulk OUT"));
        }
        let note = Note { serial, queue: queue.clone(), ended: AtomicBool::new(false) };
        let flight = Flight::new(data, note, self.handle.clone())?;
        // SAFETY: the flight's transfer is not submitted, so it is ours to fill; it has its buffer and its note. The flight
        // keeps the handle open, and all of it allocated until the callback has been.
        let error = unsafe {
            let raw = flight.transfer.as_ptr();
            (*raw).dev_handle = self.handle.as_raw();
            (*raw).flags = if zero_packet { LIBUSB_TRANSFER_ADD_ZERO_PACKET } else { 0 };
            (*raw).endpoint = endpoint;
            (*raw).transfer_type = kind;
            (*raw).timeout = 0; // none: it ends by itself or by `cancel`
            (*raw).length = length;
            libusb_submit_transfer(raw)
        };
        if error != 0 {
            flight.refused();
            return Err(bus_error("submit of", format_args!("endpoint {endpoint:#04x}"), error_of(error)));
        }
        Ok(flight)
    }

    fn cancel(&mut self, flight: &mut Flight) {
        // SAFETY: the flight keeps the transfer allocated, whether it has ended or not. Its results are no news: it has
        // ended (not found), or it is about to (no device), or its callback says so.
        unsafe { libusb_cancel_transfer(flight.transfer.as_ptr()) };
    }

    fn land(&mut self, mut flight: Flight) -> Vec<u8> {
        flight.take()
    }

    fn is_present(&self) -> bool {
        // any question to usbfs would do: it has no answer to it from the moment at which the device leaves
        self.handle.kernel_driver_active(self.interface) != Err(rusb::Error::NoDevice)
    }
}

/// Called by libusb, once for each transfer that it has taken.
extern "system" fn ended(transfer: *mut libusb_transfer) {
    // SAFETY: libusb passes the transfer, which its flight does not free before `ended` is set below; `user_data` is the
    // share of the note that `start` left, taken back this once.
    let (note, status, length) = unsafe {
        let note = Arc::from_raw((*transfer).user_data.cast_const().cast::<Note>());
        (note, (*transfer).status, (*transfer).actual_length)
    };
    note.ended.store(true, Ordering::Release); // from here on the other thread may free the transfer
    let length = usize::try_from(length).unwrap_or(0);
    note.queue.end(Ended { serial: note.serial, status: status_of(status), length });
}

impl Flight {
    /// A transfer with its buffer and its note, not submitted. It must be: or [`Flight::refused`].
    fn new(data: Vec<u8>, note: Note, handle: Arc<dyn Send + Sync>) -> Result<Flight, BusError> {
        // SAFETY: takes a number. Null is checked below.
        let transfer = NonNull::new(unsafe { libusb_alloc_transfer(0) });
        let transfer = transfer.ok_or_else(|| bus_error("allocating", "a transfer", rusb::Error::NoMem))?;
        let mut data = ManuallyDrop::new(data);
        let (length, capacity, note) = (data.len(), data.capacity(), Arc::new(note));
        let buffer = NonNull::new(data.as_mut_ptr()).expect("a vector's pointer is never null");
        // SAFETY: a transfer of libusb's is ours to fill until it is submitted. The share of the note in it is taken back by
        // the callback, or by `refused` if none will come.
        unsafe {
            let raw = transfer.as_ptr();
            (*raw).buffer = buffer.as_ptr();
            (*raw).user_data = Arc::into_raw(note.clone()).cast_mut().cast();
            (*raw).callback = ended;
        }
        Ok(Flight { transfer, buffer, length, capacity, note, _handle: handle })
    }

    /// libusb has not taken it: no callback will come.
    fn refused(&self) {
        // SAFETY: `new` has put a share of the note there, and it is taken back this once.
        drop(unsafe { Arc::from_raw((*self.transfer.as_ptr()).user_data.cast_const().cast::<Note>()) });
        self.note.ended.store(true, Ordering::Release);
    }

    /// The memory, if libusb has done with it; empty otherwise.
    fn take(&mut self) -> Vec<u8> {
        if !self.note.ended.load(Ordering::Acquire) {
            return Vec::new();
        }
        let capacity = std::mem::take(&mut self.capacity);
        let length = std::mem::take(&mut self.length);
        let buffer = std::mem::replace(&mut self.buffer, NonNull::dangling());
        // SAFETY: these are the parts of the vector that `start` took apart, put together once: what is left behind are those
        // of an empty vector. libusb does not use it any more.
        unsafe { Vec::from_raw_parts(buffer.as_ptr(), length, capacity) }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        drop(self.take());
        if self.note.ended.load(Ordering::Acquire) {
            // SAFETY: allocated by libusb, under way no more, and freed here only.
            unsafe { libusb_free_transfer(self.transfer.as_ptr()) };
        }
    }
}

fn status_of(status: i32) -> TransferStatus {
    match status {
        LIBUSB_TRANSFER_COMPLETED => TransferStatus::Done,
        LIBUSB_TRANSFER_STALL => TransferStatus::Stalled,
        LIBUSB_TRANSFER_OVERFLOW => TransferStatus::Overflow,
        LIBUSB_TRANSFER_CANCELLED => TransferStatus::Cancelled,
        LIBUSB_TRANSFER_NO_DEVICE => TransferStatus::Gone,
        _ => TransferStatus::Failed, // LIBUSB_TRANSFER_ERROR; timed out, which ours do not
    }
}

/// rusb keeps its own of this to itself.
fn error_of(code: i32) -> rusb::Error {
    use rusb::constants as c;
    match code {
        c::LIBUSB_ERROR_IO => rusb::Error::Io,
        c::LIBUSB_ERROR_INVALID_PARAM => rusb::Error::InvalidParam,
        c::LIBUSB_ERROR_ACCESS => rusb::Error::Access,
        c::LIBUSB_ERROR_NO_DEVICE => rusb::Error::NoDevice,
        c::LIBUSB_ERROR_NOT_FOUND => rusb::Error::NotFound,
        c::LIBUSB_ERROR_BUSY => rusb::Error::Busy,
        c::LIBUSB_ERROR_NO_MEM => rusb::Error::NoMem,
        c::LIBUSB_ERROR_NOT_SUPPORTED => rusb::Error::NotSupported,
        _ => rusb::Error::Other,
    }
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
