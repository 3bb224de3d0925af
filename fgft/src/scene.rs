//! The scene of a fault: where the call was, and a copy of its stack from there up.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use crate::asm::{UPCALL_FRAME, UPCALL_RBP, fgft_leave_panic, fgft_upcall};
use crate::context::{Context, LEFT_PANIC};

/// Where a call was when it ended early. All is as the driver left it: an allegation, not to be followed blindly.
///
/// `ip` is the instruction that faulted; after a panic or in an upcall it is in the engine, in the frame below the
/// driver's.
#[derive(Clone, PartialEq, Eq)]
pub struct Stack {
    /// Instruction pointer.
    pub ip: u64,
    /// Stack pointer. Anything, if the driver has moved it.
    pub sp: u64,
    /// The register rbp: a frame pointer, or whatever the compiler kept there.
    pub bp: u64,
    /// Address of the first of `bytes`: the stack pointer, or the stack's lowest byte after an overflow.
    pub start: u64,
    /// The stack from `start` up, as far as [`crate::DomainConfig::stack_snapshot`] goes. Empty when the stack
    /// pointer was not in the domain's stack.
    pub bytes: Vec<u8>,
}

impl Stack {
    /// The scene of the call that has just ended. `None` when `limit`, the most bytes to copy, is 0.
    ///
    /// # Safety
    /// `stack` is the domain's stack, mapped, and no code runs on it; `context` is its context, on the thread that
    /// ran the call.
    pub(crate) unsafe fn of(
        context: &Context,
        stack: &Range<u64>,
        guard: &Range<u64>,
        limit: usize,
    ) -> Option<Box<Stack>> {
        if limit == 0 {
            return None;
        }
        // SAFETY: the contract: the call has ended, on this thread.
        let record = unsafe { &*context.trap.get() };
        let driver_rsp = context.driver_rsp.load(Relaxed);
        let (ip, sp, bp) = if context.left.load(Relaxed) == LEFT_PANIC {
            (fgft_leave_panic as *const () as u64, driver_rsp, context.driver_rbp.load(Relaxed))
        } else if record.signal != 0 {
            let r = |index: i32| record.registers[index as usize];
            (r(libc::REG_RIP), r(libc::REG_RSP), r(libc::REG_RBP))
        } else {
            // in an upcall: as it was when the driver called
            let rbp = driver_rsp.wrapping_add(UPCALL_RBP);
            let bp = if rbp.is_multiple_of(8) && stack.start <= rbp && rbp < stack.end {
                // SAFETY: an aligned word of the stack.
                unsafe { (rbp as *const u64).read() }
            } else {
                0
            };
            (fgft_upcall as *const () as u64, driver_rsp.wrapping_add(UPCALL_FRAME), bp)
        };
        let start = if guard.contains(&sp) { stack.start } else { sp };
        let bytes = if stack.contains(&start) {
            let len = limit.min((stack.end - start) as usize);
            // SAFETY: within the stack, on which nothing runs.
            unsafe { std::slice::from_raw_parts(start as *const u8, len) }.to_vec()
        } else {
            Vec::new()
        };
        Some(Box::new(Stack { ip, sp, bp, start, bytes }))
    }

    /// The 8-byte word at `address`, if it was kept.
    #[must_use]
    pub fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(8)?)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }
}

/// Without the bytes, which no one reads.
impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stack { ip, sp, bp, start, bytes } = self;
        write!(f, "Stack {{ ip: {ip:#x}, sp: {sp:#x}, bp: {bp:#x}, {} bytes from {start:#x} }}", bytes.len())
    }
}
