//! Why the demo could not go on.

use std::io;

use crate::steps::Failure;

pub(super) type Result<T> = std::result::Result<T, Error>;

/// What ends the demo, or a part of it, early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The build.
    #[error(transparent)]
    Step(#[from] Failure),
    /// An operation of this program.
    #[error("{doing}: {source}")]
    Io {
        /// The operation and its operand.
        doing: String,
        /// What the system answered.
        source: io::Error,
    },
    /// Something did not happen in time.
    #[error("{what}: not within {seconds} s")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: f64,
    },
    /// Another program, or the far host, did something else than it should.
    #[error("{0}")]
    Wrong(String),
}

/// Says what was being done when an operation failed.
pub(super) trait Doing<T> {
    /// `doing` is the operation and its operand: `open /dev/net/tun`.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { doing: doing(), source: source.into() })
    }
}
