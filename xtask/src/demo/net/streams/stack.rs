//! The streams over a TCP/IP stack in this process (smoltcp), for machines without TAP: frames pass over a packet
//! socket whose other end udrvd has.

use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, recv, send},
};
use smoltcp::{
    iface::{Config, Context, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet},
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    socket::tcp,
    time::Instant as StackInstant,
    wire::{EthernetAddress, IpAddress, IpCidr},
};

use super::{
    super::error::{Doing, Error, Result},
    ADDRESS, DOWNLOAD, FAR_HOST, MARGIN, Orders, PORT_SINK, PORT_SOURCE, PREFIX, Shared, Stream,
    pace::Pace,
    payload::{Incoming, Outgoing},
};

/// Longest frame, without FCS.
const MAX_FRAME: usize = 1514;
/// Buffers of a connection. smoltcp's window is best not scaled: it rounds what is left of it.
const BUFFER: usize = 65_535;
/// How much faster the stack's clock runs than the world's: its retransmission timeout of a second, which is for
/// networks round the world, becomes 50 ms.
const CLOCK_RATE: u32 = 20;
/// The longest sleep: orders come without a wake-up.
const LONGEST_SLEEP: Duration = Duration::from_millis(10);
/// Ports of ours; each connection has its own.
const FIRST_PORT: u16 = 40_000;

/// Runs both streams to their end.
pub(super) fn run(shared: &Shared, seed: u64, socket: OwnedFd, mac: [u8; 6]) -> Result<()> {
    let start = Instant::now();
    let now = || {
        let micros = start.elapsed().as_micros() * u128::from(CLOCK_RATE);
        StackInstant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    };
    let mut card = Card { socket, rx: vec![0; MAX_FRAME], tx: vec![0; MAX_FRAME], closed: false };
    let mut config = Config::new(EthernetAddress(mac).into());
    config.random_seed = seed;
    let mut interface = Interface::new(config, &mut card, now());
    interface.update_ip_addrs(|addresses| {
        let address = IpCidr::new(IpAddress::Ipv4(ADDRESS), PREFIX);
        addresses.push(address).expect("an interface has room for one address");
    });
    let mut sockets = SocketSet::new(Vec::new());
    let mut add = || {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        sockets.add(tcp::Socket::new(buffer(), buffer()))
    };
    let (up, down) = (add(), add());
    let mut upload = Upload::new(up, seed);
    let mut download = Download::new(down);
    let mut port = FIRST_PORT;
    loop {
        turn(&mut interface, now(), &mut card, &mut sockets);
        if card.closed {
            return Err(Error::Wrong("udrvd has closed its end of the network card".to_owned()));
        }
        shared.orders.abandoned()?;
        let up = sockets.get_mut::<tcp::Socket<'_>>(upload.handle);
        let mut moved = upload.serve(up, interface.context(), &mut port, &shared.orders, &shared.upload)?;
        let down = sockets.get_mut::<tcp::Socket<'_>>(download.handle);
        moved |= download.serve(down, interface.context(), &mut port, &shared.orders, &shared.download)?;
        if upload.done && download.done {
            // the last acknowledgements
            turn(&mut interface, now(), &mut card, &mut sockets);
            return Ok(());
        }
        if !moved {
            let delay =
                interface.poll_delay(now(), &sockets).map(|d| Duration::from_micros(d.total_micros()) / CLOCK_RATE);
            let pause = upload.pace.wait(Instant::now());
            card.wait(delay.into_iter().chain(pause).fold(LONGEST_SLEEP, Duration::min))?;
        }
    }
}

/// What `Interface::poll` does, but that the stack is not asked to send while the card has no room: smoltcp books a
/// fast retransmission before the card has taken it, and waits for ever if it is refused while the window is full.
fn turn(interface: &mut Interface, now: StackInstant, card: &mut Card, sockets: &mut SocketSet<'static>) {
    interface.poll_maintenance(now);
    while interface.poll_ingress_single(now, card, sockets) != PollIngressSingleResult::None {}
    while card.has_room() && interface.poll_egress(now, card, sockets) == PollResult::SocketStateChanged {}
}

struct Upload {
    handle: SocketHandle,
    began: Instant,
    outgoing: Outgoing,
    pace: Pace,
    opened: bool,
    end: Option<u64>,
    answer: Vec<u8>,
    done: bool,
}

impl Upload {
    fn new(handle: SocketHandle, seed: u64) -> Upload {
        let began = Instant::now();
        let (outgoing, pace) = (Outgoing::new(seed), Pace::new(began));
        Upload { handle, began, outgoing, pace, opened: false, end: None, answer: Vec::new(), done: false }
    }

