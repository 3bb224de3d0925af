//! A socket that moves whole messages, with their file descriptors, and never waits without an end.
//!
//! What comes is bounded before it is believed: a size that cannot be, more descriptors than allowed, a header that
//! ends early are [`ChannelError::Malformed`]. After any error the stream's place is unknown: close it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::message::Header;

/// File descriptors that are taken with one message.
pub const MAX_FDS: usize = 8;
/// Bytes of data in one access to a region: far more than configuration space, which is read in one go.
pub const MAX_DATA: usize = 64 << 10;
/// Bytes of a message, header included.
pub const MAX_MESSAGE: usize = MAX_DATA + 4096;

/// A message that has come.
#[derive(Debug)]
pub struct Message {
    /// Its header; the size is that of the body and the header.
    pub header: Header,
    /// What follows the header.
    pub body: Vec<u8>,
    /// Descriptors that came along.
    pub fds: Vec<OwnedFd>,
}

/// Why no message could be moved.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other side has closed the connection, or died.
    #[error("the other side has closed the connection")]
    Closed,
    /// It was not done in time.
    #[error("no answer in time")]
    Deadline,
    /// What came is no message.
    #[error("what came is no message: {0}")]
    Malformed(String),
    /// The system refused.
    #[error("{operation}: {source}")]
    Io {
        /// The system call.
        operation: &'static str,
        /// errno.
        #[source]
        source: io::Error,
    },
}

/// What [`Channel::wait`] has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// A message begins, or the connection ends.
    Message,
    /// The descriptor that says stop is readable.
    Stop,
}

/// One end of a connection.
#[derive(Debug)]
pub struct Channel {
    socket: UnixStream,
}

impl Channel {
    /// Takes a connected socket.
    #[must_use]
    pub fn new(socket: UnixStream) -> Channel {
        Channel { socket }
    }

    /// Sends a message: `header` with its size filled in, `body`, and `fds`.
    ///
    /// # Errors
    /// [`ChannelError`]; part of the message may have gone.
    pub fn send(
        &self,
        header: &Header,
        body: &[&[u8]],
        fds: &[BorrowedFd<'_>],
        deadline: Instant,
    ) -> Result<(), ChannelError> {
        let size = Header::SIZE + body.iter().map(|part| part.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(size);
        Header { size: size as u32, ..*header }.put(&mut bytes);
        body.iter().for_each(|part| bytes.extend_from_slice(part));
        let (mut rest, mut fds) = (&bytes[..], fds);
        while !rest.is_empty() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
                return Err(ChannelError::Malformed(format!("{} descriptors, and {MAX_FDS} are the most", fds.len())));
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sendmsg(&self.socket, &[IoSlice::new(rest)], &mut control, flags) {
                Ok(moved) => (rest, fds) = (&rest[moved..], &[]),
                Err(Errno::AGAIN) => self.ready(PollFlags::OUT, deadline)?,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(ChannelError::Closed),
                Err(errno) => return Err(io_error("sendmsg", errno)),
            }
        }
        Ok(())
    }

    /// Waits for a message and takes it.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn receive(&self, deadline: Instant) -> Result<Message, ChannelError> {
        let mut fds = Vec::new();
        let mut bytes = [0; Header::SIZE];
        self.fill(&mut bytes, &mut fds, deadline)?;
        let (header, _) = Header::take(&bytes).expect("it has its size");
        let size = header.size as usize;
        if !(Header::SIZE..=MAX_MESSAGE).contains(&size) {
            return Err(ChannelError::Malformed(format!("a size of {size} bytes")));
        }
        let mut body = vec![0; size - Header::SIZE];
        self.fill(&mut body, &mut fds, deadline)?;
        Ok(Message { header, body, fds })
    }

