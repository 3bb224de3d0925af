//! The server: a socket at a path, and one client at a time.

use std::path::Path;

use model_serve::{ServeError, Socket, Stopper};
use udrv_bus::{BusError, UsbDevice};

use crate::usbredir::UsbRedir;
use crate::{End, SessionError, usbip};

/// What is spoken on the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// [`usbip`]: the client hands its connected socket to Linux.
    UsbIp,
    /// [`usbredir`](crate::usbredir): the client is QEMU.
    UsbRedir,
}

/// A socket at a path, which goes with it.
#[derive(Debug)]
pub struct Server {
    socket: Socket,
    protocol: Protocol,
}

impl Server {
    /// Makes the socket. Clients can connect from now on, and are served by [`Server::run`].
    ///
    /// # Errors
    /// [`ServeError::Exists`] if there is anything at `path`; it is left alone.
    pub fn bind(path: &Path, protocol: Protocol) -> Result<Server, ServeError> {
        Ok(Server { socket: Socket::bind(path)?, protocol })
    }

    /// What stops it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.socket.stopper()
    }

    /// Serves one client after the other until it is stopped. `open` opens the device for each; what it gives is dropped
    /// when the client or the device goes. A client that breaks the protocol is cut off, and so is one that comes while
    /// the device is unplugged. When it is unplugged under a client of usb-redir, `open` is asked again for the same
    /// client: it may wait for the device to come back.
    ///
    /// # Errors
    /// When a device that is there cannot be opened, or the socket fails.
    pub fn run(self, mut open: impl FnMut() -> Result<Box<dyn UsbDevice>, BusError>) -> Result<(), ServeError> {
        while let Some(stream) = self.socket.accept()? {
            tracing::info!(path = %self.socket.path().display(), "a client has connected");
            let stop = self.socket.stop();
            let ended = match self.protocol {
                Protocol::UsbIp => match device(&mut open)? {
                    Some(device) => usbip::serve(stream, device, stop),
                    None => continue,
                },
                Protocol::UsbRedir => {
                    let mut client = UsbRedir::new(stream);
                    loop {
                        let Some(device) = device(&mut open)? else { break Ok(End::Unplugged) };
                        match client.serve(device, stop) {
                            Ok(End::Unplugged) => {}
                            other => break other,
                        }
                    }
                }
            };
            match ended {
                Ok(End::Stopped) => break,
                Ok(End::Disconnected) => tracing::info!("the client has gone"),
                Ok(End::Unplugged) => tracing::info!("the device has gone, and the client with it"),
                Err(SessionError::Io { operation, source }) => {
                    tracing::warn!(operation, %source, "the client was lost")
                }
                Err(error) => tracing::warn!(%error, "the client was cut off"),
            }
        }
        Ok(())
    }
}

/// The device, if it is there.
fn device(
    open: &mut impl FnMut() -> Result<Box<dyn UsbDevice>, BusError>,
) -> Result<Option<Box<dyn UsbDevice>>, ServeError> {
    match open() {
        Ok(device) => Ok(Some(device)),
        Err(error @ BusError::Gone { .. }) => {
            tracing::warn!(%error, "there is nothing to serve");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
