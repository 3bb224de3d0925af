//! The signal handler: does the least, and passes on what is not its own.
//!
//! A trap is ours when the thread was inside a call: with protection keys the truth is the PKRU that the kernel saved
//! in the signal frame, without them the flag in the context. Ours: note what happened, make the frame return to
//! the recovery stub. A fault of `mmio.rs`: make it return to the landing pad. Else: the handler that was
//! there before. No locks, no allocation, no panics here.

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32};

use crate::asm::{fgft_current, fgft_recover, fgft_trap_entry, fgft_trap_entry_keys};
use crate::context::{Context, LEFT_HANG, LEFT_TRAP, TrapRecord};
use crate::{keys, mmio, thread_pointer, watchdog};

/// The signals that a fault in a driver raises.
const TRAPS: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP];

static WATCHDOG_SIGNAL: AtomicI32 = AtomicI32::new(0);
static PKRU_OFFSET: AtomicU32 = AtomicU32::new(0);

/// The watchdog's directed signal. A real-time one: it is queued, and glibc uses the first two itself.
pub(crate) fn watchdog_signal() -> i32 {
    WATCHDOG_SIGNAL.load(Relaxed)
}

struct Previous(UnsafeCell<[MaybeUninit<libc::sigaction>; 65]>, [AtomicBool; 65]);
// SAFETY: an entry is written once, before its flag is set and its handler installed.
unsafe impl Sync for Previous {}
static PREVIOUS: Previous =
    Previous(UnsafeCell::new([MaybeUninit::uninit(); 65]), [const { AtomicBool::new(false) }; 65]);

