//! How a device is run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use udrv_driver::Entry;

use super::{DeviceError, InterruptChoice};
use crate::clock::Clock;
use crate::input::InputOptions;
use crate::keep::Keeper;
use crate::net::NetOptions;
use crate::sound::SoundOptions;
use crate::supervisor::ladder::LadderConfig;
use crate::supervisor::policy::{Policy, Protect};
use crate::supervisor::quarantine::QuarantineConfig;
use crate::supervisor::suspects::Suspects;
use crate::trace::Tracer;

/// How a device is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which entry points run as transactions.
    pub protect: Protect,
    /// Those for which it is different.
    pub protect_entries: Vec<(Entry, Protect)>,
    /// The list of suspicious entry points, a file. `None`: this process remembers them for itself.
    pub suspects: Option<PathBuf>,
    /// How far the ladder is climbed, and when.
    pub ladder: LadderConfig,
    /// When an entry point is put aside.
    pub quarantine: QuarantineConfig,
    /// Committed states kept, 2 to 64: how far back late detection can go.
    pub generations: usize,
    /// CPU time that one call may use; probe, which waits for an EEPROM and a PHY, twenty times that.
    pub deadline: Duration,
    /// By what the device interrupts.
    pub interrupts: InterruptChoice,
    /// While nothing happens the device is looked at this often: for links that do not tell and interrupts that were
    /// lost. An idle device wakes no oftener.
    pub look: Duration,
    /// Register accesses are shown to it.
    pub trace: Option<Arc<Tracer>>,
    /// The time that it runs by.
    pub clock: Clock,
    /// Who keeps what a successor needs, should this process be killed. `None`: nobody.
    pub keeper: Option<Arc<dyn Keeper>>,
    /// Of network devices.
    pub net: NetOptions,
    /// Of sound devices.
    pub sound: SoundOptions,
    /// Of input devices.
    pub input: InputOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            protect: Protect::Always,
            protect_entries: Vec::new(),
            suspects: None,
            ladder: LadderConfig::default(),
            quarantine: QuarantineConfig::default(),
            generations: 8,
            deadline: Duration::from_millis(5),
            interrupts: InterruptChoice::default(),
            look: Duration::from_secs(4),
            trace: None,
            clock: Clock::default(),
            keeper: None,
            net: NetOptions::default(),
            sound: SoundOptions::default(),
            input: InputOptions::default(),
        }
    }
}

impl Options {
    /// What they say of protection, with what the list of suspects adds. `entries`: those of the driver's class.
    pub(crate) fn policy(&self, entries: &'static [Entry]) -> Result<(Policy, Option<Suspects>), DeviceError> {
        let mut policy = Policy::new(self.protect, Entry::ALL.len());
        for (entry, mode) in &self.protect_entries {
            if !entries.contains(entry) {
                return Err(DeviceError::NoSuchEntry { entry: *entry, known: entries });
            }
            policy.set(*entry as usize, *mode);
        }
        let suspects = self.suspects.as_deref().map(|path| Suspects::open(path, Entry::NAMES)).transpose()?;
        for entry in suspects.iter().flat_map(Suspects::listed) {
            policy.suspect(entry);
        }
        Ok((policy, suspects))
    }
}
