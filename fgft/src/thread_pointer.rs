//! The thread pointer, found without it: a driver that loads a segment register takes thread-locals away.
//!
//! Signal handlers begin on the alternate stack, which nobody but a thread's own handlers use. So what a thread's pointer is stands
//! in a list by that stack, in memory of the host, and a handler puts it back before it asks for anything thread-local. Only loading
//! `fs` is covered: `wrfsbase` with an address that can be read is noticed by nothing.

use std::arch::asm;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{
    AtomicPtr, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// A thread that takes traps. One that has ended leaves its place to another.
struct Place {
    /// Its alternate stack; `start` 0: nobody's.
    start: AtomicUsize,
    end: AtomicUsize,
    pointer: AtomicUsize,
    next: *const Place,
}

static PLACES: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());

/// A thread's entry in the list, until it is dropped.
#[derive(Debug)]
pub(crate) struct Noted(&'static Place);

// SAFETY: `next` is written once, before the place is in the list.
unsafe impl Sync for Place {}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("start", &self.start).finish_non_exhaustive()
    }
}

/// Notes the calling thread, whose alternate stack is `stack`.
pub(crate) fn note(stack: Range<usize>) -> Noted {
    const TAKEN: usize = 1;
    let free = |place: &&Place| place.start.compare_exchange(0, TAKEN, AcqRel, Relaxed).is_ok();
    let place = places().find(free).unwrap_or_else(new);
    place.end.store(stack.end, Relaxed);
    place.pointer.store(thread_pointer(), Relaxed);
    place.start.store(stack.start, Release);
    Noted(place)
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.end.store(0, Relaxed);
        self.0.start.store(0, Release);
    }
}

/// For a signal handler, before anything else: if it runs on a noted thread's alternate stack, `fs` is that thread's again.
#[inline(never)]
pub(crate) fn restore() {
    let here = 0_u8;
    let here = ptr::from_ref(&here).addr();
    let inside = |place: &&Place| (place.start.load(Acquire)..place.end.load(Relaxed)).contains(&here);
    if let Some(place) = places().find(inside) {
        set(place.pointer.load(Relaxed));
    }
}

fn places() -> impl Iterator<Item = &'static Place> {
    // SAFETY: places are never freed.
    let look = |place: *const Place| unsafe { place.as_ref() };
    std::iter::successors(look(PLACES.load(Acquire)), move |place| look(place.next))
}

fn new() -> &'static Place {
    let place = Box::leak(Box::new(Place {
        start: AtomicUsize::new(1),
        end: AtomicUsize::new(0),
        pointer: AtomicUsize::new(0),
        next: ptr::null(),
    }));
    let mut first = PLACES.load(Acquire);
    loop {
        place.next = first;
        match PLACES.compare_exchange_weak(first, place, AcqRel, Acquire) {
            Ok(_) => return place,
            Err(other) => first = other,
        }
    }
}

fn thread_pointer() -> usize {
    let pointer;
    // SAFETY: the x86-64 ABI keeps the thread pointer at fs:0.
    unsafe { asm!("mov {}, qword ptr fs:[0]", out(reg) pointer, options(nostack, readonly, preserves_flags)) };
    pointer
}

/// Not through the C library: that may note an error in a thread-local.
fn set(pointer: usize) {
    const ARCH_SET_FS: i64 = 0x1002;
    // SAFETY: the pointer that the C library has given this thread. The kernel changes rax, rcx and r11.
    unsafe {
        asm!("syscall", inout("rax") libc::SYS_arch_prctl => _, in("rdi") ARCH_SET_FS, in("rsi") pointer,
             out("rcx") _, out("r11") _, options(nostack));
    }
}
