//! What the daemon itself has, beside its device: the lock, the control socket, the metrics. Taken, or gone on with.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use udrv::run::Commander;
use udrv_daemon::control::{Access, ControlSocket, Gate};
use udrv_daemon::lock::DeviceLock;
use udrv_daemon::metrics::MetricsServer;
use udrv_daemon::pair::{self, Pair, Predecessor};
use udrv_daemon::trace::Trace;

use crate::arguments::Run;
use crate::service;

/// Files go with it, unless it is left.
pub(crate) struct House {
    lock: DeviceLock,
    control: ControlSocket,
    metrics: Option<MetricsServer>,
}

impl House {
    /// Takes all of it for the device; from the predecessor what that has.
    ///
    /// # Errors
    /// Somebody else has it, or it cannot be made.
    pub(crate) fn new(
        run: &Run,
        directory: &Path,
        device: &str,
        predecessor: Option<&mut Predecessor>,
    ) -> Result<House, Box<dyn Error>> {
        let access = Access { readers: run.service.read_group.clone(), changers: run.service.change_group.clone() };
        let [mut lock, mut metrics] = [None, None];
        let mut control = None;
        if let Some(predecessor) = predecessor {
            lock = predecessor.lock();
            control = predecessor.control();
            metrics = run.service.metrics.as_ref().and_then(|place| predecessor.metrics(&place.to_string()));
        }
        let lock = match lock {
            Some(file) => DeviceLock::inherit(directory, device, file),
            None => DeviceLock::take(directory, device)?,
        };
        let control = match control {
            Some((listener, files)) => ControlSocket::inherit(listener, files, &access)?,
            None => control_socket(run, directory, device, &access)?,
        };
        let metrics = match (&run.service.metrics, metrics) {
            (None, _) => None,
            (Some(place), Some(listener)) => Some(MetricsServer::inherit(listener, place)),
            (Some(place), None) => Some(MetricsServer::bind(place, &access)?),
        };
        Ok(House { lock, control, metrics })
    }

    /// It is this process's: whoever asks is told so, and clients are served.
    ///
    /// # Errors
    /// No threads, or the lock cannot be written.
    pub(crate) fn serve(
        &mut self,
        commander: &Commander,
        trace: &Arc<Trace>,
        pair: &Pair,
        gate: &Gate,
    ) -> Result<(), Box<dyn Error>> {
        self.lock.sign()?;
        if let Some(metrics) = &mut self.metrics {
            metrics.serve(commander.clone(), gate.clone())?;
        }
        Ok(self.control.serve(commander.clone(), trace.clone(), pair.clone(), gate.clone())?)
    }

    /// What a successor needs of it.
    ///
    /// # Errors
    /// No room for descriptors.
    pub(crate) fn parts(&self) -> io::Result<pair::House> {
        let (control, control_files) = self.control.part()?;
        let metrics = self.metrics.as_ref().map(MetricsServer::part).transpose()?;
        let metrics_place = self.metrics.as_ref().map(|metrics| metrics.place().to_string());
        let fds = [self.lock.part()?, control].into_iter().chain(metrics).collect();
        Ok(pair::House { fds, control_files, metrics_place })
    }

    /// Another process has all of it.
    pub(crate) fn leave(self) {
        self.lock.leave();
        self.control.leave();
        if let Some(metrics) = self.metrics {
            metrics.leave();
        }
    }
}

/// The control socket: the service manager's, or one of our own. It is called as the configuration is, or as the device.
fn control_socket(run: &Run, directory: &Path, device: &str, access: &Access) -> Result<ControlSocket, Box<dyn Error>> {
    if let Some(listener) = service::control_socket()? {
        return Ok(ControlSocket::adopt(listener, directory, device, access)?);
    }
    let file = run.config.as_ref().and_then(|file: &PathBuf| file.file_stem());
    let name = file.map_or(device.into(), |stem| stem.to_string_lossy());
    Ok(ControlSocket::bind(directory, &name, device, access)?)
}
