//! Where the demo plays: which endpoint there is, the network around it, a private folder for sockets.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use tempfile::TempDir;

use super::{
    Args,
    daemon::Daemon,
    error::{Doing, Error, Result},
    namespace, netlink,
    process::USUAL,
    status::Status,
    streams::{ADDRESS, PREFIX, Streams},
};

const TUN: &str = "/dev/net/tun";
const INTERFACE: &str = "udrv0";

/// CPU time that a call may use, if nothing else is said, milliseconds: udrvd's own usual.
const DEADLINE_MS: u64 = 5;

/// What stands between udrvd and the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::demo) enum Endpoint {
    /// A TAP interface, and the kernel's TCP over it.
    Tap,
    /// A packet socket, and a TCP of this process.
    Socket,
}

impl Endpoint {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Endpoint::Tap => "tap",
            Endpoint::Socket => "socket",
        }
    }
}

/// The network card as the streams have it.
pub(super) enum Card {
    /// It is the kernel's.
    Kernel,
    /// Our end of the packet socket.
    Socket(OwnedFd),
}

/// All that each udrvd of a run needs.
pub(super) struct Stage {
    program: PathBuf,
    /// What udrvd drives.
    device: String,
    /// For logs.
    folder: PathBuf,
    /// For control sockets.
    sockets: TempDir,
    endpoint: Endpoint,
    reason: Option<String>,
    seed: u64,
    deadline_ms: u64,
}

impl Stage {
    /// Finds out what can be had here, and moves to a network namespace for a TAP.
    pub(super) fn set(program: PathBuf, folder: PathBuf, args: &Args) -> Result<Stage> {
        let sockets = tempfile::tempdir().doing(|| "make a folder for sockets".to_owned())?;
        let (endpoint, reason) = match (args.endpoint, tap()) {
            (Some(Endpoint::Socket), _) => (Endpoint::Socket, Some("socket, as was asked for".to_owned())),
            (_, Ok(())) => (Endpoint::Tap, None),
            (Some(Endpoint::Tap), Err(error)) => return Err(error),
            (None, Err(error)) => {
                let reason = format!("socket, as there is no TAP to be had: {error}");
                eprintln!("demo: endpoint: {reason}");
                (Endpoint::Socket, Some(reason))
            }
        };
        let deadline_ms = args.deadline.unwrap_or(DEADLINE_MS);
        let device = format!("model:{}", args.model);
        Ok(Stage { program, device, folder, sockets, endpoint, reason, seed: args.seed, deadline_ms })
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    pub(super) fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// The runtime directory.
    pub(super) fn sockets(&self) -> &Path {
        self.sockets.path()
    }

    /// Why it is not the TAP.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Starts a udrvd with its log in the file `log`.
    pub(super) fn start(&self, log: &str, arguments: &[&str]) -> Result<(Daemon, Card)> {
        let (own, stdin, card) = match self.endpoint {
            Endpoint::Tap => (["--tap", INTERFACE], Stdio::null(), Card::Kernel),
            Endpoint::Socket => {
                let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
                let (ours, theirs) = pair.doing(|| "make a pair of packet sockets".to_owned())?;
                (["--endpoint", "stdin"], theirs.into(), Card::Socket(ours))
            }
        };
        let deadline = self.deadline_ms.to_string();
        let arguments = [&own[..], &["--deadline", &deadline], arguments].concat();
        let log = self.folder.join(log);
        let daemon = Daemon::start(&self.program, &self.device, self.sockets.path(), log, USUAL, &arguments, stdin)?;
        Ok((daemon, card))
    }

    /// Starts another udrvd, on something else, with its log in the file `log`.
    pub(super) fn beside(&self, device: &str, log: &str, arguments: &[&str]) -> Result<Daemon> {
        let log = self.folder.join(log);
        Daemon::start(&self.program, device, self.sockets.path(), log, USUAL, arguments, Stdio::null())
    }

    /// Begins the streams over the card of a udrvd that has this status. Times count from `epoch`.
    pub(super) fn streams(&self, card: Card, status: &Status, epoch: Instant) -> Result<Streams> {
        match card {
            Card::Kernel => {
                netlink::configure(INTERFACE, ADDRESS, PREFIX)?;
                Streams::over_kernel(epoch, self.seed)
            }
            Card::Socket(socket) => Streams::over_socket(epoch, self.seed, socket, station_address(&status.class.mac)?),
        }
    }
}

/// Whether a TAP can be had; if so, this process is in a network namespace of its own afterwards.
fn tap() -> Result<()> {
    match OpenOptions::new().read(true).write(true).open(TUN) {
        Ok(_) => namespace::enter(),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(Error::Wrong(format!("{TUN} is missing (as root: modprobe tun)")))
        }
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            Err(Error::Wrong(format!("no permission to open {TUN} (as root: chmod 0666 {TUN}, the usual mode)")))
        }
        Err(source) => Err(Error::Io { doing: format!("open {TUN}"), source }),
    }
}

/// `52:54:00:12:34:56`
fn station_address(text: &str) -> Result<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let address = bytes.and_then(|bytes| bytes.try_into().ok());
    address.ok_or_else(|| Error::Wrong(format!("udrvd's station address is not understood: '{text}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn station_addresses_are_read() {
        assert_eq!(station_address("52:54:00:12:34:ff").unwrap(), [0x52, 0x54, 0, 0x12, 0x34, 0xff]);
        for bad in ["", "52:54:00:12:34", "52:54:00:12:34:56:78", "52:54:00:12:34:zz"] {
            assert!(station_address(bad).is_err());
        }
    }
}
