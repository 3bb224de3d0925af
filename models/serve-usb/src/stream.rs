//! A client's socket: messages in and out without waiting for either.
//!
//! Who does not read what it is sent is not read from either, so that what waits for it stays bounded.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::SessionError;

/// What may wait for the client before it is not read from any more, bytes.
const MOST_OUT: usize = 1 << 20;
/// How long a client may take for the last words.
const PATIENCE: Duration = Duration::from_secs(1);
/// Read at once, bytes.
const CHUNK: usize = 64 * 1024;

/// See the file's text.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: OwnedFd,
    input: Vec<u8>,
    /// Bytes of `input` that have been taken.
    taken: usize,
    output: Vec<u8>,
    ended: bool,
    /// What has come was left lying because too much waited for the client.
    held: bool,
    /// What is still to come and is not to be looked at, bytes.
    skipped: usize,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ready {
    /// It is to stop.
    pub(crate) stop: bool,
    /// The device has something.
    pub(crate) event: bool,
}

impl Stream {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, input: Vec::new(), taken: 0, output: Vec::new(), ended: false, held: false, skipped: 0 }
    }

    /// Waits for the client, `event` or `stop`; reads what has come and sends what the client takes.
    pub(crate) fn wait(&mut self, event: BorrowedFd<'_>, stop: BorrowedFd<'_>) -> Result<Ready, SessionError> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, !self.is_full());
        wanted.set(PollFlags::OUT, !self.output.is_empty());
        let mut fds = [
            PollFd::from_borrowed_fd(stop, PollFlags::IN),
            PollFd::from_borrowed_fd(event, PollFlags::IN),
            PollFd::new(&self.socket, wanted),
        ];
        // What was held back can be answered now, and nobody will say so again.
        let goes_on = std::mem::take(&mut self.held) && !self.is_full();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, goes_on.then_some(&now)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(errno) => return Err(SessionError::io("poll", errno)),
        }
        let [stop, event, client] = fds.map(|fd| fd.revents());
        if client.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.fill()?;
        }
        self.send()?;
        Ok(Ready { stop: !stop.is_empty(), event: !event.is_empty() })
    }

    /// Whether the client will say nothing more.
    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads what has come, without waiting.
    pub(crate) fn fill(&mut self) -> Result<(), SessionError> {
        self.input.drain(..std::mem::take(&mut self.taken));
        let old = self.input.len();
        self.input.resize(old + CHUNK, 0);
        let got = recv(&self.socket, &mut self.input[old..], RecvFlags::DONTWAIT);
        self.input.truncate(old + got.as_ref().map_or(0, |(bytes, _)| *bytes));
        match got {
            Ok((0, _)) | Err(Errno::CONNRESET) => self.ended = true,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(SessionError::io("reading from the client", errno)),
        }
        if self.skipped != 0 {
            self.skip(self.skipped);
        }
        Ok(())
    }

    /// What has come and was not taken.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.input[self.taken..]
    }

    /// Takes the first `bytes` of it, which must be there.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// Whether what the client has said may be answered now; else it has to read first.
    pub(crate) fn has_room(&mut self) -> bool {
        self.held = self.is_full();
        !self.held
    }

    /// Whether the client has to read before it is told more.
    pub(crate) const fn is_full(&self) -> bool {
        self.output.len() >= MOST_OUT
    }

    /// Says something; [`Stream::send`] sends it.
    pub(crate) fn put(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.output.extend_from_slice(part));
    }

    /// Sends what the client takes.
    pub(crate) fn send(&mut self) -> Result<(), SessionError> {
        let mut sent = 0;
        while sent < self.output.len() {
            match send(&self.socket, &self.output[sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(bytes) => sent += bytes,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(Errno::PIPE | Errno::CONNRESET) => {
                    self.ended = true;
                    sent = self.output.len();
                }
                Err(errno) => return Err(SessionError::io("writing to the client", errno)),
            }
        }
        self.output.drain(..sent);
        Ok(())
    }

    /// Sends all that is left, as far as the client takes it in a second, or until it is to stop.
    pub(crate) fn finish(&mut self, stop: BorrowedFd<'_>) -> Result<(), SessionError> {
        let end = Instant::now() + PATIENCE;
        self.send()?;
        while !self.output.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            let stop = PollFd::from_borrowed_fd(stop, PollFlags::IN);
            let mut fds = [stop, PollFd::new(&self.socket, PollFlags::OUT)];
            match poll(&mut fds, Some(&left)) {
                Ok(0) => break,
                Ok(_) if !fds[0].revents().is_empty() => break,
                Ok(_) | Err(Errno::INTR) => self.send()?,
                Err(errno) => return Err(SessionError::io("poll", errno)),
            }
        }
        Ok(())
    }

    /// Takes `bytes`, also such as have not come yet.
    pub(crate) fn skip(&mut self, bytes: usize) {
        let here = bytes.min(self.pending().len());
        self.take(here);
        self.skipped = bytes - here;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;
    use std::thread;

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;

    /// What was held back goes on when there is room, though nobody says anything any more.
    #[test]
    fn it_does_not_wait_for_the_client_to_say_more_when_something_is_held_back() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(ours.into());
        let [event, stop] = [0; 2].map(|_| eventfd(0, EventfdFlags::empty()).unwrap());
        stream.put(&[&vec![0; MOST_OUT]]);
        assert!(!stream.has_room());
        let reader = thread::spawn(move || {
            theirs.read_exact(&mut vec![0; MOST_OUT]).unwrap();
            theirs
        });
        while stream.is_full() || !stream.output.is_empty() {
            stream.finish(stop.as_fd()).unwrap();
        }
        let _theirs = reader.join().unwrap();
        let (sender, waited) = channel();
        let waiting = thread::spawn(move || {
            stream.wait(event.as_fd(), stop.as_fd()).unwrap();
            sender.send(stream.has_room()).unwrap();
        });
        assert_eq!(waited.recv_timeout(Duration::from_secs(20)), Ok(true));
        waiting.join().unwrap();
    }

    #[test]
    fn what_is_skipped_may_come_later() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(ours.into());
        for (sent, left) in [("abc", ""), ("def", "f"), ("gh", "fgh")] {
            std::io::Write::write_all(&mut theirs, sent.as_bytes()).unwrap();
            stream.fill().unwrap();
            if sent == "abc" {
                stream.skip(5);
            }
            assert_eq!(stream.pending(), left.as_bytes());
        }
    }
}
