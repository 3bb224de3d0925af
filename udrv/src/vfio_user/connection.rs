//! One command and its answer at a time, and what a broken server looks like to the rest.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use udrv_bus::BusError;
use udrv_vfio_user::message::Header;
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
    pub(super) fn new(channel: Channel, patience: Duration) -> Result<(Connection, version::Capabilities), Failed> {
        let mut this = Connection { channel, patience, next_id: 0, broken: None };
        let answer = this.ask(Header::VERSION, &[&version::ours()], &[])?;
        let capabilities = version::read(&answer).map_err(|why| this.nonsense(why))?;
        Ok((this, capabilities))
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
