//! The net class: a network driver between its device and an endpoint.
//!
//! ```text
//!   endpoint --recv--> buffer --transmit--> [driver] --doorbell on commit--> device
//!   endpoint <--send on commit-- [driver] <--poll-- ring <-- device
//! ```
//!
//! `call.rs` runs one entry point as a transaction, `recover.rs` and `restart.rs` do what a fault calls for; `traffic.rs`
//! and `transmit.rs` move frames, and `deliver.rs` with `merge.rs` those that go up; `serving.rs` serves the device, with
//! `interrupts.rs` and `device_faults.rs` to say what to do when it does wrong; `features.rs` finds out what the options
//! ask of the chip, `settings.rs` follows what the administrator changes at the interface; `event_loop.rs` waits for the
//! device, the endpoint and commands; this file starts and stops.

mod absence;
mod call;
mod command;
mod deliver;
mod device_faults;
mod event_loop;
mod features;
mod interrupts;
mod merge;
mod offload;
mod recover;
mod restart;
mod serving;
mod settings;
mod signal;
mod traffic;
mod transmit;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fgft::{Domain, DomainConfig, StateKind};
use nix::sys::eventfd::{EfdFlags, EventFd};
use udrv_bus::{BusError, ResetKind};
use udrv_driver::{Entry, Error, Injection, Link, MacAddress, NetDriver, Offloads, RxMode};

pub use call::CallError;
pub use command::{Answer, Command, Commander, EntryStatus, Inbox, QuarantineStatus, Status, Traffic, commands};
pub use device_faults::DeviceFaults;
pub use features::{FeatureError, Switch};
pub use interrupts::InterruptMode;
pub use signal::InterruptChoice;

use self::device_faults::Restores;
use self::features::Asked;
use self::interrupts::Interrupts;
use self::merge::Merger;
use self::restart::Recorded;
use self::signal::Signal;
use self::transmit::Outbound;
use crate::device::{DeviceId, FitError, Opened};
use crate::endpoint::{EndpointError, NetEndpoint};
use crate::host::Host;
use crate::ledger::Ledger;
use crate::pool::{Pool, PoolError};
use crate::report::Reports;
use crate::supervisor::accounting::Accounts;
use crate::supervisor::ladder::{Ladder, LadderConfig};
use crate::supervisor::policy::{Policy, Protect};
use crate::supervisor::quarantine::{Quarantine, QuarantineConfig};
use crate::supervisor::suspects::{Suspects, SuspectsError};
use crate::window::Window;

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
    /// Address to use instead of the chip's own.
    pub mac: Option<MacAddress>,
    /// MTU of the interface, bytes. `None`: what it has already, else 1500.
    pub mtu: Option<u32>,
    /// The VLAN that the interface is in without seeing its tags. `None`: tags are the host's affair.
    pub vlan: Option<u16>,
    /// By what the device interrupts.
    pub interrupts: InterruptChoice,
    /// Time between interrupts, at least; zero: none. `None`: as the driver has it.
    pub interrupt_interval: Option<Duration>,
    /// What is to be left to the chip, or not; of what is said of one the last counts. The rest: what the chip can.
    pub offloads: Vec<(Switch, bool)>,
    /// A frame that the device has had for this long is not going to be sent: `tx_timeout` is called.
    pub tx_timeout: Duration,
    /// While nothing happens the device is looked at this often: for links that do not tell and interrupts that were
    /// lost. An idle device wakes no oftener.
    pub look: Duration,
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
            mac: None,
            mtu: None,
            vlan: None,
            interrupts: InterruptChoice::default(),
            interrupt_interval: None,
            offloads: Vec::new(),
            tx_timeout: Duration::from_secs(5),
            look: Duration::from_secs(4),
        }
    }
}

