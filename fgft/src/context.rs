//! What the assembly, the trap handler and the watchdog know of a domain.
//!
//! One [`Context`] a domain, in host memory: with protection keys, code inside the transaction can read but not
//! write it, so the way back stays good whatever happens to registers and the driver's stack. While a call
//! is under way the thread-local `fgft_context` (defined in `asm.rs`) points here.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

/// Why a call ended other than by returning. Values are shared with `asm.rs`.
pub(crate) const LEFT_TRAP: u32 = 1;
pub(crate) const LEFT_PANIC: u32 = 2;
pub(crate) const LEFT_HANG: u32 = 3;
pub(crate) const LEFT_REFUSED: u32 = 4;
pub(crate) const LEFT_HOST_PANIC: u32 = 5;

/// What the kernel said about a trap, copied in the handler, interpreted later.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TrapRecord {
    pub(crate) signal: i32,
    pub(crate) code: i32,
    pub(crate) address: u64,
    pub(crate) error: u64,
    pub(crate) pkey: u32,
    /// In the order of `libc::REG_*`.
    pub(crate) registers: [u64; 23],
}

/// Called for each upcall: `(handler data, context, request and reply)` to 0 = go on, else a `LEFT_` value.
pub(crate) type UpcallEntry = unsafe fn(*mut (), &Context, *mut UpcallFrame) -> u32;

/// Request as the assembly lays it on the host stack; the reply goes into the first two words.
#[repr(C)]
pub(crate) struct UpcallFrame {
    pub(crate) words: [u64; 5],
    _pad: u64,
}

/// See the module's text. Field order is free: `asm.rs` takes offsets with `offset_of!`.
#[repr(C)]
pub(crate) struct Context {
    /// Host rsp at the point to come back to.
    pub(crate) saved_rsp: AtomicU64,
    /// Driver rsp while an upcall runs on the host stack (below the registers that `fgft_upcall` pushed), and where
    /// a call ended in a panic.
    pub(crate) driver_rsp: AtomicU64,
    /// Driver rbp where a call ended in a panic.
    pub(crate) driver_rbp: AtomicU64,
    /// Initial rsp of the driver, 16-byte aligned.
    pub(crate) stack_top: u64,
    /// PKRU inside. Meaningful if `use_pkru`.
    pub(crate) closed_pkru: u32,
    /// 1: protection keys are in use.
    pub(crate) use_pkru: u32,
    /// 1 while driver code runs (not during upcalls). Without protection keys this is the truth.
    pub(crate) inside: AtomicU32,
    /// One of `LEFT_*`, set by whoever ends the call early.
    pub(crate) left: AtomicU32,
    /// Odd while a call is under way.
    pub(crate) sequence: AtomicU64,
    /// The watchdog's verdict: the call with this sequence number shall end.
    pub(crate) kill: AtomicU64,
    /// Thread of the call under way, for the watchdog's signal and CPU clock.
    pub(crate) thread: AtomicI32,
    /// Calls longer than this are ended. Nanoseconds of the thread's CPU time.
    pub(crate) deadline: AtomicU64,
    /// Where the panic wrapper leaves its note: in the domain.
    pub(crate) panic_note: AtomicU64,
    /// Upcall handler of the call under way and its data.
    pub(crate) upcall: UnsafeCell<Option<UpcallEntry>>,
    pub(crate) upcall_data: UnsafeCell<*mut ()>,
    /// Written by the trap handler, read after the call has ended.
    pub(crate) trap: UnsafeCell<TrapRecord>,
}

// SAFETY: the cells are touched only by the thread that runs the call (in the call, its trap handler and its
// upcalls, which exclude each other); other threads (the watchdog) use the atomics.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}
