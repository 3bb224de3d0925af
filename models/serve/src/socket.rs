//! A listening socket at a path, which goes with it, and what stops whoever waits at it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::ServeError;

/// A listening socket at a path. Dropping it removes it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket, so that nobody else's is removed.
    identity: (u64, u64),
    stop: Stopper,
}

/// Stops what waits at a [`crate::Server`], a [`crate::Cable`] or a [`Socket`], from any thread.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<OwnedFd>);

/// Becomes readable when it is to stop, and stays so.
impl AsFd for Stopper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Stopper {
    /// One that nothing waits at yet.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new() -> Result<Stopper, ServeError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let stop = eventfd(0, flags).map_err(|errno| io_error("eventfd", errno))?;
        Ok(Stopper(Arc::new(stop)))
    }

    /// Ends it for good, also while a client is connected: its connection is closed.
    pub fn stop(&self) {
        // A counter that is full is one that says stop already.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// There is something to read.
    Read,
    /// It is to stop.
    Stop,
}

impl Socket {
    /// Makes it. Clients can connect from now on, and are taken by [`Socket::accept`].
    ///
    /// # Errors
    /// [`ServeError::Exists`] if there is anything at `path`; it is left alone.
    pub fn bind(path: &Path) -> Result<Socket, ServeError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ServeError::Exists(path.to_owned()),
            _ => ServeError::Bind { path: path.to_owned(), source },
        };
        let listener = UnixListener::bind(path).map_err(failed)?;
        let identity = identity(path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(|source| ServeError::Io { operation: "fcntl", source })?;
        Ok(Socket { listener, path: path.to_owned(), identity, stop: Stopper::new()? })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stops it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stop.clone()
    }

    /// Becomes readable when it is to stop.
    #[must_use]
    pub fn stop(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }

    /// The next client; `None` when it is to stop.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn accept(&self) -> Result<Option<UnixStream>, ServeError> {
        while self.wait(self.listener.as_fd())? == Ready::Read {
            match self.listener.accept() {
                Ok((stream, _)) => return Ok(Some(stream)),
                // it has gone again
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted) => {}
                Err(source) => return Err(ServeError::Io { operation: "accept", source }),
            }
        }
        Ok(None)
    }

    /// Waits until `fd` can be read, or it is to stop.
    pub(crate) fn wait(&self, fd: BorrowedFd<'_>) -> Result<Ready, ServeError> {
        loop {
            let mut fds = [PollFd::new(&self.stop, PollFlags::IN), PollFd::from_borrowed_fd(fd, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) if !fds[0].revents().is_empty() => return Ok(Ready::Stop),
                Ok(_) if !fds[1].revents().is_empty() => return Ok(Ready::Read),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(io_error("poll", errno)),
            }
        }
    }
}

impl Drop for Socket {
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
