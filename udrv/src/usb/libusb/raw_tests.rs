//! The memory of a transfer through libusb's own structure, with the callback called by hand: no bus, no device.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use udrv_bus::TransferStatus;

use super::*;

fn flight(serial: u64, queue: &Arc<Queue>, data: Vec<u8>) -> (Flight, Arc<()>) {
    let note = Note { serial, queue: queue.clone(), ended: AtomicBool::new(false) };
    let handle = Arc::new(());
    queue.begin(serial, 0x81);
    (Flight::new(data, note, handle.clone()).unwrap(), handle)
}

/// What libusb does at the end of a transfer.
fn call_back(flight: &Flight, status: i32, length: i32) {
    let raw = flight.transfer.as_ptr();
    // SAFETY: allocated, and not submitted: nobody else has it. The callback is called once in each test.
    let callback = unsafe {
        (*raw).status = status;
        (*raw).actual_length = length;
        (*raw).callback
    };
    callback(raw);
}

#[test]
fn the_memory_that_comes_back_is_the_memory_that_went() {
    let queue = Arc::new(Queue::default());
    let mut data = Vec::with_capacity(100);
    data.extend(0..64_u8);
    let at = data.as_ptr();
    let (mut flight, handle) = flight(7, &queue, data);
    call_back(&flight, LIBUSB_TRANSFER_COMPLETED, 60);
    assert_eq!(queue.next_ended(), Some(Ended { serial: 7, status: TransferStatus::Done, length: 60 }));
    let data = flight.take();
    assert_eq!((data.as_ptr(), data.len(), data.capacity()), (at, 64, 100));
    assert!(data.iter().copied().eq(0..64));
    assert!(flight.take().is_empty(), "once");
    assert_eq!(Arc::strong_count(&handle), 2, "the handle stays open as long as the flight");
    drop(flight);
    assert_eq!((Arc::strong_count(&handle), Arc::strong_count(&queue)), (1, 1));
}

#[test]
fn a_flight_that_has_not_ended_keeps_its_memory() {
    let queue = Arc::new(Queue::default());
    let (flight, _handle) = flight(0, &queue, vec![1; 32]);
    let (raw, buffer) = (flight.transfer, flight.buffer);
    drop(flight);
    // SAFETY: leaked by the drop, which is what is tested: the callback may come now and finds everything.
    let byte = unsafe {
        buffer.as_ptr().write(9);
        (*raw.as_ptr()).status = LIBUSB_TRANSFER_CANCELLED;
        let callback = (*raw.as_ptr()).callback;
        callback(raw.as_ptr());
        buffer.as_ptr().read()
    };
    assert_eq!(byte, 9);
    assert_eq!(queue.next_ended().unwrap().status, TransferStatus::Cancelled);
    assert_eq!(Arc::strong_count(&queue), 1, "the callback's share was the last");
    // SAFETY: leaked by the drop, and ended.
    unsafe {
        drop(Vec::from_raw_parts(buffer.as_ptr(), 32, 32));
        libusb_free_transfer(raw.as_ptr());
    }
}

#[test]
fn a_flight_that_was_refused_is_freed() {
    let queue = Arc::new(Queue::default());
    let (flight, handle) = flight(0, &queue, vec![1; 32]);
    flight.refused();
    drop(flight);
    assert_eq!((Arc::strong_count(&handle), Arc::strong_count(&queue)), (1, 1));
}

#[test]
fn empty_transfers_are_transfers() {
    let queue = Arc::new(Queue::default());
    let (mut flight, _handle) = flight(0, &queue, Vec::new());
    call_back(&flight, LIBUSB_TRANSFER_COMPLETED, 0);
    assert!(flight.take().is_empty());
}

#[test]
fn each_end_of_libusbs_is_one_of_the_buss() {
    use rusb::constants::{LIBUSB_TRANSFER_ERROR, LIBUSB_TRANSFER_TIMED_OUT};
    for (theirs, ours) in [
        (LIBUSB_TRANSFER_COMPLETED, TransferStatus::Done),
        (LIBUSB_TRANSFER_STALL, TransferStatus::Stalled),
        (LIBUSB_TRANSFER_OVERFLOW, TransferStatus::Overflow),
        (LIBUSB_TRANSFER_CANCELLED, TransferStatus::Cancelled),
        (LIBUSB_TRANSFER_NO_DEVICE, TransferStatus::Gone),
        (LIBUSB_TRANSFER_ERROR, TransferStatus::Failed),
        (LIBUSB_TRANSFER_TIMED_OUT, TransferStatus::Failed),
        (77, TransferStatus::Failed),
    ] {
        let queue = Arc::new(Queue::default());
        let (flight, _handle) = flight(0, &queue, vec![0; 8]);
        call_back(&flight, theirs, -5);
        assert_eq!(queue.next_ended(), Some(Ended { serial: 0, status: ours, length: 0 }));
    }
}

#[test]
fn each_error_of_libusbs_is_known() {
    for code in -12..=-1 {
        assert_eq!(error_of(code) == rusb::Error::Other, !known(code), "{code}");
    }
    assert_eq!(error_of(-99), rusb::Error::Other);
}

/// Those that a submit can end with (libusb.h, `enum libusb_error`).
fn known(code: i32) -> bool {
    // timeout, overflow, pipe and interrupted come from transfers that were taken
    !matches!(code, -10..=-7)
}
