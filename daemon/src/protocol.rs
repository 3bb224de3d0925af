//! What passes over the control socket: one JSON object a line, each way.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use udrv::checkpoint::{Checkpoint, Restored};
use udrv::registers::RegisterStatus;
use udrv::report::FaultReport;
use udrv::run::{EntryStatus, QuarantineStatus, Status};

/// Version of the protocol; a request that carries another is refused.
pub const VERSION: u32 = 1;
/// Longest line, in bytes: more is no request of ours.
pub const MAX_LINE: u64 = 64 * 1024;

/// A request, with the version it is written in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// See [`VERSION`].
    pub version: u32,
    /// What is wanted.
    #[serde(flatten)]
    pub request: Request,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Request {
    /// State and counters.
    Status,
    /// Fault reports with a number above `after`.
    Faults {
        /// 0 for all that are kept.
        #[serde(default)]
        after: u64,
        /// Without what is looked up for it and what is long: source, backtrace, registers, register writes.
        #[serde(default)]
        brief: bool,
    },
    /// The declared registers, and what is known of them.
    Regs {
        /// And what the device has in those that reading does not change.
        #[serde(default)]
        live: bool,
    },
    /// Which entry points are protected, and which are in quarantine. Neither driver nor device is asked.
    Policy,
    /// How the trace of register accesses is.
    Trace,
    /// Write register accesses into a file.
    TraceStart {
        /// Its path, from the root. It must not exist.
        file: PathBuf,
        /// Longest file, bytes.
        limit: u64,
    },
    /// End that.
    TraceStop,
    /// Arm a fault.
    Inject {
        /// Name of the entry point.
        entry: String,
        /// Name of the fault.
        fault: String,
        /// `start`, `middle` or `end`.
        point: String,
        /// The next so many calls of the entry point that reach the place; 0 disarms.
        times: u32,
    },
    /// Call an entry point now, with the values in force.
    Call {
        /// Its name.
        entry: String,
    },
    /// Change which calls are transactions.
    Protect {
        /// Name of the entry point; all if it is left out.
        #[serde(default)]
        entry: Option<String>,
        /// `always`, `never` or `suspicious`.
        mode: String,
    },
    /// Let an entry point out of quarantine.
    Release {
        /// Its name; all if it is left out.
        #[serde(default)]
        entry: Option<String>,
    },
    /// Change a setting of an input device.
    Set {
        /// `rate`, `resolution` or `scaling`.
        setting: String,
        /// Reports a second; counts an inch; `1:1` or `2:1`.
        value: String,
    },
    /// Restart the driver within the daemon.
    Restart,
    /// What the device is set to.
    Checkpoint,
    /// Make it what a checkpoint says, all of it or nothing.
    CheckpointRestore {
        /// What it says.
        checkpoint: Box<Checkpoint>,
        /// Change nothing, and say what would be.
        #[serde(default)]
        dry_run: bool,
    },
    /// As `status`, with driver and device left alone: the chip's own counters are not in it.
    Glance,
    /// End: the device is made quiet, and its interface goes.
    Stop,
    /// Have another process go on with the device, of another build perhaps.
    Upgrade {
        /// Its program. The usual: what is installed where this one was started from.
        #[serde(default)]
        binary: Option<PathBuf>,
        /// For how long the old one takes the device back if something is wrong, milliseconds.
        probation: u64,
    },
}

impl Request {
    /// Whether it changes something, so that not everybody may ask for it who may look.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Request::Status
            | Request::Glance
            | Request::Faults { .. }
            | Request::Policy
            | Request::Trace
            | Request::Checkpoint => false,
            // all registers are read: on USB that is a transfer each
            Request::Regs { live } => *live,
            Request::CheckpointRestore { dry_run, .. } => !dry_run,
            Request::Inject { .. }
            | Request::Call { .. }
            | Request::Protect { .. }
            | Request::Release { .. }
            | Request::Set { .. }
            | Request::Restart
            | Request::Stop
            | Request::Upgrade { .. }
            | Request::TraceStart { .. }
            | Request::TraceStop => true,
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Response {
    /// To `status` and `glance`.
    Status {
        /// State and counters.
        status: Box<Status>,
        /// The process that waits to go on with the device, if one is wanted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standby: Option<StandbyStatus>,
    },
    /// To `faults`.
    Faults {
        /// Oldest first.
        faults: Vec<FaultReport>,
    },
    /// To `regs`.
    Regs {
        /// By offset.
        registers: Vec<RegisterStatus>,
    },
    /// To `policy`.
    Policy {
        /// All entry points, as in a status.
        entries: Vec<(String, EntryStatus)>,
        /// Those in quarantine.
        quarantine: Vec<QuarantineStatus>,
    },
    /// To `trace`, `trace-start` and `trace-stop`.
    Trace {
        /// The trace that is being written, or the last one. `None`: there was none.
        trace: Option<TraceStatus>,
    },
    /// To `set`: what came of it.
    Set {
        /// As it was named.
        setting: String,
        /// The nearest that the device has.
        value: String,
    },
    /// To `upgrade`: another process drives the device.
    Upgraded {
        /// The one that has driven it.
        from: Build,
        /// The one that does.
        to: Build,
        /// For how long nobody has served it, microseconds.
        gap_us: u64,
    },
    /// Done.
    Done,
    /// Not done.
    Error {
        /// Why, and the mend.
        message: String,
    },
    /// To `checkpoint`.
    Checkpoint {
        /// What it is set to.
        checkpoint: Box<Checkpoint>,
    },
    /// To `checkpoint-restore`.
    CheckpointRestored {
        /// What was changed, or would be.
        #[serde(flatten)]
        restored: Box<Restored>,
    },
}

/// A udrvd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The number that the linker has given the program; it may have none.
    pub build: Option<String>,
}

/// A process that waits to go on with the device, should the one that drives it die.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandbyStatus {
    /// `None`: it is not there, and is to be started.
    pub pid: Option<u32>,
    /// It has everything mapped and waits.
    pub ready: bool,
    /// How often one has ended and another was started.
    pub restarts: u64,
}

/// A trace of register accesses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStatus {
    /// Where it is.
    pub file: PathBuf,
    /// It is being written.
    pub running: bool,
    /// Accesses in the file.
    pub accesses: u64,
    /// Accesses that came faster than they could be written, and are not in it.
    pub dropped: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Why it has ended by itself, if it has.
    pub ended: Option<String>,
}

/// The control socket of `device`.
#[must_use]
pub fn socket_path(directory: &Path, device: &str) -> PathBuf {
    directory.join(format!("{}.sock", file_name(device)))
}

/// A device's name as part of a file's: it may have a path in it.
pub(crate) fn file_name(device: &str) -> String {
    device.replace('%', "%25").replace('/', "%2F")
}

/// The device whose control socket is called `file_name`; `None` for another file.
#[must_use]
pub fn device_of_socket(file_name: &str) -> Option<String> {
    file_name.strip_suffix(".sock").map(|name| name.replace("%2F", "/").replace("%25", "%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_socket_is_a_file_in_the_directory_and_names_its_device() {
        for device in ["model:rtl8139", "vfio-user:/run/card.sock", "vfio-user:/a%2Fb/%25"] {
            let path = socket_path(Path::new("/run/udrv"), device);
            assert_eq!(path.parent(), Some(Path::new("/run/udrv")));
            assert_eq!(device_of_socket(path.file_name().unwrap().to_str().unwrap()).as_deref(), Some(device));
        }
        assert_eq!(device_of_socket("other"), None);
    }
}