/// Why a device could not be started, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No entry of the driver's id table fits.
    #[error("{device} is {found}, which the driver {driver} does not know (it drives {known})")]
    NotThisDevice {
        /// The device's name.
        device: String,
        /// Its id.
        found: DeviceId,
        /// The driver.
        driver: &'static str,
        /// The driver's ids.
        known: String,
    },
    /// The driver's registers are not to be had.
    #[error("{device} is no device for the driver {driver}: {source}")]
    Fit {
        /// The device's name.
        device: String,
        /// The driver.
        driver: &'static str,
        /// Why.
        #[source]
        source: FitError,
    },
    /// The chip does not have something that was asked for.
    #[error("{device}: {source}")]
    Feature {
        /// The device's name.
        device: String,
        /// What.
        #[source]
        source: FeatureError,
    },
    /// It interrupts by its line only.
    #[error("{device} has no MSI: run it with --interrupts line, or with auto, which takes what there is")]
    NoMsi {
        /// The device's name.
        device: String,
    },
    /// The device does not answer, not even in configuration space.
    #[error("{device} does not answer (its vendor id reads as all ones): it is unplugged, powered off or broken")]
    Gone {
        /// The device's name.
        device: String,
    },
    /// The bus failed.
    #[error("{device}: {source}")]
    Bus {
        /// The device's name.
        device: String,
        /// What the bus said.
        #[source]
        source: BusError,
    },
    /// No DMA memory.
    #[error("{device}: {source}")]
    Pool {
        /// The device's name.
        device: String,
        /// Why.
        #[source]
        source: PoolError,
    },
    /// The transaction engine cannot work here.
    #[error(transparent)]
    Engine(#[from] fgft::InitError),
    /// The endpoint failed.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The list of suspects cannot be used.
    #[error(transparent)]
    Suspects(#[from] SuspectsError),
    /// An entry point failed where that cannot be passed on.
    #[error("{device}: {entry} failed: {source}{detail}")]
    Entry {
        /// The device's name.
        device: String,
        /// Which.
        entry: Entry,
        /// How.
        #[source]
        source: CallError,
        /// The bus's own words, if it had any.
        detail: String,
    },
    /// The chip has no address of its own that could be used, and none was given.
    #[error(
        "{device} has no station address: its EEPROM is broken or empty (what the driver found is in the log). Give it one \
         with --mac, for example --mac 02:00:00:00:00:01"
    )]
    NoAddress {
        /// The device's name.
        device: String,
    },
    /// Recovery did not help.
    #[error("{device}: given up after {faults} faults: {reason}")]
    GaveUp {
        /// The device's name.
        device: String,
        /// Faults so far.
        faults: u64,
        /// The last.
        reason: String,
    },
    /// The system refused something.
    #[error("{operation}: {source}")]
    System {
        /// What.
        operation: &'static str,
        /// errno.
        #[source]
        source: std::io::Error,
    },
}

/// A network device that runs.
pub struct NetDevice<D: NetDriver> {
    name: String,
    domain: Domain<D::State, Ledger>,
    host: Host,
    endpoint: Box<dyn NetEndpoint>,
    irq: EventFd,
    signal: Signal,
    options: Options,
    permanent_mac: MacAddress,
    recorded: Recorded,
    /// What is left to the chip.
    offloads: Offloads,
    /// The interface's.
    mtu: u32,
    link: Link,
    outbound: Outbound,
    /// Puts received frames together.
    merger: Merger,
    /// Since when frames are with the device without one coming back.
    sending_since: Option<Instant>,
    armed: Option<(Entry, Injection, u32)>,
    /// Where injected wild writes go where protection keys stop them.
    canary: Box<[u64; 64]>,
    policy: Policy,
    suspects: Option<Suspects>,
    ladder: Ladder,
    quarantine: Quarantine,
    accounts: Accounts,
    reports: Reports,
    restarts: u64,
    traffic: Traffic,
    /// What the device did wrong.
    device_faults: DeviceFaults,
    /// When it is restored for that.
    restores: Restores,
    /// What it did last, and where that was noticed.
    erred: Option<(Entry, Error)>,
    /// Whether its interrupt line is believed.
    interrupts: Interrupts,
    /// What the log says about that.
    told_mode: InterruptMode,
    /// A poll that could have gone on was broken off.
    more: bool,
    /// It was unplugged, and is looked for.
    away: Option<absence::Away>,
    failed: Option<String>,
    /// Why the last restart did not work.
    not_restarted: String,
    stopped: bool,
}

/// What the canary holds.
const CANARY: u64 = 0x0063_616e_6172_7900;

