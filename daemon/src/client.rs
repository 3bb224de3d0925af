//! The tool's end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, setsockopt, socket, sockopt};
use nix::sys::time::TimeVal;

use crate::protocol::{Envelope, MAX_LINE, Request, Response, VERSION, device_of_socket, socket_path};

/// How long an answer may take: a device that is being restored takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer, in bytes: some hundred fault reports.
const MAX_ANSWER: u64 = 256 * MAX_LINE;

/// Why a device could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon drives it.
    #[error("no daemon drives {device} (no control socket at {path}); {running}")]
    NotRunning {
        /// What was asked for.
        device: String,
        /// Where its socket would be.
        path: PathBuf,
        /// Which devices are driven, as a clause.
        running: String,
    },
    /// More than one could be meant.
    #[error("{0}")]
    Which(String),
    /// The socket exists and cannot be used.
    #[error("{path}: {source}{hint}")]
    Socket {
        /// The control socket.
        path: PathBuf,
        /// errno.
        #[source]
        source: io::Error,
        /// The mend, if it is known.
        hint: &'static str,
    },
    /// There is none.
    #[error("{path}: no answer within {} s: the daemon hangs, was stopped, or waits for its device", .patience.as_secs_f32())]
    Silent {
        /// The control socket.
        path: PathBuf,
        /// For how long it was waited.
        patience: Duration,
    },
    /// The answer makes no sense.
    #[error("{path}: an answer that makes no sense: {why}")]
    Answer {
        /// The control socket.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Devices that have a control socket in `directory`, each by one name.
#[must_use]
pub fn running(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    // a link is a device's other name
    let is_socket = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_symlink());
    let names = entries.filter_map(Result::ok).filter(is_socket).map(|e| e.file_name().to_string_lossy().into_owned());
    let mut devices: Vec<String> = names.filter_map(|name| device_of_socket(&name)).collect();
    devices.sort();
    devices
}

/// The only device that is driven, if there is just one.
///
/// # Errors
/// None, or several: they are named.
pub fn only_device(directory: &Path) -> Result<String, ClientError> {
    let mut devices = running(directory);
    match devices.len() {
        1 => Ok(devices.remove(0)),
        0 => Err(ClientError::Which(format!("no daemon runs (no control socket in {})", directory.display()))),
        _ => Err(ClientError::Which(format!("name a device: {}", devices.join(", ")))),
    }
}

/// Asks the daemon that drives `device`.
///
/// # Errors
/// [`ClientError`]; what the daemon refuses is an answer, not an error.
pub fn ask(directory: &Path, device: &str, request: Request) -> Result<Response, ClientError> {
    ask_within(directory, device, request, PATIENCE)
}

/// The same for what may take `patience`.
///
/// # Errors
/// As there.
pub fn ask_within(
    directory: &Path,
    device: &str,
    request: Request,
    patience: Duration,
) -> Result<Response, ClientError> {
    Connection::open(directory, device, patience)?.ask(request)
}

/// A connection to a daemon, for a while: all that is asked over it has one deadline.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<Until>,
    path: PathBuf,
    patience: Duration,
}

impl Connection {
    /// Connects to the daemon that drives `device`. All together may take `patience`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn open(directory: &Path, device: &str, patience: Duration) -> Result<Connection, ClientError> {
        let path = socket_path(directory, device);
        let deadline = Instant::now() + patience;
        match connect(&path, patience) {
            Ok(stream) => Ok(Connection { stream: BufReader::new(Until { stream, deadline }), path, patience }),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                let others = running(directory);
                let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
                let running = format!("devices with a socket: {others}");
                Err(ClientError::NotRunning { device: device.to_owned(), path, running })
            }
            Err(source) => Err(socket_error(&path, patience, source)),
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// [`ClientError`]; what the daemon refuses is an answer, not an error.
    pub fn ask(&mut self, request: Request) -> Result<Response, ClientError> {
        let mut line = serde_json::to_vec(&Envelope { version: VERSION, request }).expect("a request is JSON");
        line.push(b'\n');
        let mut answer = String::new();
        let told = self.stream.get_mut().write_all(&line);
        told.and_then(|()| (&mut self.stream).take(MAX_ANSWER).read_line(&mut answer))
            .map_err(|source| socket_error(&self.path, self.patience, source))?;
        serde_json::from_str(&answer).map_err(|e| ClientError::Answer { path: self.path.clone(), why: e.to_string() })
    }
}

/// A stream that is given up at a time, however often a little comes.
#[derive(Debug)]
struct Until {
    stream: UnixStream,
    deadline: Instant,
}

impl Until {
    /// What is left, and at least something: no time at all would be no limit.
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Until {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(to)
    }
}

impl Write for Until {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(from)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// As [`UnixStream::connect`], which waits for ever for one who has stopped taking connections.
fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let limit = TimeVal::new(patience.as_secs() as i64, patience.subsec_micros().into());
    setsockopt(&socket, sockopt::SendTimeout, &limit)?;
    nix::sys::socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket.into())
}

fn socket_error(path: &Path, patience: Duration, source: io::Error) -> ClientError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Silent { path, patience },
        io::ErrorKind::PermissionDenied => {
            let hint = " (the user that the daemon runs as may open it, and the group that it has: use sudo)";
            ClientError::Socket { path, source, hint }
        }
        _ => ClientError::Socket { path, source, hint: "" },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn one_who_does_not_answer_is_given_up_whatever_it_does_instead() {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket_path(directory.path(), "x")).unwrap();
        let ask = || Connection::open(directory.path(), "x", SHORT)?.ask(Request::Status);
        let error = ask().unwrap_err();
        assert!(matches!(error, ClientError::Silent { .. }), "{error}");
        assert!(error.to_string().contains("no answer within 0.05 s"), "{error}");
        // a byte now and then is no answer either
        let (mut drip, _) = listener.accept().unwrap();
        let dripping = std::thread::spawn(move || {
            let (mut drip, _) = listener.accept().unwrap();
            while drip.write_all(b" ").is_ok() {}
            listener
        });
        assert!(matches!(ask(), Err(ClientError::Silent { .. } | ClientError::Answer { .. })));
        assert!(drip.write_all(b"late").is_err(), "nobody waits any more");
        let listener = dripping.join().unwrap();
        // and nobody waits for one who takes no connections: the kernel holds a few
        nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(1).unwrap()).unwrap();
        let mut waiting = Vec::new();
        let error = loop {
            match Connection::open(directory.path(), "x", SHORT) {
                Ok(connection) => waiting.push(connection),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100, "the kernel holds any number");
        };
        assert!(matches!(error, ClientError::Silent { .. }), "{error}");
        drop(listener);
        assert!(matches!(ask(), Err(ClientError::NotRunning { .. })));
    }
}
