//! One trial: a fault, a driver, and whether it is protected.

use std::io;

use serde::Serialize;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::child::Child;
use crate::fault::Fault;
use crate::on_retry::OnRetry;
use crate::subject::Subject;
use crate::workload;

/// How a trial is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// No entry point is protected, and the fault stays.
    NativeStays,
    /// No entry point is protected; the fault is gone when it was noticed.
    NativeRemoved,
    /// All are protected, and the fault stays.
    ProtectedStays,
    /// All are protected; the fault is gone when it was noticed.
    ProtectedRemoved,
}

impl Mode {
    /// All.
    pub(crate) const ALL: [Mode; 4] =
        [Mode::NativeStays, Mode::NativeRemoved, Mode::ProtectedStays, Mode::ProtectedRemoved];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::NativeStays => "native-stays",
            Mode::NativeRemoved => "native-removed",
            Mode::ProtectedStays => "protected-stays",
            Mode::ProtectedRemoved => "protected-removed",
        }
    }

    /// All entry points are.
    pub(crate) fn is_protected(self) -> bool {
        matches!(self, Mode::ProtectedStays | Mode::ProtectedRemoved)
    }

    /// Seconds of a processor, of those that a trial without protection may use: what fails again and again climbs the whole ladder
    /// before the device is given up, and a call that does not end is a call of 30 ms.
    fn seconds(self, native: u32) -> u32 {
        if self.is_protected() { 5 * native } else { native }
    }

    fn is_removed(self) -> bool {
        matches!(self, Mode::NativeRemoved | Mode::ProtectedRemoved)
    }
}

/// Starts one. Without a fault: what is right. Without protection it may use so many `seconds` of a processor.
///
/// # Errors
/// No process.
pub(crate) fn start(subject: Subject, fault: Option<&Fault>, mode: Mode, seconds: u32) -> io::Result<Child> {
    Child::start(mode.seconds(seconds), || {
        if mode.is_removed() {
            tracing_subscriber::registry().with(OnRetry).init();
        }
        if let Some(fault) = fault {
            fault.put().expect("the driver's text");
        }
        let finding = workload::run(subject, mode.is_protected());
        serde_json::to_vec(&finding).expect("plain data")
    })
}
