//! What a running device can be asked, from another thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::eventfd::{EfdFlags, EventFd};
use serde::{Deserialize, Serialize};
use udrv_driver::{Entry, Error, Injection, NetDriver};

use super::restart::Recorded;
use super::{CallError, DeviceError, DeviceFaults, InterruptMode, NetDevice};
use crate::report::FaultReport;
use crate::supervisor::accounting::{EntryCounters, Reliability};
use crate::supervisor::ladder::Recovery;
use crate::supervisor::policy::Protect;
use crate::supervisor::quarantine::Version;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// How is it?
    Status,
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
    /// Restarts the driver: rung 3 of the ladder.
    Restart,
    /// Stop.
    Stop,
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// To [`Command::Status`].
    Status(Box<Status>),
    /// To [`Command::Faults`].
    Faults(Vec<FaultReport>),
    /// Done.
    Done,
    /// Why not.
    Refused(String),
}

/// Frames and bytes since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Frames received and handed up.
    pub rx_frames: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Those of them that went up put together, several in one packet.
    #[serde(default)]
    pub rx_merged: u64,
    /// Frames received that the endpoint did not take.
    pub rx_dropped: u64,
    /// Frames that the device says it has sent.
    pub tx_frames: u64,
    /// Bytes given to the device.
    pub tx_bytes: u64,
    /// Frames of the endpoint that were not given to the device.
    pub tx_dropped: u64,
    /// Frames given to the device that came back unsent.
    pub tx_lost: u64,
    /// Times the device was restored because it did something wrong.
    pub restores: u64,
}

/// Counters of the chip and its driver, since probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are those of `udrv_driver::Stats`")]
pub struct ChipCounters {
    pub rx_errors: u64,
    pub rx_missed: u64,
    pub rx_resets: u64,
    pub tx_errors: u64,
    pub collisions: u64,
}

/// An entry point and its calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryStatus {
    /// Its policy.
    pub protect: Protect,
    /// What that comes to now: its calls are transactions.
    pub protected: bool,
    /// Its counters.
    #[serde(flatten)]
    pub counters: EntryCounters,
}

/// An entry point in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineStatus {
    /// Which.
    pub entry: String,
    /// The driver's second version is called; else its calls get an error.
    pub alternate: bool,
    /// Nanoseconds since the device was started.
    pub since: u64,
    /// Nanoseconds until it is released; `None`: by command only.
    pub left: Option<u64>,
}

/// State of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `pci:0000:00:04.0` or `model:rtl8139`.
    pub device: String,
    /// Name of the driver.
    pub driver: String,
    /// Name of the network interface.
    pub endpoint: String,
    /// Station address in force.
    pub mac: String,
    /// The chip's own address.
    pub permanent_mac: String,
    /// MTU of the interface, bytes.
    pub mtu: u32,
    /// The VLAN that the chip puts it into; 0: none.
    pub vlan: u16,
    /// Microseconds between interrupts, at least.
    pub interrupt_interval: u64,
    /// The device was unplugged, and is waited for.
    pub unplugged: bool,
    /// There is a link.
    pub link_up: bool,
    /// Megabits a second.
    pub link_speed: u32,
    /// Both directions at once.
    pub full_duplex: bool,
    /// `protection-keys` or `rollback-only`.
    pub isolation: String,
    /// Every entry point runs as a transaction.
    pub protected: bool,
    /// Which ladder is climbed after a fault.
    pub recovery: Recovery,
    /// Panics keep their message.
    pub panic_messages: bool,
    /// This process.
    pub pid: u32,
    /// Nanoseconds since the start.
    pub uptime: u64,
    /// Bytes of state that one call may change, and of the ledger beside it.
    pub state_bytes: (usize, usize),
    /// Frames.
    pub traffic: Traffic,
    /// Counters of the chip and its driver; `None` if they could not be had.
    pub chip: Option<ChipCounters>,
    /// Faults so far.
    pub faults: u64,
    /// Times that the driver was restarted in this process.
    pub restarts: u64,
    /// All entry points.
    pub entries: Vec<(String, EntryStatus)>,
    /// Those in quarantine.
    pub quarantine: Vec<QuarantineStatus>,
    /// What the faults come to.
    pub reliability: Reliability,
    /// What the device did wrong.
    pub device_faults: DeviceFaults,
    /// How the device's work is noticed.
    pub interrupts: InterruptMode,
    /// Register reads and writes that reached the device.
    pub register_accesses: (u64, u64),
    /// Memory of the host that no fault may touch is as it was.
    pub canary_intact: bool,
}

