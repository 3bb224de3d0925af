//! The tool's end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::protocol::{Envelope, MAX_LINE, Request, Response, VERSION, device_of_socket, socket_path};

/// How long an answer may take: a device that is being restored takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
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
    let path = socket_path(directory, device);
    let socket_error = |path: &Path, source: io::Error| {
        let denied = source.kind() == io::ErrorKind::PermissionDenied;
        let hint = if denied {
            " (the user that the daemon runs as may open it, and the group that it has: use sudo)"
        } else {
            ""
        };
        ClientError::Socket { path: path.to_owned(), source, hint }
    };
    let mut stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            let others = running(directory);
            let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
            let running = format!("devices with a socket: {others}");
            return Err(ClientError::NotRunning { device: device.to_owned(), path, running });
        }
        Err(source) => return Err(socket_error(&path, source)),
    };
    let mut line = serde_json::to_vec(&Envelope { version: VERSION, request }).expect("a request is JSON");
    line.push(b'\n');
    let mut answer = String::new();
    let done = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.write_all(&line));
    done.and_then(|()| BufReader::new((&stream).take(MAX_ANSWER)).read_line(&mut answer))
        .map_err(|source| socket_error(&path, source))?;
    serde_json::from_str(&answer).map_err(|e| ClientError::Answer { path, why: e.to_string() })
}
