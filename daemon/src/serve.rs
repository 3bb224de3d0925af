//! `udrvctl model serve`: a model in this process, for a driver in another one.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use model_serve::{ServeError, Server};
use model_wire::{FarHostConfig, WireConfig};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::models::{Card, Model, ParseModelError};

/// What a PHY and its partner take to find their mode. Real ones take 2 s.
const NEGOTIATION: Duration = Duration::from_millis(300);

/// Why a model is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeModelError {
    /// No such model.
    #[error(transparent)]
    NoModel(#[from] ParseModelError),
    /// No socket, or it failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Threads or signals could not be had.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// Serves model `name` at `socket` until SIGTERM or SIGINT. `far_host` is the host at the other end of its wire.
/// Says what it serves on standard output once clients can connect.
///
/// # Errors
/// [`ServeModelError`].
pub fn serve(name: &str, socket: &Path, far_host: Option<FarHostConfig>) -> Result<(), ServeModelError> {
    let model: Model = name.parse()?;
    // before there is a socket: nothing may be left behind by a signal
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let server = Server::bind(socket)?;
    let host = match &far_host {
        Some(host) => format!("; the host at the other end of its wire is {}", host.ipv4),
        None => String::new(),
    };
    // the host has its part in it
    let negotiation = if far_host.is_some() { NEGOTIATION } else { Duration::ZERO };
    let wire = WireConfig { negotiation, ..WireConfig::default() };
    let Card { function, mut reopen, far_host: _host } = model.build(wire, far_host)?;
    let (stopper, handle) = (server.stopper(), signals.handle());
    let waiter = thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    })?;
    // whoever started this may not be listening any more: that is no reason not to serve
    let line = format!(
        "serving model:{model} at {}{host}; connect one client: vfio-user:{}",
        socket.display(),
        socket.display()
    );
    let _ = io::Write::write_all(&mut io::stdout(), format!("{line}\n").as_bytes());
    drop(function); // each client opens the card for itself
    let served = server.run(&mut reopen);
    handle.close();
    let _ = waiter.join();
    Ok(served?)
}
