//! How serving a client ends.

use std::io;

/// How it ended, when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was stopped.
    Stopped,
    /// The client has gone.
    Disconnected,
    /// The device has gone, and the client has been told.
    Unplugged,
}

/// Why a client was cut off.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// What it said cannot be understood: nothing after it could be.
    #[error("the client broke the protocol: {0}")]
    Malformed(String),
    /// Its socket failed.
    #[error("{operation}: {source}")]
    Io {
        /// The system call.
        operation: &'static str,
        /// errno.
        source: io::Error,
    },
    /// The device failed in a way that no answer can tell.
    #[error("the device: {0}")]
    Device(#[from] udrv_bus::BusError),
}

impl SessionError {
    pub(crate) fn io(operation: &'static str, errno: rustix::io::Errno) -> Self {
        SessionError::Io { operation, source: errno.into() }
    }

    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        SessionError::Malformed(why.into())
    }
}
