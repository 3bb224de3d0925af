//! The watchdog's protocol under loom, which tries every order of events that the memory model allows.
//!
//! The protocol is the engine's own file; the system around it is modelled here:
//! - membarrier and the compiler fence of a call are a sequentially consistent fence each. The real pair is at least as
//!   strong: membarrier has every processor that runs a thread of the process pass a full fence, so it falls
//!   somewhere between two instructions of the call. Before the store of the sequence number: the call then reads `awake`
//!   as 0. After it: the watchdog reads the number. Two fences allow no less than that.
//! - A futex checks its word and sleeps in one step, under a lock that a wake-up takes too: a mutex and a condition.
//! - A signal is a count under a mutex, looked at where a thread can take signals. An endless loop is a wait for the
//!   next one: a loop that nobody ends is a deadlock, or a watchdog that looks without end; loom reports either.
//! - What `asm.rs` does on the way out of an upcall is [`Line::is_condemned`] again: the same two loads.
//!
//! The tests named `..._is_found` break the protocol at one place each, and loom must object.

use loom::sync::atomic::Ordering::{Relaxed, SeqCst};
use loom::sync::{Condvar, Mutex, MutexGuard, atomic};
use loom::thread;

#[path = "../../src/watchdog/protocol.rs"]
mod protocol;

use atomic::{AtomicI32, AtomicU32, AtomicU64};
use protocol::{Line, System, Watch};

const DEADLINE: u64 = 10;

/// Where the model departs from the real thing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// Calls pass no fence.
    LightFence,
    /// The watchdog passes no fence.
    HeavyFence,
    /// The watchdog does not look again before it sleeps.
    SecondLook,
    /// The handler does not compare the verdict with the call.
    Compare,
    /// The signal is sent once.
    Repetition,
    /// The sequence number is stored without order.
    Publication,
}

/// One domain, its thread(s), and the system around them.
struct Machine {
    broken: Broken,
    awake: AtomicU32,
    sequence: AtomicU64,
    kill: AtomicU64,
    thread: AtomicI32,
    deadline: AtomicU64,
    /// The futex's lock; true: the test is over.
    bed: Mutex<bool>,
    woken: Condvar,
    /// Signals that wait to be taken.
    pending: Mutex<u32>,
    arrived: Condvar,
    /// CPU time of each thread. Only changed and read by read-modify-write, which sees the newest value: the kernel's clock
    /// is not out of date, and orders nothing.
    clocks: [AtomicU64; 2],
    /// CPU time that a thread uses between two looks at its clock.
    step: u64,
    sent: AtomicU32,
}

impl Machine {
    fn new(broken: Broken, clocks: [u64; 2], step: u64) -> &'static Machine {
        // never freed: a test that loom ends must not run destructors of loom
        Box::leak(Box::new(Machine {
            broken,
            awake: AtomicU32::new(1),
            sequence: AtomicU64::new(0),
            kill: AtomicU64::new(0),
            thread: AtomicI32::new(0),
            deadline: AtomicU64::new(DEADLINE),
            bed: Mutex::new(false),
            woken: Condvar::new(),
            pending: Mutex::new(0),
            arrived: Condvar::new(),
            clocks: clocks.map(AtomicU64::new),
            step,
            sent: AtomicU32::new(0),
        }))
    }

    fn line(&self) -> Line<'_> {
        Line { sequence: &self.sequence, kill: &self.kill, thread: &self.thread, deadline: &self.deadline }
    }

    /// As `Domain::run` begins a call, on a thread.
    fn begin(&self, thread: i32) -> u64 {
        self.thread.store(thread, Relaxed);
        if self.broken == Broken::Publication {
            let sequence = self.sequence.load(Relaxed) + 1;
            self.sequence.store(sequence, Relaxed);
            return sequence;
        }
        self.line().begin(&self.awake, self)
    }

    /// The handler: whether the signal that was taken ends the call.
    fn ends_call(&self) -> bool {
        self.broken == Broken::Compare || self.line().is_condemned()
    }

    /// An endless loop: over when a signal ends it.
    fn loop_until_killed(&self) {
        let mut pending = self.pending.lock().unwrap();
        loop {
            while *pending > 0 {
                *pending -= 1;
                if self.ends_call() {
                    return;
                }
            }
            pending = self.arrived.wait(pending).unwrap();
        }
    }

    /// Takes signals that have arrived; whether one ends the call.
    fn take_signals(&self) -> bool {
        let mut pending: MutexGuard<'_, u32> = self.pending.lock().unwrap();
        std::mem::take(&mut *pending) > 0 && self.ends_call()
    }

    /// The watchdog's thread, as `watchdog.rs` has it, but for the pause.
    fn watch(&self) {
        let mut watch = Watch::default();
        while !*self.bed.lock().unwrap() {
            if !watch.look(self.line(), self) {
                let second = || self.broken != Broken::SecondLook && watch.look(self.line(), self);
                protocol::sleep(&self.awake, self, second);
            }
            thread::yield_now();
        }
    }

    fn test_is_over(&self) {
        *self.bed.lock().unwrap() = true;
        self.woken.notify_one();
    }
}

