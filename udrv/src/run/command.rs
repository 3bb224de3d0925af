//! What a running device can be asked, from another thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use udrv_driver::{Entry, Injection};

use super::{Class, DeviceError, Running, Status, Tuning};
use crate::checkpoint::{Checkpoint, Restored};
use crate::input::InputSetting;
use crate::registers::RegisterStatus;
use crate::report::FaultReport;
use crate::run::error::names;
use crate::supervisor::policy::Protect;

/// Commands that wait, at most: who sends more waits. Each client has one at a time.
const WAITING: usize = 32;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// How is it?
    Status,
    /// The same, with driver and device left alone.
    Glance,
    /// Declared registers; `live`: and what the device has in those that reading does not change.
    Registers {
        /// See above.
        live: bool,
    },
    /// Fault reports with a number above this.
    Faults(u64),
    /// Arms a fault: the next `times` calls of the entry point that reach its place.
    Inject {
        /// Which entry point.
        entry: Entry,
        /// What and where in it.
        injection: Injection,
        /// How often.
        times: u32,
    },
    /// Calls an entry point now, with the values in force.
    Call(Entry),
    /// Changes the protection of an entry point, or of all, from the next call on.
    Protect(Option<Entry>, Protect),
    /// Lets an entry point out of quarantine, or all.
    Release(Option<Entry>),
    /// Changes a setting of an input device.
    Set(InputSetting),
    /// Restarts the driver: rung 3 of the ladder.
    Restart,
    /// Changes options from the next call on.
    Tune(Tuning),
    /// Looks whether the driver's state holds and the device is as the driver has it.
    Examine,
    /// What another process needs to go on with the device goes to [`super::Options::keeper`], if it has not got it.
    HandOut,
    /// Ends the loop and leaves the device as it is, for another process to go on with.
    Leave,
    /// Stop.
    Stop,
    /// What is it set to?
    Checkpoint,
    /// Makes it what a checkpoint says, all of it or nothing.
    RestoreCheckpoint {
        /// What it says.
        checkpoint: Box<Checkpoint>,
        /// Change nothing, and say what would be.
        dry_run: bool,
    },
}

