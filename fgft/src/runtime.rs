//! Making the process and its threads fit for transactions.
//!
//! Process: find out by trying whether protection keys work, install the trap handlers. Thread, at its first
//! call: alternate stack in the domain's key, restartable sequences off, ordinary signals blocked.

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::io;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::keys::{self, Key};
use crate::memory::{PAGE, Reservation};
use crate::{thread_pointer, trap, watchdog};

/// What keeps a stray write of a driver out of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Memory protection keys: a write outside the driver's own memory traps.
    ProtectionKeys,
    /// Nothing but the page tables: traps, rollback and watchdog work, but a stray write into mapped memory of the
    /// host is not seen.
    RollbackOnly,
}

impl Isolation {
    /// `protection-keys` or `rollback-only`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isolation::ProtectionKeys => "protection-keys",
            Isolation::RollbackOnly => "rollback-only",
        }
    }
}

/// Why the process or a thread cannot run transactions.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The signal handlers could not be installed.
    #[error("cannot install the trap handlers: {0}")]
    Handlers(#[source] io::Error),
    /// The alternate signal stack or the signal mask of this thread could not be set.
    #[error("cannot prepare this thread for traps: {0}")]
    Thread(#[source] io::Error),
    /// Restartable sequences are on and could not be turned off: with keys closed the kernel would kill the process.
    #[error(
        "this thread's restartable sequence (rseq) cannot be unregistered; start with GLIBC_TUNABLES=glibc.pthread.rseq=0"
    )]
    Rseq,
    /// The watchdog's thread could not be started.
    #[error("cannot start the watchdog: {0}")]
    Watchdog(#[source] io::Error),
    /// Memory for a domain could not be had.
    #[error("cannot set up memory for the domain: {0}")]
    Memory(#[source] io::Error),
    /// All protection keys are taken (there are 15 a process).
    #[error("no protection key is left: {0}")]
    Keys(#[source] io::Error),
    /// An image file to adopt is not what it should be.
    #[error("cannot adopt the image: {0}")]
    Image(#[from] crate::ImageError),
}

const UNKNOWN: u8 = 0;
const KEYS: u8 = 1;
const NO_KEYS: u8 = 2;
static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Whether `init` has found protection keys to work.
pub(crate) fn keys_in_use() -> bool {
    MODE.load(Relaxed) == KEYS
}

/// Prepares the process. Cheap when called again. Call it first in `main`, before other threads start: threads
/// have the rights to tagged memory that their creator had.
///
/// `FGFT_ISOLATION=rollback-only` in the environment leaves protection keys unused.
///
/// # Errors
/// [`InitError`] when handlers cannot be installed.
pub fn init() -> Result<Isolation, InitError> {
    static ONCE: Mutex<()> = Mutex::new(());
    let _guard = ONCE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if MODE.load(Relaxed) == UNKNOWN {
        let wanted = std::env::var_os("FGFT_ISOLATION").is_none_or(|v| v != "rollback-only");
        let mode = if wanted && try_keys() { KEYS } else { NO_KEYS };
        trap::install(mode == KEYS).map_err(InitError::Handlers)?;
        MODE.store(mode, Relaxed);
        if mode == KEYS {
            keys::device_key(); // taken before domains take theirs
        } else if !crate::panic::panics_are_wrapped() {
            crate::panic::quieten_hook();
        }
    }
    if keys_in_use() {
        keys::open_all();
        disable_rseq()?;
        Ok(Isolation::ProtectionKeys)
    } else {
        Ok(Isolation::RollbackOnly)
    }
}

/// Probes by trying: a key, a tagged page, and a write that the key must stop.
fn try_keys() -> bool {
    let Ok(key) = Key::allocate() else { return false };
    let works = (|| {
        let page = Reservation::new(PAGE).ok()?;
        let address = page.open(0, PAGE, None).ok()?;
        key.tag(address, PAGE).ok()?;
        trap::install(true).ok()?;
        keys::open_all();
        // SAFETY: our own page; the write must fault, and then returns through the landing pad.
        let stopped =
            unsafe { keys::with_pkru(0b11 << (2 * key.number()), || crate::mmio::write_u8(address, 1)).is_err() };
        // SAFETY: our own page, open again.
        let untouched = unsafe { address.read_volatile() } == 0;
        Some(stopped && untouched)
    })();
    key.free();
    works == Some(true)
}

/// The alternate stack: a signal frame with AVX-512 and AMX state is about 11 KiB; handlers of others may run on it.
const SIGNAL_STACK: usize = 128 * 1024;
const SIGNAL_STACK_GUARD: usize = 64 * 1024;
/// Not in every libc binding: disarm the alternate stack while a handler runs on it, so that the kernel uses it
/// even when a driver has moved its stack pointer there.
const SS_AUTODISARM: i32 = 1 << 31;

struct ThreadState {
    stack: Option<Reservation>,
    key: Option<Key>,
    noted: Option<thread_pointer::Noted>,
}

thread_local! {
    static THREAD: RefCell<ThreadState> = const { RefCell::new(ThreadState { stack: None, key: None, noted: None }) };
}

impl Drop for ThreadState {
    fn drop(&mut self) {
        if self.stack.is_some() {
            let off = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
            // SAFETY: the stack is not in use: no handler runs while thread-locals are dropped.
            unsafe { libc::sigaltstack(&off, ptr::null_mut()) };
            self.noted = None; // before another thread may be given that memory
        }
    }
}

/// Makes this thread fit to call a domain of `key`. Two compares when it is already.
#[inline]
pub(crate) fn attach(key: Option<Key>) -> Result<(), InitError> {
    THREAD.with_borrow_mut(
        |thread| {
            if thread.stack.is_some() && thread.key == key { Ok(()) } else { attach_slow(thread, key) }
        },
    )
}

#[cold]
fn attach_slow(thread: &mut ThreadState, key: Option<Key>) -> Result<(), InitError> {
    let first = thread.stack.is_none();
    let stack = match thread.stack.take() {
        Some(stack) => stack,
        None => Reservation::new(SIGNAL_STACK_GUARD + SIGNAL_STACK).map_err(InitError::Thread)?,
    };
    if first {
        if keys_in_use() {
            keys::open_all();
            disable_rseq()?;
        }
        stack.open(SIGNAL_STACK_GUARD, SIGNAL_STACK, None).map_err(InitError::Thread)?;
        trap::block_others().map_err(InitError::Thread)?;
    }
    let base = stack.at(SIGNAL_STACK_GUARD);
    if let Some(key) = key {
        // before 6.12 the kernel writes the frame under the PKRU of the interrupted code
        key.tag(base, SIGNAL_STACK).map_err(InitError::Thread)?;
    }
    if first {
        let new = libc::stack_t { ss_sp: base.cast::<c_void>(), ss_flags: SS_AUTODISARM, ss_size: SIGNAL_STACK };
        // SAFETY: the memory lives until the thread's end, where Drop takes it out of use.
        if unsafe { libc::sigaltstack(&new, ptr::null_mut()) } != 0 {
            return Err(InitError::Thread(io::Error::last_os_error()));
        }
        thread.noted = Some(thread_pointer::note(base.addr()..base.addr() + SIGNAL_STACK));
        watchdog::start().map_err(InitError::Watchdog)?;
    }
    thread.stack = Some(stack);
    thread.key = key;
    Ok(())
}

/// The kernel's number of this thread.
pub(crate) fn thread_id() -> i32 {
    thread_local! {
        static ID: i32 = {
            // SAFETY: no arguments, cannot fail.
            unsafe { libc::gettid() }
        };
    }
    ID.with(|id| *id)
}

/// Signature that glibc registers its area with (x86).
const RSEQ_SIGNATURE: u32 = 0x5305_3053;
const RSEQ_UNREGISTER: i32 = 1;
/// Feature size of the kernel's rseq area, from the auxiliary vector (linux/auxvec.h).
const AT_RSEQ_FEATURE_SIZE: libc::c_ulong = 27;

/// Takes this thread out of restartable sequences: the kernel writes the area on preemption, under the PKRU of
/// whatever runs, and kills the process if it cannot. A no-op where none is registered.
fn disable_rseq() -> Result<(), InitError> {
    const OFFSET: &CStr = c"__rseq_offset";
    // SAFETY: looks a symbol up; glibc's is an isize constant.
    let offset = unsafe { libc::dlsym(libc::RTLD_DEFAULT, OFFSET.as_ptr()).cast::<isize>() };
    if offset.is_null() {
        return Ok(()); // a libc without restartable sequences
    }
    let thread_pointer: usize;
    // SAFETY: the x86-64 ABI keeps the thread pointer at fs:0; the symbol above is initialised by glibc at start.
    let area = unsafe {
        std::arch::asm!("mov {}, qword ptr fs:[0]", out(reg) thread_pointer, options(nostack, readonly, preserves_flags));
        thread_pointer.wrapping_add_signed(*offset)
    };
    let registered = || {
        // cpu_id, the second word: negative while not registered
        // SAFETY: glibc reserves the area for the life of the thread.
        unsafe { ((area + 4) as *const i32).read_volatile() >= 0 }
    };
    // SAFETY: reads the auxiliary vector.
    let feature = unsafe { libc::getauxval(AT_RSEQ_FEATURE_SIZE) } as u32;
    for len in [32, feature.next_multiple_of(32), feature.max(20), 64] {
        if !registered() {
            return Ok(());
        }
        // SAFETY: unregisters this thread's own area; the kernel checks address, length and signature.
        unsafe { libc::syscall(libc::SYS_rseq, area, len, RSEQ_UNREGISTER, RSEQ_SIGNATURE) };
    }
    if registered() { Err(InitError::Rseq) } else { Ok(()) }
}
