//! How a device is.

use serde::{Deserialize, Serialize};
use udrv_driver::{Driver, Entry};

use super::{Class, DeviceFaults, InterruptMode, Running};
use crate::input::InputStatus;
use crate::net::NetStatus;
use crate::sound::SoundStatus;
use crate::supervisor::accounting::{EntryCounters, Reliability};
use crate::supervisor::ladder::Recovery;
use crate::supervisor::policy::Protect;
use crate::supervisor::quarantine::Version;

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
    /// The device was unplugged, and is waited for.
    pub unplugged: bool,
    /// The device has erred, and nothing moves until it is restored.
    #[serde(default)]
    pub restoring: bool,
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
    /// Times that the device was restored because it did something wrong.
    pub restores: u64,
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
    /// What its class has to say.
    #[serde(flatten)]
    pub class: ClassStatus,
}

/// What a class has to say of its device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "kebab-case")]
pub enum ClassStatus {
    /// Network.
    Net(NetStatus),
    /// Sound.
    Sound(SoundStatus),
    /// Input.
    Input(InputStatus),
}

impl Status {
    /// Of a network device.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    #[track_caller]
    pub fn net(&self) -> &NetStatus {
        match &self.class {
            ClassStatus::Net(net) => net,
            _ => panic!("{} is no network device", self.device),
        }
    }

    /// Of a sound device.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    #[track_caller]
    pub fn sound(&self) -> &SoundStatus {
        match &self.class {
            ClassStatus::Sound(sound) => sound,
            _ => panic!("{} is no sound device", self.device),
        }
    }

    /// Of an input device.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    #[track_caller]
    pub fn input(&self) -> &InputStatus {
        match &self.class {
            ClassStatus::Input(input) => input,
            _ => panic!("{} is no input device", self.device),
        }
    }
}

impl<C: Class> Running<C> {
    pub(crate) fn status(&mut self) -> Status {
        let class = C::status(self);
        self.status_around(class)
    }

    /// The same with the device left alone.
    pub(crate) fn glance(&mut self) -> Status {
        let class = C::glance(self);
        self.status_around(class)
    }

    fn status_around(&self, class: ClassStatus) -> Status {
        let accesses = self.host.window.accesses();
        let uptime = self.host.now();
        Status {
            device: self.name.clone(),
            driver: C::Driver::NAME.to_owned(),
            unplugged: self.is_away(),
            restoring: self.restores.is_down(),
            isolation: fgft::init().map_or("none", fgft::Isolation::name).to_owned(),
            protected: C::ENTRIES.iter().all(|entry| self.policy.protects(*entry as usize)),
            recovery: self.options.ladder.recovery,
            panic_messages: fgft::panics_are_wrapped(),
            pid: std::process::id(),
            uptime,
            state_bytes: (size_of::<<C::Driver as Driver>::State>(), size_of::<crate::ledger::Ledger>()),
            restores: self.restores_done,
            faults: self.reports.count(),
            restarts: self.restarts,
            entries: self.entry_status(),
            quarantine: self.quarantine_status(uptime),
            reliability: self.accounts.reliability(uptime),
            device_faults: self.device_faults(),
            interrupts: self.interrupt_mode(),
            register_accesses: (accesses.reads, accesses.writes),
            canary_intact: self.canary.iter().all(|word| *word == super::CANARY),
            class,
        }
    }

    fn entry_status(&self) -> Vec<(String, EntryStatus)> {
        let one = |(entry, counters): (Entry, &EntryCounters)| {
            let (protect, protected) = (self.policy.mode(entry as usize), self.policy.protects(entry as usize));
            (entry.name().to_owned(), EntryStatus { protect, protected, counters: counters.clone() })
        };
        let all = Entry::ALL.into_iter().zip(self.accounts.all());
        all.filter(|(entry, _)| C::ENTRIES.contains(entry)).map(one).collect()
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