impl<D: NetDriver> NetDevice<D> {
    /// Takes the device into operation behind `endpoint`. On error it is as quiet as it was found.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn start(
        opened: impl Into<Opened>,
        endpoint: Box<dyn NetEndpoint>,
        options: Options,
    ) -> Result<Self, DeviceError> {
        let isolation = fgft::init()?;
        let mut opened = opened.into();
        let name = opened.name();
        let (policy, suspects) = policy(&options)?;
        let ladder = Ladder::new(options.ladder.clone());
        let quarantine = Quarantine::new(options.quarantine.clone(), Entry::ALL.len());
        identify::<D>(&mut opened, &name)?;
        let fit = |source| DeviceError::Fit { device: name.clone(), driver: D::NAME, source };
        let mut device = opened.fit(D::BUS).map_err(fit)?;
        let asked = Asked::new::<D>(D::FEATURES, &options, &*endpoint, &name)?;
        let in_bus = |source| DeviceError::Bus { device: name.clone(), source };
        device.enable(false).map_err(in_bus)?;
        let pool = Pool::new(&mut *device, asked.longest_packet())
            .map_err(|source| DeviceError::Pool { device: name.clone(), source })?;
        let window = Window::new(device, D::REGISTERS, pool.bus_range());
        let kind = StateKind { name: D::NAME, version: D::STATE_VERSION };
        let images = options.generations.clamp(2, 64);
        let config = DomainConfig { deadline: options.deadline, images, ..DomainConfig::new(kind) };
        let domain = Domain::new(&config, D::new_state(), Ledger::new())?;
        let irq = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|e| DeviceError::System { operation: "eventfd", source: e.into() })?;
        let look = options.look;
        let mut device = NetDevice {
            name,
            domain,
            host: Host::new(window, pool),
            endpoint,
            irq,
            signal: Signal::Line,
            options,
            permanent_mac: MacAddress::default(),
            recorded: Recorded {
                mac: MacAddress::default(),
                rx_mode: RxMode { promiscuous: false, multicast: u64::MAX },
                settings: asked.settings,
                open: false,
            },
            offloads: asked.offloads,
            mtu: asked.mtu,
            link: Link::default(),
            outbound: Outbound::new(),
            merger: Merger::new(),
            sending_since: None,
            armed: None,
            canary: Box::new([CANARY; 64]),
            policy,
            suspects,
            ladder,
            quarantine,
            accounts: Accounts::new(Entry::ALL.len()),
            reports: Reports::default(),
            restarts: 0,
            traffic: Traffic::default(),
            device_faults: DeviceFaults::default(),
            restores: Restores::new(),
            erred: None,
            interrupts: Interrupts::new(look),
            told_mode: InterruptMode::Line,
            more: false,
            away: None,
            failed: None,
            not_restarted: String::new(),
            stopped: false,
        };
        device.host.wild_target = match isolation {
            fgft::Isolation::ProtectionKeys => device.canary.as_ptr() as u64 + 8,
            // nothing is ever mapped there: without keys only the page tables can stop a wild write
            fgft::Isolation::RollbackOnly => 0x10_dead_beef & !7,
        };
        device.bring_up()?;
        Ok(device)
    }

    /// Probe, interrupts, bus mastering, address, open: in this order. A failure leaves through `Drop`.
    fn bring_up(&mut self) -> Result<(), DeviceError> {
        let valid = |mac: &MacAddress, _: &Host, _: &Ledger| mac.is_station() || *mac == MacAddress::default();
        self.permanent_mac = self.entry_checked(Entry::Probe, |cx| D::probe(cx), valid)?;
        self.ask_of_this_chip()?;
        let signal = Signal::set_up(self.options.interrupts, self.host.window.device(), &self.irq);
        let signal = signal.map_err(|source| self.bus_error(source))?;
        self.signal = signal.ok_or_else(|| DeviceError::NoMsi { device: self.name.clone() })?;
        self.told_mode = self.interrupt_mode();
        let mastering = self.host.window.device().enable(true);
        mastering.map_err(|source| self.bus_error(source))?;
        let mac = self.options.mac.unwrap_or(self.permanent_mac);
        if !mac.is_station() {
            return Err(DeviceError::NoAddress { device: self.name.clone() });
        }
        self.recorded.mac = mac;
        self.entry(Entry::SetMac, move |cx| D::set_mac(cx, mac))?;
        let mode = self.recorded.rx_mode;
        self.entry(Entry::SetRxMode, move |cx| D::set_rx_mode(cx, mode))?;
        self.configure(self.recorded.settings)?;
        self.recorded.open = true;
        self.entry(Entry::Open, |cx| D::open(cx))?;
        self.endpoint.set_mac(mac.0)?;
        self.endpoint.set_mtu(self.mtu)?;
        self.endpoint.set_offloads(self.offloads)?;
        self.update_link()?;
        tracing::info!(device = %self.name, driver = D::NAME, mac = %mac, endpoint = %self.endpoint.name(), "running");
        Ok(())
    }

    /// The chip that `probe` has found may have less than the best of its family.
    fn ask_of_this_chip(&mut self) -> Result<(), DeviceError> {
        let features = self.features();
        if features != D::FEATURES {
            let asked = Asked::new::<D>(features, &self.options, &*self.endpoint, &self.name)?;
            (self.recorded.settings, self.mtu) = (asked.settings, asked.mtu);
        }
        Ok(())
    }

    /// For people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The station address in force.
    #[must_use]
    pub fn mac(&self) -> MacAddress {
        self.recorded.mac
    }

    /// Stops the device: stop, quiesce, bus mastering off, interrupts off, reset, unmap; in this order.
    ///
    /// # Errors
    /// The first that occurred; the rest is done all the same.
    pub fn shut_down(mut self) -> Result<(), DeviceError> {
        self.quiet()
    }

    fn quiet(&mut self) -> Result<(), DeviceError> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        self.recorded.open = false;
        let mut first = Ok(());
        let mut note = |result: Result<(), DeviceError>| {
            if let Err(error) = result {
                tracing::warn!(%error, "while stopping");
                if first.is_ok() {
                    first = Err(error);
                }
            }
        };
        if self.failed.is_none() {
            let stopped = self.entry(Entry::Stop, |cx| D::stop(cx));
            note(self.unless_unplugged(stopped));
        }
        let quiet = self.entry(Entry::Quiesce, |cx| D::quiesce(cx));
        note(self.unless_unplugged(quiet));
        let name = self.name.clone();
        let in_bus = |source| DeviceError::Bus { device: name.clone(), source };
        let device = self.host.window.device();
        note(device.stop_dma().map_err(in_bus));
        note(device.disable_notices().map_err(in_bus));
        match device.reset() {
            Ok(kind @ (ResetKind::Function | ResetKind::None)) => tracing::debug!(?kind, "reset"),
            Err(source) => note(self.unless_unplugged(Err(in_bus(source)))),
        }
        note(self.host.pool.unmap(self.host.window.device()).map_err(in_bus));
        first
    }

    fn bus_error(&self, source: BusError) -> DeviceError {
        DeviceError::Bus { device: self.name.clone(), source }
    }
}

