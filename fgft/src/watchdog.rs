//! Ends calls that do not end.
//!
//! One thread a process. Each domain's context has a sequence number, odd while a call is under way. Every
//! millisecond the watchdog looks: the same odd number as before, and the thread has used more CPU time since
//! than the deadline allows: it stores `kill = sequence` and sends that thread a signal. The handler, and the way
//! out of an upcall, compare the two.
//!
//! While nothing runs the watchdog sleeps on a futex, and a call that begins wakes it. Its half of the fence between
//! the two is membarrier, so the call's half costs nothing.
//!
//! `protocol.rs` has the order of it all, this file what it takes from Linux.

mod protocol;

use std::io;
use std::sync::atomic; // those of `protocol.rs`
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, compiler_fence};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use self::protocol::{Line, System, Watch};
use crate::context::Context;
use crate::trap;

/// How often it looks: the resolution of deadlines. After one quiet look it goes to sleep: a process that makes a call
/// now and then is woken three times by the watchdog for each (called, looked, looked again). Waking it costs a
/// call that comes after a quiet millisecond one system call.
const PERIOD: Duration = Duration::from_millis(1);

static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
static STARTED: Mutex<bool> = Mutex::new(false);
static AWAKE: AtomicU32 = AtomicU32::new(1);
static MEMBARRIER: AtomicBool = AtomicBool::new(false);

struct Watched {
    context: Weak<Context>,
    watch: Watch,
}

fn watched() -> MutexGuard<'static, Vec<Watched>> {
    WATCHED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Puts a domain under watch until its context is dropped.
pub(crate) fn watch(context: &Arc<Context>) {
    watched().push(Watched { context: Arc::downgrade(context), watch: Watch::default() });
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
    line(context).begin(&AWAKE, &Linux)
}

/// Marks the end of a call.
#[inline]
pub(crate) fn end(context: &Context, sequence: u64) {
    line(context).end(sequence);
}

/// Whether the call under way shall end.
pub(crate) fn is_condemned(context: &Context) -> bool {
    line(context).is_condemned()
}

#[inline]
fn line(context: &Context) -> Line<'_> {
    let Context { sequence, kill, thread, deadline, .. } = context;
    Line { sequence, kill, thread, deadline }
}

fn run() {
    block_all_signals();
    go_first();
    loop {
        // without membarrier there is no safe way to sleep without a fence in every call: stay awake
        if !look() && MEMBARRIER.load(Relaxed) {
            protocol::sleep(&AWAKE, &Linux, look);
        }
        std::thread::sleep(PERIOD);
    }
}

/// Lets this thread run when it wakes, though calls that do not end keep every processor busy. Where that is not allowed it
/// takes its turn, and a hang is noticed as late as the scheduler makes it. It runs for a microsecond each time.
fn go_first() {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: plain calls about this thread, one with a valid pointer.
    unsafe {
        if libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &lowest) != 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, -20); // refused as well, it may be
        }
    }
}

/// One look at every domain. True if anything has moved or is under way.
fn look() -> bool {
    let mut busy = false;
    watched().retain_mut(|w| match w.context.upgrade() {
        Some(context) => {
            busy |= w.watch.look(line(&context), &Linux);
            true
        }
        None => false,
    });
    busy
}

struct Linux;

impl System for Linux {
    #[inline]
    fn light_fence(&self) {
        compiler_fence(SeqCst); // the processor's part is the watchdog's membarrier
    }

    fn heavy_fence(&self) {
        membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    }

    fn wait(&self, awake: &AtomicU32) {
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: a futex call on a live word, no timeout.
        unsafe { libc::syscall(libc::SYS_futex, awake.as_ptr(), operation, 0, std::ptr::null::<libc::timespec>()) };
    }

    fn wake(&self, awake: &AtomicU32) {
        // SAFETY: a futex call on a live word.
        unsafe { libc::syscall(libc::SYS_futex, awake.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
    }

    fn cpu_time(&self, thread: i32) -> Option<u64> {
        // clock id of a thread's scheduler time: kernel ABI, CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED
        let clock = (!thread << 3) | 4 | 2;
        // SAFETY: fills a timespec.
        unsafe {
            let mut time = std::mem::zeroed::<libc::timespec>();
            let done = libc::clock_gettime(clock, &mut time) == 0;
            done.then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
        }
    }

    fn signal(&self, thread: i32) {
        // SAFETY: a signal to a thread of this process; if it is gone the call fails.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, trap::watchdog_signal()) };
    }
}

fn membarrier(command: i32) -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

fn block_all_signals() {
    // SAFETY: plain calls with valid pointers.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut set);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}
