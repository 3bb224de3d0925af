//! What can go wrong between a request for a guest and its outcome.
//!
//! A failing program *inside* the guest is no error of this kind: it is an [`Outcome`](super::Outcome) with an exit code.

use std::{io, path::PathBuf, time::Duration};

/// An operation of the guest tooling that failed, with its operand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or process operation of this program.
    #[error("{doing}: {source}")]
    Io {
        /// The operation and its operand.
        doing: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A program on the host ended with a failure.
    #[error("{program} failed ({status}){}", tail(.stderr))]
    Program {
        /// The program and what it was asked to do.
        program: String,
        /// How it ended.
        status: String,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// Packages are not in the cache and the package mirror did not give them.
    #[error("not in the cache and not to be had from the package mirror: {missing}{}", tail(.detail))]
    Offline {
        /// The packages that are missing.
        missing: String,
        /// What apt said.
        detail: String,
    },
    /// A file does not have the form it must have.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A module name that the chosen kernel does not know.
    #[error("kernel {release} has no module {module}")]
    NoModule {
        /// The kernel's release, as `uname -r` prints it.
        release: String,
        /// The name asked for.
        module: String,
    },
    /// The guest did not end before its deadline and was killed.
    #[error("the guest did not end within {} s; serial log: {}{}", limit.as_secs(), log.display(), tail(.console))]
    Deadline {
        /// The wall clock time it had.
        limit: Duration,
        /// Where its console was kept.
        log: PathBuf,
        /// The console's last lines.
        console: String,
    },
    /// The guest ended without having come to the end of its init script: a panic, a reset, or QEMU refused to start.
    #[error("the guest died before its script ended (QEMU: {status}); serial log: {}{}", log.display(), tail(.console))]
    Died {
        /// How QEMU ended.
        status: String,
        /// Where its console was kept.
        log: PathBuf,
        /// The console's last lines.
        console: String,
    },
}

/// Short for a result with this module's error.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Names the operation behind an [`io::Error`].
pub(crate) trait Doing<T> {
    /// Turns the error into [`Error::Io`] with the text that `doing` builds.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { doing: doing(), source })
    }
}

/// The last lines of a longer text, indented below the message: enough to see the cause without opening a log.
fn tail(text: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| format!("\n    {line}")).collect()
}
