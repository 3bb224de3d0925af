//! Bytes of an open node: a thread takes them as they come, with the time, and keeps them until they are read.
//!
//! The kernel keeps 64 of them, and drops more without a word: a mouse sends so many in 50 ms. All signals are blocked on the
//! thread: their handlers belong to others.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::{read, write};
use tracing::warn;
use udrv_bus::{BusError, SerioByte};

use crate::event::Event;
use crate::threads::signals_blocked;

/// Bytes that are kept: what a line can carry in some seconds.
const MOST_KEPT: usize = 4096;
/// Bytes that the kernel keeps.
const AT_A_TIME: usize = 64;
/// Nobody waits longer.
const MOST_PATIENCE: Duration = Duration::from_secs(3600);

/// See the module's text. Stops on drop.
#[derive(Debug)]
pub(in crate::serio) struct Stream {
    node: Arc<OwnedFd>,
    shared: Arc<Shared>,
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    come: VecDeque<SerioByte>,
    event: Option<Event>,
    gone: bool,
    /// Bytes that there was no room for.
    dropped: u64,
}

impl Stream {
    /// Over an open node, which must not block.
    pub(in crate::serio) fn start(node: OwnedFd) -> io::Result<Stream> {
        let node = Arc::new(node);
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        let shared = Arc::new(Shared { start: Instant::now(), state: Mutex::default(), changed: Condvar::new() });
        let run = {
            let (node, stop, shared) = (node.clone(), stop.clone(), shared.clone());
            move || shared.run(node.as_fd(), stop.as_fd())
        };
        let thread = signals_blocked(|| std::thread::Builder::new().name("serio-port".into()).spawn(run))??;
        Ok(Stream { node, shared, stop, thread: Some(thread) })
    }

    pub(in crate::serio) fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }

    pub(in crate::serio) fn write(&self, byte: u8) -> Result<(), BusError> {
        if self.shared.state().gone {
            return Err(BusError::Gone { operation: "writing to it" });
        }
        let operation = || format!("write of {byte:02x} to the port");
        match write(&*self.node, &[byte]) {
            Ok(1) => Ok(()),
            Ok(got) => Err(BusError::Short { operation: operation(), expected: 1, got }),
            Err(Errno::ENODEV | Errno::EPIPE | Errno::ECONNRESET) => Err(BusError::Gone { operation: "writing to it" }),
            Err(error) => Err(BusError::Io { operation: operation(), source: error.into() }),
        }
    }

    /// The oldest byte; if there is none, one that comes in time.
    pub(in crate::serio) fn read(&self, patience: Duration) -> Result<Option<SerioByte>, BusError> {
        let end = Instant::now() + patience.min(MOST_PATIENCE);
        let mut state = self.shared.state();
        loop {
            if let Some(byte) = state.come.pop_front() {
                return Ok(Some(byte));
            }
            if state.gone {
                return Err(BusError::Gone { operation: "reading from it" });
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(in crate::serio) fn announce(&self, event: Option<BorrowedFd<'_>>) -> Result<(), BusError> {
        let kept = event.map(Event::of).transpose()?;
        let mut state = self.shared.state();
        state.event = kept;
        if state.gone || !state.come.is_empty() {
            state.announce();
        }
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let stopped = self.stop.write(1);
        if let Some(thread) = self.thread.take()
            && (stopped.is_err() || thread.join().is_err())
        {
            warn!("closing: the thread that listens to a serio port has not ended as it should");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // whole between any two statements
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, node: BorrowedFd<'_>, stop: BorrowedFd<'_>) {
        let ended = self.listen(node, stop);
        let mut state = self.state();
        if state.dropped > 0 {
            warn!(bytes = state.dropped, "bytes of a serio port were dropped: nobody had read those before them");
        }
        if let Err(error) = ended {
            if error != Errno::ENODEV {
                warn!(%error, "a serio port cannot be read any more");
            }
            state.gone = true;
            // whoever waits for bytes is to find that out
            state.announce();
            self.changed.notify_all();
        }
    }

    /// Until it is told to stop, or there is nothing to be heard any more.
    fn listen(&self, node: BorrowedFd<'_>, stop: BorrowedFd<'_>) -> Result<(), Errno> {
        loop {
            let mut both = [PollFd::new(node, PollFlags::POLLIN), PollFd::new(stop, PollFlags::POLLIN)];
            match poll(&mut both, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
            let of = |at: usize| both[at].revents().unwrap_or(PollFlags::empty());
            if !of(1).is_empty() {
                return Ok(());
            }
            let found = of(0);
            if found.is_empty() {
                continue;
            }
            let mut bytes = [0; AT_A_TIME];
            match read(node, &mut bytes) {
                Ok(0) => return Err(Errno::ENODEV),
                Ok(count) => self.come(&bytes[..count]),
                // hung up, and nothing left
                Err(Errno::EAGAIN) if !found.contains(PollFlags::POLLIN) => return Err(Errno::ENODEV),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn come(&self, bytes: &[u8]) {
        let at = self.start.elapsed();
        let mut state = self.state();
        let room = (MOST_KEPT - state.come.len()).min(bytes.len());
        state.come.extend(bytes[..room].iter().map(|&value| SerioByte { value, at }));
        state.dropped += (bytes.len() - room) as u64;
        state.announce();
        self.changed.notify_all();
    }
}

impl State {
    fn announce(&self) {
        if let Some(event) = &self.event {
            event.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn stream() -> (Stream, UnixStream) {
        let (node, device) = UnixStream::pair().unwrap();
        node.set_nonblocking(true).unwrap();
        (Stream::start(node.into()).unwrap(), device)
    }

    #[test]
    fn of_more_than_is_kept_the_newest_are_dropped() {
        let (stream, mut device) = stream();
        let many: Vec<u8> = (0..5000_u32).map(|n| (n % 251) as u8).collect();
        device.write_all(&many).unwrap();
        let (all, since) = (many.len() as u64, Instant::now());
        let come = || {
            let state = stream.shared.state();
            state.come.len() as u64 + state.dropped
        };
        while come() < all {
            assert!(since.elapsed() < LONG);
            std::thread::yield_now();
        }
        let heard: Vec<u8> =
            std::iter::from_fn(|| stream.read(Duration::ZERO).unwrap()).map(|byte| byte.value).collect();
        assert_eq!(heard, many[..MOST_KEPT]);
        device.write_all(&[9]).unwrap();
        assert_eq!(stream.read(LONG).unwrap().map(|byte| byte.value), Some(9), "and then there is room again");
    }

    #[test]
    fn its_times_do_not_go_back_and_are_those_at_which_bytes_came() {
        let (stream, mut device) = stream();
        let mut last = Duration::ZERO;
        for value in 0..200 {
            let before = stream.now();
            device.write_all(&[value]).unwrap();
            let byte = stream.read(LONG).unwrap().unwrap();
            assert_eq!(byte.value, value);
            assert!(byte.at >= before.max(last) && byte.at <= stream.now());
            last = byte.at;
        }
    }

    #[test]
    fn whoever_waits_for_one_that_goes_is_told_and_so_is_who_only_listens() {
        let (stream, device) = stream();
        let event = EventFd::from_flags(EfdFlags::empty()).unwrap();
        stream.announce(Some(event.as_fd())).unwrap();
        let patience = Duration::MAX;
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| stream.read(patience));
            drop(device);
            assert!(matches!(waiting.join().unwrap(), Err(BusError::Gone { .. })));
        });
        assert_eq!(event.read().unwrap(), 1);
        assert!(matches!(stream.write(0xf4), Err(BusError::Gone { .. })));
    }
}
