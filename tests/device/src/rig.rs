//! A driver on the model of its chip, between a host and a wire.
//!
//! ```text
//!   HostEnd ==socket== NetDevice<S::Driver> ==PciFunction== Model<S::Chip> ==wire== Station
//! ```

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model_card::{Handle, Model};
use model_wire::{Station, Wire, WireConfig};
use udrv::net::{NetDevice, NetOptions};
use udrv::run::{DeviceError, Options};
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_bus::PciFunction;

use crate::host::{self, HostEnd};
use crate::running::Running;
use crate::spy::{Spy, spy};
use crate::subject::{Config, Misbehave, Subject};

/// What the tests hold on to beside the device.
pub struct Surroundings<S: Subject> {
    /// The host's end.
    pub host: HostEnd,
    /// The other end of the wire.
    pub station: Station,
    /// The cable.
    pub wire: Wire,
    /// The model's bench.
    pub bench: Handle<S::Chip>,
    /// The back door of the card.
    pub spy: Spy<S>,
    _turn: Turn,
}

/// The right to have a device: a process has few protection keys and tests have times, so there is one at a time.
pub struct Turn(#[expect(dead_code, reason = "it is held, not looked at")] MutexGuard<'static, ()>);

/// Waits for it. For tests that time a start: waiting for others is no part of it.
#[must_use]
pub fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    Turn(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A device on a thread of its own, as in udrvd.
pub struct Rig<S: Subject> {
    /// See [`Surroundings`].
    pub around: Surroundings<S>,
    running: Running,
}

impl<S: Subject> Deref for Rig<S> {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

/// A device that the test turns by hand, on its own thread.
pub struct Hand<S: Subject> {
    /// See [`Surroundings`].
    pub around: Surroundings<S>,
    /// The device.
    pub device: NetDevice<S::Driver>,
}

/// Whether this runs on an emulated processor, as far as `UDRV_TEST_DEADLINE` says so: tests make less of everything there.
#[must_use]
pub fn is_emulated() -> bool {
    std::env::var_os("UDRV_TEST_DEADLINE").is_some()
}

/// `options`, with the CPU time that one call may use from `UDRV_TEST_DEADLINE` in milliseconds, if that is set: emulated
/// processors take longer for everything, for sending a frame too.
///
/// # Panics
/// When it is no number.
#[must_use]
pub fn patient(options: Options) -> Options {
    let Ok(ms) = std::env::var("UDRV_TEST_DEADLINE") else { return options };
    let deadline = Duration::from_millis(ms.parse().expect("milliseconds"));
    Options {
        deadline: deadline.max(options.deadline),
        net: NetOptions { tx_timeout: options.net.tx_timeout.max(4 * deadline), ..options.net },
        ..options
    }
}

/// Options for tests: what waits for seconds in earnest waits for fractions of one, and no entry point is put aside, for
/// injected faults repeat themselves. A call may use more CPU time than usual: where the processor is virtual, time that
/// another machine takes from it is CPU time of whoever runs, and among thousands of calls one would overrun a short
/// deadline through no fault of its own.
#[must_use]
pub fn quick() -> Options {
    let moment = Duration::from_millis(50);
    let deadline = 6 * Options::default().deadline;
    let quarantine = QuarantineConfig { faults: 0, ..QuarantineConfig::default() };
    Options {
        look: moment,
        quarantine,
        deadline,
        net: NetOptions { tx_timeout: moment, ..NetOptions::default() },
        ..Options::default()
    }
}

fn build<S: Subject>(
    turn: Turn,
    options: Options,
    config: Config<S>,
    trouble: impl FnOnce(&mut Misbehave<S>),
    carry: impl FnOnce(Box<dyn PciFunction>) -> Box<dyn PciFunction>,
) -> Result<(NetDevice<S::Driver>, Surroundings<S>), DeviceError> {
    fgft::init()?;
    let (wire, near, far) = Wire::new(WireConfig::default());
    let station = Station::new(far);
    let (card, bench) = Model::<S::Chip>::new(config, near);
    bench.misbehave(trouble);
    let (card, spy) = spy::<S>(card);
    let (endpoint, host) = host::pair();
    let device = NetDevice::start(carry(Box::new(card)), Box::new(endpoint), patient(options))?;
    Ok((device, Surroundings { host, station, wire, bench, spy, _turn: turn }))
}

impl<S: Subject> Rig<S> {
    /// Starts a device with [`quick`] options.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn new() -> Rig<S> {
        Rig::start(quick(), S::config(), |_| {}).expect("the device starts")
    }

    /// Starts a device on a card that may misbehave from the start.
    ///
    /// # Errors
    /// As [`NetDevice::start`].
    ///
    /// # Panics
    /// When there are no threads.
    pub fn start(
        options: Options,
        config: Config<S>,
        trouble: impl FnOnce(&mut Misbehave<S>),
    ) -> Result<Rig<S>, DeviceError> {
        Rig::start_in(turn(), options, config, trouble)
    }

    /// The same for who has taken their turn.
    ///
    /// # Errors
    /// As [`NetDevice::start`].
    ///
    /// # Panics
    /// When there are no threads.
    pub fn start_in(
        turn: Turn,
        options: Options,
        config: Config<S>,
        trouble: impl FnOnce(&mut Misbehave<S>),
    ) -> Result<Rig<S>, DeviceError> {
        Rig::start_behind(turn, options, config, trouble, |card| card)
    }

    /// The same with something between the device and the card: `carry` gets the card and gives what the device has.
    ///
    /// # Errors
    /// As [`NetDevice::start`].
    ///
    /// # Panics
    /// When there are no threads.
    pub fn start_behind(
        turn: Turn,
        options: Options,
        config: Config<S>,
        trouble: impl FnOnce(&mut Misbehave<S>),
        carry: impl FnOnce(Box<dyn PciFunction>) -> Box<dyn PciFunction>,
    ) -> Result<Rig<S>, DeviceError> {
        let (device, around) = build(turn, options, config, trouble, carry)?;
        Ok(Rig { around, running: Running::new(device)? })
    }

    /// Stops it and gives what `run` gave, and what is left.
    ///
    /// # Errors
    /// As [`NetDevice::run`].
    ///
    /// # Panics
    /// When it does not stop within [`crate::PATIENCE`], or panicked.
    pub fn stop(self) -> (Result<(), DeviceError>, Surroundings<S>) {
        (self.running.stop(), self.around)
    }
}

impl<S: Subject> Default for Rig<S> {
    fn default() -> Rig<S> {
        Rig::new()
    }
}

impl<S: Subject> Hand<S> {
    /// Starts a device. Nobody waits for interrupts here, so none is held back.
    ///
    /// # Errors
    /// As [`NetDevice::start`].
    pub fn try_new(options: Options, config: Config<S>) -> Result<Hand<S>, DeviceError> {
        let options =
            Options { net: NetOptions { interrupt_interval: Some(Duration::ZERO), ..options.net }, ..options };
        let (device, around) = build(turn(), options, config, |_| {}, |card| card)?;
        Ok(Hand { around, device })
    }

    /// The same.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn new(options: Options, config: Config<S>) -> Hand<S> {
        Hand::try_new(options, config).expect("the device starts")
    }

    /// Takes what the host has sent, and serves interrupts until there are none.
    ///
    /// # Errors
    /// When the device ends.
    ///
    /// # Panics
    /// When interrupts do not end.
    pub fn settle(&mut self) -> Result<(), DeviceError> {
        self.device.pump_endpoint()?;
        for _ in 0..10_000 {
            if !self.around.bench.intx_asserted() {
                return Ok(());
            }
            self.device.serve_interrupt()?;
        }
        panic!("interrupts without end");
    }
}
