//! The controller over a device that does as the test says.

use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};
use udrv_bus::{EndpointInfo, EndpointKind, TransferStatus};
use udrv_driver::usb::{DESCRIPTOR_BYTES, OWN, status};

use super::*;
use crate::device::Notices;
use crate::dma::DmaRegion;
use crate::usb::fake::{Fake, Hand, fake};

const BASE: u32 = 0x1_0000;
const BYTES: u64 = 0x1_0000;
/// Where the rings lie, and a buffer for each of their descriptors.
const RINGS: [u32; 3] = [BASE, BASE + 0x100, BASE + 0x200];
const BUFFERS: u32 = BASE + 0x1000;
const SIZE: u32 = 4;
const IN: usize = 0;
const OUT: usize = 1;
const ADDRESSES: [u8; 3] = [0x81, 0x02, 0x83];
const REQUESTS: (u8, u8) = (0xf0, 0xf1);
const ENDPOINTS: [Endpoint; 3] = [
    Endpoint { address: 0x81, interrupt: false },
    Endpoint { address: 0x02, interrupt: false },
    Endpoint { address: 0x83, interrupt: true },
];

struct Bench {
    controller: Controller,
    hand: Hand,
    region: Arc<DmaRegion>,
    event: EventFd,
}

fn over(fake: Fake, hand: Hand, reopen: Option<Reopen>) -> Bench {
    let mut controller = Controller::new(Box::new(fake), reopen, REQUESTS, &ENDPOINTS).expect("it fits");
    let region = Arc::new(DmaRegion::new(BYTES, None).unwrap());
    controller.map_dma(DmaMapping { iova: BASE.into(), memory: region.clone() }).unwrap();
    let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK).unwrap();
    controller.enable_messages(event.as_fd()).unwrap();
    controller.enable(true).unwrap();
    Bench { controller, hand, region, event }
}

/// With its rings set up, and none handed over.
fn bench() -> Bench {
    let (fake, hand) = fake();
    let mut bench = over(fake, hand, None);
    bench.set_up();
    bench
}

impl Bench {
    fn set_up(&mut self) {
        for (ring, base) in RINGS.into_iter().enumerate() {
            self.write(usb::RING_BASE[ring], base).unwrap();
            self.write(usb::RING_SIZE[ring], SIZE).unwrap();
        }
    }

    fn write(&mut self, register: udrv_driver::Reg<u32>, value: u32) -> Result<(), BusError> {
        self.controller.write(register.offset().into(), Width::U32, value)
    }

    fn read(&mut self, register: udrv_driver::Reg<u32>) -> Result<u32, BusError> {
        self.controller.read(register.offset().into(), Width::U32)
    }

    fn causes(&mut self) -> u32 {
        self.read(usb::CAUSES).expect("it is there")
    }

    fn put(&self, ring: usize, index: u32, control: u32) {
        let place = u64::from(RINGS[ring] - BASE + index * DESCRIPTOR_BYTES);
        for (word, value) in [BUFFERS + ring as u32 * 0x400 + index * 0x100, 64, 0, control].into_iter().enumerate() {
            self.region.copy_in(place + 4 * word as u64, &value.to_le_bytes()).unwrap();
        }
    }

    /// Hands over descriptors and rings.
    fn give(&mut self, ring: usize, indices: std::ops::Range<u32>) {
        indices.for_each(|index| self.put(ring, index, OWN));
        self.write(usb::RING_DOORBELL[ring], 1).unwrap();
    }

