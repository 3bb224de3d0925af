//! In the steady state no frame costs an allocation: counted by the allocator, on the device's thread.
#![allow(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use model_wire::Station;
use udrv::run::{DeviceError, Options};
use udrv::supervisor::policy::Protect;
use udrv_tests::every_subject;
use udrv_tests::frames::{LONGEST, Way};
use udrv_tests::host::HostEnd;
use udrv_tests::rig::Hand;
use udrv_tests::subject::Subject;
use udrv_tests::usb_rig::{self, UsbHand};

every_subject! {
    protected,
    unprotected,
}

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of the device while it does `step`; what the test itself does beside it is not counted.
fn counted<R>(total: &mut u64, step: impl FnOnce() -> R) -> R {
    let before = ALLOCATIONS.get();
    let result = step();
    *total += ALLOCATIONS.get() - before;
    result
}

/// A device that is turned by hand.
trait Turned {
    fn ends(&self) -> (&HostEnd, &Station);
    fn turn(&mut self) -> Result<(), DeviceError>;
    fn tick(&mut self) -> Result<(), DeviceError>;
}

impl<S: Subject> Turned for Hand<S> {
    fn ends(&self) -> (&HostEnd, &Station) {
        (&self.around.host, &self.around.station)
    }
    fn turn(&mut self) -> Result<(), DeviceError> {
        self.settle()
    }
    fn tick(&mut self) -> Result<(), DeviceError> {
        self.device.tick()
    }
}

impl Turned for UsbHand {
    fn ends(&self) -> (&HostEnd, &Station) {
        (&self.around.host, &self.around.station)
    }
    fn turn(&mut self) -> Result<(), DeviceError> {
        UsbHand::turn(self)
    }
    /// It asks for the link by control transfers, and the answers of the model are allocated.
    fn tick(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

fn frames_cost_no_allocation(mut hand: impl Turned) {
    const FRAMES: u64 = 10_000;
    let (mut frame, mut sent, mut taken) = (Vec::with_capacity(LONGEST), Vec::new(), vec![0; 2048]);
    let mut total = 0;
    for number in 0..FRAMES + 100 {
        if number == 100 {
            total = 0; // warm: pages, buffers of the wire, registers known
        }
        Way::Down.write(number, &mut frame);
        assert!(hand.ends().0.try_send(&frame));
        counted(&mut total, || hand.turn()).expect("it goes on");
        assert_eq!(hand.ends().1.receive_into(&mut sent, std::time::Duration::ZERO), Some(true), "on the wire");
        assert_eq!(sent, frame);
        Way::Up.write(number, &mut frame);
        // the wire and the model are not the device, but they run on its thread
        counted(&mut total, || hand.ends().1.inject(&frame));
        counted(&mut total, || hand.turn()).expect("it goes on");
        let length = hand.ends().0.try_receive(&mut taken).expect("with the host");
        assert_eq!(taken[..length], frame);
        if number % 1000 == 0 {
            counted(&mut total, || hand.tick()).expect("it goes on");
        }
    }
    assert_eq!(total, 0, "allocations in {FRAMES} frames both ways");
}

fn protected<S: Subject>() {
    frames_cost_no_allocation(Hand::<S>::new(Options::default(), S::config()));
}

fn unprotected<S: Subject>() {
    let options = Options { protect: Protect::Never, ..Options::default() };
    frames_cost_no_allocation(Hand::<S>::new(options, S::config()));
}

#[test]
fn on_usb() {
    frames_cost_no_allocation(UsbHand::new(Options::default(), usb_rig::config()));
}

#[test]
fn the_counter_counts() {
    let mut total = 0;
    let kept = counted(&mut total, || std::hint::black_box(vec![1_u8; 100]));
    assert_eq!((total, kept.len()), (1, 100));
}
