//! What the far host serves: TCP echo, sink and source, UDP echo.
//!
//! One [`Slot`] is one TCP socket: it listens, serves one connection, and listens again. smoltcp has no backlog, so
//! a service has twice as many slots as it shall have connections at a time: a client that ends all of them and
//! connects at once would else be refused by slots that wait for a last ACK, or have it and do not listen yet.

use sha2::{Digest, Sha256};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Duration;

use super::{FarHostConfig, FarHostStats, PORT_ECHO, PORT_SINK, PORT_SOURCE, SOURCE_SEED, SinkRecord};
use crate::rng::stream_bytes;

/// A connection whose other end is silent this long is dropped, or a killed driver would eat the slots.
const DEAD_PEER: Duration = Duration::from_secs(60);
/// How often a silent connection is probed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Largest receive buffer. Beyond it TCP scales the window, smoltcp rounds what is left of it down to the scale, and so
/// takes back bytes that it has offered: a peer that uses them is not listened to any more, not even its ACKs, and a
/// full echo never drains again.
const UNSCALED_WINDOW: usize = 65_535;
/// Bytes moved in one go by the echo.
const CHUNK: usize = 16 * 1024;
/// Bytes of the length that a client sends to the source, big-endian.
const REQUEST: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Echo,
    Sink,
    Source,
}

impl Service {
    const fn port(self) -> u16 {
        match self {
            Service::Echo => PORT_ECHO,
            Service::Sink => PORT_SINK,
            Service::Source => PORT_SOURCE,
        }
    }
}

/// One connection's progress.
enum Progress {
    Listening,
    /// Served and booked; the FINs are under way.
    Closing,
    Echo,
    Sink {
        bytes: u64,
        hash: Box<Sha256>,
    },
    Request {
        got: usize,
        length: [u8; REQUEST],
    },
    Sending {
        sent: u64,
        length: u64,
        hash: Box<Sha256>,
    },
}

struct Slot {
    service: Service,
    handle: SocketHandle,
    progress: Progress,
}

pub(super) struct Services {
    slots: Vec<Slot>,
    udp: SocketHandle,
    chunk: Vec<u8>,
}

impl Services {
    pub(super) fn new(config: &FarHostConfig, sockets: &mut SocketSet<'static>) -> Self {
        let mut slots = Vec::new();
        for service in [Service::Echo, Service::Sink, Service::Source] {
            let window = config.window_bytes.min(UNSCALED_WINDOW);
            // What a service never uses in bulk is small.
            let (rx, tx) = match service {
                Service::Echo => (window, config.window_bytes),
                Service::Sink => (window, 2048),
                Service::Source => (2048, config.window_bytes),
            };
            for _ in 0..config.connections * 2 {
                let mut socket =
                    tcp::Socket::new(tcp::SocketBuffer::new(vec![0; rx]), tcp::SocketBuffer::new(vec![0; tx]));
                // by the stack's clock
                socket.set_timeout(Some(DEAD_PEER * config.clock_rate.max(1)));
                socket.set_keep_alive(Some(KEEP_ALIVE * config.clock_rate.max(1)));
                // Answers of a batch are merged anyway; a delay would only add to round trips.
                socket.set_ack_delay(None);
                socket.set_nagle_enabled(false);
                let handle = sockets.add(socket);
                slots.push(Slot { service, handle, progress: Progress::Listening });
            }
        }
        let packets = || {
            let meta = vec![udp::PacketMetadata::EMPTY; 256];
            udp::PacketBuffer::new(meta, vec![0; config.window_bytes])
        };
        let mut socket = udp::Socket::new(packets(), packets());
        socket.bind(PORT_ECHO).expect("an unbound socket and a port that is not 0");
        Self { slots, udp: sockets.add(socket), chunk: vec![0; CHUNK] }
    }

    /// Moves every connection as far as it goes. True when there may be something to send.
    pub(super) fn serve(&mut self, sockets: &mut SocketSet<'static>, stats: &mut FarHostStats) -> bool {
        let mut moved = false;
        for slot in &mut self.slots {
            moved |= slot.serve(sockets.get_mut(slot.handle), &mut self.chunk, stats);
        }
        moved | echo_datagrams(sockets.get_mut(self.udp), &mut self.chunk, stats)
    }
}

impl Slot {
    fn serve(&mut self, socket: &mut tcp::Socket<'_>, chunk: &mut [u8], stats: &mut FarHostStats) -> bool {
        if !socket.is_open() {
            self.finish(false, stats);
            self.progress = Progress::Listening;
            socket.listen(self.service.port()).expect("a closed socket and a port that is not 0");
            return false;
        }
        if matches!(self.progress, Progress::Listening) {
            if !socket.is_active() || socket.state() == tcp::State::SynReceived {
                return false;
            }
            self.begin(stats);
        }
        let moved = match &mut self.progress {
            Progress::Listening | Progress::Closing => return false,
            Progress::Echo => {
                let n = echo(socket, chunk);
                stats.echo.bytes += n;
                n != 0
            }
            Progress::Sink { bytes, hash } => {
                let n = sink(socket, hash);
                *bytes += n;
                stats.sink.bytes += n;
                n != 0
            }
            Progress::Request { got, length } => {
                let n = socket.recv_slice(&mut length[*got..]).unwrap_or(0);
                *got += n;
                if *got == REQUEST {
                    let (length, hash) = (u64::from_be_bytes(*length), Box::new(Sha256::new()));
                    self.progress = Progress::Sending { sent: 0, length, hash };
                }
                n != 0
            }
            Progress::Sending { sent, length, hash } => {
                let n = source(socket, sent, *length, hash);
                stats.source.bytes += n;
                n != 0
            }
        };
        moved | self.close_if_done(socket, stats)
    }