    fn said(&self, ring: usize, index: u32) -> u32 {
        let mut bytes = [0; 4];
        let place = u64::from(RINGS[ring] - BASE + index * DESCRIPTOR_BYTES);
        self.region.copy_out(place + 12, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    }

    fn fired(&self) -> bool {
        self.event.read().is_ok()
    }
}

#[test]
fn registers_of_each_width_are_vendor_requests() {
    let mut bench = bench();
    for (width, value) in [(Width::U8, 0x10), (Width::U16, 0x1110), (Width::U32, 0x1312_1110)] {
        assert_eq!(bench.controller.read(0x10, width).unwrap(), value, "little endian");
        let read = Setup { request_type: 0xc0, request: 0xf0, value: 0, index: 0x10 };
        assert_eq!(bench.hand.last_control(), (read, vec![]));
    }
    for (width, alone, bytes) in
        [(Width::U8, 0x88, &[0x88][..]), (Width::U16, 0, &[0x88, 0x77]), (Width::U32, 0, &[0x88, 0x77, 0x66, 0x55])]
    {
        bench.controller.write(0x20, width, 0x5566_7788).unwrap();
        let write = Setup { request_type: 0x40, request: 0xf1, value: alone, index: 0x20 };
        assert_eq!(bench.hand.last_control(), (write, bytes.to_vec()), "one alone has its value in the request, too");
    }
    assert_eq!(bench.hand.inside().controls.len(), 6);
}

#[test]
fn answers_that_are_none_are_errors_with_words() {
    let mut bench = bench();
    for short in [0, 1, 3] {
        bench.hand.inside().short = Some(short);
        let error = bench.controller.read(0x10, Width::U32).unwrap_err();
        assert!(matches!(error, BusError::Short { expected: 4, got, .. } if got == short));
        assert_eq!(error.to_string(), format!("reading registers from 0x10: {short} of 4 bytes"));
    }
    bench.hand.inside().short = None;
    let operation = || "a request".to_owned();
    let errors = || {
        [BusError::Stall { operation: operation() }, BusError::Timeout { operation: operation(), milliseconds: 1000 }]
    };
    for error in errors() {
        let words = error.to_string();
        bench.hand.inside().control_errors.push_back(error);
        assert_eq!(bench.controller.read(0, Width::U8).unwrap_err().to_string(), words);
    }
    for error in errors() {
        let words = error.to_string();
        bench.hand.inside().control_errors.push_back(error);
        assert_eq!(bench.controller.write(0, Width::U8, 0).unwrap_err().to_string(), words);
    }
    assert!(bench.controller.answers(), "it is there all the same");
    bench.hand.inside().gone = true;
    assert!(matches!(bench.controller.write(0, Width::U8, 0), Err(BusError::Gone { .. })));
    assert!(!bench.controller.answers() && !bench.controller.comes_back());
    assert!(matches!(bench.read(usb::CAUSES), Err(BusError::Gone { .. })));
}

#[test]
fn its_own_registers_cost_no_transfer() {
    let mut bench = bench();
    assert_eq!(bench.read(usb::DEVICE_ID).unwrap(), 0x1234_abcd);
    for (ring, base) in RINGS.into_iter().enumerate() {
        assert_eq!(bench.read(usb::RING_BASE[ring]).unwrap(), base);
        assert_eq!(bench.read(usb::RING_SIZE[ring]).unwrap(), SIZE);
        assert_eq!(bench.read(usb::RING_COUNT[ring]).unwrap(), 0);
        assert_eq!(bench.read(usb::RING_DOORBELL[ring]).unwrap(), 0);
        assert_eq!(bench.read(usb::RING_RESET[ring]).unwrap(), 0);
    }
    bench.write(usb::RING_SIZE[0], u32::MAX).unwrap();
    assert_eq!(bench.read(usb::RING_SIZE[0]).unwrap(), usb::MAX_DESCRIPTORS);
    // what is read only is not written
    bench.write(usb::DEVICE_ID, 1).unwrap();
    bench.write(usb::RING_COUNT[0], 1).unwrap();
    bench.write(usb::CAUSES, 1).unwrap();
    assert_eq!(bench.read(usb::RING_COUNT[0]).unwrap(), 0);
    assert_eq!(bench.causes(), 0);
    assert!(bench.hand.inside().controls.is_empty());
    // the fourth ring is declared and not there
    for register in [usb::RING_BASE, usb::RING_SIZE, usb::RING_DOORBELL, usb::RING_COUNT, usb::RING_RESET] {
        assert!(matches!(bench.write(register[3], 1), Err(BusError::OutOfRange { .. })));
        assert!(matches!(bench.read(register[3]), Err(BusError::OutOfRange { .. })));
    }
    for outside in [0x1008, 0x100c, 0x1060, 0x2000, !3] {
        assert!(matches!(bench.controller.read(outside, Width::U32), Err(BusError::OutOfRange { .. })), "{outside:#x}");
    }
}

#[test]
fn what_ends_is_a_cause_and_is_in_memory_when_the_cause_is_read() {
    let mut bench = bench();
    bench.give(IN, 0..2);
    bench.give(OUT, 0..1);
    assert_eq!(bench.causes(), 0);
    bench.hand.end(0x81, TransferStatus::Done, &[7; 9]);
    assert_eq!(bench.said(IN, 0), OWN, "it waits until somebody looks");
    assert_eq!(bench.causes(), 1 << IN);
    assert_eq!((bench.said(IN, 0), bench.said(IN, 1)), (status::DONE, OWN));
    let mut bytes = [0; 10];
    bench.region.copy_out(u64::from(BUFFERS - BASE), &mut bytes).unwrap();
    assert_eq!(bytes, [7, 7, 7, 7, 7, 7, 7, 7, 7, 0]);
    assert_eq!(bench.causes(), 0, "read once");
    bench.hand.end(0x02, TransferStatus::Done, &[]);
    bench.hand.end(0x81, TransferStatus::Done, &[]);
    assert_eq!(bench.causes(), 1 << IN | 1 << OUT);
    assert_eq!((bench.read(usb::RING_COUNT[IN]).unwrap(), bench.read(usb::RING_COUNT[OUT]).unwrap()), (2, 1));
    // one of an endpoint that is nobody's
    let stray =
        udrv_bus::Completion { endpoint: 0x84, token: 1, status: TransferStatus::Done, data: vec![0; 4], length: 4 };
    bench.hand.inside().done.push_back(stray);
    assert_eq!(bench.causes(), 0);
    assert!(bench.hand.inside().controls.is_empty(), "no control transfer");
}

#[test]
fn without_dma_nothing_is_submitted() {
    let (fake, hand) = fake();
    let mut bench = over(fake, hand, None);
    bench.controller.enable(false).unwrap();
    bench.set_up();
    bench.give(OUT, 0..2);
    assert_eq!((bench.hand.queued(0x02), bench.read(usb::RING_COUNT[OUT]).unwrap()), (0, 0));
    bench.controller.enable(true).unwrap();
    bench.write(usb::RING_DOORBELL[OUT], 1).unwrap();
    assert_eq!(bench.hand.queued(0x02), 2);
}

#[test]
fn stop_dma_ends_all_rings_whatever_becomes_of_one() {
    let mut bench = bench();
    (0..3).for_each(|ring| bench.give(ring, 0..2));
    let refused = || BusError::Unsupported("cancelling");
    bench.hand.inside().cancel_errors.push_back(refused());
    assert!(bench.controller.stop_dma().is_err());
    assert_eq!(bench.hand.inside().cancelled, ADDRESSES);
    assert_eq!((bench.said(1, 0), bench.said(2, 1)), (status::CANCELLED, status::CANCELLED));
    bench.controller.stop_dma().unwrap();
    assert_eq!((bench.said(0, 0), bench.said(0, 1)), (status::CANCELLED, status::CANCELLED));
    bench.give(OUT, 2..4);
    assert_eq!(bench.hand.queued(0x02), 0, "and nothing starts any more");
}

#[test]
fn a_device_that_has_left_reaches_no_memory_after_stop_dma() {
    let mut bench = bench();
    bench.give(IN, 0..2);
    // as libusb has it: cancelled, and an error for it has left
    bench.hand.inside().gone = true;
    bench.hand.inside().cancel_errors.push_back(BusError::Gone { operation: "cancel" });
    bench.controller.stop_dma().expect("it has ended by itself");
    assert_eq!(bench.said(IN, 0), status::CANCELLED);
    assert!(!bench.controller.answers());
    bench.put(IN, 0, OWN);
    bench.hand.end(0x81, TransferStatus::Gone, &[9; 64]);
    assert!(matches!(bench.read(usb::CAUSES), Err(BusError::Gone { .. })));
    let mut bytes = [0; 64];
    bench.region.copy_out(u64::from(BUFFERS - BASE), &mut bytes).unwrap();
    assert_eq!((bytes, bench.said(IN, 0)), ([0; 64], OWN), "a late end finds nobody");
}

#[test]
fn ring_reset_ends_transfers_and_begins_anew() {
    let mut bench = bench();
    bench.give(IN, 0..3);
    bench.give(OUT, 0..2);
    bench.hand.end(0x81, TransferStatus::Done, &[1]);
    bench.write(usb::RING_RESET[IN], 1).unwrap();
    assert_eq!(bench.hand.inside().cancelled, [0x81]);
    assert_eq!([0, 1, 2].map(|index| bench.said(IN, index)), [status::DONE, status::CANCELLED, status::CANCELLED]);
    assert_eq!(bench.read(usb::RING_COUNT[IN]).unwrap(), 0);
    assert_eq!((bench.hand.queued(0x81), bench.hand.queued(0x02)), (0, 2), "that ring alone");
    assert_eq!(bench.causes(), 0, "who resets it knows");
    assert!(bench.hand.inside().cleared.is_empty(), "it was not halted");
    bench.give(IN, 0..1);
    assert_eq!((bench.read(usb::RING_COUNT[IN]).unwrap(), bench.hand.queued(0x81)), (1, 1), "from the first on");
    assert!(bench.hand.inside().controls.is_empty(), "no control transfer");
}

#[test]
fn a_halted_endpoint_says_so_again_and_is_cleared_by_a_reset() {
    let mut bench = bench();
    bench.give(OUT, 0..1);
    assert!(!bench.fired(), "a doorbell is no cause");
    bench.hand.end(0x02, TransferStatus::Stalled, &[]);
    assert_eq!((bench.causes(), bench.said(OUT, 0)), (1 << OUT, status::STALLED));
    assert_eq!(bench.causes(), 0);
    for index in 1..3 {
        // what is submitted to a halted endpoint waits for ever, and who rings hears of it
        bench.give(OUT, index..index + 1);
        assert!(bench.fired() && !bench.fired());
        assert_eq!(bench.causes(), 1 << OUT);
    }
    bench.write(usb::RING_RESET[OUT], 1).unwrap();
    assert_eq!(bench.hand.inside().cleared, [0x02]);
    bench.give(OUT, 0..1);
    assert!(!bench.fired());
    bench.write(usb::RING_RESET[OUT], 1).unwrap();
    assert_eq!(bench.hand.inside().cleared, [0x02], "once");
}

#[test]
fn what_is_refused_fires_for_nobody_else_says_so() {
    let mut bench = bench();
    bench.put(OUT, 0, OWN);
    bench.hand.inside().submit_errors.push_back(BusError::Unsupported("an endpoint"));
    bench.write(usb::RING_DOORBELL[OUT], 1).unwrap();
    assert!(bench.fired());
    assert_eq!((bench.causes(), bench.said(OUT, 0)), (1 << OUT, status::FAILED));
    // a device that has left when something is submitted has left
    bench.hand.inside().gone = true;
    bench.put(OUT, 1, OWN);
    bench.write(usb::RING_DOORBELL[OUT], 1).unwrap();
    assert!(bench.fired() && !bench.controller.answers());
    assert_eq!(bench.said(OUT, 1), status::GONE);
    assert!(matches!(bench.read(usb::CAUSES), Err(BusError::Gone { .. })));
    // and its rings can be reset, halted or not
    bench.write(usb::RING_RESET[OUT], 1).expect("nothing is under way");
    assert_eq!(bench.read(usb::RING_COUNT[OUT]).unwrap(), 0);
}

#[test]
fn a_halted_endpoint_of_a_device_that_has_left_is_reset_all_the_same() {
    let mut bench = bench();
    bench.give(OUT, 0..1);
    bench.hand.end(0x02, TransferStatus::Stalled, &[]);
    bench.causes();
    bench.hand.inside().gone = true;
    bench.write(usb::RING_RESET[OUT], 1).expect("nothing is under way");
    assert!(!bench.controller.answers());
    assert_eq!(bench.read(usb::RING_COUNT[OUT]).unwrap(), 0);
}

#[test]
fn a_reset_of_the_device_forgets_the_rings() {
    let mut bench = bench();
    (0..3).for_each(|ring| bench.give(ring, 0..1));
    bench.hand.end(0x81, TransferStatus::Done, &[1]);
    assert_eq!(bench.controller.reset().unwrap(), ResetKind::Function);
    assert_eq!(bench.hand.inside().resets, 1);
    assert_eq!(bench.causes(), 0);
    for ring in 0..3 {
        assert_eq!(bench.read(usb::RING_BASE[ring]).unwrap(), 0);
        assert_eq!(bench.read(usb::RING_SIZE[ring]).unwrap(), 0);
    }
    bench.hand.inside().gone = true;
    assert!(matches!(bench.controller.reset(), Err(BusError::Gone { .. })));
    assert!(!bench.controller.answers());
}

#[test]
fn memory_is_mapped_once_and_taken_back_as_it_was_given() {
    let mut bench = bench();
    let again = DmaMapping { iova: 0x10_0000, memory: bench.region.clone() };
    assert!(matches!(bench.controller.map_dma(again.clone()), Err(BusError::Dma { .. })));
    for (iova, size) in [(0x10_0000, BYTES), (BASE.into(), BYTES - 1), (0, 0)] {
        assert!(matches!(bench.controller.unmap_dma(iova, size), Err(BusError::Dma { .. })));
    }
    bench.controller.unmap_dma(BASE.into(), BYTES).unwrap();
    assert!(matches!(bench.controller.unmap_dma(BASE.into(), BYTES), Err(BusError::Dma { .. })));
    bench.controller.map_dma(again).unwrap();
}

#[test]
fn it_has_messages_and_no_line() {
    let mut bench = bench();
    assert_eq!(bench.controller.notices().unwrap(), Notices { line: false, messages: true });
    let event = bench.event.as_fd().try_clone_to_owned().unwrap();
    assert!(bench.controller.enable_line(event.as_fd()).is_err() && bench.controller.unmask_line().is_err());
    bench.controller.disable_notices().unwrap();
    bench.hand.inside().submit_errors.push_back(BusError::Unsupported("an endpoint"));
    bench.give(OUT, 0..1);
    assert!(!bench.fired(), "nobody listens");
}

#[test]
fn endpoints_that_are_missing_or_others_are_told() {
    let refused = |endpoints: Vec<EndpointInfo>| {
        let (mut fake, _) = fake();
        fake.endpoints = endpoints;
        Controller::new(Box::new(fake), None, REQUESTS, &ENDPOINTS).map(|_| ()).expect_err("refused").to_string()
    };
    let (good, _) = fake();
    let missing = |address| good.endpoints.iter().copied().filter(|e| e.address != address).collect::<Vec<_>>();
    assert_eq!(refused(missing(0x02)), "it has no endpoint 0x02, which the driver needs; it has 0x81, 0x83");
    assert!(refused(missing(0x83)).contains("no endpoint 0x83"));
    assert_eq!(refused(vec![]), "it has no endpoint 0x81, which the driver needs; it has none");
    let kind = |address, kind| {
        let other = |e: &EndpointInfo| EndpointInfo { kind: if e.address == address { kind } else { e.kind }, ..*e };
        good.endpoints.iter().map(other).collect::<Vec<_>>()
    };
    assert_eq!(
        refused(kind(0x83, EndpointKind::Bulk)),
        "its endpoint 0x83 is a bulk endpoint, and the driver needs an interrupt endpoint"
    );
    assert!(refused(kind(0x02, EndpointKind::Interrupt)).contains("0x02 is an interrupt endpoint"));
}

/// What happens when it is looked for, first one first.
type Found = Box<dyn FnMut() -> Result<Box<dyn UsbDevice>, BusError> + Send>;

#[test]
fn it_is_looked_for_and_nothing_of_it_is_left() {
    let (first, hand) = fake();
    let (second, other) = fake();
    let (mut wrong, _) = fake();
    wrong.id.product = 0xabce;
    let (mut broken, _) = fake();
    broken.endpoints.truncate(2);
    let gone = || Err(BusError::Gone { operation: "opening it" });
    let rights = BusError::Io { operation: "opening".to_owned(), source: std::io::ErrorKind::PermissionDenied.into() };
    let mut finds: std::collections::VecDeque<Result<Box<dyn UsbDevice>, BusError>> = [
        gone(),
        Err(rights),
        Ok(Box::new(wrong) as Box<dyn UsbDevice>),
        Ok(Box::new(broken)),
        gone(),
        Ok(Box::new(second)),
    ]
    .into();
    let reopen: Found = Box::new(move || finds.pop_front().expect("no more looks"));
    let mut bench = over(first, hand, Some(reopen));
    bench.set_up();
    assert!(bench.controller.comes_back());
    bench.give(IN, 0..2);
    bench.hand.inside().gone = true;
    bench.hand.end(0x81, TransferStatus::Gone, &[]);
    assert!(matches!(bench.read(usb::CAUSES), Err(BusError::Gone { .. })));
    let mut look = || bench.controller.look_for_return();
    assert!(!look().unwrap());
    assert!(look().unwrap_err().to_string().contains("permission denied"));
    let told = look().unwrap_err().to_string();
    assert!(told.contains("it is 1234:abce now, and was 1234:abcd"), "{told}");
    assert!(look().unwrap_err().to_string().contains("no endpoint 0x83"));
    assert!(!look().unwrap());
    assert!(look().unwrap());
    assert!(bench.controller.answers());
    assert_eq!(other.inside().events, 1, "its transfers are heard of");
    for ring in 0..3 {
        assert_eq!(bench.read(usb::RING_BASE[ring]).unwrap(), 0);
        assert_eq!(bench.read(usb::RING_COUNT[ring]).unwrap(), 0);
    }
    assert_eq!(bench.causes(), 0);
    bench.hand = other;
    bench.set_up();
    bench.give(IN, 0..1);
    bench.hand.end(0x81, TransferStatus::Done, &[5]);
    assert_eq!((bench.causes(), bench.said(IN, 0)), (1 << IN, status::DONE));
}

#[test]
fn without_a_way_back_it_is_not_looked_for() {
    assert!(!bench().controller.look_for_return().unwrap());
}
