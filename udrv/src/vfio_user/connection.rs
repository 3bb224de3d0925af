//! One command and its answer at a time, and what a broken server looks like to the rest.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use udrv_bus::BusError;
use udrv_vfio_user::message::{DeviceInfo, Header};
use udrv_vfio_user::{Channel, ChannelError, Message, version};

/// A connection to a server. After its first break it sends nothing more.
#[derive(Debug)]
pub(super) struct Connection {
    channel: Channel,
    patience: Duration,
    next_id: u16,
    broken: Option<Broken>,
}

/// How a server has broken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// In words, for [`BusError::Gone`].
    pub(super) how: &'static str,
    /// What exactly, if there is more to say.
    pub(super) detail: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The connection is no more.
    Broken(Broken),
    /// The server has said no.
    Refused(io::Error),
}

impl Failed {
    /// As an error of the bus, where `operation` is what was asked for.
    pub(super) fn during(self, operation: impl FnOnce() -> String) -> BusError {
        match self {
            Failed::Broken(Broken { how, .. }) => BusError::Gone { operation: how },
            Failed::Refused(source) => {
                BusError::Io { operation: format!("{}: the vfio-user server refuses", operation()), source }
            }
        }
    }
}

impl Connection {
    /// Takes a connected channel and agrees on the version.
    pub(super) fn new(channel: Channel, patience: Duration) -> Result<Connection, Failed> {
        let mut this = Connection { channel, patience, next_id: 0, broken: None };
        let answer = this.ask(Header::VERSION, &[&version::ours()], &[])?;
        match version::read(&answer) {
            Ok((minor, _)) if minor > version::MINOR => {
                Err(this.nonsense(format!("it speaks version 0.{minor} when 0.{} was proposed", version::MINOR)))
            }
            Ok(_) => Ok(this),
            Err(why) => Err(this.nonsense(why)),
        }
    }

    /// Goes on with a channel that another process has used until it died: that may have left an answer in it, or the
    /// rest of one.
    pub(super) fn adopt(channel: Channel, patience: Duration) -> Result<Connection, Failed> {
        // far from the predecessor's, which counts up
        let id = std::process::id() as u16 ^ 0x8000;
        let mut this = Connection { channel, patience, next_id: id.wrapping_add(1), broken: None };
        let deadline = Instant::now() + patience;
        let asked = DeviceInfo { argsz: DeviceInfo::SIZE as u32, ..DeviceInfo::default() };
        let header = Header::command(id, Header::DEVICE_GET_INFO);
        let found = this.channel.send(&header, &[&asked.bytes()], &[], deadline);
        let size = Header::SIZE + DeviceInfo::SIZE;
        let answer = Header { size: size as u32, flags: Header::REPLY, ..header };
        match found.and_then(|()| this.channel.skip_to(&answer, deadline)) {
            Ok(()) => Ok(this),
            Err(error) => Err(this.break_off(error)),
        }
    }

    /// Sends a command and returns the body of its answer.
    pub(super) fn ask(&mut self, command: u16, body: &[&[u8]], fds: &[BorrowedFd<'_>]) -> Result<Vec<u8>, Failed> {
        if let Some(broken) = &self.broken {
            return Err(Failed::Broken(broken.clone()));
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let deadline = Instant::now() + self.patience;
        let sent = self.channel.send(&Header::command(id, command), body, fds, deadline);
        let Message { header, body, fds } = match sent.and_then(|()| self.channel.receive(deadline)) {
            Ok(message) => message,
            Err(error) => return Err(self.break_off(error)),
        };
        if header.flags & Header::TYPE != Header::REPLY {
            return Err(self.nonsense(format!("a message of type {} as an answer", header.flags & Header::TYPE)));
        }
        if (header.id, header.command) != (id, command) {
            let (got, of) = (header.id, header.command);
            return Err(self.nonsense(format!("an answer to {got} ({of}) when {id} ({command}) was asked")));
        }
        if !fds.is_empty() {
            return Err(self.nonsense(format!("{} descriptors that were not asked for", fds.len())));
        }
        if header.flags & Header::ERROR != 0 {
            // rust-vmm's server says "error 0" for what it cannot explain
            let errno = i32::try_from(header.error).ok().filter(|errno| (1..4096).contains(errno));
            return Err(Failed::Refused(
                errno.map_or_else(|| io::Error::other("no reason given"), io::Error::from_raw_os_error),
            ));
        }
        Ok(body)
    }

    /// The socket.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Notes that the server has answered nonsense: nothing it says can be used any more.
    pub(super) fn nonsense(&mut self, detail: String) -> Failed {
        self.break_as("the vfio-user server breaks the protocol", detail)
    }

    fn break_off(&mut self, error: ChannelError) -> Failed {
        match error {
            ChannelError::Closed => self.break_as("the vfio-user server has closed the connection", String::new()),
            ChannelError::Deadline => {
                let detail = format!("within {:?}", self.patience);
                self.break_as("the vfio-user server does not answer", detail)
            }
            ChannelError::Malformed(detail) => self.nonsense(detail),
            error @ ChannelError::Io { .. } => self.break_as("the vfio-user socket fails", error.to_string()),
        }
    }

    fn break_as(&mut self, how: &'static str, detail: String) -> Failed {
        tracing::warn!(detail, "{how}");
        let broken = Broken { how, detail };
        self.broken = Some(broken.clone());
        Failed::Broken(broken)
    }
}
