//! Why a device cannot be run.

use udrv_bus::BusError;
use udrv_driver::Entry;

use super::CallError;
use crate::device::{DeviceId, FitError};
use crate::endpoint::EndpointError;
use crate::endpoint::input::InputEndpointError;
use crate::endpoint::sound::SoundEndpointError;
use crate::net::FeatureError;
use crate::pool::PoolError;
use crate::supervisor::suspects::SuspectsError;

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
    /// Nothing answers at the other end.
    #[error(
        "{device}: nobody answers there: is a device plugged in? A laptop's touchpad may be switched off in the firmware's settings"
    )]
    Nobody {
        /// The device's name.
        device: String,
    },
    /// Something else is plugged in.
    #[error(
        "{device}: what is plugged in there is no device for the driver {driver}, a keyboard perhaps: plug in one that is, or name \
         another port"
    )]
    Foreign {
        /// The device's name.
        device: String,
        /// The driver.
        driver: &'static str,
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
    /// The network interface failed.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Where the sound goes to or comes from failed.
    #[error(transparent)]
    Sound(#[from] SoundEndpointError),
    /// Where reports go to failed.
    #[error(transparent)]
    Input(#[from] InputEndpointError),
    /// A policy for an entry point that the driver does not have.
    #[error("the driver has no entry point {entry}; it has {}", names(known))]
    NoSuchEntry {
        /// What was asked for.
        entry: Entry,
        /// What there is.
        known: &'static [Entry],
    },
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

impl DeviceError {
    /// Whether it is of a call of which nothing has happened: it has faulted, or was not made.
    pub(crate) fn is_of_a_call_undone(&self) -> bool {
        matches!(self, DeviceError::Entry { source: CallError::Fault(_) | CallError::Quarantined, .. })
    }
}

/// Their names, for people.
pub(crate) fn names(entries: &[Entry]) -> String {
    entries.iter().map(|entry| entry.name()).collect::<Vec<_>>().join(" ")
}
