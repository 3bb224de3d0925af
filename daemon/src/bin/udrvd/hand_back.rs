//! What is done when recovery did not help and the device is to be handed back: rung 5 of the ladder, as far as this process
//! may. The rest takes root: `udrvctl hand-back --given-up`, which the service manager starts for this exit code.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use udrv::run::{ClassStatus, DeviceError, GivenUp, Status};
use udrv_daemon::system::hand_back::Note;
use udrv_daemon::system::network;

use crate::service;

/// It was given up, and is to be handed back: with what this was said.
pub(crate) type Said = Arc<OnceLock<()>>;

/// Ends udrvd with [`udrv_daemon::system::hand_back::GIVEN_UP`].
#[derive(Debug, thiserror::Error)]
#[error("{0}; to be handed back to the kernel's driver")]
pub(crate) struct ToBeHandedBack(pub(crate) DeviceError);

/// Notes what the interface carries, while it is there, and says what happens. `directory`: where the note goes.
pub(crate) fn when_given_up(directory: &Path, device: &str, said: Said) -> GivenUp {
    let (directory, device) = (directory.to_owned(), device.to_owned());
    Box::new(move |status: &Status, error: &DeviceError| {
        let _ = said.set(());
        let interface = match &status.class {
            ClassStatus::Net(net) => Some(net.endpoint.as_str()),
            ClassStatus::Sound(_) | ClassStatus::Input(_) => None,
        };
        let network = interface.and_then(|interface| {
            network::read(interface).unwrap_or_else(|why| {
                tracing::error!(device, "what {interface} carries cannot be found out, and will not move: {why}");
                None
            })
        });
        let carried = network.as_ref().map_or("nothing".to_owned(), |network| network.lines().join(", "));
        let from =
            interface.map_or_else(String::new, |interface| format!("; its interface {interface} carries: {carried}"));
        tracing::error!(device, "given up: {error}. It is handed back to the kernel's driver{from}");
        for what in network.iter().flat_map(|network| network.stays_behind()) {
            tracing::error!(device, "{what}");
        }
        if let Err(why) = Note::new(&device, &error.to_string(), network).write(&directory) {
            tracing::error!(device, "what its interface carries cannot be noted, and will not move: {why}");
        }
        service::given_up(&format!("given up, and handed back to the kernel's driver: {error}"));
    })
}
