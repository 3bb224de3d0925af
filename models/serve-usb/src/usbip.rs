//! USB/IP, from the point on where a device is attached: what Linux's `vhci_hcd` speaks on the socket that it is given.
//!
//! The protocol is in the kernel's documentation ("USB/IP protocol"). A message is 48 bytes, big-endian, and what follows
//! it. There is no negotiation: the attributes of the device are given with the socket ([`attach`]).

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use udrv_bus::{BusError, EndpointKind, TransferStatus, UsbDevice};

use crate::control;
use crate::stream::Stream;
use crate::transfers::{Ended, Presence, Transfers};
use crate::{End, SessionError};

/// Bytes of a message's head.
const HEAD: usize = 48;
/// Largest transfer that is served, bytes: what Linux's own URBs stay far below.
const MOST: usize = 1 << 20;

mod command {
    pub(super) const SUBMIT: u32 = 1;
    pub(super) const UNLINK: u32 = 2;
    pub(super) const RET_SUBMIT: u32 = 3;
    pub(super) const RET_UNLINK: u32 = 4;
}

/// `transfer_flags`.
mod flag {
    pub(super) const SHORT_NOT_OK: u32 = 0x01;
    pub(super) const ZERO_PACKET: u32 = 0x40;
}

/// `busnum << 16 | devnum` of the device that is attached; any will do.
const DEVICE: u32 = 0x0001_0002;

/// Gives `socket` to Linux's virtual host controller, as the far end of a device on `port`. `attach` is its file of that
/// name, `/sys/devices/platform/vhci_hcd.0/attach`; the other end of the socket is for [`serve`]. The speed is that of
/// `device`: full if its bulk endpoints have packets of 64 bytes at most, else high.
///
/// # Errors
/// What the kernel says: the port is in use, or the descriptor is no stream socket.
pub fn attach(attach: &Path, port: u32, socket: BorrowedFd<'_>, device: &dyn UsbDevice) -> io::Result<()> {
    let high = device.endpoints().iter().any(|e| e.kind == EndpointKind::Bulk && e.max_packet > 64);
    let speed = if high { 3 } else { 2 };
    fs::write(attach, format!("{port} {} {DEVICE} {speed}", socket.as_raw_fd()))
}

/// What a client wants of a transfer.
#[derive(Debug, Clone, Copy)]
struct Submit {
    sequence: u32,
    endpoint: u8,
    flags: u32,
    length: usize,
    setup: [u8; 8],
}

/// What a transfer is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Urb {
    sequence: u32,
    /// Its room, if fewer bytes are an error.
    short_not_ok: Option<usize>,
}

/// Serves `device` to the client at the other end of `socket`, any stream socket, until one of them goes or `stop` becomes
/// readable. The device is closed then, and so is the socket: that is how Linux is told of its leaving.
///
/// # Errors
/// When the client does not speak the protocol, asks for isochronous transfers, or its socket fails.
pub fn serve(
    socket: impl Into<OwnedFd>,
    device: Box<dyn UsbDevice>,
    stop: BorrowedFd<'_>,
) -> Result<End, SessionError> {
    let mut session = Session { stream: Stream::new(socket.into()), transfers: Transfers::new(device)? };
    let end = session.run(stop)?;
    if end == End::Unplugged {
        session.stream.finish(stop)?;
    }
    Ok(end)
}

struct Session {
    stream: Stream,
    transfers: Transfers<Urb>,
}

impl Session {
    fn run(&mut self, stop: BorrowedFd<'_>) -> Result<End, SessionError> {
        loop {
            let ready = self.stream.wait(self.transfers.event(), stop)?;
            if ready.stop {
                return Ok(End::Stopped);
            }
            let mut presence = self.read()?;
            if ready.event && self.transfers.collect()? == Presence::Gone {
                presence = Presence::Gone;
            }
            if presence == Presence::Gone {
                self.transfers.finish();
            }
            while let Some(ended) = self.transfers.take() {
                self.tell(ended);
            }
            self.stream.send()?;
            if presence == Presence::Gone {
                return Ok(End::Unplugged);
            }
            if self.stream.has_ended() {
                return Ok(End::Disconnected);
            }
        }
    }

    /// Does what the client has asked for, as far as it has come whole.
    fn read(&mut self) -> Result<Presence, SessionError> {
        while self.stream.has_room()
            && let Some(head) = self.stream.pending().first_chunk::<HEAD>().copied()
        {
            let sequence = word(&head, 1);
            match word(&head, 0) {
                command::SUBMIT => {
                    let submit = parse(&head)?;
                    let follows = if submit.endpoint & 0x80 == 0 { submit.length } else { 0 };
                    let Some(data) = self.stream.pending().get(HEAD..HEAD + follows) else { break };
                    let data = data.to_vec();
                    self.stream.take(HEAD + follows);
                    if self.submit(submit, data) == Presence::Gone {
                        return Ok(Presence::Gone);
                    }
                }
                command::UNLINK => {
                    self.stream.take(HEAD);
                    if self.unlink(sequence, word(&head, 5))? == Presence::Gone {
                        return Ok(Presence::Gone);
                    }
                }
                other => return Err(SessionError::malformed(format!("command {other} is none"))),
            }
        }
        Ok(Presence::Here)
    }

