//! The sound class: a sound driver between its device and an endpoint.
//!
//! ```text
//!   endpoint --take--> ring in DMA memory --> device        [driver]: where the ring is, how far the device is
//!   endpoint <--give-- ring in DMA memory <-- device
//! ```
//!
//! The samples never come near the driver: a fault in it can neither spoil nor repeat one, and while it is brought back the device
//! plays on from the ring. What counts as played is what a call that committed has said ([`SoundDriver::pointer`]).
//!
//! `stream.rs` knows one stream's ring, with `position.rs` to count frames, `samples.rs` to move them and `drift.rs` to follow the
//! device's clock; `flow.rs` starts, feeds and stops streams through the driver's entry points; `mixer.rs` has the controls;
//! `control.rs` makes calls by command and tells the status; `checkpoint.rs` is what is moved into another process; `class.rs` is what of that a device that runs (`crate::run`) calls;
//! this file starts.

mod checkpoint;
mod class;
mod control;
mod drift;
mod flow;
mod mixer;
mod position;
mod samples;
mod stream;

use std::marker::PhantomData;
use std::time::Duration;

use udrv_driver::{ControlValue, Entry, SoundDriver, SoundVariant};

pub use checkpoint::{SoundSettings, StreamSettings};
pub use control::{ControlStatus, SoundStatus, StreamStatus};
pub use stream::{Phase, StreamCounters};

use self::stream::Flow;
use crate::device::Opened;
use crate::endpoint::sound::{Card, SoundEndpoint};
use crate::run::{DeviceError, Options, Running};

/// How a sound device is run.
#[derive(Debug, Clone)]
pub struct SoundOptions {
    /// Time of a period, about: what a fault may cost of a tone at the most, and how often the device interrupts.
    pub period: Duration,
    /// Periods of a ring: how late this process may be, and half of it is how late the sound is.
    pub periods: u32,
}

impl Default for SoundOptions {
    fn default() -> Self {
        SoundOptions { period: Duration::from_millis(10), periods: 8 }
    }
}

/// A sound device that runs.
pub type SoundDevice<D> = Running<Sound<D>>;

/// What only the sound class knows of a device.
pub struct Sound<D: SoundDriver> {
    endpoint: Box<dyn SoundEndpoint>,
    /// What the card has that was found.
    has: SoundVariant,
    flows: Vec<Flow>,
    /// The controls, as they are to be.
    controls: Vec<ControlValue>,
    options: SoundOptions,
    /// The device was restored, and it is to be seen where it is.
    looks_again: bool,
    /// Samples on their way.
    scratch: Vec<u8>,
    driver: PhantomData<D>,
}

/// Before `probe`.
const NOTHING: SoundVariant = SoundVariant { streams: &[], controls: &[] };

/// Bytes of samples that are moved at once: whole frames of any format.
const SCRATCH: usize = 8192;

impl<D: SoundDriver> SoundDevice<D> {
    /// Takes the device into operation behind `endpoint`. On error it is as quiet as it was found.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn start(
        opened: impl Into<Opened>,
        endpoint: Box<dyn SoundEndpoint>,
        options: Options,
    ) -> Result<Self, DeviceError> {
        Running::new(opened, options, |_, options| {
            Ok(Sound {
                endpoint,
                has: NOTHING,
                flows: Vec::new(),
                controls: Vec::new(),
                options: options.sound.clone(),
                looks_again: false,
                scratch: vec![0; SCRATCH],
                driver: PhantomData,
            })
        })
    }

    /// Probe, interrupts, bus mastering, and the card is shown: in this order.
    fn set_up(&mut self) -> Result<(), DeviceError> {
        let identity = self.identity;
        self.entry(Entry::Probe, move |cx| D::probe(cx, identity))?;
        self.connect()?;
        let SoundVariant { streams, .. } = self.class.has;
        self.class.flows = streams.iter().map(|info| Flow::new(*info)).collect();
        let controls = self.read_controls()?;
        self.class.controls = controls.iter().map(|(_, value)| *value).collect();
        let card = Card { driver: D::NAME, device: &self.name, streams, controls: &controls };
        self.class.endpoint.show(&card)?;
        tracing::info!(device = %self.name, driver = D::NAME, endpoint = %self.class.endpoint.name(), "running");
        Ok(())
    }
}