/// Installs the handlers, for all threads. Called again it only changes the entry stub.
pub(crate) fn install(with_keys: bool) -> io::Result<()> {
    if with_keys {
        PKRU_OFFSET.store(keys::xsave_offset(), Relaxed);
    }
    WATCHDOG_SIGNAL.store(libc::SIGRTMIN() + 6, Relaxed);
    let entry = if with_keys { fgft_trap_entry_keys as *const () } else { fgft_trap_entry as *const () };
    for signal in TRAPS.into_iter().chain([watchdog_signal()]) {
        // SAFETY: plain sigaction calls with valid pointers; `handle` is async-signal-safe.
        unsafe {
            if !PREVIOUS.1[signal as usize].load(Relaxed) {
                let slot = (*PREVIOUS.0.get())[signal as usize].as_mut_ptr();
                if libc::sigaction(signal, std::ptr::null(), slot) != 0 {
                    return Err(io::Error::last_os_error());
                }
                PREVIOUS.1[signal as usize].store(true, std::sync::atomic::Ordering::Release);
            }
            let mut action = std::mem::zeroed::<libc::sigaction>();
            action.sa_sigaction = entry as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigfillset(&mut action.sa_mask);
            if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// Blocks, on this thread, every signal whose handler does not come through here: an ordinary handler would start
/// on a stack that its PKRU shuts.
pub(crate) fn block_others() -> io::Result<()> {
    // SAFETY: plain calls with valid pointers.
    let error = unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut set);
        for signal in TRAPS.into_iter().chain([watchdog_signal()]) {
            libc::sigdelset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut())
    };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Whether this thread is inside a call right now (not in an upcall). For code that may itself be inside.
pub(crate) fn inside_now() -> bool {
    // SAFETY: the context outlives the call, and these fields are readable from inside.
    unsafe {
        let context = fgft_current();
        if context.is_null() {
            false
        } else if (*context).use_pkru != 0 {
            keys::read_pkru() == (*context).closed_pkru
        } else {
            (*context).inside.load(Relaxed) != 0
        }
    }
}

/// The handler proper; `asm.rs` jumps here with all keys open, on the alternate stack.
///
/// # Safety
/// Called by the kernel only, through the entry stub.
pub(crate) unsafe extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, frame: *mut libc::ucontext_t) {
    // SAFETY: the kernel's frame and info are valid for the handler's duration; the context of a call under way is
    // valid, and its trap record is touched by this thread only.
    unsafe {
        thread_pointer::restore();
        let registers = &mut (*frame).uc_mcontext.gregs;
        let context = fgft_current();
        let code = (*info).si_code;
        let by_kernel = code > 0;
        if !context.is_null() && was_inside(&*context, &*frame) {
            let verdict = signal == watchdog_signal();
            if verdict && !watchdog::is_condemned(&*context) {
                return; // late: that call is over
            }
            if verdict || by_kernel {
                let record = (*context).trap.get();
                // The first counts: the watchdog's signals are queued, and the next may hit the way out itself.
                if (*record).signal == 0 {
                    (*record).signal = signal;
                    (*record).code = code;
                    (*record).address = (*info).si_addr() as u64;
                    (*record).error = registers[libc::REG_ERR as usize] as u64;
                    // si_pkey of the kernel's siginfo: after si_addr and an 8-byte hole
                    (*record).pkey = info.cast::<u8>().add(32).cast::<u32>().read();
                    (*record).registers = registers.map(|r| r as u64);
                    (*context).left.store(if verdict { LEFT_HANG } else { LEFT_TRAP }, Relaxed);
                }
                registers[libc::REG_RIP as usize] = fgft_recover as *const () as i64;
                registers[libc::REG_RSP as usize] = (*context).saved_rsp.load(Relaxed) as i64;
                registers[libc::REG_EFL as usize] = 0x202; // interrupts on, all else clear
                return;
            }
        }
        if signal == watchdog_signal() {
            return;
        }
        if by_kernel
            && (signal == libc::SIGSEGV || signal == libc::SIGBUS)
            && let Some(pad) = mmio::landing_pad(registers[libc::REG_RIP as usize] as u64)
        {
            registers[libc::REG_RIP as usize] = pad as i64;
            return;
        }
        pass_on(signal, info, frame, by_kernel);
    }
}

impl TrapRecord {
    /// Before a call: no trap yet.
    pub(crate) fn forget(&mut self) {
        self.signal = 0;
    }
}

/// Offsets in the kernel's signal frame (asm/sigcontext.h): software bytes of the legacy area, then the XSAVE header.
const SW_MAGIC_AT: usize = 464;
const SW_MAGIC: u32 = 0x4650_5853;
const XSTATE_BV_AT: usize = 512;
const XSTATE_PKRU: u64 = 1 << 9;

unsafe fn was_inside(context: &Context, frame: &libc::ucontext_t) -> bool {
    if context.use_pkru == 0 {
        return context.inside.load(Relaxed) != 0;
    }
    let area = frame.uc_mcontext.fpregs.cast::<u8>();
    if area.is_null() {
        return false;
    }
    // SAFETY: the frame holds an XSAVE area of the standard format if the magic says so.
    let pkru = unsafe {
        if area.add(SW_MAGIC_AT).cast::<u32>().read_unaligned() != SW_MAGIC {
            return false;
        }
        if area.add(XSTATE_BV_AT).cast::<u64>().read_unaligned() & XSTATE_PKRU == 0 {
            0 // initial configuration
        } else {
            area.add(PKRU_OFFSET.load(Relaxed) as usize).cast::<u32>().read_unaligned()
        }
    };
    pkru == context.closed_pkru
}

/// Hands a signal that is not ours to whoever had it before.
unsafe fn pass_on(signal: i32, info: *mut libc::siginfo_t, frame: *mut libc::ucontext_t, by_kernel: bool) {
    // SAFETY: the entry was written before our handler was installed; its handler expects just these arguments.
    unsafe {
        let previous = (*PREVIOUS.0.get())[signal as usize].assume_init_ref();
        match previous.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                // With the default back, returning repeats the fault and the process ends as it would have.
                let mut action = std::mem::zeroed::<libc::sigaction>();
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &action, std::ptr::null_mut());
                if !by_kernel {
                    libc::raise(signal);
                }
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::ucontext_t) =
                    std::mem::transmute(handler);
                handler(signal, info, frame);
            }
            handler => {
                let handler: unsafe extern "C" fn(i32) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}
