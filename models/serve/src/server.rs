//! The socket: one path, one client at a time.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use udrv_bus::{BusError, PciFunction};
use udrv_vfio_user::{Channel, ChannelError};

use crate::session::{End, Session};

/// Why a model is not served.
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
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket, so that nobody else's is removed.
    identity: (u64, u64),
    stop: Arc<OwnedFd>,
}

/// Stops a [`Server`], from any thread.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<OwnedFd>);

impl Stopper {
    /// Ends the server's `run`, also while a client is connected: its connection is closed.
    pub fn stop(&self) {
        // A counter that is full is one that says stop already.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

impl Server {
    /// Makes the socket. Clients can connect from now on, and are served by [`Server::run`].
    ///
    /// # Errors
    /// [`ServeError::Exists`] if there is anything at `path`; it is left alone.
    pub fn bind(path: &Path) -> Result<Server, ServeError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ServeError::Exists(path.to_owned()),
            _ => ServeError::Bind { path: path.to_owned(), source },
        };
        let listener = UnixListener::bind(path).map_err(failed)?;
        let identity = identity(path).map_err(failed)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let stop = eventfd(0, flags).map_err(|errno| io_error("eventfd", errno))?;
        listener.set_nonblocking(true).map_err(|source| ServeError::Io { operation: "fcntl", source })?;
        Ok(Server { listener, path: path.to_owned(), identity, stop: Arc::new(stop) })
    }

    /// What stops it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// Serves one client after the other until it is stopped. `open` opens the model for each; what it gives is dropped
    /// when the client goes. A client that breaks the protocol is told so, or cut off, and the next one is taken.
    ///
    /// # Errors
    /// When a model cannot be opened, or the socket fails.
    pub fn run(self, mut open: impl FnMut() -> Result<Box<dyn PciFunction>, BusError>) -> Result<(), ServeError> {
        while self.wait()? {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                // it has gone again
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted) => continue,
                Err(source) => return Err(ServeError::Io { operation: "accept", source }),
            };
            let mut session = Session::new(Channel::new(stream), open()?)?;
            tracing::info!(path = %self.path.display(), "a client has connected");
            match session.run(self.stop.as_fd()) {
                Ok(End::Stopped) => break,
                Ok(End::Disconnected) | Err(ChannelError::Closed) => tracing::info!("the client has gone"),
                Err(error) => tracing::warn!(%error, "the client was cut off"),
            }
        }
        Ok(())
    }

    /// Waits for a client; false when it is to stop.
    fn wait(&self) -> Result<bool, ServeError> {
        loop {
            let mut fds = [PollFd::new(&*self.stop, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) if !fds[0].revents().is_empty() => return Ok(false),
                Ok(_) if !fds[1].revents().is_empty() => return Ok(true),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(io_error("poll", errno)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.identity) {
            // it is ours, and if it cannot be removed, nothing can be done about it here
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let there = fs::symlink_metadata(path)?;
    if !there.file_type().is_socket() {
        return Err(io::Error::other("it is no socket any more"));
    }
    Ok((there.dev(), there.ino()))
}

fn io_error(operation: &'static str, errno: rustix::io::Errno) -> ServeError {
    ServeError::Io { operation, source: errno.into() }
}