    fn submit(&mut self, submit: Submit, data: Vec<u8>) -> Presence {
        let Submit { sequence, endpoint, flags, length, setup } = submit;
        let is_in = endpoint & 0x80 != 0;
        if endpoint & 0x0f == 0 {
            return self.control(sequence, setup, data, length);
        }
        let data = if is_in { vec![0; length] } else { data };
        let short_not_ok = (is_in && flags & flag::SHORT_NOT_OK != 0).then_some(length);
        let key = Urb { sequence, short_not_ok };
        match self.transfers.submit(key, endpoint, data, flags & flag::ZERO_PACKET != 0) {
            Ok(()) => Presence::Here,
            Err(error) => self.refuse(sequence, &error),
        }
    }

    fn control(&mut self, sequence: u32, setup: [u8; 8], data: Vec<u8>, length: usize) -> Presence {
        let (setup, wanted) = control::setup(setup);
        let mut data = data;
        if setup.request_type & 0x80 != 0 {
            data = vec![0; wanted.min(length)];
        }
        match control::transfer(self.transfers.device(), setup, &mut data) {
            Ok(bytes) => {
                let answer: &[u8] = if setup.request_type & 0x80 != 0 { &data[..bytes] } else { &[] };
                self.answer(sequence, 0, bytes, answer);
                Presence::Here
            }
            Err(error) => self.refuse(sequence, &error),
        }
    }

    fn refuse(&mut self, sequence: u32, error: &BusError) -> Presence {
        tracing::debug!(sequence, %error, "a transfer is refused");
        self.answer(sequence, -errno(error).raw_os_error(), 0, &[]);
        if matches!(error, BusError::Gone { .. }) { Presence::Gone } else { Presence::Here }
    }

    fn unlink(&mut self, sequence: u32, which: u32) -> Result<Presence, SessionError> {
        let found = match self.transfers.cancel(|urb| urb.sequence == which) {
            Ok(found) => found,
            Err(BusError::Gone { .. }) => return Ok(Presence::Gone),
            Err(error) => return Err(error.into()),
        };
        // What had ended before is told before: then there was nothing to unlink.
        while let Some(ended) = self.transfers.take() {
            self.tell(ended);
        }
        let status = if found { -Errno::CONNRESET.raw_os_error() } else { 0 };
        self.stream.put(&[&message(command::RET_UNLINK, sequence, &[status as u32])]);
        Ok(Presence::Here)
    }

    fn tell(&mut self, ended: Ended<Urb>) {
        let Ended { key: Urb { sequence, short_not_ok }, status, length, data, .. } = ended;
        let status = match status {
            TransferStatus::Done if short_not_ok.is_some_and(|room| length < room) => Errno::REMOTEIO.raw_os_error(),
            TransferStatus::Done => 0,
            TransferStatus::Stalled => Errno::PIPE.raw_os_error(),
            TransferStatus::Overflow => Errno::OVERFLOW.raw_os_error(),
            TransferStatus::Cancelled => Errno::CONNRESET.raw_os_error(),
            TransferStatus::Gone => Errno::SHUTDOWN.raw_os_error(),
            TransferStatus::Failed => Errno::PROTO.raw_os_error(),
        };
        self.answer(sequence, -status, length, &data);
    }

    fn answer(&mut self, sequence: u32, status: i32, length: usize, data: &[u8]) {
        let words = [status as u32, length as u32, 0, 0, 0];
        self.stream.put(&[&message(command::RET_SUBMIT, sequence, &words), data]);
    }
}

fn word(head: &[u8; HEAD], at: usize) -> u32 {
    u32::from_be_bytes(head[4 * at..4 * at + 4].try_into().expect("four bytes"))
}

/// The head of an answer; what is not given is 0, and Linux looks at no more.
fn message(command: u32, sequence: u32, words: &[u32]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let fixed = [command, sequence, 0, 0, 0];
    for (bytes, word) in head.chunks_exact_mut(4).zip(fixed.iter().chain(words)) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    head
}

fn parse(head: &[u8; HEAD]) -> Result<Submit, SessionError> {
    let [_, sequence, _, direction, endpoint, flags, length, _, packets, _] = std::array::from_fn(|at| word(head, at));
    let (direction @ (0 | 1), number @ 0..=15) = (direction, endpoint) else {
        return Err(SessionError::malformed(format!("direction {direction} of endpoint {endpoint}")));
    };
    if !matches!(packets, 0 | u32::MAX) {
        return Err(SessionError::malformed("isochronous transfers are not served"));
    }
    let length = length as usize;
    if length > MOST {
        return Err(SessionError::malformed(format!("a transfer of {length} bytes: at most {MOST} are served")));
    }
    let setup = *head.last_chunk().expect("eight bytes");
    Ok(Submit { sequence, endpoint: (direction << 7 | number) as u8, flags, length, setup })
}

fn errno(error: &BusError) -> Errno {
    match error {
        BusError::Gone { .. } => Errno::SHUTDOWN,
        BusError::Stall { .. } | BusError::Refused { .. } => Errno::PIPE,
        BusError::Timeout { .. } => Errno::TIMEDOUT,
        BusError::Short { .. } => Errno::REMOTEIO,
        BusError::Io { source, .. } => Errno::from_io_error(source).unwrap_or(Errno::IO),
        BusError::Unsupported(_) | BusError::OutOfRange { .. } | BusError::NoSuchBar(_) | BusError::Dma { .. } => {
            Errno::INVAL
        }
    }
}
