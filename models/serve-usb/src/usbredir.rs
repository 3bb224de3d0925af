//! usb-redir, from the side that has the device: what QEMU's `-device usb-redir` speaks on its chardev.
//!
//! Protocol version 0.7 (SPICE project, "USB Network Redirection protocol description"). Both sides say hello, and then
//! the device is described and connected. What is asked for is answered with the id that it was asked with.
//!
//! Not served, and refused in the words of the protocol: isochronous streams, bulk streams, bulk receiving.

mod describe;
mod packets;

use std::collections::BTreeSet;
use std::os::fd::{BorrowedFd, OwnedFd};

use udrv_bus::{BusError, Setup, TransferStatus, UsbDevice};

use crate::control;
use crate::stream::Stream;
use crate::transfers::{Ended, Presence, Transfers};
use crate::{End, SessionError};

use describe::Description;
use packets::{Bulk, Control, Framing, Head, Interrupt, kind, status};

/// A client, and whether it has said hello.
///
/// It outlives a device: when one has gone, the next is connected to it, as if plugged in.
#[derive(Debug)]
pub struct UsbRedir {
    stream: Stream,
    /// What both sides can do; `None` until the client has said hello.
    framing: Option<Framing>,
}

impl UsbRedir {
    /// Takes the client at the other end of `socket`, any stream socket, and says hello.
    #[must_use]
    pub fn new(socket: impl Into<OwnedFd>) -> UsbRedir {
        let mut stream = Stream::new(socket.into());
        stream.put(&[&packets::hello()]);
        UsbRedir { stream, framing: None }
    }

    /// Serves `device`, until the client or the device goes or `stop` becomes readable. The device is closed then.
    ///
    /// # Errors
    /// When the client does not speak the protocol, its socket fails, or the device does not say what it is.
    pub fn serve(&mut self, device: Box<dyn UsbDevice>, stop: BorrowedFd<'_>) -> Result<End, SessionError> {
        let mut transfers = Transfers::new(device)?;
        let framing = match self.framing {
            Some(framing) => {
                self.forget(framing)?;
                framing
            }
            None => match self.greet(&transfers, stop)? {
                Ok(framing) => *self.framing.insert(framing),
                Err(end) => return Ok(end),
            },
        };
        let description = match Description::read(transfers.device()) {
            Ok(description) => description,
            Err(BusError::Gone { .. }) => return Ok(End::Unplugged),
            Err(error) => return Err(error.into()),
        };
        let stream = &mut self.stream;
        let mut session = Session { stream, framing, transfers, receiving: BTreeSet::new(), next_id: 0 };
        session.describe(&description);
        session.put(kind::DEVICE_CONNECT, 0, &[&description.connect(framing.release)]);
        let end = session.run(stop)?;
        if end == End::Unplugged {
            session.put(kind::DEVICE_DISCONNECT, 0, &[]);
            session.stream.finish(stop)?;
        }
        Ok(end)
    }

    /// Skips what the client has said of the device that was there before.
    fn forget(&mut self, framing: Framing) -> Result<(), SessionError> {
        self.stream.fill()?;
        while let Some((head, bytes)) = framing.read_head(self.stream.pending())? {
            self.stream.skip(bytes + head.length);
        }
        Ok(())
    }

    /// Waits for the client's hello.
    fn greet(
        &mut self,
        transfers: &Transfers<Key>,
        stop: BorrowedFd<'_>,
    ) -> Result<Result<Framing, End>, SessionError> {
        loop {
            if let Some((framing, bytes)) = packets::read_hello(self.stream.pending())? {
                self.stream.take(bytes);
                return Ok(Ok(framing));
            }
            if self.stream.has_ended() {
                return Ok(Err(End::Disconnected));
            }
            let ready = self.stream.wait(transfers.event(), stop)?;
            if ready.stop {
                return Ok(Err(End::Stopped));
            }
        }
    }
}

/// What a transfer is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Bulk {
        id: u64,
        stream: u32,
    },
    InterruptOut {
        id: u64,
    },
    /// One that is always there while the endpoint is received from.
    Receiving,
}

struct Session<'a> {
    stream: &'a mut Stream,
    framing: Framing,
    transfers: Transfers<Key>,
    /// Endpoints that interrupts are received from.
    receiving: BTreeSet<u8>,
    /// Of what is received without having been asked for.
    next_id: u64,
}

