//! A standby: that there is one, that it is ready, and that it ends with what it waits for.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use udrv::keep::{Inherited, Keeper};
use udrv::run::Commander;

use super::parts::{House, Parts};
use super::program::{Candidate, Program};
use super::upgrade::Upgrade;
use super::wire::{FromSuccessor, ToSuccessor};
use crate::control::Gate;
use crate::protocol::StandbyStatus;

/// Before the next, after one that has ended; doubled each time that it was never ready.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// For it to be ready.
const PREPARATION: Duration = Duration::from_secs(60);
/// For it to end when it is told so.
const END: Duration = Duration::from_secs(2);

/// This process and its successor. It is the [`Keeper`] of the device: it passes on to the service manager what is to be kept,
/// and has duplicates for a successor that it starts itself.
#[derive(Debug, Clone)]
pub struct Pair(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) program: Program,
    pub(super) parts: Parts,
    pub(super) house: OnceLock<House>,
    manager: Option<Arc<dyn Keeper>>,
    /// There shall be one.
    wanted: bool,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) commander: OnceLock<Commander>,
    pub(super) gate: Gate,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// None is to be started, and one that is there has been told to end.
    held: bool,
    standby: Option<Standby>,
    restarts: u64,
    /// The device is being stopped.
    pub(super) stops: bool,
    pub(super) upgrade: Upgrade,
}

#[derive(Debug)]
struct Standby {
    candidate: Arc<Candidate>,
    ready: bool,
}

impl Pair {
    /// `inherited`: what this process goes on with itself. `standby`: there shall be one as soon as [`Pair::serve`] is called.
    ///
    /// # Errors
    /// No room for descriptors.
    pub fn new(
        program: Program,
        inherited: &Inherited,
        manager: Option<Arc<dyn Keeper>>,
        standby: bool,
        gate: Gate,
    ) -> io::Result<Pair> {
        Ok(Pair(Arc::new(Inner {
            program,
            parts: Parts::of(inherited)?,
            house: OnceLock::new(),
            manager,
            wanted: standby,
            state: Mutex::new(State { held: true, ..State::default() }),
            changed: Condvar::new(),
            commander: OnceLock::new(),
            gate,
        })))
    }

    /// The device is served: from here on there is a standby, and there may be upgrades.
    ///
    /// # Errors
    /// No thread.
    pub fn serve(&self, house: House, commander: Commander) -> io::Result<()> {
        // the first counts: there is one house and one device
        let _ = self.0.house.set(house);
        let _ = self.0.commander.set(commander);
        if self.0.wanted {
            let inner = self.0.clone();
            std::thread::Builder::new().name("standby".into()).spawn(move || inner.keep_one())?;
        }
        self.0.release();
        Ok(())
    }

    /// Ends the standby: there is nothing to wait for.
    pub(super) fn hold(&self) {
        self.0.hold();
    }

    /// A new standby instead of the one that is there: the configuration is another.
    pub fn renew(&self) {
        if !self.0.lock().held {
            self.0.hold();
            self.0.release();
        }
    }

    /// How it is. `None`: there shall be none.
    #[must_use]
    pub fn status(&self) -> Option<StandbyStatus> {
        let state = self.0.lock();
        let standby = state.standby.as_ref();
        self.0.wanted.then(|| StandbyStatus {
            pid: standby.map(|standby| standby.candidate.pid),
            ready: standby.is_some_and(|standby| standby.ready),
            restarts: state.restarts,
        })
    }

    /// What this process can go on with, should it have let go.
    ///
    /// # Errors
    /// No room for descriptors.
    pub fn inherited(&self) -> io::Result<Inherited> {
        self.0.parts.inherited()
    }
}

impl Keeper for Pair {
    fn keep(&self, name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.0.parts.keep(name, fd)?;
        self.0.manager.as_ref().map_or(Ok(()), |manager| manager.keep(name, fd))
    }

    fn forget(&self, names: &[&str]) -> io::Result<()> {
        // a standby has duplicates of them all
        self.0.hold();
        self.0.parts.forget(names);
        self.0.manager.as_ref().map_or(Ok(()), |manager| manager.forget(names))
    }

    fn at_once(&self) -> bool {
        self.0.wanted || self.0.manager.is_some()
    }
}

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None is started any more, and one that is there has ended when this returns.
    pub(super) fn hold(&self) {
        let mut state = self.lock();
        state.held = true;
        self.changed.notify_all();
        if let Some(standby) = &state.standby {
            // one that does not hear has ended already
            let _ = standby.candidate.tell(&ToSuccessor::End);
        }
        let (state, waited) = self
            .changed
            .wait_timeout_while(state, END, |state| state.standby.is_some())
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(standby) = &state.standby
            && waited.timed_out()
        {
            standby.candidate.kill();
        }
    }

    /// One may be started, unless the device is being stopped.
    pub(super) fn release(&self) {
        let mut state = self.lock();
        state.held = state.stops;
        self.changed.notify_all();
    }

    fn keep_one(&self) {
        let mut back_off = BACK_OFF;
        loop {
            let mut state =
                self.changed.wait_while(self.lock(), |state| state.held).unwrap_or_else(PoisonError::into_inner);
            let house = self.house.get_or_init(House::default);
            if self.parts.is_empty() {
                // nothing is kept: there is nothing that a standby could go on with, until there is
                state.held = true;
                tracing::warn!("no standby: nobody could go on with this device");
                continue;
            }
            let why = match self.program.start(None, &self.parts, house, 0) {
                Ok(candidate) => {
                    let candidate = Arc::new(candidate);
                    state.standby = Some(Standby { candidate: candidate.clone(), ready: false });
                    drop(state);
                    let why = self.watch(&candidate, &mut back_off);
                    candidate.kill();
                    why
                }
                Err(error) => {
                    drop(state);
                    format!("it cannot be started: {error}")
                }
            };
            let mut state = self.lock();
            state.standby = None;
            self.changed.notify_all();
            if state.held {
                continue;
            }
            state.restarts += 1;
            tracing::warn!(again_in_ms = back_off.as_millis() as u64, "the standby is of no use: {why}");
            let waited = self.changed.wait_timeout_while(state, back_off, |state| !state.held);
            drop(waited);
            back_off = (back_off * 2).min(LONGEST_BACK_OFF);
        }
    }

    /// Until it ends. Says why it has.
    fn watch(&self, candidate: &Arc<Candidate>, back_off: &mut Duration) -> String {
        let mut until = Some(Instant::now() + PREPARATION);
        loop {
            match candidate.hear(until) {
                Ok(FromSuccessor::Ready { .. }) => {
                    until = None;
                    *back_off = BACK_OFF;
                    if let Some(standby) = &mut self.lock().standby {
                        standby.ready = true;
                    }
                    tracing::info!(pid = candidate.pid, "a standby waits with everything mapped");
                }
                Ok(FromSuccessor::Failed { why }) | Err(why) => return why,
                Ok(FromSuccessor::Serving { .. } | FromSuccessor::Beat | FromSuccessor::Holds) => {
                    return "it does what it was not asked for".to_owned();
                }
            }
        }
    }
}
