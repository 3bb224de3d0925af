//! What a call must leave as it was on its thread, besides memory.

use std::arch::asm;

/// errno, control registers, signal mask and signal stack of this thread.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    errno: i32,
    mxcsr: u32,
    /// Control word, tags (which registers hold a value) and a pending exception.
    x87: (u16, u16, bool),
    /// AC, NT, DF, TF.
    flags: u64,
    blocked: [u8; 8],
    /// Start, flags, bytes.
    signal_stack: (usize, i32, usize),
    /// With protection keys.
    pkru: Option<u32>,
}

impl Thread {
    pub(crate) fn now() -> Thread {
        let (mut flags, mut mxcsr, mut x87) = (0_u64, 0_u32, [0_u16; 14]);
        // SAFETY: reads control registers; fnstenv masks exceptions, which fldenv undoes.
        unsafe {
            asm!("pushfq", "pop {}", out(reg) flags);
            asm!("stmxcsr dword ptr [{}]", in(reg) &raw mut mxcsr);
            asm!("fnstenv [{0}]", "fldenv [{0}]", in(reg) x87.as_mut_ptr());
        }
        // SAFETY: plain calls with valid pointers; the kernel's signal set is the first 8 bytes of libc's.
        let (blocked, stack, errno) = unsafe {
            let errno = *libc::__errno_location();
            let mut set = std::mem::zeroed::<libc::sigset_t>();
            assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut set), 0);
            let mut stack = std::mem::zeroed::<libc::stack_t>();
            assert_eq!(libc::sigaltstack(std::ptr::null(), &mut stack), 0);
            (std::ptr::from_ref(&set).cast::<[u8; 8]>().read(), stack, errno)
        };
        Thread {
            errno,
            mxcsr: mxcsr & !0x3f, // what happened since is the host's own affair
            x87: (x87[0], x87[4], x87[2] & 0x80 != 0),
            flags: flags & 0x4_4500,
            blocked,
            signal_stack: (stack.ss_sp as usize, stack.ss_flags, stack.ss_size),
            pkru: fgft::device_key().map(|_| pkru()),
        }
    }

    /// The signal stack: start and bytes.
    pub(crate) fn signal_stack(&self) -> (u64, u64) {
        (self.signal_stack.0 as u64, self.signal_stack.2 as u64)
    }
}

fn pkru() -> u32 {
    let value: u32;
    // SAFETY: only called where there are protection keys.
    unsafe { asm!("rdpkru", in("ecx") 0, out("eax") value, out("edx") _) };
    value
}

/// A value that no call here leaves behind by itself.
pub(crate) fn mark_errno() {
    // SAFETY: this thread's own.
    unsafe { *libc::__errno_location() = 77 };
}

/// CPU time of this thread.
pub(crate) fn cpu_time() -> std::time::Duration {
    // SAFETY: fills a timespec.
    unsafe {
        let mut time = std::mem::zeroed::<libc::timespec>();
        assert_eq!(libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time), 0);
        std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

/// This thread's number.
pub(crate) fn id() -> i32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::gettid() }
}
