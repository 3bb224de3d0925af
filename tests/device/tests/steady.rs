//! In the steady state no frame costs an allocation: counted by the allocator, on the device's thread.
#![allow(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use udrv::net::Options;
use udrv::supervisor::policy::Protect;
use udrv_tests::every_subject;
use udrv_tests::frames::{LONGEST, Way};
use udrv_tests::rig::Hand;
use udrv_tests::subject::Subject;

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

fn frames_cost_no_allocation<S: Subject>(options: Options) {
    const FRAMES: u64 = 10_000;
    let mut hand = Hand::<S>::new(options, S::config());
    let (mut frame, mut sent, mut taken) = (Vec::with_capacity(LONGEST), Vec::new(), vec![0; 2048]);
    let mut total = 0;
    for number in 0..FRAMES + 100 {
        if number == 100 {
            total = 0; // warm: pages, buffers of the wire, registers known
        }
        Way::Down.write(number, &mut frame);
        assert!(hand.around.host.try_send(&frame));
        counted(&mut total, || hand.settle()).expect("it goes on");
        assert_eq!(hand.around.station.receive_into(&mut sent, std::time::Duration::ZERO), Some(true), "on the wire");
        assert_eq!(sent, frame);
        Way::Up.write(number, &mut frame);
        // the wire and the model are not the device, but they run on its thread
        counted(&mut total, || hand.around.station.inject(&frame));
        counted(&mut total, || hand.settle()).expect("it goes on");
        let length = hand.around.host.try_receive(&mut taken).expect("with the host");
        assert_eq!(taken[..length], frame);
        if number % 1000 == 0 {
            counted(&mut total, || hand.device.tick()).expect("it goes on");
        }
    }
    assert_eq!(total, 0, "allocations in {FRAMES} frames both ways");
}

fn protected<S: Subject>() {
    frames_cost_no_allocation::<S>(Options::default());
}

fn unprotected<S: Subject>() {
    frames_cost_no_allocation::<S>(Options { protect: Protect::Never, ..Options::default() });
}

#[test]
fn the_counter_counts() {
    let mut total = 0;
    let kept = counted(&mut total, || std::hint::black_box(vec![1_u8; 100]));
    assert_eq!((total, kept.len()), (1, 100));
}
