//! The input class: an input driver between its device and an endpoint.
//!
//! ```text
//!   endpoint <──what has changed── reports <──staged, on commit── [driver] <──byte by byte── device
//! ```
//!
//! What a call hands up leaves when it commits. What it took from the device and did not bring to its end is given again to the
//! next, so a fault in `interrupt` loses nothing and doubles nothing. Recovery that must speak with the device breaks into what it
//! sends; that is counted, and afterwards the device is asked which buttons are down ([`InputDriver::poll`]).
//!
//! `buttons.rs` knows what the endpoint was told; `reports.rs` moves reports to it; `care.rs` has what is done when the device is out
//! of step, new or silent; `setting.rs` has what it can be set to; `control.rs` makes calls by command, changes settings and tells the status; `checkpoint.rs` is
//! what is moved into another process; `class.rs` is what of that a
//! device that runs (`crate::run`) calls; this file starts.

mod buttons;
mod care;
mod checkpoint;
mod class;
mod control;
mod reports;
mod setting;

use std::marker::PhantomData;
use std::time::Duration;

use udrv_driver::{Buttons, Entry, Error, InputDriver, InputInfo};

pub use checkpoint::{InputSettings, Scaling};
pub use control::InputStatus;
pub use reports::InputCounters;
pub use setting::{InputOptions, InputSetting};

use self::buttons::Told;
use crate::device::Opened;
use crate::endpoint::input::{InputEndpoint, InputEndpointError};
use crate::run::{CallError, DeviceError, Options, Running};

/// An input device that runs.
pub type InputDevice<D> = Running<Input<D>>;

/// What only the input class knows of a device.
pub struct Input<D: InputDriver> {
    endpoint: Box<dyn InputEndpoint>,
    /// What it is, and how it is set.
    info: InputInfo,
    /// What it was shown as.
    shown: Option<InputInfo>,
    /// Why it takes no more.
    broken: Option<InputEndpointError>,
    told: Told,
    /// What it is to be set to, as it was asked for and not as it came of it: after a restart the same is asked for.
    wanted: InputOptions,
    enabled: bool,
    counters: InputCounters,
    /// It is to be asked which buttons are down.
    asks: bool,
    /// It may be another than the endpoint shows.
    shows: bool,
    presence: Presence,
    /// It was restored because it did not answer to the point, and has not done so since.
    mended: bool,
    /// It was restored by half, and what is missing is not known.
    half_set: bool,
    /// `interrupt` is in quarantine.
    asleep: bool,
    /// It was restarted since this was reset.
    restarted: bool,
    /// When it was heard last.
    heard: Duration,
    driver: PhantomData<D>,
}

/// Before `probe`.
const NOTHING: InputInfo = InputInfo {
    name: "",
    protocol: "",
    buttons: Buttons::NONE,
    wheel: false,
    pan: false,
    rate: 0,
    resolution: 0,
    double: false,
    enabled: false,
};

/// Whether somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// The device.
    Here,
    /// Nobody answers. Who is plugged in says so.
    Silent,
    /// Something that is no such device.
    Foreign,
}

impl<D: InputDriver> InputDevice<D> {
    /// Takes the device into operation before `endpoint`. On error it is as quiet as it was found.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn start(
        opened: impl Into<Opened>,
        endpoint: Box<dyn InputEndpoint>,
        options: Options,
    ) -> Result<Self, DeviceError> {
        Running::new(opened, options, |_, options| {
            Ok(Input {
                endpoint,
                info: NOTHING,
                shown: None,
                broken: None,
                told: Told::default(),
                wanted: options.input,
                enabled: false,
                counters: InputCounters::default(),
                asks: false,
                shows: false,
                presence: Presence::Here,
                mended: false,
                half_set: false,
                asleep: false,
                restarted: false,
                heard: Duration::ZERO,
                driver: PhantomData,
            })
        })
    }

    /// Probe, interrupts, settings, and the device is shown; then it reports.
    fn set_up(&mut self) -> Result<(), DeviceError> {
        let probed = self.entry(Entry::Probe, |cx| D::probe(cx));
        probed.map_err(|error| self.nobody(error))?;
        self.connect()?;
        for setting in self.class.wanted.settings() {
            self.tell(setting)?;
        }
        self.show()?;
        self.entry(Entry::Enable, |cx| D::enable(cx))?;
        (self.class.enabled, self.class.asks) = (true, true);
        self.settle()?;
        tracing::info!(device = %self.name, driver = D::NAME, endpoint = %self.class.endpoint.name(), "running");
        Ok(())
    }

    /// `error` of `probe`, in the words for what is the matter as a rule.
    fn nobody(&self, error: DeviceError) -> DeviceError {
        let device = self.name.clone();
        match &error {
            DeviceError::Entry { source: CallError::Driver(Error::NotThisDevice), .. } => {
                DeviceError::Foreign { device, driver: D::NAME }
            }
            DeviceError::Entry { source: CallError::Driver(Error::Gone), .. } => DeviceError::Nobody { device },
            _ => error,
        }
    }
}
