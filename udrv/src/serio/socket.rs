//! A line of bytes to a PS/2 device in another process: a socket, one byte after the other, each as it comes.
//!
//! `udrvctl model serve psmouse SOCKET --line` has the other end. What a cable does is here done by the socket: when the other
//! process ends, the port has left.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use udrv_bus::{BusError, SerioByte, SerioId, SerioPort};

use super::raw::stream::Stream;

/// As a PC's controller has one.
const ID: SerioId = SerioId { kind: 0x01, protocol: 0x00 };

/// Why there is no such line.
#[derive(Debug, thiserror::Error)]
#[error("nobody serves a line at {path}: {source}; start it first: udrvctl model serve psmouse {path} --line", path = .path.display())]
pub struct ConnectError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl ConnectError {
    /// Whether somebody may serve it another time.
    fn is_absence(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
    }
}

impl From<ConnectError> for BusError {
    fn from(error: ConnectError) -> BusError {
        if error.is_absence() {
            return BusError::Gone { operation: "connecting again" };
        }
        BusError::Io { operation: "connecting again".to_owned(), source: io::Error::other(error) }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct SocketPort {
    name: String,
    stream: Stream,
}

impl SocketPort {
    /// Connects to who serves the line at `path`.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(path: &Path) -> Result<SocketPort, ConnectError> {
        let failed = |source| ConnectError { path: path.to_owned(), source };
        let socket = UnixStream::connect(path).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let stream = Stream::start(socket.into()).map_err(failed)?;
        Ok(SocketPort { name: format!("serio-line:{}", path.display()), stream })
    }
}

impl SerioPort for SocketPort {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn id(&self) -> SerioId {
        ID
    }

    fn write(&mut self, byte: u8) -> Result<(), BusError> {
        self.stream.write(byte)
    }

    fn read(&mut self, patience: Duration) -> Result<Option<SerioByte>, BusError> {
        self.stream.read(patience)
    }

    fn now(&self) -> Duration {
        self.stream.now()
    }

    fn announce(&mut self, event: Option<BorrowedFd<'_>>) -> Result<(), BusError> {
        self.stream.announce(event)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn bytes_pass_both_ways_and_the_end_of_the_other_process_is_the_ports() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("line");
        let listener = UnixListener::bind(&path).expect("a socket");
        let mut port = SocketPort::connect(&path).expect("it listens");
        let (mut other, _) = listener.accept().expect("it has connected");
        port.write(0xf4).expect("it is there");
        let mut heard = [0];
        other.read_exact(&mut heard).expect("a byte");
        other.write_all(&[0xfa, 0x08]).expect("it is there");
        let mut byte = || port.read(PATIENCE).expect("it is there").map(|byte| byte.value);
        assert_eq!((heard, byte(), byte()), ([0xf4], Some(0xfa), Some(0x08)));
        other.write_all(&[0x09]).expect("it is there");
        drop(other);
        assert_eq!(port.read(PATIENCE).expect("it came before the end").map(|byte| byte.value), Some(0x09));
        assert!(matches!(port.read(PATIENCE), Err(BusError::Gone { .. })));
        assert!(matches!(port.write(0xf4), Err(BusError::Gone { .. })));
        // and it can be had again
        assert!(SocketPort::connect(&path).is_ok());
    }

    #[test]
    fn where_nobody_listens_that_is_said_with_what_mends_it() {
        let error = SocketPort::connect(Path::new("/no/such/line")).expect_err("there is none");
        assert!(error.to_string().contains("udrvctl model serve psmouse /no/such/line --line"), "{error}");
        assert!(matches!(BusError::from(error), BusError::Gone { .. }));
        let error = SocketPort::connect(Path::new("/proc/self/exe")).expect_err("it is no socket");
        assert!(error.to_string().contains("/proc/self/exe"), "{error}");
    }
}