impl System for Machine {
    fn light_fence(&self) {
        if self.broken != Broken::LightFence {
            atomic::fence(SeqCst);
        }
    }

    fn heavy_fence(&self) {
        if self.broken != Broken::HeavyFence {
            atomic::fence(SeqCst);
        }
    }

    fn wait(&self, awake: &AtomicU32) {
        let mut over = self.bed.lock().unwrap();
        if *over {
            awake.store(1, Relaxed);
        }
        while !*over && awake.load(Relaxed) == 0 {
            over = self.woken.wait(over).unwrap();
            if *over {
                awake.store(1, Relaxed);
            }
        }
    }

    fn wake(&self, _: &AtomicU32) {
        drop(self.bed.lock().unwrap());
        self.woken.notify_one();
    }

    fn cpu_time(&self, thread: i32) -> Option<u64> {
        Some(self.clocks[thread as usize].fetch_add(self.step, Relaxed))
    }

    fn signal(&self, _: i32) {
        if self.sent.fetch_add(1, Relaxed) > 0 && self.broken == Broken::Repetition {
            return;
        }
        *self.pending.lock().unwrap() += 1;
        self.arrived.notify_one();
    }
}

fn model(test: impl Fn() + Sync + Send + 'static) {
    // no bound on switches between threads: all there are
    loom::model::Builder::new().check(test);
}

/// The watchdog may be awake, about to sleep or asleep when an endless call begins: it is ended.
fn an_endless_call(broken: Broken) {
    model(move || {
        let machine = Machine::new(broken, [0; 2], DEADLINE);
        let watchdog = thread::spawn(move || machine.watch());
        let sequence = machine.begin(0);
        machine.loop_until_killed();
        machine.line().end(sequence);
        machine.test_is_over();
        watchdog.join().unwrap();
    });
}

#[test]
fn no_wake_up_is_lost_and_no_endless_call_missed() {
    an_endless_call(Broken::Nothing);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_missing_fence_in_the_call_is_found() {
    an_endless_call(Broken::LightFence);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_missing_fence_in_the_watchdog_is_found() {
    an_endless_call(Broken::HeavyFence);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_missing_second_look_is_found() {
    an_endless_call(Broken::SecondLook);
}

/// The verdict may come while the host works for the call, where its signal is ignored.
fn an_endless_call_after_an_upcall(broken: Broken) {
    model(move || {
        let machine = Machine::new(broken, [0; 2], DEADLINE);
        let watchdog = thread::spawn(move || machine.watch());
        let sequence = machine.begin(0);
        // the handler, in the upcall: not inside, ignored
        *machine.pending.lock().unwrap() = 0;
        // the way out
        if !machine.line().is_condemned() {
            // between the compare and the door: ignored still
            *machine.pending.lock().unwrap() = 0;
            machine.loop_until_killed();
        }
        machine.line().end(sequence);
        machine.test_is_over();
        watchdog.join().unwrap();
    });
}

#[test]
fn no_verdict_is_lost_in_an_upcall() {
    an_endless_call_after_an_upcall(Broken::Nothing);
}

#[test]
#[should_panic(expected = "exceeded maximum number of branches")]
fn a_signal_that_is_not_repeated_is_found() {
    an_endless_call_after_an_upcall(Broken::Repetition);
}

/// A call that has used up its time ends by itself at the moment of the verdict; the next one uses none.
fn a_short_call_after_a_long_one(broken: Broken, next_thread: i32) {
    model(move || {
        // the other thread has used much CPU time already: no business of this domain
        let machine = Machine::new(broken, [0, 10 * DEADLINE], 0);
        let watchdog = thread::spawn(move || {
            let mut watch = Watch::default();
            for _ in 0..3 {
                watch.look(machine.line(), machine);
            }
        });
        let long = machine.begin(0);
        machine.take_signals();
        machine.clocks[0].fetch_add(2 * DEADLINE, Relaxed);
        machine.take_signals();
        machine.line().end(long);
        machine.begin(next_thread);
        assert!(!machine.take_signals(), "the wrong call was killed");
        assert!(!machine.line().is_condemned(), "the wrong call was condemned");
        watchdog.join().unwrap();
        assert!(!machine.take_signals(), "the wrong call was killed, late");
        assert!(!machine.line().is_condemned(), "the wrong call was condemned, late");
    });
}

#[test]
fn no_verdict_hits_the_next_call() {
    a_short_call_after_a_long_one(Broken::Nothing, 0);
}

#[test]
fn no_verdict_hits_a_call_on_another_thread() {
    a_short_call_after_a_long_one(Broken::Nothing, 1);
}

#[test]
#[should_panic(expected = "the wrong call was")]
fn a_missing_compare_is_found() {
    a_short_call_after_a_long_one(Broken::Compare, 0);
}

#[test]
#[should_panic(expected = "the wrong call was")]
fn a_number_that_is_stored_without_order_is_found() {
    a_short_call_after_a_long_one(Broken::Publication, 1);
}
