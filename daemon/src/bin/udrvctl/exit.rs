//! How udrvctl ends: one table, here and in docs/udrvctl.md, that scripts may rely on.

use std::io::ErrorKind;
use std::process::ExitCode;

use udrv_daemon::client::ClientError;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; of `doctor`: no check failed.
    Done = 0,
    /// Not done: nothing was changed, or it was undone; of `doctor`: a check failed.
    Failed = 1,
    /// The arguments make no sense, for this device at least. clap's own code for that.
    Usage = 2,
    /// There is no such device on this machine.
    NoDevice = 3,
    /// It could be done, and would do harm: what holds the device is named.
    Refused = 4,
    /// Not allowed to this user.
    NoPermission = 5,
    /// Not done, and what was changed on the way could not be undone.
    LeftChanged = 6,
}

/// The table, for `--help` and the man page.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done; doctor: no check failed
  1  failed, and nothing was changed or it was undone; doctor: a check failed
  2  the arguments make no sense
  3  there is no such device on this machine
  4  refused, because it would do harm: what would be harmed is named
  5  not allowed to this user
  6  failed, and what was changed on the way could not be undone: what is left is named";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command was not done: one line, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into() }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Failed, message)
    }

    /// What `--json` has on standard output beside the line on standard error.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({ "error": { "exit": self.exit as u8, "message": self.message } })
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let denied =
            matches!(&error, ClientError::Socket { source, .. } if source.kind() == ErrorKind::PermissionDenied);
        Failure::new(if denied { Exit::NoPermission } else { Exit::Failed }, error.to_string())
    }
}
