//! One trial: a mutant, a driver, and whether it is protected.

use std::io;

use serde::{Deserialize, Serialize};

use crate::child::{Child, End};
use crate::finding::{Finding, Outcome};
use crate::mutate::Mutant;
use crate::subject::Subject;
use crate::{on_retry, patch, workload};

/// How a trial is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
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

    fn is_removed(self) -> bool {
        matches!(self, Mode::NativeRemoved | Mode::ProtectedRemoved)
    }
}

/// Starts one. Without a mutant: what is right.
///
/// # Errors
/// No process.
pub(crate) fn start(subject: Subject, mutant: Option<&Mutant>, mode: Mode) -> io::Result<Child> {
    Child::start(|| {
        if mode.is_removed() {
            tracing::subscriber::set_global_default(on_retry::OnRetry).expect("the first");
        }
        if let Some(mutant) = mutant {
            patch::put(mutant.address, &mutant.before, &mutant.after).expect("the driver's text");
        }
        let finding = workload::run(subject, mode.is_protected());
        serde_json::to_vec(&finding).expect("plain data")
    })
}

/// Its end, and what it has come to.
///
/// # Errors
/// What the child says is not understood: a mistake of the campaign.
pub(crate) fn judge(
    end: End,
    right: &Finding,
    reached: bool,
) -> io::Result<(Outcome, Option<Finding>, Option<String>)> {
    Ok(match end {
        End::Said(bytes) => {
            let finding: Finding = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
            (Outcome::of(&finding, right, reached), Some(finding), None)
        }
        End::Panicked(what) if what.contains("tests/device/src/screen.rs") => {
            // the application was told nonsense
            (Outcome::UndetectedWrong, None, Some(what))
        }
        End::Panicked(what) => (Outcome::Died, None, Some(what)),
        End::Died(how) => (Outcome::Died, None, Some(how)),
        End::Hung => (Outcome::Hung, None, None),
    })
}
