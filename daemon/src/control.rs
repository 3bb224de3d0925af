//! The control socket: a thread that reads requests, asks the device's thread, writes answers.
//!
//! Only root and the daemon's own user may talk: the socket's mode says so, and the peer's credentials are
//! checked. A client that says nothing, too much or nonsense loses its connection and holds up nobody: the
//! device's thread never waits for a client.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use fgft::symbols::Symbols;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use udrv::report::FaultReport;
use udrv::run::{Answer, Command, Commander};
use udrv::supervisor::policy::Protect;
use udrv_driver::{Entry, InjectedFault, Injection, Point};

use crate::protocol::{Envelope, MAX_LINE, Request, Response, VERSION, socket_path};

/// A client that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Clients at a time.
const MAX_CLIENTS: usize = 8;

/// Why there can be no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another daemon has the device.
    #[error("another daemon (socket {0}) drives this device already; udrvctl status shows it")]
    Taken(PathBuf),
    /// The directory or the socket cannot be made.
    #[error("control socket {path}: {source}; set UDRV_RUNTIME_DIR to a directory that you may write")]
    Io {
        /// Where.
        path: PathBuf,
        /// errno.
        #[source]
        source: io::Error,
    },
}

/// A bound control socket; its file is removed on drop.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Makes the socket of `device`, mode 0600. A socket that nobody serves is replaced.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn bind(directory: &Path, device: &str) -> Result<ControlSocket, ControlError> {
        let path = socket_path(directory, device);
        let io = |source| ControlError::Io { path: path.clone(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(io)?;
        if UnixStream::connect(&path).is_ok() {
            return Err(ControlError::Taken(path));
        }
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(e)),
            _ => {}
        }
        // made under another name and renamed when its mode is right: nobody gets in before
        let fresh = path.with_extension("new");
        let _ = std::fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).map_err(io)?;
        std::fs::set_permissions(&fresh, PermissionsExt::from_mode(0o600)).map_err(io)?;
        std::fs::rename(&fresh, &path).map_err(io)?;
        Ok(ControlSocket { listener, path })
    }

    /// Serves clients on threads of their own, until the process ends.
    ///
    /// # Errors
    /// No thread.
    pub fn serve(&self, commander: Commander) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        std::thread::Builder::new().name("control".into()).spawn(move || accept(&listener, &commander))?;
        Ok(())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn accept(listener: &UnixListener, commander: &Commander) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "control socket");
                continue;
            }
        };
        if clients.load(Ordering::Relaxed) >= MAX_CLIENTS {
            tracing::warn!("too many control clients; one was turned away");
            // a line fits into any socket's buffer; if it does not, nobody waits for it
            let _ = stream.set_nonblocking(true);
            let _ = answer(&stream, &error(format!("too many clients: {MAX_CLIENTS} are connected already")));
            continue;
        }
        clients.fetch_add(1, Ordering::Relaxed);
        let (commander, counter) = (commander.clone(), clients.clone());
        let spawned = std::thread::Builder::new().name("control-client".into()).spawn(move || {
            if let Err(error) = serve_client(&stream, &commander) {
                tracing::debug!(%error, "control client");
            }
            counter.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = spawned {
            clients.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(%error, "control client");
        }
    }
}

fn serve_client(stream: &UnixStream, commander: &Commander) -> io::Result<()> {
    let peer = getsockopt(stream, PeerCredentials)?;
    let own = nix::unistd::geteuid().as_raw();
    if peer.uid() != 0 && peer.uid() != own {
        return answer(stream, &error(format!("user {} may not control this daemon", peer.uid())));
    }
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return answer(stream, &error(format!("a request is one line of at most {MAX_LINE} bytes")));
        }
        answer(stream, &respond(&line, commander))?;
    }
}

fn answer(mut stream: &UnixStream, response: &Response) -> io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn error(message: String) -> Response {
    Response::Error { message }
}