impl Command {
    /// The entry point that it names.
    const fn entry(&self) -> Option<Entry> {
        match self {
            Command::Inject { entry, .. } | Command::Call(entry) => Some(*entry),
            Command::Protect(entry, _) | Command::Release(entry) => *entry,
            Command::Status
            | Command::Glance
            | Command::Registers { .. }
            | Command::Faults(_)
            | Command::Set(_)
            | Command::Restart
            | Command::Tune(_)
            | Command::Examine
            | Command::HandOut
            | Command::Leave
            | Command::Stop
            | Command::Checkpoint
            | Command::RestoreCheckpoint { .. } => None,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// To [`Command::Status`] and [`Command::Glance`].
    Status(Box<Status>),
    /// To [`Command::Registers`], by offset.
    Registers(Vec<RegisterStatus>),
    /// To [`Command::Faults`].
    Faults(Vec<FaultReport>),
    /// To [`Command::Set`]: what came of it.
    Set(InputSetting),
    /// Done.
    Done,
    /// Why not.
    Refused(String),
    /// To [`Command::Checkpoint`].
    Checkpoint(Box<Checkpoint>),
    /// To [`Command::RestoreCheckpoint`]: what came of it, or would.
    Restored(Box<Restored>),
}

/// Sends commands to a device's thread.
#[derive(Debug, Clone)]
pub struct Commander {
    sender: SyncSender<(Command, Sender<Answer>)>,
    wake: Arc<EventFd>,
}

/// Where a device's thread finds them.
pub struct Inbox {
    receiver: Receiver<(Command, Sender<Answer>)>,
    wake: Arc<EventFd>,
    heartbeat: Option<Heartbeat>,
    given_up: Option<GivenUp>,
}

/// Hears that recovery did not help, and why: while the device's other end is still there, and before it is made quiet.
pub type GivenUp = Box<dyn Fn(&Status, &DeviceError) + Send>;

/// A sign of life: given by the device's thread itself, at the end of a turn of its loop. Where that hangs there is none.
pub struct Heartbeat {
    /// How often, at least.
    pub every: Duration,
    /// The sign.
    pub beat: Box<dyn Fn() + Send>,
}

/// The two ends.
///
/// # Errors
/// No eventfd.
pub fn commands() -> Result<(Commander, Inbox), DeviceError> {
    let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(|e| DeviceError::System { operation: "eventfd", source: e.into() })?;
    let (sender, receiver) = sync_channel(WAITING);
    let wake = Arc::new(wake);
    Ok((Commander { sender, wake: wake.clone() }, Inbox { receiver, wake, heartbeat: None, given_up: None }))
}

impl Commander {
    /// Sends a command and waits for the answer. `None`: the device has stopped.
    #[must_use]
    pub fn ask(&self, command: Command) -> Option<Answer> {
        let (reply, answer) = channel();
        self.sender.send((command, reply)).ok()?;
        // a full counter means that the thread has been woken already
        let _ = self.wake.write(1);
        answer.recv().ok()
    }
}

impl Inbox {
    pub(crate) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    pub(crate) fn next(&self) -> Option<(Command, Sender<Answer>)> {
        self.receiver.try_recv().ok()
    }

    /// Has the device's thread give a sign of life.
    #[must_use]
    pub fn with_heartbeat(self, heartbeat: Option<Heartbeat>) -> Inbox {
        Inbox { heartbeat, ..self }
    }

    /// Has somebody told when the device is given up.
    #[must_use]
    pub fn with_given_up(self, given_up: Option<GivenUp>) -> Inbox {
        Inbox { given_up, ..self }
    }

    pub(crate) fn tell_given_up(&self, status: &Status, error: &DeviceError) {
        if let Some(given_up) = &self.given_up {
            given_up(status, error);
        }
    }

    /// Gives it, if it is due after `last`: when it was given now, and when it is due next.
    pub(crate) fn beat(&self, last: Option<Instant>) -> Option<(Instant, Duration)> {
        let Heartbeat { every, beat } = self.heartbeat.as_ref()?;
        let since = last.map(|last| last.elapsed());
        match (last, since) {
            (Some(last), Some(since)) if since < *every => Some((last, *every - since)),
            _ => {
                beat();
                Some((Instant::now(), *every))
            }
        }
    }

    pub(crate) fn quieten(&self) {
        // nothing to read is fine
        let _ = self.wake.read();
    }

    /// There is more to be looked at in the next turn.
    pub(crate) fn wake_again(&self) {
        let _ = self.wake.write(1);
    }
}

impl<C: Class> Running<C> {
    /// Carries a command out. True: stop.
    ///
    /// # Errors
    /// When the device was given up on the way.
    pub fn handle(&mut self, command: Command) -> Result<Answer, DeviceError> {
        let needs_device = matches!(
            command,
            Command::Call(_)
                | Command::Restart
                | Command::Registers { live: true }
                | Command::Checkpoint
                | Command::RestoreCheckpoint { .. }
        );
        if let Some(why) = self.unplugged_text().filter(|_| needs_device) {
            return Ok(Answer::Refused(why));
        }
        if let Some(entry) = command.entry().filter(|entry| !C::ENTRIES.contains(entry)) {
            return Ok(Answer::Refused(format!("the driver has no entry point {entry}; it has {}", names(C::ENTRIES))));
        }
        Ok(match command {
            Command::Status => Answer::Status(Box::new(self.status())),
            Command::Registers { live } => Answer::Registers(self.host.window.registers(self.domain.ledger(), live)),
            Command::Glance => Answer::Status(Box::new(self.glance())),
            Command::Faults(after) => Answer::Faults(self.reports.since(after)),
            Command::Inject { entry, injection, times } => {
                if times == 0 {
                    self.armed = None;
                } else {
                    self.armed = Some((entry, injection, times));
                }
                Answer::Done
            }
            Command::Call(entry) => {
                let called = C::call_now(self, entry);
                if self.failed.is_none() {
                    // what was in flight may be lost, and nothing would call for the frame that waits
                    C::pump(self)?;
                }
                match self.noted(called) {
                    Ok(()) => Answer::Done,
                    Err(error @ DeviceError::GaveUp { .. }) => return Err(error),
                    Err(error) if self.was_unplugged(&error) => return Err(error),
                    Err(error) => Answer::Refused(error.to_string()),
                }
            }
            Command::Protect(entry, mode) => {
                each(C::ENTRIES, entry, |entry| self.policy.set(entry as usize, mode));
                self.note_facts();
                Answer::Done
            }
            Command::Release(entry) => {
                let mut released = 0;
                each(C::ENTRIES, entry, |entry| released += u32::from(self.quarantine.release(entry as usize)));
                match entry {
                    Some(entry) if released == 0 => Answer::Refused(format!("{entry} is not in quarantine")),
                    _ => Answer::Done,
                }
            }
            Command::Set(setting) => match C::set(self, setting) {
                None => Answer::Refused(format!("{} has no such setting: it is no input device", self.name)),
                Some(set) => match self.noted(set) {
                    Ok(setting) => Answer::Set(setting),
                    Err(error @ DeviceError::GaveUp { .. }) => return Err(error),
                    Err(error) if self.was_unplugged(&error) => return Err(error),
                    Err(error) => Answer::Refused(error.to_string()),
                },
            },
            Command::Restart => {
                self.restart_now()?;
                C::pump(self)?;
                Answer::Done
            }
            Command::Tune(tuning) => self.tune(tuning),
            Command::Examine => self.examine().map_or_else(Answer::Refused, |()| Answer::Done),
            Command::HandOut => {
                self.hand_out();
                self.if_kept()
            }
            Command::Leave => self.if_kept(),
            Command::Stop => Answer::Done,
            Command::Checkpoint => Answer::Checkpoint(Box::new(self.checkpoint())),
            Command::RestoreCheckpoint { checkpoint, dry_run } => self.restore_checkpoint(&checkpoint, dry_run)?,
        })
    }

    fn if_kept(&self) -> Answer {
        if self.is_kept() {
            return Answer::Done;
        }
        Answer::Refused(format!("{} ends with its process: nobody could go on with it", self.name))
    }
}

/// Does it for the one that is named, or for all of `entries`.
pub(crate) fn each(entries: &[Entry], entry: Option<Entry>, f: impl FnMut(Entry)) {
    match entry {
        Some(entry) => std::iter::once(entry).for_each(f),
        None => entries.iter().copied().for_each(f),
    }
}
