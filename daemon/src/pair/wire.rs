//! What passes between a process and its successor: messages of JSON over a pair of packet sockets, and descriptors with them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::Build;

/// Version of all of this. A successor that speaks another says so, and is not used.
pub(super) const VERSION: u32 = 1;
/// Longest message, bytes.
const MAX_MESSAGE: usize = 32 * 1024;
/// Descriptors with one message.
const MAX_FDS: usize = 32;

/// To the successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub(super) enum ToSuccessor {
    /// The first.
    Begin(Begin),
    /// The device is yours: nobody serves it.
    TakeOver,
    /// There is nothing to go on with: end.
    End,
}

/// What a successor is told first. Descriptors come with it, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    /// [`VERSION`].
    pub(super) version: u32,
    /// Names of the descriptors.
    pub(super) names: Vec<String>,
    /// Files that lead to the control socket, and are removed with it.
    pub(super) control_files: Vec<PathBuf>,
    /// Where metrics are shown.
    pub(super) metrics_place: Option<String>,
    /// The installed program.
    pub(super) program: PathBuf,
    /// How long it is on probation when it has been told to take over, in milliseconds.
    pub(super) probation: u64,
}

/// From the successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub(super) enum FromSuccessor {
    /// All is mapped.
    Ready {
        /// Which program it is.
        build: Build,
    },
    /// It serves the device, since that time of the system's monotonic clock in nanoseconds.
    Serving {
        /// See above.
        at: u64,
    },
    /// Its loop goes round, and nothing is wrong.
    Beat,
    /// The probation is over.
    Holds,
    /// It does not take the device, or has let go of it.
    Failed {
        /// Why.
        why: String,
    },
}

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard<T> {
    /// A message, and what came with it.
    Message(T, Vec<OwnedFd>),
    /// Nothing until then.
    Silence,
    /// The other process has gone.
    Closed,
}

/// One end.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Both ends: the other is for another process.
    pub(super) fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Channel(ours), theirs))
    }

    /// The one that this process was given.
    pub(super) fn of(socket: OwnedFd) -> Channel {
        Channel(socket)
    }

    pub(super) fn send(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > MAX_MESSAGE || fds.len() > MAX_FDS {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "more than one message has room for"));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        rustix::net::sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message, if one comes before `until`; without that it is waited for.
    pub(super) fn receive<T: DeserializeOwned>(&self, until: Option<Instant>) -> io::Result<Heard<T>> {
        if !self.is_readable(until)? {
            return Ok(Heard::Silence);
        }
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let mut receive = || rustix::net::recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags);
        let got = match receive() {
            // it has gone with something unread, which is told once, and before what it has said last
            Err(rustix::io::Errno::CONNRESET) => receive()?.bytes,
            got => got?.bytes,
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        match got {
            0 => Ok(Heard::Closed),
            length => Ok(Heard::Message(serde_json::from_slice(&bytes[..length])?, fds)),
        }
    }

    fn is_readable(&self, until: Option<Instant>) -> io::Result<bool> {
        loop {
            let timeout = until.map_or(PollTimeout::NONE, |until| {
                let left = until.saturating_duration_since(Instant::now());
                PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
            });
            match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) if until.is_some_and(|until| Instant::now() >= until) => return Ok(false),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::time::Duration;

    use super::*;

    #[test]
    fn messages_keep_their_descriptors_and_an_end_is_told() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::of(theirs);
        let file = File::open("/proc/self/comm").unwrap();
        ours.send(&ToSuccessor::TakeOver, &[file.as_fd()]).unwrap();
        ours.send(&ToSuccessor::End, &[]).unwrap();
        let Heard::Message(ToSuccessor::TakeOver, mut fds) = theirs.receive(None).unwrap() else { panic!("a message") };
        let mut text = String::new();
        File::from(fds.remove(0)).read_to_string(&mut text).unwrap();
        assert!(!text.is_empty() && fds.is_empty());
        assert!(matches!(theirs.receive(None).unwrap(), Heard::Message(ToSuccessor::End, fds) if fds.is_empty()));
        let soon = Instant::now() + Duration::from_millis(1);
        assert!(matches!(theirs.receive::<ToSuccessor>(Some(soon)).unwrap(), Heard::Silence));
        theirs.send(&FromSuccessor::Beat, &[]).unwrap();
        drop(ours);
        assert!(matches!(theirs.receive::<ToSuccessor>(None).unwrap(), Heard::Closed), "with something unread");

        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::of(theirs);
        theirs.send(&FromSuccessor::Beat, &[]).unwrap();
        ours.send(&ToSuccessor::End, &[]).unwrap();
        drop(ours);
        let last = theirs.receive(None).unwrap();
        assert!(
            matches!(last, Heard::Message(ToSuccessor::End, _)),
            "what it has said last, though it has read nothing"
        );
    }

    #[test]
    fn what_makes_no_sense_is_an_error_and_no_panic() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::of(theirs);
        for nonsense in
            [serde_json::json!({ "message": "dance" }), serde_json::json!(7), serde_json::json!("take-over")]
        {
            ours.send(&nonsense, &[]).unwrap();
            assert!(theirs.receive::<ToSuccessor>(None).is_err());
        }
        assert!(ours.send(&"x".repeat(MAX_MESSAGE), &[]).is_err());
    }
}