impl<D: NetDriver> Drop for NetDevice<D> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // an unprotected driver has panicked: its code is not run again, but its device must not master the bus
            let _ = self.host.window.device().stop_dma();
            return;
        }
        // errors were logged; there is nobody left to tell
        let _ = self.quiet();
    }
}

/// What the options say of protection, with what the list of suspects adds.
fn policy(options: &Options) -> Result<(Policy, Option<Suspects>), DeviceError> {
    let mut policy = Policy::new(options.protect, Entry::ALL.len());
    for (entry, mode) in &options.protect_entries {
        policy.set(*entry as usize, *mode);
    }
    let suspects = options.suspects.as_deref().map(|path| Suspects::open(path, Entry::NAMES)).transpose()?;
    for entry in suspects.iter().flat_map(Suspects::listed) {
        policy.suspect(entry);
    }
    Ok((policy, suspects))
}

/// Reads the id and finds it in the driver's table.
fn identify<D: NetDriver>(opened: &mut Opened, name: &str) -> Result<(), DeviceError> {
    let found = opened.id().map_err(|source| DeviceError::Bus { device: name.to_owned(), source })?;
    let Some(found) = found else { return Err(DeviceError::Gone { device: name.to_owned() }) };
    if D::IDS.contains(&found.numbers()) {
        return Ok(());
    }
    let known: Vec<String> = D::IDS.iter().map(|(vendor, device)| format!("{vendor:04x}:{device:04x}")).collect();
    Err(DeviceError::NotThisDevice { device: name.to_owned(), found, driver: D::NAME, known: known.join(", ") })
}
