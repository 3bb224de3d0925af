//! A device that runs, whatever its class: entry points as transactions, the ladder, interrupts, commands.
//!
//! ```text
//!   net/, sound/, input/ ────call──> run/ ──> transact.rs ──> [driver]
//!        ^                            │
//!        └── what to do with work, ───┘ recover, restart, serve, wait
//!            what to replay
//! ```
//!
//! `call.rs` runs one entry point as a transaction, `recover.rs` and `restart.rs` do what a fault calls for; `serving.rs` serves the
//! device, with `interrupts.rs` and `device_faults.rs` to say what to do when it does wrong; `absence.rs` waits for one that
//! was unplugged; `event_loop.rs` waits for the device, the endpoint and commands (`command.rs`), `tuning.rs` is what of the options can be changed
//! meanwhile; `checkpoint.rs` tells and takes over what it is set to; `heir.rs` and `adopt.rs` go on with a device of another process; this file starts and stops.
//!
//! What a class has to add is [`Class`]. It owns what only it knows, in `Running::class`, and its methods on
//! `Running<itself>` are in its own folder.

mod absence;
mod adopt;
mod call;
mod checkpoint;
mod class;
mod command;
mod device_faults;
mod error;
mod event_loop;
mod heir;
mod interrupts;
mod memory;
mod options;
mod recover;
mod restart;
mod serving;
mod signal;
mod status;
mod tuning;

use std::sync::Arc;

use fgft::{Domain, DomainConfig, StateKind};
use nix::sys::eventfd::{EfdFlags, EventFd};
use udrv_bus::{BusError, ResetKind};
use udrv_driver::{Driver, Entry, Error, Identity, Injection};

pub use call::CallError;
pub use class::Class;
pub(crate) use class::variant_of;
pub use command::{Answer, Command, Commander, GivenUp, Heartbeat, Inbox, commands};
pub use device_faults::DeviceFaults;
pub use error::DeviceError;
pub use event_loop::{Ended, LeftBehind};
pub use heir::{Heir, Refused};
pub use interrupts::{Found, InterruptMode};
pub use memory::Memory;
pub use options::Options;
pub use signal::InterruptChoice;
pub use status::{ClassStatus, EntryStatus, QuarantineStatus, Status};
pub use tuning::Tuning;

use self::device_faults::Restores;
use self::interrupts::Interrupts;
use self::signal::Signal;
use crate::device::Opened;
use crate::host::Host;
use crate::keep::Kept;
use crate::ledger::Ledger;

use crate::report::Reports;
use crate::supervisor::accounting::Accounts;
use crate::supervisor::ladder::Ladder;
use crate::supervisor::policy::{Policy, Protect};
use crate::supervisor::quarantine::Quarantine;
use crate::supervisor::suspects::Suspects;
use crate::window::Window;

/// A device that runs.
pub struct Running<C: Class> {
    /// What only its class knows.
    pub(crate) class: C,
    pub(crate) name: String,
    /// For `probe`.
    pub(crate) identity: Identity,
    pub(crate) domain: Domain<<C::Driver as Driver>::State, Ledger>,
    pub(crate) host: Host,
    irq: EventFd,
    signal: Signal,
    pub(crate) options: Options,
    armed: Option<(Entry, Injection, u32)>,
    /// Where injected wild writes go where protection keys stop them.
    canary: Box<[u64; 64]>,
    pub(crate) policy: Policy,
    suspects: Option<Suspects>,
    ladder: Ladder,
    quarantine: Quarantine,
    accounts: Accounts,
    pub(crate) reports: Reports,
    restarts: u64,
    /// Calls of entry points, transactions or not: the number of the last one.
    transactions: u64,
    /// Times that the device was restored because it did something wrong.
    restores_done: u64,
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
    /// It was unplugged, and is looked for.
    away: Option<absence::Away>,
    pub(crate) failed: Option<String>,
    /// What a call within a rung has refused with last.
    refused: Option<Error>,
    /// Why the last restart did not work.
    not_restarted: String,
    stopped: bool,
    /// It was gone on with, and no call has committed since.
    unproven: bool,
    /// What a keeper has of it.
    kept_names: Vec<&'static str>,
    /// What the configuration says of protection, by entry point.
    told_protection: Vec<Protect>,
}

/// What the canary holds.
const CANARY: u64 = 0x0063_616e_6172_7900;

