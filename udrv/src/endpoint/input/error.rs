//! What can go wrong at an input endpoint, each in one line with what mends it.

use std::{io, path::PathBuf};

/// Why an endpoint cannot be used, or cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum InputEndpointError {
    /// The kernel's module is not there.
    #[error(
        "there is no {}; as root: modprobe uinput (for every start: a line \"uinput\" in /etc/modules-load.d/uinput.conf). Or go \
         without: --no-input",
        .0.display()
    )]
    NoUinput(PathBuf),
    /// It may not be opened.
    #[error(
        "no permission to open {path}: it is for root alone as a rule. For a group, as root: a udev rule \
         KERNEL==\"uinput\", GROUP=\"input\", MODE=\"0660\" in /etc/udev/rules.d/60-uinput.rules, udevadm control --reload, udevadm \
         trigger {path}, and udrvd's user in that group",
        path = .0.display()
    )]
    NoPermission(PathBuf),
    /// A name that the kernel does not take.
    #[error("'{name}' cannot be the name of an input device: {why}; give it another with --uinput NAME")]
    BadName {
        /// As it was given.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system refused something.
    #[error("{operation}: {source}")]
    System {
        /// What.
        operation: &'static str,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// A file cannot be used.
    #[error("{}: {operation}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Options(String),
}
