//! Why an endpoint could not be made or broke, each in one line with what mends it.

use std::io;

use crate::dma::DmaError;

/// Why an endpoint failed.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A name that Linux does not take for an interface.
    #[error("'{name}' cannot be an interface name: {why}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no TUN/TAP driver.
    #[error("/dev/net/tun is missing: the TUN/TAP driver is not loaded; as root: modprobe tun")]
    NoTun,
    /// `/dev/net/tun` may not be opened.
    #[error(
        "no permission to open /dev/net/tun; as root: chmod 0666 /dev/net/tun (the usual mode; creating interfaces \
         needs CAP_NET_ADMIN all the same)"
    )]
    NoTunPermission,
    /// The interface may not be created or attached.
    #[error(
        "no permission to use the {kind} '{name}': CAP_NET_ADMIN is needed, or as root once: \
         ip tuntap add dev {name} mode {mode} user {user}"
    )]
    NoTapPermission {
        /// The interface.
        name: String,
        /// TAP or TUN.
        kind: &'static str,
        /// As `ip tuntap` takes it.
        mode: &'static str,
        /// Numeric id of who we are.
        user: u32,
    },
    /// Another process is attached.
    #[error(
        "the {kind} '{name}' is in use by another process (which: grep -l 'iff:.*{name}' /proc/[0-9]*/fdinfo/*); end that \
         process, or choose another name"
    )]
    Taken {
        /// The interface.
        name: String,
        /// TAP or TUN.
        kind: &'static str,
    },
    /// An interface of another kind has the name.
    #[error(
        "the interface '{name}' exists and is not a {wanted} with one queue (see: ip -d link show dev {name}); choose another \
         name, or have it made as: ip tuntap add dev {name} mode {mode}"
    )]
    WrongKind {
        /// The interface.
        name: String,
        /// TAP or TUN.
        wanted: &'static str,
        /// As `ip tuntap` takes it.
        mode: &'static str,
    },
    /// An attribute may not be changed.
    #[error("no permission for {what} of '{name}': CAP_NET_ADMIN is needed")]
    NoAdmin {
        /// The interface.
        name: String,
        /// What was to be changed.
        what: &'static str,
    },
    /// A frame that went only in part.
    #[error("{name}: only {count} of {len} bytes of a frame were taken")]
    Short {
        /// The endpoint.
        name: String,
        /// Bytes that went.
        count: usize,
        /// Bytes of the frame.
        len: usize,
    },
    /// A frame without bytes, or with more than an interface can carry.
    #[error("{name}: a frame of {len} bytes is no frame")]
    NoFrame {
        /// The endpoint.
        name: String,
        /// Bytes.
        len: usize,
    },
    /// A place outside the DMA region.
    #[error("{name}: {source}")]
    Region {
        /// The endpoint.
        name: String,
        /// What is wrong with the place.
        #[source]
        source: DmaError,
    },
    /// The kernel refused for a reason without advice.
    #[error("{name}: {what}: {source}")]
    Io {
        /// The endpoint.
        name: String,
        /// What was being done.
        what: &'static str,
        /// errno.
        #[source]
        source: io::Error,
    },
}

impl EndpointError {
    /// A system call on `name` failed.
    pub(super) fn io(what: &'static str, name: &str, source: io::Error) -> Self {
        EndpointError::Io { name: name.to_owned(), what, source }
    }

    /// A transfer between `name` and a region failed.
    pub(super) fn from_dma(what: &'static str, name: &str, error: DmaError) -> Self {
        match error {
            DmaError::Io { source, .. } => Self::io(what, name, source),
            source => EndpointError::Region { name: name.to_owned(), source },
        }
    }
}