    fn begin(&mut self, stats: &mut FarHostStats) {
        let (progress, service) = match self.service {
            Service::Echo => (Progress::Echo, &mut stats.echo),
            Service::Sink => (Progress::Sink { bytes: 0, hash: Box::new(Sha256::new()) }, &mut stats.sink),
            Service::Source => (Progress::Request { got: 0, length: [0; REQUEST] }, &mut stats.source),
        };
        service.connections += 1;
        self.progress = progress;
    }

    /// Closes our half once there is nothing more to say. True when that made a FIN.
    fn close_if_done(&mut self, socket: &mut tcp::Socket<'_>, stats: &mut FarHostStats) -> bool {
        let ours_is_open = matches!(socket.state(), tcp::State::Established | tcp::State::CloseWait);
        let theirs_is_done = !socket.may_recv();
        let done = match self.progress {
            // A client may close its half after its request: it still gets what it asked for.
            Progress::Sending { sent, length, .. } => sent == length,
            _ => theirs_is_done && !socket.can_recv(),
        };
        if !done || !ours_is_open {
            return false;
        }
        // sink and source end with the hash of what passed, so that the other side can judge by itself
        if let Progress::Sink { hash, .. } | Progress::Sending { hash, .. } = &self.progress {
            let digest = Sha256::clone(hash).finalize();
            if socket.send_capacity() - socket.send_queue() < digest.len() {
                return false;
            }
            let sent = socket.send_slice(&digest);
            debug_assert_eq!(sent, Ok(digest.len()), "there is room and our half is open");
        }
        self.finish(true, stats);
        socket.close();
        true
    }

    /// Books the end of a connection; once a connection.
    fn finish(&mut self, complete: bool, stats: &mut FarHostStats) {
        match std::mem::replace(&mut self.progress, Progress::Closing) {
            Progress::Sink { bytes, hash } => {
                let sha256 = hash.finalize().into();
                stats.sinks.push(SinkRecord { bytes, sha256, complete });
            }
            Progress::Listening | Progress::Closing => return,
            Progress::Echo | Progress::Request { .. } | Progress::Sending { .. } => {}
        }
        let service = match self.service {
            Service::Echo => &mut stats.echo,
            Service::Sink => &mut stats.sink,
            Service::Source => &mut stats.source,
        };
        if complete {
            service.completed += 1;
        } else {
            service.broken += 1;
        }
    }
}

fn echo(socket: &mut tcp::Socket<'_>, chunk: &mut [u8]) -> u64 {
    let mut total = 0;
    loop {
        let room = socket.send_capacity() - socket.send_queue();
        let want = room.min(chunk.len());
        // no more is taken than there is room to answer; a connection that takes no more data loses the answer only
        let n = socket.recv_slice(&mut chunk[..want]).unwrap_or(0);
        if n == 0 {
            return total;
        }
        total += socket.send_slice(&chunk[..n]).unwrap_or(0) as u64;
    }
}

fn sink(socket: &mut tcp::Socket<'_>, hash: &mut Sha256) -> u64 {
    let mut total = 0;
    loop {
        let n = socket.recv(|data| {
            hash.update(&*data);
            (data.len(), data.len())
        });
        match n {
            Ok(n) if n != 0 => total += n as u64,
            _ => return total,
        }
    }
}

fn source(socket: &mut tcp::Socket<'_>, sent: &mut u64, length: u64, hash: &mut Sha256) -> u64 {
    let before = *sent;
    while *sent < length {
        let n = socket.send(|room| {
            let n = room.len().min(usize::try_from(length - *sent).unwrap_or(usize::MAX));
            stream_bytes(SOURCE_SEED, *sent, &mut room[..n]);
            hash.update(&room[..n]);
            (n, n)
        });
        match n {
            Ok(n) if n != 0 => *sent += n as u64,
            _ => break,
        }
    }
    *sent - before
}

fn echo_datagrams(socket: &mut udp::Socket<'_>, chunk: &mut [u8], stats: &mut FarHostStats) -> bool {
    let mut moved = false;
    while socket.can_send()
        && let Ok((n, from)) = socket.recv_slice(chunk)
    {
        // A full send queue drops the answer, as UDP may.
        if socket.send_slice(&chunk[..n], from.endpoint).is_ok() {
            stats.udp_echoes += 1;
        }
        moved = true;
    }
    moved
}