    /// Takes everything up to the message that begins with `header`, and that one: for who has not seen the beginning of
    /// what is in the socket.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn skip_to(&self, header: &Header, deadline: Instant) -> Result<(), ChannelError> {
        let wanted = header.bytes();
        let mut last = [0; Header::SIZE];
        let mut fds = Vec::new();
        self.fill(&mut last, &mut fds, deadline)?;
        let mut skipped = 0;
        while last != wanted[..] {
            if skipped > 2 * MAX_MESSAGE {
                return Err(ChannelError::Malformed(format!("{skipped} bytes that are no answer")));
            }
            last.copy_within(1.., 0);
            self.fill(&mut last[Header::SIZE - 1..], &mut fds, deadline)?;
            skipped += 1;
        }
        let mut body = vec![0; (header.size as usize).saturating_sub(Header::SIZE).min(MAX_MESSAGE)];
        self.fill(&mut body, &mut fds, deadline)
    }

    /// Waits, without an end, for a message to begin or for `stop` to become readable.
    ///
    /// # Errors
    /// [`ChannelError::Io`].
    pub fn wait(&self, stop: BorrowedFd<'_>) -> Result<Ready, ChannelError> {
        loop {
            let mut fds = [PollFd::from_borrowed_fd(stop, PollFlags::IN), PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) if !fds[0].revents().is_empty() => return Ok(Ready::Stop),
                Ok(_) if !fds[1].revents().is_empty() => return Ok(Ready::Message),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(io_error("poll", errno)),
            }
        }
    }

    /// Fills `to`, and keeps the descriptors that come with its bytes.
    fn fill(&self, to: &mut [u8], fds: &mut Vec<OwnedFd>, deadline: Instant) -> Result<(), ChannelError> {
        let mut filled = 0;
        while filled < to.len() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let moved = match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut to[filled..])], &mut control, flags) {
                Ok(moved) => moved,
                Err(Errno::AGAIN) => {
                    self.ready(PollFlags::IN, deadline)?;
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(Errno::CONNRESET) => return Err(ChannelError::Closed),
                Err(errno) => return Err(io_error("recvmsg", errno)),
            };
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    fds.extend(rights);
                }
            }
            if moved.flags.contains(ReturnFlags::CTRUNC) || fds.len() > MAX_FDS {
                return Err(ChannelError::Malformed(format!("more than {MAX_FDS} descriptors")));
            }
            if moved.bytes == 0 {
                return Err(ChannelError::Closed);
            }
            filled += moved.bytes;
        }
        Ok(())
    }

    /// Waits until the socket is ready, or the deadline has come.
    fn ready(&self, flags: PollFlags, deadline: Instant) -> Result<(), ChannelError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ChannelError::Deadline);
        }
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.socket, flags)], Some(&left)) {
            Ok(0) => Err(ChannelError::Deadline),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(io_error("poll", errno)),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn io_error(operation: &'static str, errno: Errno) -> ChannelError {
    ChannelError::Io { operation, source: errno.into() }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Duration;

    use super::*;

    fn pair() -> (Channel, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Channel::new(near), far)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn messages_and_descriptors_come_through_whole() {
        let (near, far) = pair();
        let far = Channel::new(far);
        let (mut reader, writer) = std::io::pipe().unwrap();
        near.send(&Header::command(1, Header::DMA_MAP), &[b"ab", b"c"], &[writer.as_fd()], soon()).unwrap();
        near.send(&Header::command(2, Header::DMA_UNMAP), &[], &[], soon()).unwrap();
        drop(writer);
        let message = far.receive(soon()).unwrap();
        assert_eq!((message.header.id, message.header.size, &message.body[..]), (1, 19, &b"abc"[..]));
        std::fs::File::from(message.fds.into_iter().next().unwrap()).write_all(b"x").unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"x", "the pipe's only end was the one that was sent");
        let message = far.receive(soon()).unwrap();
        assert_eq!((message.header.id, message.body.len(), message.fds.len()), (2, 0, 0));
    }

    #[test]
    fn a_message_in_pieces_is_waited_for_and_a_cut_one_is_an_end() {
        let (near, mut far) = pair();
        let bytes = Header { size: 18, ..Header::command(3, Header::REGION_READ) }.bytes();
        let writer = std::thread::spawn(move || {
            for byte in bytes.iter().chain(b"hi") {
                far.write_all(&[*byte]).unwrap();
            }
            far.write_all(&bytes[..7]).unwrap();
        });
        assert_eq!(near.receive(soon()).unwrap().body, b"hi");
        writer.join().unwrap();
        assert!(matches!(near.receive(soon()), Err(ChannelError::Closed)));
        assert!(matches!(near.send(&Header::default(), &[], &[], soon()), Err(ChannelError::Closed)));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_and_silence_has_an_end() {
        for size in [0, 15, MAX_MESSAGE as u32 + 1, u32::MAX] {
            let (near, mut far) = pair();
            far.write_all(&Header { size, ..Header::default() }.bytes()).unwrap();
            assert!(matches!(near.receive(soon()), Err(ChannelError::Malformed(_))), "{size}");
        }
        let (near, _far) = pair();
        let error = near.receive(Instant::now() + Duration::from_millis(20));
        assert!(matches!(error, Err(ChannelError::Deadline)));
    }
}
