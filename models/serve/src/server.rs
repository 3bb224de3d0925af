//! The server: one client at a time.

use std::io;
use std::path::{Path, PathBuf};

use udrv_bus::{BusError, PciFunction};
use udrv_vfio_user::{Channel, ChannelError};

use crate::Stopper;
use crate::session::{End, Session};
use crate::socket::Socket;

/// Why a model is not served, or its cable not laid.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Something is at the socket's path.
    #[error("{} is there already: another server may be using it (if none does, remove it: rm {})", .0.display(), .0.display())]
    Exists(PathBuf),
    /// The socket cannot be made at its path.
    #[error("cannot make the socket {}: {source}", path.display())]
    Bind {
        /// Where.
        path: PathBuf,
        /// errno.
        source: io::Error,
    },
    /// A system call failed.
    #[error("{operation}: {source}")]
    Io {
        /// The system call.
        operation: &'static str,
        /// errno.
        source: io::Error,
    },
    /// The model cannot be opened for a client.
    #[error("the model cannot be opened: {0}")]
    Model(#[from] BusError),
}

/// A socket at a path, which goes with it.
#[derive(Debug)]
pub struct Server(Socket);

impl Server {
    /// Makes the socket. Clients can connect from now on, and are served by [`Server::run`].
    ///
    /// # Errors
    /// [`ServeError::Exists`] if there is anything at `path`; it is left alone.
    pub fn bind(path: &Path) -> Result<Server, ServeError> {
        Socket::bind(path).map(Server)
    }

    /// What stops it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.0.stopper()
    }

    /// Serves one client after the other until it is stopped. `open` opens the model for each; what it gives is dropped
    /// when the client goes. A client that breaks the protocol is told so, or cut off, and the next one is taken.
    ///
    /// # Errors
    /// When a model cannot be opened, or the socket fails.
    pub fn run(self, mut open: impl FnMut() -> Result<Box<dyn PciFunction>, BusError>) -> Result<(), ServeError> {
        while let Some(stream) = self.0.accept()? {
            let mut session = Session::new(Channel::new(stream), open()?)?;
            tracing::info!(path = %self.0.path().display(), "a client has connected");
            match session.run(self.0.stop()) {
                Ok(End::Stopped) => break,
                Ok(End::Disconnected) | Err(ChannelError::Closed) => tracing::info!("the client has gone"),
                Err(error) => tracing::warn!(%error, "the client was cut off"),
            }
        }
        Ok(())
    }
}