    /// Moves it as far as it goes. True: it moved.
    fn serve(
        &mut self,
        socket: &mut tcp::Socket<'_>,
        context: &mut Context,
        port: &mut u16,
        orders: &Orders,
        stream: &Stream,
    ) -> Result<bool> {
        if self.done {
            return Ok(false);
        }
        stream.moves()?;
        if !self.opened {
            self.opened = true;
            return connect(socket, context, port, PORT_SINK).map(|()| true);
        }
        let mut moved = false;
        if self.end.is_none() && orders.finish() {
            self.end = Some(self.outgoing.sent() + MARGIN);
        }
        while socket.can_send()
            && self.end.is_none_or(|end| self.outgoing.sent() < end)
            && self.pace.wait(Instant::now()).is_none()
        {
            let n = socket.send_slice(self.outgoing.next()).map_err(|e| broken("upload", &e))?;
            self.outgoing.taken(n);
            self.pace.sent(Instant::now(), n as u64);
            stream.meter.add(n as u64);
            moved = true;
            if self.end.is_some_and(|end| self.outgoing.sent() >= end) {
                socket.close();
            }
        }
        while socket.can_recv() {
            socket.recv(|bytes| (bytes.len(), self.answer.extend(&*bytes))).map_err(|e| broken("upload", &e))?;
            moved = true;
        }
        match (ended(socket), self.end) {
            (true, Some(end)) if self.outgoing.sent() >= end => {
                stream.ended(self.began, 1, self.outgoing.is_hash(&self.answer));
                self.done = true;
            }
            (true, _) => return Err(Error::Wrong("upload: the connection was reset".to_owned())),
            (false, _) => {}
        }
        Ok(moved)
    }
}

struct Download {
    handle: SocketHandle,
    began: Instant,
    incoming: Option<Incoming>,
    asked: bool,
    connections: u32,
    sha256_ok: bool,
    done: bool,
}

impl Download {
    fn new(handle: SocketHandle) -> Download {
        let began = Instant::now();
        Download { handle, began, incoming: None, asked: false, connections: 0, sha256_ok: true, done: false }
    }

    /// Moves it as far as it goes. True: it moved.
    fn serve(
        &mut self,
        socket: &mut tcp::Socket<'_>,
        context: &mut Context,
        port: &mut u16,
        orders: &Orders,
        stream: &Stream,
    ) -> Result<bool> {
        if self.done {
            return Ok(false);
        }
        stream.moves()?;
        let Some(incoming) = &mut self.incoming else {
            socket.abort(); // closed in order long ago; only its last timer may run
            self.incoming = Some(Incoming::new(DOWNLOAD));
            self.asked = false;
            return connect(socket, context, port, PORT_SOURCE).map(|()| true);
        };
        let mut moved = false;
        if !self.asked && socket.can_send() {
            socket.send_slice(&DOWNLOAD.to_be_bytes()).map_err(|e| broken("download", &e))?;
            self.asked = true;
            moved = true;
        }
        while socket.can_recv() {
            let taken = socket.recv(|bytes| (bytes.len(), incoming.take(bytes)));
            stream.meter.add(taken.map_err(|e| broken("download", &e))??);
            moved = true;
        }
        if self.asked && socket.state() == tcp::State::CloseWait {
            socket.close();
            moved = true;
        }
        if ended(socket) {
            let Some(incoming) = self.incoming.take() else { return Ok(true) };
            self.sha256_ok &= incoming.end()?;
            self.connections += 1;
            if orders.finish() {
                stream.ended(self.began, self.connections, self.sha256_ok);
                self.done = true;
            }
            moved = true;
        }
        Ok(moved)
    }
}

fn connect(socket: &mut tcp::Socket<'_>, context: &mut Context, port: &mut u16, to: u16) -> Result<()> {
    *port += 1;
    let connected = socket.connect(context, (FAR_HOST, to), *port);
    connected.map_err(|e| Error::Wrong(format!("connect to {FAR_HOST}:{to}: {e}")))
}

/// Nothing more can come.
fn ended(socket: &tcp::Socket<'_>) -> bool {
    matches!(socket.state(), tcp::State::Closed | tcp::State::TimeWait) && !socket.can_recv()
}

fn broken(what: &str, error: &dyn std::fmt::Debug) -> Error {
    Error::Wrong(format!("{what}: the connection was reset ({error:?})"))
}

/// The packet socket as smoltcp's network card.
struct Card {
    socket: OwnedFd,
    rx: Vec<u8>,
    tx: Vec<u8>,
    /// The other end is gone.
    closed: bool,
}

impl Card {
    /// Sleeps until there is a frame, no longer than `pause`.
    fn wait(&self, pause: Duration) -> Result<()> {
        // rounded up: a poll of 0 ms would be a spin
        let milliseconds = PollTimeout::from(u16::try_from(pause.as_micros().div_ceil(1000)).unwrap_or(u16::MAX));
        match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], milliseconds) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(e).doing(|| "wait for a frame".to_owned()),
        }
    }

    fn has_room(&self) -> bool {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(n) if n > 0)
    }
}

impl Device for Card {
    type RxToken<'a> = Rx<'a>;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _now: StackInstant) -> Option<(Rx<'_>, Tx<'_>)> {
        let length = match recv(self.socket.as_raw_fd(), &mut self.rx, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => {
                self.closed = true;
                return None;
            }
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return None,
            Err(_) => {
                self.closed = true;
                return None;
            }
        };
        Some((Rx(&self.rx[..length]), Tx { socket: &self.socket, buffer: &mut self.tx }))
    }

    /// Never refused: see [`turn`].
    fn transmit(&mut self, _now: StackInstant) -> Option<Tx<'_>> {
        Some(Tx { socket: &self.socket, buffer: &mut self.tx })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities
    }
}

struct Rx<'a>(&'a [u8]);

impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

struct Tx<'a> {
    socket: &'a OwnedFd,
    buffer: &'a mut Vec<u8>,
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        self.buffer.resize(length, 0);
        let result = f(self.buffer);
        // an Ethernet may lose a frame: TCP sees to that; a closed socket is seen when receiving
        let _ = send(self.socket.as_raw_fd(), self.buffer, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
        result
    }
}
