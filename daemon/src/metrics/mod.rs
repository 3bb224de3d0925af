//! Counters for Prometheus, over HTTP: made of the status that the daemon has anyway, so neither driver nor device is asked.
//!
//! ```text
//!   scrapers ──GET──> http.rs ──> a text, at most so old ──command──> device's thread
//!                                 text.rs
//! ```
//!
//! Each connection has a thread and a time; the device's thread is asked at most a few times a second, however many there are.

mod http;
mod text;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use udrv::run::{Answer, Command, Commander};

use crate::control::slots::Slots;
use crate::control::{Access, ControlError, Gate, listen_at};
use crate::pair::HOUSE_METRICS;

/// Connections at a time.
const CONNECTIONS: usize = 4;
/// How old what is told may be.
const AGE: Duration = Duration::from_millis(250);

/// Where they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At a port of the loopback interface.
    Port(SocketAddr),
    /// At a socket's path.
    Path(PathBuf),
}

impl FromStr for Place {
    type Err = String;
    fn from_str(text: &str) -> Result<Place, String> {
        if text.starts_with('/') && text.len() > 1 {
            return Ok(Place::Path(text.into()));
        }
        let address: SocketAddr = text.parse().map_err(|_| {
            "expected ADDRESS:PORT, as in 127.0.0.1:9300, or the path of a socket, from the root".to_owned()
        })?;
        if address.ip().is_loopback() {
            return Ok(Place::Port(address));
        }
        Err("whoever reaches that address could read it: only loopback addresses are taken, 127.0.0.1:9300 for one"
            .to_owned())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Port(address) => address.fmt(f),
            Place::Path(path) => path.display().fmt(f),
        }
    }
}

/// Why they cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The place is not to be had.
    #[error("metrics at {place}: {source}; --metrics names another place")]
    Bind {
        /// Where.
        place: Place,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// The group that may look does not exist.
    #[error(transparent)]
    Group(#[from] ControlError),
}

enum Listener {
    Port(TcpListener),
    Path(UnixListener),
}

/// A server of them. A socket's file is removed on drop.
pub struct MetricsServer {
    listener: Listener,
    place: Place,
    /// It is this process that a socket's file goes with.
    ours: bool,
}

/// A connection, of either kind.
trait Connection: Read + Write + Send {
    /// Reading and writing may take so long.
    fn limit(&self, time: Duration) -> io::Result<()>;
}

impl Connection for TcpStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time)).and_then(|()| self.set_write_timeout(Some(time)))
    }
}

impl Connection for UnixStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time)).and_then(|()| self.set_write_timeout(Some(time)))
    }
}

impl MetricsServer {
    /// Takes the place.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn bind(place: &Place, access: &Access) -> Result<MetricsServer, MetricsError> {
        let readers = access.reading_group()?;
        let listener = match place {
            Place::Port(address) => TcpListener::bind(address).map(Listener::Port),
            Place::Path(path) if UnixStream::connect(path).is_ok() => Err(io::ErrorKind::AddrInUse.into()),
            Place::Path(path) => listen_at(path, readers).map(Listener::Path),
        };
        let listener = listener.map_err(|source| MetricsError::Bind { place: place.clone(), source })?;
        Ok(MetricsServer { listener, place: place.clone(), ours: true })
    }

    /// Goes on with the socket of a process before this one, which was made for `place`: it is that one's until this one serves.
    #[must_use]
    pub fn inherit(listener: OwnedFd, place: &Place) -> MetricsServer {
        let listener = match place {
            Place::Port(_) => Listener::Port(listener.into()),
            Place::Path(_) => Listener::Path(listener.into()),
        };
        MetricsServer { listener, place: place.clone(), ours: false }
    }

    /// What a successor needs of it.
    ///
    /// # Errors
    /// No room for descriptors.
    pub fn part(&self) -> io::Result<(&'static str, OwnedFd)> {
        let fd = match &self.listener {
            Listener::Port(listener) => listener.try_clone()?.into(),
            Listener::Path(listener) => listener.try_clone()?.into(),
        };
        Ok((HOUSE_METRICS, fd))
    }

    /// Where they are shown.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A successor goes on with it: a socket's file stays.
    pub fn leave(mut self) {
        self.ours = false;
    }

    /// Serves on threads of their own, until the process ends, while `gate` is open.
    ///
    /// # Errors
    /// No thread.
    pub fn serve(&mut self, commander: Commander, gate: Gate) -> io::Result<()> {
        self.ours = true;
        let listener = match &self.listener {
            Listener::Port(listener) => Listener::Port(listener.try_clone()?),
            Listener::Path(listener) => Listener::Path(listener.try_clone()?),
        };
        // a successor that listens at it too may be faster
        match &listener {
            Listener::Port(listener) => listener.set_nonblocking(true)?,
            Listener::Path(listener) => listener.set_nonblocking(true)?,
        }
        let shown = Arc::new(Shown { commander, last: Mutex::new(None) });
        let serve = move || match listener {
            Listener::Port(listener) => {
                accept(|| gate.wait_at(listener.as_fd()).and_then(|()| Ok(listener.accept()?.0)), &shown);
            }
            Listener::Path(listener) => {
                accept(|| gate.wait_at(listener.as_fd()).and_then(|()| Ok(listener.accept()?.0)), &shown);
            }
        };
        std::thread::Builder::new().name("metrics".into()).spawn(serve).map(drop)
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        if let (Place::Path(path), true) = (&self.place, self.ours) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn accept<C: Connection + 'static>(next: impl Fn() -> io::Result<C>, shown: &Arc<Shown>) {
    let slots = Slots::default();
    loop {
        let connection = match next() {
            Ok(connection) => connection,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => {
                std::thread::sleep(AGE); // no descriptors: not at once again
                continue;
            }
        };
        // closed, if there is none: a scraper comes again
        let Some(slot) = slots.take(CONNECTIONS) else { continue };
        let shown = shown.clone();
        let spawned = std::thread::Builder::new().name("metrics-client".into()).spawn(move || {
            let _slot = slot;
            if let Err(error) = http::serve(connection, || shown.text()) {
                tracing::debug!(%error, "metrics client");
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "metrics client");
        }
    }
}

/// What is shown, and since when it is so.
struct Shown {
    commander: Commander,
    last: Mutex<Option<(Instant, Arc<str>)>>,
}

impl Shown {
    /// `None`: the device has stopped.
    fn text(&self) -> Option<Arc<str>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, text)) = &*last
            && since.elapsed() < AGE
        {
            return Some(text.clone());
        }
        let Some(Answer::Status(status)) = self.commander.ask(Command::Glance) else { return None };
        let text: Arc<str> = text::of(&status).into();
        *last = Some((Instant::now(), text.clone()));
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_loopback_port_or_a_path() {
        for good in ["127.0.0.1:9300", "[::1]:9300", "/run/udrv/metrics.sock"] {
            assert_eq!(good.parse::<Place>().unwrap().to_string(), good);
        }
        for (bad, word) in [
            ("0.0.0.0:9300", "loopback"),
            ("192.0.2.1:9300", "loopback"),
            ("9300", "ADDRESS:PORT"),
            ("localhost:9300", "127.0.0.1:9300"),
            ("metrics.sock", "from the root"),
            ("/", "from the root"),
            ("", "ADDRESS:PORT"),
        ] {
            assert!(bad.parse::<Place>().unwrap_err().contains(word), "{bad}");
        }
    }
}
