//! `udrvctl model serve`: a model in this process, for a driver in another one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use model_serve::{Cable, ServeError, Server};
use model_wire::{FarHost, FarHostConfig, FarPort, WireConfig};
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

/// What is at the other end of a served model's wire.
#[derive(Debug, Clone)]
pub enum FarEnd {
    /// Nothing.
    Nobody,
    /// A host in this process.
    Host(FarHostConfig),
    /// Whoever connects to a socket, and the speed of the wire in bits a second.
    Cable(PathBuf, u64),
}

/// The same, there.
enum There {
    Nobody,
    Host { _host: FarHost },
    Cable { _cable: Cable },
}

impl FarEnd {
    fn put(&self, port: FarPort) -> Result<There, ServeModelError> {
        Ok(match self {
            FarEnd::Nobody => There::Nobody,
            FarEnd::Host(config) => There::Host { _host: FarHost::start(port, config.clone())? },
            FarEnd::Cable(socket, rate) => There::Cable { _cable: Cable::lay(port, socket, Some(*rate))? },
        })
    }
}

impl fmt::Display for FarEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FarEnd::Nobody => Ok(()),
            FarEnd::Host(host) => write!(f, "; the host at the other end of its wire is {}", host.ipv4),
            FarEnd::Cable(socket, _) => write!(f, "; the other end of its wire is at {}", socket.display()),
        }
    }
}

/// Serves model `name` at `socket` until SIGTERM or SIGINT. Says what it serves on standard output once clients can
/// connect.
///
/// # Errors
/// [`ServeModelError`].
pub fn serve(name: &str, socket: &Path, far_end: &FarEnd) -> Result<(), ServeModelError> {
    let model: Model = name.parse()?;
    // before there is a socket: nothing may be left behind by a signal
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let server = Server::bind(socket)?;
    // whoever is there has their part in it
    let negotiation = if matches!(far_end, FarEnd::Nobody) { Duration::ZERO } else { NEGOTIATION };
    let (Card { function, mut reopen }, port) = model.build(WireConfig { negotiation, ..WireConfig::default() });
    let _there = far_end.put(port)?;
    let (stopper, handle) = (server.stopper(), signals.handle());
    let waiter = thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    })?;
    // whoever started this may not be listening any more: that is no reason not to serve
    let line = format!(
        "serving model:{model} at {}{far_end}; connect one client: vfio-user:{}",
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
