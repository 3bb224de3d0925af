//! The watchdog's protocol: who stores what, in which order, and why no verdict is lost or hits another call.
//!
//! No futex, clock or signal here: they come through [`System`]. This file is compiled twice: into the engine with the
//! atomics of `std`, and into `tests/loom.rs` with those of loom, which tries every order that the memory
//! model allows.
//!
//! - A call stores its sequence number and then reads `awake`; the watchdog clears `awake` and then reads the sequence
//!   numbers, with a fence between the two on either side: one of them sees the other.
//! - The number is stored with release order: who reads it knows thread and deadline of that call at least.
//! - A verdict is the number of the call it is for. Numbers do not come back, so one that is late fits no later call.
//! - The signal is sent again at each look while the call lasts: one that lands where it is ignored (in an upcall, on the
//!   way in) is not the last.

use super::atomic::Ordering::{Acquire, Relaxed, Release};
use super::atomic::{AtomicI32, AtomicU32, AtomicU64};

/// What the protocol needs of the system.
pub(crate) trait System {
    /// The call's half of the fence: keeps the order of what is before and after it, if the watchdog passes
    /// [`System::heavy_fence`].
    fn light_fence(&self);
    /// The watchdog's half: a full fence on each processor that runs a thread of this process.
    fn heavy_fence(&self);
    /// Sleeps if `awake` is 0, until woken or for no reason.
    fn wait(&self, awake: &AtomicU32);
    /// Ends a sleep in [`System::wait`].
    fn wake(&self, awake: &AtomicU32);
    /// CPU time that `thread` has used, nanoseconds. `None`: there is no such thread.
    fn cpu_time(&self, thread: i32) -> Option<u64>;
    /// Sends `thread` the watchdog's signal.
    fn signal(&self, thread: i32);
}

/// What one domain and the watchdog share. The fields are described in `context.rs`.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) sequence: &'a AtomicU64,
    pub(crate) kill: &'a AtomicU64,
    pub(crate) thread: &'a AtomicI32,
    pub(crate) deadline: &'a AtomicU64,
}

impl Line<'_> {
    /// Marks the start of a call, whose thread and deadline are stored already: after this the watchdog sees
    /// it. Returns its sequence number.
    #[inline]
    pub(crate) fn begin(self, awake: &AtomicU32, system: &impl System) -> u64 {
        let sequence = self.sequence.load(Relaxed).wrapping_add(1);
        self.sequence.store(sequence, Release);
        system.light_fence();
        if awake.load(Relaxed) == 0 {
            wake(awake, system);
        }
        sequence
    }

    /// Marks the end of the call with this sequence number.
    #[inline]
    pub(crate) fn end(self, sequence: u64) {
        self.sequence.store(sequence.wrapping_add(1), Relaxed);
    }

    /// Whether the watchdog wants the call under way on this thread ended. `asm.rs` asks the same on the way out of an
    /// upcall.
    #[inline]
    pub(crate) fn is_condemned(self) -> bool {
        self.kill.load(Relaxed) == self.sequence.load(Relaxed)
    }
}

#[cold]
fn wake(awake: &AtomicU32, system: &impl System) {
    awake.store(1, Release);
    system.wake(awake);
}

/// What the watchdog remembers of one domain.
#[derive(Default)]
pub(crate) struct Watch {
    /// The odd number seen last, and the thread's CPU time then, in nanoseconds.
    seen: Option<(u64, u64)>,
    /// Sequence number at the last look.
    last: u64,
}

impl Watch {
    /// One look at a domain. True if a call is under way or was since the last look.
    pub(crate) fn look(&mut self, line: Line<'_>, system: &impl System) -> bool {
        let now = line.sequence.load(Acquire);
        let moved = now != self.last;
        self.last = now;
        if now.is_multiple_of(2) {
            self.seen = None;
            return moved;
        }
        let thread = line.thread.load(Relaxed);
        let Some(cpu) = system.cpu_time(thread) else { return true };
        match self.seen {
            Some((sequence, since)) if sequence == now => {
                if cpu.saturating_sub(since) >= line.deadline.load(Relaxed) {
                    line.kill.store(now, Release);
                    system.signal(thread);
                }
            }
            _ => self.seen = Some((now, cpu)),
        }
        true
    }
}

/// Sleeps until a call begins. `look` looks at every domain once more, for calls that began before they could know.
pub(crate) fn sleep(awake: &AtomicU32, system: &impl System, look: impl FnOnce() -> bool) {
    awake.store(0, Relaxed);
    system.heavy_fence();
    if look() {
        awake.store(1, Relaxed);
        return;
    }
    while awake.load(Acquire) == 0 {
        system.wait(awake);
    }
}
