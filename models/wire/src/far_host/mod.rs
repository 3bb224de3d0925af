//! A host at the far end of a wire: a thread of its own with a TCP/IP stack (smoltcp) and a few servers.
//!
//! It blocks on the wire with smoltcp's next deadline as timeout: it never spins, and a quiet network lets it
//! sleep. Not here: DHCP, IPv6, routing, connections that it opens itself.

mod device;
mod services;

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketSet};
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use self::device::Mac;
use self::services::Services;
use crate::wire::{FarPort, FarWaker, lock};

/// TCP and UDP echo (RFC 862).
pub const PORT_ECHO: u16 = 7;
/// TCP sink (RFC 863): discards, counts, hashes; at the end of the stream it answers with the SHA-256 of it, 32 bytes.
pub const PORT_SINK: u16 = 9;
/// TCP source, at the port of RFC 864 but with a length: the client sends eight bytes, N big-endian, and gets N
/// bytes of [`crate::stream_bytes`] with seed [`SOURCE_SEED`] from offset 0, their SHA-256, and the end of the stream.
pub const PORT_SOURCE: u16 = 19;
/// Seed of what the source sends.
pub const SOURCE_SEED: u64 = 0x5eed_0019;

/// Shortest sleep when the stack says "now" but had nothing to do: the guard against spinning.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// Sink connections that are remembered; a soak run must not fill memory.
const SINK_RECORDS: usize = 256;

/// How a far host is set up.
#[derive(Debug, Clone)]
pub struct FarHostConfig {
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Length of its network's prefix, bits. There is no gateway: it talks to its own network only.
    pub prefix_len: u8,
    /// TCP connections that each of the three services can have at a time, at least.
    pub connections: usize,
    /// Socket buffers, bytes. What is received is limited to 65,535 of them.
    pub window_bytes: usize,
    /// Speed of its line in bits a second; `None`: a frame takes no time.
    pub line_rate: Option<u64>,
    /// How much faster the stack's clock runs than the world's, at least 1. The shortest retransmission timeout of TCP
    /// is a second (RFC 6298), which smoltcp keeps to, and it has little else for more than one lost frame. That is
    /// for networks round the world; on a wire of microseconds it is long, and Linux waits a fifth of it at most.
    pub clock_rate: u32,
    /// Seed of the stack's own choices (initial sequence numbers, ports).
    pub seed: u64,
}

impl Default for FarHostConfig {
    /// 02:00:00:00:00:fe at 10.0.2.2/24, eight connections a service, windows of 256 KiB, 100 Mbit/s, and a clock that
    /// makes a retransmission timeout 50 ms: more than the 40 ms for which Linux may hold an ACK back.
    fn default() -> Self {
        Self {
            mac: [0x02, 0, 0, 0, 0, 0xfe],
            ipv4: Ipv4Addr::new(10, 0, 2, 2),
            prefix_len: 24,
            connections: 8,
            window_bytes: 256 * 1024,
            line_rate: Some(100_000_000),
            clock_rate: 20,
            seed: 1,
        }
    }
}

/// What a TCP service did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceStats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections that ended in order.
    pub completed: u64,
    /// Connections that broke (reset, or the other end was silent too long).
    pub broken: u64,
    /// Payload bytes: echoed, swallowed or sent.
    pub bytes: u64,
}

/// What one connection to the sink brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkRecord {
    /// Payload bytes.
    pub bytes: u64,
    /// SHA-256 of the payload.
    pub sha256: [u8; 32],
    /// The client closed its half in order; false when the connection broke.
    pub complete: bool,
}

/// What a far host did so far. Frames and bytes are without FCS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FarHostStats {
    /// Frames that arrived, dropped ones included.
    pub frames_in: u64,
    /// Bytes that arrived.
    pub bytes_in: u64,
    /// Frames sent.
    pub frames_out: u64,
    /// Bytes sent, padding included.
    pub bytes_out: u64,
    /// Frames dropped: shorter than 60 bytes.
    pub runts: u64,
    /// Frames dropped: damaged on the way.
    pub bad_fcs: u64,
    /// Frames dropped: longer than 1514 bytes.
    pub too_long: u64,
    /// Times the thread woke up.
    pub wakeups: u64,
    /// Datagrams echoed.
    pub udp_echoes: u64,
    /// TCP echo.
    pub echo: ServiceStats,
    /// TCP sink.
    pub sink: ServiceStats,
    /// TCP source.
    pub source: ServiceStats,
    /// The last 256 finished connections to the sink, oldest first.
    pub sinks: Vec<SinkRecord>,
}

#[derive(Default)]
struct Board {
    stop: AtomicBool,
    stats: Mutex<FarHostStats>,
    changed: Condvar,
}

/// A running far host. Dropping it stops the thread and waits for it.
pub struct FarHost {
    board: Arc<Board>,
    waker: FarWaker,
    thread: Option<JoinHandle<()>>,
}