impl Session<'_> {
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
            self.tell();
            self.refill();
            self.stream.send()?;
            if presence == Presence::Gone {
                return Ok(End::Unplugged);
            }
            if self.stream.has_ended() {
                return Ok(End::Disconnected);
            }
        }
    }

    fn put(&mut self, kind: u32, id: u64, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum();
        let head = self.framing.head(Head { kind, length, id });
        self.stream.put(&[&head]);
        self.stream.put(parts);
    }

    fn describe(&mut self, description: &Description) {
        self.put(kind::INTERFACE_INFO, 0, &[&description.interfaces()]);
        self.put(kind::EP_INFO, 0, &[&description.endpoints(self.framing.max_packet)]);
    }

    /// Does what the client has asked for, as far as it has come whole.
    fn read(&mut self) -> Result<Presence, SessionError> {
        while self.stream.has_room()
            && let Some((head, bytes)) = self.framing.read_head(self.stream.pending())?
        {
            let Some(body) = self.stream.pending().get(bytes..bytes + head.length) else { break };
            let body = body.to_vec();
            self.stream.take(bytes + head.length);
            match self.answer(head.kind, head.id, &body) {
                Ok(()) => {}
                Err(Trouble::Gone) => return Ok(Presence::Gone),
                Err(Trouble::Protocol(error)) => return Err(error),
            }
            // In order: what a request has ended comes after its answer.
            self.tell();
        }
        Ok(Presence::Here)
    }

    fn answer(&mut self, what: u32, id: u64, body: &[u8]) -> Result<(), Trouble> {
        match what {
            kind::RESET => self.reset()?,
            kind::SET_CONFIGURATION => {
                let [value] = fixed(what, body)?;
                let done =
                    self.control(Setup { request_type: 0x00, request: 9, value: value.into(), index: 0 }, &mut []);
                if done.is_ok() {
                    self.describe_again()?;
                }
                self.put(kind::CONFIGURATION_STATUS, id, &[&[outcome(&done)?, value]]);
            }
            kind::GET_CONFIGURATION => {
                let [] = fixed(what, body)?;
                let mut value = [0];
                let setup = Setup { request_type: 0x80, request: 8, value: 0, index: 0 };
                let done = self.control(setup, &mut value);
                self.put(kind::CONFIGURATION_STATUS, id, &[&[outcome(&done)?, value[0]]]);
            }
            kind::SET_ALT_SETTING => {
                let [interface, alt] = fixed(what, body)?;
                let setup = Setup { request_type: 0x01, request: 11, value: alt.into(), index: interface.into() };
                let done = self.control(setup, &mut []);
                if done.is_ok() {
                    self.describe_again()?;
                }
                self.put(kind::ALT_SETTING_STATUS, id, &[&[outcome(&done)?, interface, alt]]);
            }
            kind::GET_ALT_SETTING => {
                let [interface] = fixed(what, body)?;
                let mut alt = [0];
                let setup = Setup { request_type: 0x81, request: 10, value: 0, index: interface.into() };
                let done = self.control(setup, &mut alt);
                self.put(kind::ALT_SETTING_STATUS, id, &[&[outcome(&done)?, interface, alt[0]]]);
            }
            kind::START_INTERRUPT_RECEIVING => {
                let [endpoint] = fixed(what, body)?;
                let said = match self.receive(endpoint) {
                    Ok(()) => {
                        self.receiving.insert(endpoint);
                        status::SUCCESS
                    }
                    Err(error) => status::of(&error)?,
                };
                self.put(kind::INTERRUPT_RECEIVING_STATUS, id, &[&[said, endpoint]]);
            }
            kind::STOP_INTERRUPT_RECEIVING => {
                let [endpoint] = fixed(what, body)?;
                if self.receiving.remove(&endpoint) {
                    // It is the only one that waits there.
                    self.transfers.cancel_of(endpoint, |key| *key == Key::Receiving).map_err(gone)?;
                }
                self.put(kind::INTERRUPT_RECEIVING_STATUS, id, &[&[status::SUCCESS, endpoint]]);
            }
            kind::CANCEL_DATA_PACKET => {
                let [] = fixed(what, body)?;
                self.cancel(id)?;
            }
            kind::CONTROL_PACKET => self.control_packet(id, Control::read(body)?)?,
            kind::BULK_PACKET => self.bulk_packet(id, Bulk::read(body, self.framing.long_bulk)?)?,
            kind::INTERRUPT_PACKET => self.interrupt_packet(id, Interrupt::read(body)?)?,
            kind::START_ISO_STREAM => {
                let [endpoint, _, _] = fixed(what, body)?;
                self.put(kind::ISO_STREAM_STATUS, id, &[&[status::INVALID, endpoint]]);
            }
            kind::STOP_ISO_STREAM => {
                let [endpoint] = fixed(what, body)?;
                self.put(kind::ISO_STREAM_STATUS, id, &[&[status::INVALID, endpoint]]);
            }
            // It wants no device of this kind, or says which it would want: it is for people.
            kind::FILTER_REJECT => tracing::warn!("the client's filter rejects the device"),
            kind::FILTER_FILTER | kind::DEVICE_DISCONNECT_ACK => {}
            other => {
                let why = format!("a packet of type {other}, for which nothing was said of being able to");
                return Err(SessionError::malformed(why).into());
            }
        }
        Ok(())
    }

    fn control(&mut self, setup: Setup, data: &mut [u8]) -> Result<usize, BusError> {
        control::transfer(self.transfers.device(), setup, data)
    }

    /// Interfaces and endpoints may be others.
    fn describe_again(&mut self) -> Result<(), Trouble> {
        match Description::read(self.transfers.device()) {
            Ok(description) => self.describe(&description),
            Err(error) => drop(status::of(&error)?),
        }
        Ok(())
    }

    /// There is no answer; a device that does not come back is disconnected.
    fn reset(&mut self) -> Result<(), Trouble> {
        if let Err(error) = self.transfers.device().reset() {
            status::of(&error)?;
            tracing::warn!(%error, "the reset of the port");
        }
        Ok(())
    }

    /// Lets endpoints that are received from have a transfer again, if the client takes what comes.
    fn refill(&mut self) {
        if self.stream.is_full() {
            return;
        }
        for endpoint in self.receiving.clone() {
            if let Err(error) = self.receive(endpoint) {
                tracing::debug!(endpoint, %error, "no more interrupts");
                self.stop_receiving(endpoint, status::of(&error).unwrap_or(status::IO_ERROR));
            }
        }
    }

    /// Queues the next transfer of an endpoint that is received from, if none waits.
    fn receive(&mut self, endpoint: u8) -> Result<(), BusError> {
        if self.transfers.waits(endpoint) {
            return Ok(());
        }
        let endpoints = self.transfers.device().endpoints();
        let Some(room) = endpoints.iter().find(|e| e.address == endpoint && e.is_in()).map(|e| e.max_packet) else {
            return Err(BusError::Unsupported("an endpoint that is not there"));
        };
        self.transfers.submit(Key::Receiving, endpoint, vec![0; room.into()], false)
    }

    fn control_packet(&mut self, id: u64, (packet, data): (Control, &[u8])) -> Result<(), Trouble> {
        let Control { setup, length, .. } = packet;
        let is_in = setup.request_type & 0x80 != 0;
        let mut data = if is_in { vec![0; length.into()] } else { data.to_vec() };
        let done = self.control(setup, &mut data);
        let bytes = *done.as_ref().unwrap_or(&0);
        let head = Control { status: outcome(&done)?, length: bytes as u16, ..packet };
        let answer = if is_in { &data[..bytes] } else { &[] };
        self.put(kind::CONTROL_PACKET, id, &[&head.bytes(), answer]);
        Ok(())
    }

    fn bulk_packet(&mut self, id: u64, (packet, data): (Bulk, &[u8])) -> Result<(), Trouble> {
        let Bulk { endpoint, stream, length, .. } = packet;
        let data = if endpoint & 0x80 != 0 { vec![0; length] } else { data.to_vec() };
        if let Err(error) = self.transfers.submit(Key::Bulk { id, stream }, endpoint, data, false) {
            let head = Bulk { status: status::of(&error)?, length: 0, ..packet };
            self.put(kind::BULK_PACKET, id, &[&head.bytes(self.framing.long_bulk)]);
        }
        Ok(())
    }

    fn interrupt_packet(&mut self, id: u64, (packet, data): (Interrupt, &[u8])) -> Result<(), Trouble> {
        if packet.endpoint & 0x80 != 0 {
            return Err(SessionError::malformed("an interrupt packet for an endpoint that is received from").into());
        }
        if let Err(error) = self.transfers.submit(Key::InterruptOut { id }, packet.endpoint, data.to_vec(), false) {
            let head = Interrupt { status: status::of(&error)?, length: 0, ..packet };
            self.put(kind::INTERRUPT_PACKET, id, &[&head.bytes()]);
        }
        Ok(())
    }

    /// What is not waiting any more has been answered, or will be.
    fn cancel(&mut self, id: u64) -> Result<(), Trouble> {
        let is = |key: &Key| matches!(*key, Key::Bulk { id: of, .. } | Key::InterruptOut { id: of } if of == id);
        let Some((endpoint, key)) = self.transfers.find(is).map(|(endpoint, key)| (endpoint, *key)) else {
            return Ok(());
        };
        if self.transfers.cancel(is).map_err(gone)? {
            let ended = Ended { key, endpoint, status: TransferStatus::Cancelled, length: 0, data: Vec::new() };
            self.tell_one(ended);
        }
        Ok(())
    }

    /// Tells what has ended.
    fn tell(&mut self) {
        while let Some(ended) = self.transfers.take() {
            self.tell_one(ended);
        }
    }

    fn tell_one(&mut self, ended: Ended<Key>) {
        let Ended { key, endpoint, status, length, data } = ended;
        let said = status::ended(status);
        match key {
            Key::Bulk { id, stream } => {
                let head = Bulk { endpoint, status: said, length, stream };
                self.put(kind::BULK_PACKET, id, &[&head.bytes(self.framing.long_bulk), &data]);
            }
            Key::InterruptOut { id } => {
                let head = Interrupt { endpoint, status: said, length: length as u16 };
                self.put(kind::INTERRUPT_PACKET, id, &[&head.bytes()]);
            }
            Key::Receiving => self.tell_received(endpoint, status, &data),
        }
    }

    fn tell_received(&mut self, endpoint: u8, status: TransferStatus, data: &[u8]) {
        if !self.receiving.contains(&endpoint) {
            return;
        }
        match status {
            // By a reset or another configuration: the client still waits for what comes, and gets it.
            TransferStatus::Cancelled => {}
            TransferStatus::Done | TransferStatus::Overflow | TransferStatus::Failed => {
                let head = Interrupt { endpoint, status: status::ended(status), length: data.len() as u16 };
                let id = self.next_id;
                self.next_id += 1;
                self.put(kind::INTERRUPT_PACKET, id, &[&head.bytes(), data]);
            }
            TransferStatus::Stalled | TransferStatus::Gone => {
                self.stop_receiving(endpoint, status::ended(status));
            }
        }
    }

    /// The device has stopped it.
    fn stop_receiving(&mut self, endpoint: u8, why: u8) {
        self.receiving.remove(&endpoint);
        self.put(kind::INTERRUPT_RECEIVING_STATUS, 0, &[&[why, endpoint]]);
    }
}

/// Why a packet ends the session.
enum Trouble {
    Gone,
    Protocol(SessionError),
}

impl From<SessionError> for Trouble {
    fn from(error: SessionError) -> Self {
        Trouble::Protocol(error)
    }
}

/// Of an operation that fails only if the device has gone, or is broken.
fn gone(error: BusError) -> Trouble {
    match error {
        BusError::Gone { .. } => Trouble::Gone,
        error => Trouble::Protocol(error.into()),
    }
}

/// The status byte of what was done.
fn outcome(done: &Result<usize, BusError>) -> Result<u8, Trouble> {
    done.as_ref().map_or_else(status::of, |_| Ok(status::SUCCESS))
}

fn fixed<const N: usize>(what: u32, body: &[u8]) -> Result<[u8; N], SessionError> {
    let length = body.len();
    body.try_into().map_err(|_| SessionError::malformed(format!("{length} bytes in a packet of type {what}: not {N}")))
}
