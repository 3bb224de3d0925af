//! The wire behind a model, carried on to another process: a stream socket, on which each frame stands behind its length
//! (32 bits, big-endian). QEMU's `-netdev stream` speaks that, so that the far end can be any card of a guest.
//!
//! Two threads: one takes frames from the wire, and drops them while nobody is connected; one listens and feeds the wire,
//! at the speed of its line. Who connects second waits until the first has gone. The link is up all the time.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use model_wire::{FarPort, FarWaker, Line, Received};

use crate::socket::{Ready, Socket};
use crate::{ServeError, Stopper};

/// Shortest frame without FCS. Cards in software send shorter ones, which on a real wire there are not.
const SHORTEST: usize = 60;
/// Longest that is carried: more than any card sends.
const LONGEST: usize = 1 << 16;

/// A cable that is laid. Dropping it ends both threads and removes the socket.
pub struct Cable {
    stopper: Stopper,
    waker: FarWaker,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ends: AtomicBool,
    /// Who is connected.
    peer: Mutex<Option<Arc<UnixStream>>>,
}

impl Shared {
    fn peer(&self) -> MutexGuard<'_, Option<Arc<UnixStream>>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cable {
    /// Makes the socket and waits for a peer there, on threads of its own. `line_rate` is how fast what it sends goes
    /// into the wire, in bits a second; `None`: as fast as it comes.
    ///
    /// # Errors
    /// [`ServeError::Exists`] if there is anything at `path`; no socket, or no threads.
    pub fn lay(port: FarPort, path: &Path, line_rate: Option<u64>) -> Result<Cable, ServeError> {
        let socket = Socket::bind(path)?;
        let (port, shared) = (Arc::new(port), Arc::<Shared>::default());
        let mut cable =
            Cable { stopper: socket.stopper(), waker: port.waker(), shared: shared.clone(), threads: Vec::new() };
        let (out, peers) = (port.clone(), shared.clone());
        cable.spawn("cable-out", move || carry_out(&out, &peers))?;
        cable.spawn("cable-in", move || {
            if let Err(error) = carry_in(&socket, &port, &shared, line_rate) {
                tracing::warn!(%error, "the cable");
            }
        })?;
        Ok(cable)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), ServeError> {
        let thread = thread::Builder::new().name(name.into()).spawn(run);
        self.threads.push(thread.map_err(|source| ServeError::Io { operation: "starting a thread", source })?);
        Ok(())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.shared.ends.store(true, Relaxed);
        self.stopper.stop();
        if let Some(peer) = &*self.shared.peer() {
            // a thread that is in the middle of a write comes back from it
            let _ = peer.shutdown(std::net::Shutdown::Both);
        }
        self.waker.wake();
        for thread in self.threads.drain(..) {
            // a panic in there has been printed
            let _ = thread.join();
        }
    }
}

/// Frames from the wire to whoever is connected.
fn carry_out(port: &FarPort, shared: &Shared) {
    let mut frame = Vec::new();
    while !shared.ends.load(Relaxed) {
        // a damaged frame is dropped by the card that gets it: here
        if port.recv(&mut frame, None) != (Received::Frame { fcs_ok: true }) {
            continue;
        }
        let Some(peer) = shared.peer().clone() else { continue };
        let length = u32::try_from(frame.len()).expect("a frame is short").to_be_bytes();
        if let Err(error) = (&*peer).write_all(&length).and_then(|()| (&*peer).write_all(&frame)) {
            tracing::debug!(%error, "the far end has gone");
        }
    }
}

/// One peer after the other, and what they send into the wire.
fn carry_in(socket: &Socket, port: &FarPort, shared: &Shared, line_rate: Option<u64>) -> Result<(), ServeError> {
    while let Some(stream) = socket.accept()? {
        tracing::info!(path = %socket.path().display(), "the far end has connected");
        let stream = Arc::new(stream);
        *shared.peer() = Some(stream.clone());
        let ended = feed(socket, &stream, port, line_rate);
        *shared.peer() = None;
        let _ = stream.shutdown(std::net::Shutdown::Both);
        match ended {
            Ok(()) => tracing::info!("the far end has gone"),
            Err(error) => tracing::warn!(%error, "the far end was cut off"),
        }
    }
    Ok(())
}

/// What a peer sends, until it goes or the cable ends.
fn feed(socket: &Socket, stream: &UnixStream, port: &FarPort, line_rate: Option<u64>) -> Result<(), ServeError> {
    let failed = |source| ServeError::Io { operation: "reading a frame", source };
    let mut line = Line::new(line_rate);
    let mut frame = Vec::with_capacity(SHORTEST);
    loop {
        if socket.wait(stream.as_fd())? == Ready::Stop {
            return Ok(());
        }
        let mut length = [0; 4];
        match (&mut &*stream).read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other.map_err(failed)?,
        }
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 || length > LONGEST {
            let why = format!("a frame of {length} bytes: this is no far end of a cable");
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        frame.clear();
        frame.resize(length, 0);
        (&mut &*stream).read_exact(&mut frame).map_err(failed)?;
        frame.resize(length.max(SHORTEST), 0);
        while let Some(until) = line.busy_until(Instant::now()) {
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        line.occupy(Instant::now(), frame.len());
        port.send(&frame);
    }
}
