//! The two sides of a mouse: the host's end of its line, and the bench.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{Clock, Config};
use crate::counters::Counters;
use crate::hand::{Action, Script};
use crate::misbehave::Misbehave;
use crate::mouse::Mouse;
use crate::state::Settings;

/// A byte as the host's controller has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// The byte.
    pub value: u8,
    /// Its parity was right.
    pub parity_ok: bool,
}

/// The host's end of the line. There is one.
#[derive(Debug)]
pub struct PsMouseModel {
    shared: Arc<Shared>,
}

/// The bench: hand, plug, counters, misbehaviour, clock. Clones are the same bench.
#[derive(Debug, Clone)]
pub struct PsMouseHandle {
    shared: Arc<Shared>,
}

type Watcher = Box<dyn Fn() + Send + Sync>;

struct Shared {
    mouse: Mutex<Mouse>,
    /// When time began, if it goes by itself.
    start: Option<Instant>,
    watcher: Mutex<Option<Watcher>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("mouse", &self.mouse).finish_non_exhaustive()
    }
}

impl Shared {
    /// The mouse, as it is now.
    fn mouse(&self) -> MutexGuard<'_, Mouse> {
        // whole between any two statements
        let mut mouse = self.mouse.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.start.map_or(mouse.now, |start| start.elapsed());
        mouse.advance(now);
        mouse
    }

    fn tell_watcher(&self) {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watcher) = &*watcher {
            watcher();
        }
    }
}

impl PsMouseModel {
    /// A mouse, and the bench beside it.
    #[must_use]
    pub fn new(config: Config) -> (PsMouseModel, PsMouseHandle) {
        let start = (config.clock == Clock::Real).then(Instant::now);
        let shared = Arc::new(Shared { mouse: Mutex::new(Mouse::new(config)), start, watcher: Mutex::new(None) });
        (PsMouseModel { shared: shared.clone() }, PsMouseHandle { shared })
    }

    /// Begins to send a byte to the mouse. What it was sending itself is broken off. It takes the time of a byte; until then
    /// [`PsMouseModel::has_arrived`] is false, and a byte that is written is sent after it.
    pub fn write(&mut self, byte: u8) {
        self.shared.mouse().write(byte);
    }

    /// Whether all that was written has arrived, or is lost since nobody is there.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.shared.mouse().has_arrived()
    }

    /// Takes a byte of the mouse, if one is there. Until it is taken the mouse cannot send another.
    pub fn read(&mut self) -> Option<Received> {
        self.shared.mouse().read()
    }

    /// The mouse's time, from when it was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.mouse().now
    }

    /// When something happens next by itself, in the mouse's time: a byte is there to read, at the latest. `None`: never, but
    /// for what is written or done at the bench ([`PsMouseModel::watch`]). It may turn out to be nothing.
    #[must_use]
    pub fn next_event_at(&self) -> Option<Duration> {
        self.shared.mouse().next_event_at()
    }

    /// The same by the clock of the machine. `None` too if time goes by hand.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        self.next_event_at().and_then(|at| Some(self.shared.start? + at))
    }

    /// Has `watcher` called whenever the bench has done something: [`PsMouseModel::next_event_at`] may be another. It may call
    /// this model's functions, but must not wait for a thread that uses the bench.
    pub fn watch(&mut self, watcher: impl Fn() + Send + Sync + 'static) {
        *self.shared.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(watcher));
    }
}

impl PsMouseHandle {
    /// The hand does something now.
    pub fn act(&self, action: Action) {
        self.shared.mouse().act(action);
        self.shared.tell_watcher();
    }

    /// The hand follows a script, after what it still has to do.
    pub fn play(&self, script: Script) {
        self.shared.mouse().play(script);
        self.shared.tell_watcher();
    }

    /// Pulls the plug. The mouse forgets what it was set to.
    pub fn unplug(&self) {
        self.act(Action::Unplug);
    }

    /// Puts the plug in: a self test, and then AA 00 unasked. Nothing if it is in.
    pub fn plug_in(&self) {
        self.act(Action::PlugIn);
    }

    /// Has the mouse send bytes that it should not.
    pub fn babble(&self, bytes: &[u8]) {
        {
            let mut mouse = self.shared.mouse();
            let first = mouse.now + mouse.config.byte;
            if mouse.plugged_in {
                mouse.line.send(bytes, first);
            }
        }
        self.shared.tell_watcher();
    }

    /// Changes how it fails.
    pub fn misbehave(&self, change: impl FnOnce(&mut Misbehave)) {
        self.shared.mouse().trouble.change(change);
        self.shared.tell_watcher();
    }

    /// Moves a clock that is turned by hand. Nothing with a real one.
    pub fn advance(&self, time: Duration) {
        if self.shared.start.is_none() {
            let mut mouse = self.shared.mouse();
            let now = mouse.now + time;
            mouse.advance(now);
        }
        self.shared.tell_watcher();
    }

    /// The mouse's time, from when it was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.mouse().now
    }

    /// Counters since it was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.mouse().counters
    }

    /// What it is set to now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared.mouse().state.set
    }

    /// Sets it behind its host's back, as by a KVM switch in between that has sent commands of its own: what it answers to those
    /// does not come.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.mouse().state.set);
    }

    /// Whether the plug is in.
    #[must_use]
    pub fn is_plugged_in(&self) -> bool {
        self.shared.mouse().plugged_in
    }

    /// Whether it has nothing to say, the hand is done, and nothing is on the line: but for the host nothing will happen.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.shared.mouse().is_at_rest()
    }
}
