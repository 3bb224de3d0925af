//! Ends calls that do not end.
//!
//! One thread a process. Each domain's context has a sequence number, odd while a call is under way. Every
//! millisecond the watchdog looks: the same odd number as before, and the thread has used more CPU time since
//! than the deadline allows: it stores `kill = sequence` and sends that thread a signal. The handler, and the way
//! out of an upcall, compare the two: a verdict that comes late fits no later call.
//!
//! While nothing runs the watchdog sleeps on a futex: a call that finds `AWAKE` false wakes it. The call stores its
//! sequence number and then reads `AWAKE`; the watchdog clears `AWAKE`, has every CPU pass a barrier
//! (membarrier) and then reads the sequence numbers: one of the two sees the other, at no cost to the call.

use std::io;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, compiler_fence};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use crate::context::Context;
use crate::trap;

/// How often it looks: the resolution of deadlines.
const PERIOD: Duration = Duration::from_millis(1);
/// Quiet looks in a row before it goes to sleep. One: a process that makes a call now and then is then woken three
/// times by the watchdog for each (called, looked, looked again). Waking it costs a call that comes after a quiet
/// millisecond one system call.
const QUIET_LOOKS: u32 = 1;

struct Watched {
    context: Weak<Context>,
    /// The odd number seen last, and the thread's CPU time then, in nanoseconds.
    seen: Option<(u64, u64)>,
    /// Sequence number at the last look.
    last: u64,
}

static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
static STARTED: Mutex<bool> = Mutex::new(false);
static AWAKE: AtomicU32 = AtomicU32::new(1);
static MEMBARRIER: AtomicBool = AtomicBool::new(false);

fn watched() -> MutexGuard<'static, Vec<Watched>> {
    WATCHED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Puts a domain under watch until its context is dropped.
pub(crate) fn watch(context: &Arc<Context>) {
    watched().push(Watched { context: Arc::downgrade(context), seen: None, last: 0 });
}

/// Starts the thread if it does not run yet.
pub(crate) fn start() -> io::Result<()> {
    let mut started = STARTED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !*started {
        MEMBARRIER.store(membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED), Relaxed);
        std::thread::Builder::new().name("fgft-watchdog".into()).stack_size(64 * 1024).spawn(run)?;
        *started = true;
    }
    Ok(())
}

/// Marks the start of a call: after this the watchdog sees it. Returns the call's sequence number.
#[inline]
pub(crate) fn begin(context: &Context) -> u64 {
    let sequence = context.sequence.load(Relaxed).wrapping_add(1);
    context.sequence.store(sequence, Relaxed);
    compiler_fence(SeqCst); // the processor's part is the watchdog's membarrier
    if AWAKE.load(Relaxed) == 0 {
        wake();
    }
    sequence
}

/// Marks the end of a call.
#[inline]
pub(crate) fn end(context: &Context, sequence: u64) {
    context.sequence.store(sequence.wrapping_add(1), Relaxed);
}

#[cold]
fn wake() {
    AWAKE.store(1, SeqCst);
    // SAFETY: a futex call on a static.
    unsafe { libc::syscall(libc::SYS_futex, AWAKE.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
}

fn membarrier(command: i32) -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

fn run() {
    block_all_signals();
    let mut quiet = 0;
    loop {
        if look() {
            quiet = 0;
        } else {
            quiet += 1;
        }
        // without membarrier there is no safe way to sleep without a fence in every call: stay awake
        if quiet >= QUIET_LOOKS && MEMBARRIER.load(Relaxed) {
            AWAKE.store(0, SeqCst);
            membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
            if look() {
                AWAKE.store(1, SeqCst);
            } else {
                sleep_until_woken();
            }
            quiet = 0;
        }
        std::thread::sleep(PERIOD);
    }
}

/// One look at every domain. True if anything has moved or is under way.
fn look() -> bool {
    let mut busy = false;
    watched().retain_mut(|w| match w.context.upgrade() {
        Some(context) => {
            busy |= w.look(&context);
            true
        }
        None => false,
    });
    busy
}

impl Watched {
    fn look(&mut self, context: &Context) -> bool {
        let now = context.sequence.load(Relaxed);
        let moved = now != self.last;
        self.last = now;
        if now.is_multiple_of(2) {
            self.seen = None;
            return moved;
        }
        let thread = context.thread.load(Relaxed);
        let Some(cpu) = thread_cpu_time(thread) else { return true };
        match self.seen {
            Some((sequence, since)) if sequence == now => {
                if cpu.saturating_sub(since) >= context.deadline.load(Relaxed) {
                    context.kill.store(now, SeqCst);
                    // Sent again at each look while the call lasts: one that lands in an upcall is ignored there.
                    // SAFETY: a signal to a thread of this process; if it is gone the call fails.
                    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, trap::watchdog_signal()) };
                }
            }
            _ => self.seen = Some((now, cpu)),
        }
        true
    }
}

/// CPU time that thread `tid` has used, nanoseconds.
fn thread_cpu_time(tid: i32) -> Option<u64> {
    // clock id of a thread's scheduler time: kernel ABI, CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED
    let clock = (!tid << 3) | 4 | 2;
    // SAFETY: fills a timespec.
    unsafe {
        let mut time = std::mem::zeroed::<libc::timespec>();
        (libc::clock_gettime(clock, &mut time) == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}

fn sleep_until_woken() {
    while AWAKE.load(SeqCst) == 0 {
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: a futex call on a static, no timeout.
        unsafe { libc::syscall(libc::SYS_futex, AWAKE.as_ptr(), operation, 0, std::ptr::null::<libc::timespec>()) };
    }
}

fn block_all_signals() {
    // SAFETY: plain calls with valid pointers.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut set);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}