impl FarHost {
    /// Starts a far host on the far end of a wire. Fails when no thread can be started.
    pub fn start(port: FarPort, config: FarHostConfig) -> io::Result<Self> {
        let board = Arc::new(Board::default());
        let waker = port.waker();
        let theirs = board.clone();
        let thread = std::thread::Builder::new().name("far-host".into()).spawn(move || run(port, &config, &theirs))?;
        Ok(Self { board, waker, thread: Some(thread) })
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> FarHostStats {
        lock(&self.board.stats).clone()
    }

    /// Waits until `met` holds, no longer than `patience`; the statistics then, or `None`.
    #[must_use]
    pub fn wait_until(&self, patience: Duration, met: impl Fn(&FarHostStats) -> bool) -> Option<FarHostStats> {
        let stats = lock(&self.board.stats);
        let (stats, timeout) =
            self.board.changed.wait_timeout_while(stats, patience, |s| !met(s)).unwrap_or_else(PoisonError::into_inner);
        (!timeout.timed_out()).then(|| stats.clone())
    }

    /// Stops the thread and waits for it; what it did.
    #[must_use]
    pub fn stop(mut self) -> FarHostStats {
        self.halt();
        self.stats()
    }

    fn halt(&mut self) {
        self.board.stop.store(true, Release);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed by its thread; the statistics up to then still stand.
            let _panicked = thread.join();
        }
    }
}

impl Drop for FarHost {
    fn drop(&mut self) {
        self.halt();
    }
}

fn run(port: FarPort, config: &FarHostConfig, board: &Board) {
    let start = Instant::now();
    let rate = config.clock_rate.max(1);
    let now = || {
        let micros = start.elapsed().as_micros() * u128::from(rate);
        SmolInstant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    };
    let mut mac = Mac::new(port, config.line_rate);
    let mut iface_config = Config::new(EthernetAddress(config.mac).into());
    iface_config.random_seed = config.seed;
    let mut iface = Interface::new(iface_config, &mut mac, now());
    iface.update_ip_addrs(|addrs| {
        let cidr = IpCidr::new(IpAddress::Ipv4(config.ipv4), config.prefix_len);
        addrs.push(cidr).expect("an interface has room for one address");
    });
    let mut sockets = SocketSet::new(Vec::new());
    let mut services = Services::new(config, &mut sockets);
    let mut stats = FarHostStats::default();
    services.serve(&mut sockets, &mut stats);

    while !board.stop.load(Acquire) {
        let changed = turn(&mut iface, now(), &mut mac, &mut sockets);
        let moved = services.serve(&mut sockets, &mut stats);
        if mac.next_batch() | changed | moved {
            continue;
        }
        publish(board, &mut stats, &mac);
        let sleep = iface.poll_delay(now(), &sockets).map(|d| Duration::from_micros(d.total_micros()) / rate);
        mac.wait(sleep.map(|d| Instant::now() + d.max(SHORTEST_SLEEP)), mac.line_busy_until());
        stats.wakeups += 1;
    }
    publish(board, &mut stats, &mac);
}

/// What `Interface::poll` does, but that the stack is not asked to send while the line is busy. smoltcp books a fast
/// retransmission before the device has taken it, and has no timer then: refused, with the window full, the connection
/// waits for ever. True when a socket may have changed.
fn turn(iface: &mut Interface, now: SmolInstant, mac: &mut Mac, sockets: &mut SocketSet<'static>) -> bool {
    iface.poll_maintenance(now);
    let mut changed = false;
    loop {
        match iface.poll_ingress_single(now, mac, sockets) {
            PollIngressSingleResult::None => break,
            PollIngressSingleResult::PacketProcessed => {}
            PollIngressSingleResult::SocketStateChanged => changed = true,
        }
    }
    while mac.may_send() && iface.poll_egress(now, mac, sockets) == PollResult::SocketStateChanged {
        changed = true;
    }
    changed
}

fn publish(board: &Board, stats: &mut FarHostStats, mac: &Mac) {
    let mut shown = lock(&board.stats);
    let sinks = std::mem::take(&mut shown.sinks);
    let fresh = std::mem::take(&mut stats.sinks);
    stats.frames_in = mac.counts.frames_in;
    stats.bytes_in = mac.counts.bytes_in;
    stats.frames_out = mac.counts.frames_out;
    stats.bytes_out = mac.counts.bytes_out;
    stats.runts = mac.counts.runts;
    stats.bad_fcs = mac.counts.bad_fcs;
    stats.too_long = mac.counts.too_long;
    shown.clone_from(stats);
    shown.sinks = sinks;
    shown.sinks.extend(fresh);
    let too_many = shown.sinks.len().saturating_sub(SINK_RECORDS);
    shown.sinks.drain(..too_many);
    drop(shown);
    board.changed.notify_all();
}
