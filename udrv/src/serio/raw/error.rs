//! Why a port could not be opened, each in one line with what mends it.
//!
//! Not here: errors after the open, which are [`udrv_bus::BusError`].

use std::io;
use std::path::{Path, PathBuf};

use udrv_bus::BusError;

use super::name::SerioName;
use super::sysfs::PortSummary;
use crate::users;

/// Why [`super::RawSerioPort::open`] failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The kernel knows no serio ports.
    #[error(
        "there are no serio ports here ({} is missing): load the driver of the PS/2 controller, as root: modprobe i8042 \
         (in a container: it must be given /sys and /dev)",
        missing.display()
    )]
    NoSerio {
        /// What is missing.
        missing: PathBuf,
    },
    /// There is no such port.
    #[error("there is no serio port {name}; {others}")]
    NotPresent {
        /// What was asked for.
        name: SerioName,
        /// The ports that there are, as a clause.
        others: String,
    },
    /// More than one is meant.
    #[error("more than one serio port is {name}: name the one that is meant by its number: {ports}")]
    Ambiguous {
        /// What was asked for.
        name: SerioName,
        /// Those ports.
        ports: String,
    },
    /// A keyboard is at its end.
    #[error(
        "{port} has a keyboard at its end: taking it would leave this machine without; name the port of a mouse (see \
         cat /sys/bus/serio/devices/*/description)"
    )]
    Keyboard {
        /// The port.
        port: Box<PortSummary>,
    },
    /// The kernel has no serio_raw.
    #[error(
        "serio_raw is not loaded, which is to take {port} ({} is missing); as root: modprobe serio_raw (a kernel that has no such \
         module is to be built with CONFIG_SERIO_RAW=m)",
        missing.display()
    )]
    NoModule {
        /// The port.
        port: Box<PortSummary>,
        /// What is missing.
        missing: PathBuf,
    },
    /// Its driver may not be changed.
    #[error(
        "no permission to take {port} from {} (write {}) for user {user}; as root: echo -n serio_raw > {}, or run this as root",
        had(driver.as_deref()), file.display(), file.display()
    )]
    NoControl {
        /// The port.
        port: Box<PortSummary>,
        /// Who has it.
        driver: Option<String>,
        /// What could not be written.
        file: PathBuf,
        /// Who we are.
        user: String,
    },
    /// serio_raw does not take it.
    #[error("{port} is none that serio_raw takes ({why}): it takes ports of the kinds 01 and 06, at a PC's controller")]
    NotTaken {
        /// The port.
        port: Box<PortSummary>,
        /// How that showed.
        why: String,
    },
    /// serio_raw has it, and it has no node.
    #[error("{port} has no node{}: is devtmpfs (or udev) on /dev? In a container it must be given", shown(node.as_deref()))]
    NoNode {
        /// The port.
        port: Box<PortSummary>,
        /// Where it should be, if that is known.
        node: Option<PathBuf>,
    },
    /// The node may not be opened.
    #[error(
        "no permission on {} (owner {owner}, mode {mode:04o}) for user {user}; as root: echo 'KERNEL==\"serio_raw*\", \
         OWNER=\"{user}\", MODE=\"0600\"' > /etc/udev/rules.d/70-udrv-serio.rules; udevadm control --reload (or run this as root)",
        node.display()
    )]
    NoPermission {
        /// Its node.
        node: PathBuf,
        /// `user:group` that own it.
        owner: String,
        /// Permission bits.
        mode: u32,
        /// Who we are.
        user: String,
    },
    /// Another process has it.
    #[error("{port} is in use by another process; find it with: fuser -v {}", node.display())]
    Busy {
        /// The port.
        port: Box<PortSummary>,
        /// Its node.
        node: PathBuf,
    },
    /// It left while it was opened.
    #[error("{port} has left while it was being opened: plug it in again, or load the driver of its controller")]
    Left {
        /// The port.
        port: Box<PortSummary>,
    },
    /// The kernel refused for a reason without advice.
    #[error("{operation}: {source}")]
    Io {
        /// The call and its operand.
        operation: String,
        /// errno.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// Whether it may be there another time.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(self, OpenError::NoSerio { .. } | OpenError::NotPresent { .. } | OpenError::Left { .. })
    }

    /// What an open of a node failed with, in words.
    pub(super) fn node(port: &PortSummary, node: PathBuf, source: io::Error) -> OpenError {
        match source.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => {
                let (owner, mode) = users::owner(&node);
                OpenError::NoPermission { node, owner, mode, user: users::us() }
            }
            Some(libc::ENOENT) => OpenError::NoNode { port: port.clone().into(), node: Some(node) },
            Some(libc::ENODEV | libc::ENXIO) => OpenError::Left { port: port.clone().into() },
            _ => OpenError::Io { operation: format!("open {}", node.display()), source },
        }
    }
}

impl From<OpenError> for BusError {
    /// For who opens it again: [`BusError::Gone`] if it may come yet.
    fn from(error: OpenError) -> BusError {
        if error.is_absence() {
            return BusError::Gone { operation: "opening it again" };
        }
        BusError::Io { operation: "opening it again".to_owned(), source: io::Error::other(error) }
    }
}

fn had(driver: Option<&str>) -> String {
    driver.map_or_else(|| "no driver".to_owned(), |driver| format!("the kernel's driver '{driver}'"))
}

fn shown(node: Option<&Path>) -> String {
    node.map_or_else(String::new, |node| format!(" {}", node.display()))
}