/// Sends commands to a device's thread.
#[derive(Clone)]
pub struct Commander {
    sender: Sender<(Command, Sender<Answer>)>,
    wake: Arc<EventFd>,
}

/// Where a device's thread finds them.
pub struct Inbox {
    receiver: Receiver<(Command, Sender<Answer>)>,
    wake: Arc<EventFd>,
}

/// The two ends.
///
/// # Errors
/// No eventfd.
pub fn commands() -> Result<(Commander, Inbox), DeviceError> {
    let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(|e| DeviceError::System { operation: "eventfd", source: e.into() })?;
    let (sender, receiver) = channel();
    let wake = Arc::new(wake);
    Ok((Commander { sender, wake: wake.clone() }, Inbox { receiver, wake }))
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
    pub(super) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    pub(super) fn next(&self) -> Option<(Command, Sender<Answer>)> {
        self.receiver.try_recv().ok()
    }

    pub(super) fn quieten(&self) {
        // nothing to read is fine
        let _ = self.wake.read();
    }
}

impl<D: NetDriver> NetDevice<D> {
    /// Carries a command out. True: stop.
    ///
    /// # Errors
    /// When the device was given up on the way.
    pub fn handle(&mut self, command: Command) -> Result<Answer, DeviceError> {
        if let (Command::Call(_) | Command::Restart, Some(why)) = (&command, self.unplugged_text()) {
            return Ok(Answer::Refused(why));
        }
        Ok(match command {
            Command::Status => Answer::Status(Box::new(self.status())),
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
                let called = self.call_with_values_in_force(entry);
                if self.failed.is_none() {
                    // what was in flight may be lost, and nothing would call for the frame that waits
                    self.pump_endpoint()?;
                }
                match self.noted(called) {
                    Ok(()) => Answer::Done,
                    Err(error @ DeviceError::GaveUp { .. }) => return Err(error),
                    Err(error) if self.was_unplugged(&error) => return Err(error),
                    Err(error) => Answer::Refused(error.to_string()),
                }
            }
            Command::Protect(entry, mode) => {
                each(entry, |entry| self.policy.set(entry as usize, mode));
                Answer::Done
            }
            Command::Release(entry) => {
                let mut released = 0;
                each(entry, |entry| released += u32::from(self.quarantine.release(entry as usize)));
                match entry {
                    Some(entry) if released == 0 => Answer::Refused(format!("{entry} is not in quarantine")),
                    _ => Answer::Done,
                }
            }
            Command::Restart => {
                self.restart_now()?;
                self.pump_endpoint()?;
                Answer::Done
            }
            Command::Stop => Answer::Done,
        })
    }

    fn call_with_values_in_force(&mut self, entry: Entry) -> Result<(), DeviceError> {
        let Recorded { mac, rx_mode: mode, settings, .. } = self.recorded;
        match entry {
            Entry::Open | Entry::Stop => {
                let stopped = self.must(Entry::Stop, |cx| D::stop(cx));
                self.open_again()?;
                stopped?;
            }
            Entry::Link => self.update_link()?,
            Entry::SetMac => self.entry(entry, move |cx| D::set_mac(cx, mac))?,
            Entry::SetRxMode => self.entry(entry, move |cx| D::set_rx_mode(cx, mode))?,
            Entry::Configure => self.entry(entry, move |cx| D::configure(cx, settings))?,
            Entry::GetRingparam => self.entry(entry, |cx| D::get_ringparam(cx)).map(|_| ())?,
            Entry::GetStats => self.entry(entry, |cx| D::get_stats(cx)).map(|_| ())?,
            Entry::TxTimeout => self.must(entry, |cx| D::tx_timeout(cx))?,
            Entry::Restore => self.must(entry, |cx| D::restore(cx))?,
            Entry::Interrupt | Entry::Poll | Entry::Transmit => self.serve_interrupt()?,
            Entry::Quiesce => {
                let quiet = self.must(Entry::Quiesce, |cx| D::quiesce(cx));
                self.must(Entry::Restore, |cx| D::restore(cx))?;
                quiet?;
            }
            Entry::Probe => {
                // a chip that is probed is a chip that was reset: bring it back to where it was
                let stopped = self.must(Entry::Stop, |cx| D::stop(cx));
                let probed = self.must(Entry::Probe, |cx| D::probe(cx));
                self.must(Entry::SetMac, move |cx| D::set_mac(cx, mac))?;
                self.must(Entry::SetRxMode, move |cx| D::set_rx_mode(cx, mode))?;
                self.must(Entry::Configure, move |cx| D::configure(cx, settings))?;
                self.open_again()?;
                stopped.and(probed)?;
            }
            _ => return Err(self.entry_error(entry, CallError::Driver(Error::Unsupported))),
        }
        Ok(())
    }

    /// Opens a device that was stopped for a moment. If that fails it is good for nothing any more.
    fn open_again(&mut self) -> Result<(), DeviceError> {
        let opened = self.must(Entry::Open, |cx| D::open(cx));
        opened.map_err(|error| {
            self.failed.get_or_insert_with(|| error.to_string());
            self.given_up().unwrap_or(error)
        })
    }

    fn status(&mut self) -> Status {
        let stats = self.entry(Entry::GetStats, |cx| D::get_stats(cx));
        let chip = self.noted(stats).ok().map(|s| ChipCounters {
            rx_errors: s.rx_errors,
            rx_missed: s.rx_missed,
            rx_resets: s.rx_resets,
            tx_errors: s.tx_errors,
            collisions: s.collisions,
        });
        let accesses = self.host.window.accesses();
        let uptime = self.host.now();
        Status {
            device: self.name.clone(),
            driver: D::NAME.to_owned(),
            endpoint: self.endpoint.name(),
            mac: self.recorded.mac.to_string(),
            permanent_mac: self.permanent_mac.to_string(),
            mtu: self.mtu,
            vlan: self.recorded.settings.vlan,
            interrupt_interval: self.recorded.settings.interrupt_interval.0,
            unplugged: self.is_away(),
            link_up: self.link.up,
            link_speed: self.link.speed,
            full_duplex: self.link.full_duplex,
            isolation: fgft::init().map_or("none", fgft::Isolation::name).to_owned(),
            protected: Entry::NET.iter().all(|entry| self.policy.protects(*entry as usize)),
            recovery: self.options.ladder.recovery,
            panic_messages: fgft::panics_are_wrapped(),
            pid: std::process::id(),
            uptime,
            state_bytes: (size_of::<D::State>(), size_of::<crate::ledger::Ledger>()),
            traffic: self.traffic,
            chip,
            faults: self.reports.count(),
            restarts: self.restarts,
            entries: self.entry_status(),
            quarantine: self.quarantine_status(uptime),
            reliability: self.accounts.reliability(uptime),
            device_faults: self.device_faults(),
            interrupts: self.interrupt_mode(),
            register_accesses: (accesses.reads, accesses.writes),
            canary_intact: self.canary.iter().all(|word| *word == super::CANARY),
        }
    }

    fn entry_status(&self) -> Vec<(String, EntryStatus)> {
        let one = |(entry, counters): (Entry, &EntryCounters)| {
            let (protect, protected) = (self.policy.mode(entry as usize), self.policy.protects(entry as usize));
            (entry.name().to_owned(), EntryStatus { protect, protected, counters: counters.clone() })
        };
        let all = Entry::ALL.into_iter().zip(self.accounts.all());
        all.filter(|(entry, _)| Entry::NET.contains(entry)).map(one).collect()
    }

    fn quarantine_status(&self, now: u64) -> Vec<QuarantineStatus> {
        let list = self.quarantine.list(now).into_iter();
        let one = |q: crate::supervisor::quarantine::Quarantined| QuarantineStatus {
            entry: Entry::NAMES[q.entry].to_owned(),
            alternate: q.version == Version::Alternate,
            since: q.since,
            left: q.left,
        };
        list.map(one).collect()
    }
}

/// Does it for the one that is named, or for all.
fn each(entry: Option<Entry>, mut f: impl FnMut(Entry)) {
    match entry {
        Some(entry) => f(entry),
        None => Entry::NET.into_iter().for_each(f),
    }
}