impl<C: Class> Running<C> {
    /// Takes the device into operation; `class` looks at the options first. On error it is as quiet as it was found.
    pub(crate) fn new(
        opened: impl Into<Opened>,
        options: Options,
        class: impl FnOnce(&str, &Options) -> Result<C, DeviceError>,
    ) -> Result<Self, DeviceError> {
        fgft::init()?;
        let mut opened = opened.into();
        let name = opened.name();
        let policy = options.policy(C::ENTRIES)?;
        let identity = identify::<C::Driver>(&mut opened, &name)?;
        let fit = |source| DeviceError::Fit { device: name.clone(), driver: C::Driver::NAME, source };
        let mut device = opened.fit(C::Driver::BUS).map_err(fit)?;
        let class = class(&name, &options)?;
        let in_bus = |source| DeviceError::Bus { device: name.clone(), source };
        device.enable(false).map_err(in_bus)?;
        let pool = class.pool(&mut *device);
        let pool = pool.map_err(|source| DeviceError::Pool { device: name.clone(), source })?;
        let kept =
            Arc::new(Kept::new().map_err(|source| DeviceError::Pool { device: name.clone(), source: source.into() })?);
        let window = Window::new(device, C::Driver::REGISTERS, pool.bus_range(), kept.clone());
        let kind = StateKind { name: C::Driver::NAME, version: C::Driver::STATE_VERSION };
        let images = options.generations.clamp(2, 64);
        let config = DomainConfig { deadline: options.deadline, images, ..DomainConfig::new(kind) };
        let domain = Domain::new(&config, C::Driver::NEW, Ledger::new())?;
        let host = Host::new(window, pool, options.clock.clone(), kept);
        let mut device = Running::assemble(class, name, identity, domain, host, options, policy)?;
        // a failure leaves through `Drop`
        C::bring_up(&mut device)?;
        device.keep();
        Ok(device)
    }

    /// The parts, put together.
    fn assemble(
        class: C,
        name: String,
        identity: Identity,
        domain: Domain<<C::Driver as Driver>::State, Ledger>,
        mut host: Host,
        options: Options,
        (policy, suspects): (Policy, Option<Suspects>),
    ) -> Result<Self, DeviceError> {
        let isolation = fgft::init()?;
        host.window.set_tracer(options.trace.clone());
        let ladder = Ladder::new(options.ladder);
        let quarantine = Quarantine::new(options.quarantine, Entry::ALL.len());
        let irq = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|e| DeviceError::System { operation: "eventfd", source: e.into() })?;
        let look = options.look;
        let mut device = Running {
            class,
            name,
            identity,
            domain,
            host,
            irq,
            signal: Signal::Line,
            options,
            armed: None,
            canary: Box::new([CANARY; 64]),
            policy,
            suspects,
            ladder,
            quarantine,
            accounts: Accounts::new(Entry::ALL.len()),
            reports: Reports::default(),
            restarts: 0,
            transactions: 0,
            restores_done: 0,
            device_faults: DeviceFaults::default(),
            restores: Restores::new(),
            erred: None,
            interrupts: Interrupts::new(look),
            told_mode: InterruptMode::Line,
            away: None,
            failed: None,
            refused: None,
            not_restarted: String::new(),
            stopped: false,
            unproven: false,
            kept_names: Vec::new(),
            told_protection: Vec::new(),
        };
        device.told_protection = device.protection();
        device.host.wild_target = match isolation {
            fgft::Isolation::ProtectionKeys => device.canary.as_ptr() as u64 + 8,
            // nothing is ever mapped there: without keys only the page tables can stop a wild write
            fgft::Isolation::RollbackOnly => 0x10_dead_beef & !7,
        };
        Ok(device)
    }

    /// After `probe`: how it interrupts, and that it may master the bus.
    pub(crate) fn connect(&mut self) -> Result<(), DeviceError> {
        let signal = Signal::set_up(self.options.interrupts, self.host.window.device(), &self.irq);
        let signal = signal.map_err(|source| self.bus_error(source))?;
        self.signal = signal.ok_or_else(|| DeviceError::NoMsi { device: self.name.clone() })?;
        self.told_mode = self.interrupt_mode();
        self.host.kept.set_by_messages(self.signal.is_messages());
        let mastering = self.host.window.device().enable(true);
        mastering.map_err(|source| self.bus_error(source))
    }

    /// For people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stops the device: what its class has running, quiesce, bus mastering off, interrupts off, reset, unmap; in this
    /// order.
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
        // from here on there is nothing to go on with
        self.host.kept.set_works(false);
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
            let stopped = C::stop(self);
            note(self.unless_unplugged(stopped));
        }
        let quiet = self.entry(Entry::Quiesce, C::Driver::quiesce);
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
        self.forget_kept();
        first
    }

    pub(crate) fn bus_error(&self, source: BusError) -> DeviceError {
        DeviceError::Bus { device: self.name.clone(), source }
    }
}

impl<C: Class> Drop for Running<C> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // an unprotected driver has panicked: its code is not run again, but its device must not master the bus
            let _ = self.host.window.device().stop_dma();
            self.host.kept.set_works(false);
            return;
        }
        // errors were logged; there is nobody left to tell
        let _ = self.quiet();
    }
}

/// Reads the id and finds it in the driver's table.
fn identify<D: Driver>(opened: &mut Opened, name: &str) -> Result<Identity, DeviceError> {
    let in_bus = |source| DeviceError::Bus { device: name.to_owned(), source };
    let identity = opened.identity().map_err(in_bus)?;
    let Some(identity) = identity else { return Err(DeviceError::Gone { device: name.to_owned() }) };
    if D::IDS.contains(&(identity.vendor, identity.product)) {
        return Ok(identity);
    }
    let Some(found) = opened.id().map_err(in_bus)? else { return Err(DeviceError::Gone { device: name.to_owned() }) };
    let known: Vec<String> = D::IDS.iter().map(|(vendor, device)| format!("{vendor:04x}:{device:04x}")).collect();
    Err(DeviceError::NotThisDevice { device: name.to_owned(), found, driver: D::NAME, known: known.join(", ") })
}
