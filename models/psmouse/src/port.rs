//! The mouse at the end of a serio port, as the framework has one.
//!
//! With a real clock a thread takes the bytes as they come, as the kernel's interrupt handler does. With a clock that is turned by
//! hand there is none: whoever turns it has them taken, and a host that waits for a byte turns it itself, to the next event and at
//! most by its patience.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use udrv_bus::{BusError, SerioByte, SerioId, SerioPort};

use crate::config::{Clock, Config};
use crate::model::{PsMouseHandle, PsMouseModel};

/// Bytes that are kept for a host that does not read: the mouse waits then, as for a controller whose buffer is full.
const MOST_KEPT: usize = 4096;
/// A PS/2 device at a PC's controller.
const ID: SerioId = SerioId { kind: 0x01, protocol: 0x00 };

/// See the module's text.
pub struct PsMousePort {
    name: String,
    inside: Arc<Inside>,
    /// What turns the clock, if a host that waits is to.
    by_hand: Option<PsMouseHandle>,
    thread: Option<JoinHandle<()>>,
}

struct Inside {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    line: PsMouseModel,
    come: VecDeque<SerioByte>,
    event: Option<File>,
    closed: bool,
}

impl PsMousePort {
    /// A mouse at a port of its own, `name` for people (`model:psmouse`), and the bench beside it.
    ///
    /// # Panics
    /// When a thread cannot be started, which only a real clock needs.
    #[must_use]
    pub fn new(name: impl Into<String>, config: Config) -> (PsMousePort, PsMouseHandle) {
        let (line, bench) = PsMouseModel::new(config);
        let state = State { line, come: VecDeque::new(), event: None, closed: false };
        let inside = Arc::new(Inside { state: Mutex::new(state), changed: Condvar::new() });
        let watched = Arc::downgrade(&inside);
        let watcher = move || {
            if let Some(inside) = watched.upgrade() {
                inside.state().take();
                inside.changed.notify_all();
            }
        };
        inside.state().line.watch(watcher);
        let real = config.clock == Clock::Real;
        let thread = real.then(|| {
            let inside = inside.clone();
            let spawned = std::thread::Builder::new().name("mouse-port".to_owned()).spawn(move || inside.run());
            spawned.expect("a thread for the port of a mouse")
        });
        let by_hand = (!real).then(|| bench.clone());
        (PsMousePort { name: name.into(), inside, by_hand, thread }, bench)
    }

    /// Waits for what the clock brings by itself, at most until `end`.
    fn wait(&self, patience: Duration) -> Option<SerioByte> {
        let start = Instant::now();
        let mut state = self.inside.state();
        loop {
            if let Some(byte) = state.come.pop_front() {
                self.inside.changed.notify_all(); // there is room
                return Some(byte);
            }
            let left = patience.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
            state = self.inside.wait(state, Some(left));
        }
    }

    /// Turns the clock to the next event until a byte has come, at most by `patience`.
    fn turn(&self, bench: &PsMouseHandle, patience: Duration) -> Option<SerioByte> {
        /// An event that was due and has brought nothing: time goes on all the same.
        const LEAST: Duration = Duration::from_micros(1);
        let mut end = None;
        loop {
            let step = {
                let mut state = self.inside.state();
                state.take();
                if let Some(byte) = state.come.pop_front() {
                    return Some(byte);
                }
                let now = state.line.now();
                let end = *end.get_or_insert(now.saturating_add(patience));
                if now >= end {
                    return None;
                }
                state.line.next_event_at().map_or(end, |at| at.max(now + LEAST)).min(end) - now
            };
            // its watcher takes the state
            bench.advance(step);
        }
    }
}

impl Inside {
    fn state(&self) -> MutexGuard<'_, State> {
        // whole between any two statements
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, at most so long.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Option<Duration>) -> MutexGuard<'a, State> {
        match time {
            Some(time) => self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0,
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Takes bytes as they come, until the port is closed.
    fn run(&self) {
        let mut state = self.state();
        while !state.closed {
            if state.take() {
                self.changed.notify_all();
            }
            let is_full = state.come.len() >= MOST_KEPT;
            let wakes_at = state.line.wakes_at().filter(|_| !is_full);
            let time = wakes_at.map(|at| at.saturating_duration_since(Instant::now()));
            state = self.wait(state, time);
        }
    }
}

impl State {
    /// Takes what has come, and says so. False: nothing.
    fn take(&mut self) -> bool {
        let before = self.come.len();
        while self.come.len() < MOST_KEPT
            && let Some(byte) = self.line.read()
        {
            // serio_raw does not tell of wrong parity
            self.come.push_back(SerioByte { value: byte.value, at: self.line.now() });
        }
        let some = self.come.len() > before;
        if some {
            self.announce();
        }
        some
    }

    fn announce(&mut self) {
        if let Some(event) = &mut self.event {
            // full only after 2^64 of them, and then it is readable
            let _full = event.write(&1_u64.to_ne_bytes());
        }
    }
}

impl SerioPort for PsMousePort {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn id(&self) -> SerioId {
        ID
    }

    fn write(&mut self, byte: u8) -> Result<(), BusError> {
        self.inside.state().line.write(byte);
        self.inside.changed.notify_all();
        Ok(())
    }

    fn read(&mut self, patience: Duration) -> Result<Option<SerioByte>, BusError> {
        Ok(match &self.by_hand {
            Some(bench) => self.turn(bench, patience),
            None => self.wait(patience),
        })
    }

    fn now(&self) -> Duration {
        self.inside.state().line.now()
    }

    fn announce(&mut self, event: Option<BorrowedFd<'_>>) -> Result<(), BusError> {
        let kept = event.map(|event| event.try_clone_to_owned()).transpose();
        let kept = kept.map_err(|source| BusError::Io { operation: "dup of an eventfd".to_owned(), source })?;
        let mut state = self.inside.state();
        state.event = kept.map(File::from);
        state.take();
        if !state.come.is_empty() {
            state.announce();
        }
        Ok(())
    }
}

impl Drop for PsMousePort {
    fn drop(&mut self) {
        self.inside.state().closed = true;
        self.inside.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // it cannot panic but for what has panicked elsewhere
            let _panicked = thread.join();
        }
    }
}