/// Answers one line.
fn respond(line: &[u8], commander: &Commander) -> Response {
    let command = match parse(line) {
        Ok(command) => command,
        Err(message) => return error(message),
    };
    match commander.ask(command) {
        Some(Answer::Status(status)) => Response::Status { status },
        Some(Answer::Faults(mut faults)) => {
            faults.iter_mut().for_each(explain);
            Response::Faults { faults }
        }
        Some(Answer::Done) => Response::Done,
        Some(Answer::Refused(message)) => error(message),
        None => error("the device has stopped".to_owned()),
    }
}

/// Looks up what the device's thread had no time for. The debug information is read once, by the first who asks.
fn explain(fault: &mut FaultReport) {
    static SYMBOLS: LazyLock<Mutex<Option<Symbols>>> = LazyLock::new(|| {
        let symbols = Symbols::of_this_process();
        let symbols = symbols.inspect_err(|error| tracing::warn!(%error, "fault reports have no function names"));
        Mutex::new(symbols.ok())
    });
    let symbols = SYMBOLS.lock().unwrap_or_else(PoisonError::into_inner);
    fault.explain(symbols.as_ref());
}

fn parse(line: &[u8]) -> Result<Command, String> {
    let envelope: Envelope = serde_json::from_slice(line).map_err(|e| format!("not a request: {e}"))?;
    if envelope.version != VERSION {
        return Err(format!("protocol version {}: this daemon speaks {VERSION}", envelope.version));
    }
    let entry = |name: &str| name.parse::<Entry>().map_err(|e| format!("'{name}': {e}"));
    Ok(match envelope.request {
        Request::Status => Command::Status,
        Request::Faults { after } => Command::Faults(after),
        Request::Inject { entry: name, fault, point, times } => {
            let fault: InjectedFault = fault.parse().map_err(|e| format!("'{fault}': {e}"))?;
            let point: Point = point.parse().map_err(|e| format!("'{point}': {e}"))?;
            Command::Inject { entry: entry(&name)?, injection: Injection { fault, point }, times }
        }
        Request::Call { entry: name } => Command::Call(entry(&name)?),
        Request::Protect { entry: name, mode } => {
            Command::Protect(name.as_deref().map(entry).transpose()?, mode.parse::<Protect>()?)
        }
        Request::Release { entry: name } => Command::Release(name.as_deref().map(entry).transpose()?),
        Request::Restart => Command::Restart,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_taken_apart_and_nonsense_is_explained() {
        let ok = br#"{"version":1,"command":"inject","entry":"poll","fault":"panic","point":"end","times":2}"#;
        assert!(matches!(parse(ok), Ok(Command::Inject { entry: Entry::Poll, times: 2, .. })));
        for (line, word) in [
            (&br#"{"version":2,"command":"status"}"#[..], "version 2"),
            (br#"{"version":1,"command":"reboot"}"#, "reboot"),
            (br#"{"version":1,"command":"call","entry":"jump"}"#, "set_rx_mode"),
            (br#"{"version":1,"command":"protect","mode":"mostly"}"#, "suspicious"),
            (br#"{"version":1,"command":"release","entry":"jail"}"#, "set_rx_mode"),
            (br#"{"version":1,"command":"inject","entry":"poll","fault":"x","point":"end","times":1}"#, "null-write"),
            (b"\xff\xfe", "not a request"),
            (b"", "not a request"),
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn a_socket_is_private_replaces_a_dead_one_and_respects_a_living_one() {
        let directory = std::env::temp_dir().join(format!("udrv-control-{}", std::process::id()));
        let first = ControlSocket::bind(&directory, "model:x").unwrap();
        let path = socket_path(&directory, "model:x");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(ControlSocket::bind(&directory, "model:x"), Err(ControlError::Taken(_))));
        let ControlSocket { listener, .. } = &first;
        drop(listener.try_clone());
        drop(first);
        assert!(!path.exists());
        // a file left by a daemon that was killed
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(ControlSocket::bind(&directory, "model:x").unwrap());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
