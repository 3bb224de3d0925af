//! Who listens may stop for a while, for another process that listens at the same socket; and answers under way are waited for
//! before this process ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    /// Readable while it is closed.
    closed: EventFd,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    answering: usize,
}

/// An answer under way.
pub(super) struct Answering<'a>(&'a Gate);

impl Gate {
    /// An open one.
    ///
    /// # Errors
    /// No eventfd.
    pub fn new() -> io::Result<Gate> {
        let closed = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Gate(Arc::new(Inner { state: Mutex::default(), changed: Condvar::new(), closed })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on nobody is let in.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.closed, true) {
            // of a counter that is 0
            let _ = self.0.closed.write(1);
        }
    }

    /// Whoever has waited is let in.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.closed, false) {
            let _ = self.0.closed.read();
        }
        self.0.changed.notify_all();
    }

    /// Waits until somebody is at `listener` and the gate is open. The listener must not block: another process may have been
    /// faster.
    pub(crate) fn wait_at(&self, listener: BorrowedFd<'_>) -> io::Result<()> {
        loop {
            let opened = self.0.changed.wait_while(self.lock(), |state| state.closed);
            drop(opened);
            let wanted = PollFlags::POLLIN;
            let mut files = [PollFd::new(self.0.closed.as_fd(), wanted), PollFd::new(listener, wanted)];
            match poll(&mut files, PollTimeout::NONE) {
                Ok(_) if files[0].any() == Some(true) => {}
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// An answer is being made until this is dropped.
    pub(super) fn answering(&self) -> Answering<'_> {
        self.lock().answering += 1;
        Answering(self)
    }

    /// Waits until none is.
    pub(crate) fn wait_for_answers(&self, at_most: Duration) {
        let waited = self.0.changed.wait_timeout_while(self.lock(), at_most, |state| state.answering > 0);
        drop(waited);
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.lock().answering -= 1;
        self.0.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn nobody_is_let_in_while_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let gate = Gate::new().unwrap();
        gate.close();
        let _client = UnixStream::connect(&path).unwrap();
        std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::channel();
            let (gate, listener) = (&gate, &listener);
            scope.spawn(move || sender.send(gate.wait_at(listener.as_fd())).unwrap());
            assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
            gate.open();
            receiver.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
        });
        listener.accept().unwrap();
    }

    #[test]
    fn answers_under_way_are_waited_for() {
        let gate = Gate::new().unwrap();
        let answer = gate.answering();
        gate.wait_for_answers(Duration::ZERO);
        assert_eq!(gate.lock().answering, 1);
        drop(answer);
        gate.wait_for_answers(Duration::from_secs(20));
        assert_eq!(gate.lock().answering, 0);
    }
}
