//! Two TCP streams to the far host, at the same time: an upload to its sink, a download from its source.
//!
//! Both run until they are told to finish, and end in order: hashes compared, connections closed. `kernel.rs` has them
//! run by this machine's kernel, `stack.rs` by a TCP/IP stack in this process. `meter.rs` is what others see of them.

mod kernel;
mod meter;
mod pace;
mod payload;
mod stack;

use std::{
    net::Ipv4Addr,
    os::fd::OwnedFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use serde::Serialize;

pub(super) use self::meter::BUCKET;
use self::meter::Meter;
use super::error::{Doing, Error, Result};

/// The model's far host: its address, and the ports of its services.
const FAR_HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const PORT_SINK: u16 = 9;
const PORT_SOURCE: u16 = 19;
/// Our address in its network.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// Bits of the network's part.
pub(super) const PREFIX: u8 = 24;

/// What one download asks for: seconds at the line's rate, so that there are several in a run, and none begins often.
const DOWNLOAD: u64 = 32 << 20;
/// What is still uploaded after the last fault.
const MARGIN: u64 = 1 << 20;
/// A stream that does not move for so long has been lost: TCP would have retransmitted several times.
const STALL: Duration = Duration::from_secs(15);

/// What a stream did.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    pub(super) bytes: u64,
    pub(super) connections: u32,
    /// What arrived has the hash of what was sent, in each connection.
    pub(super) sha256_ok: bool,
    pub(super) seconds: f64,
    pub(super) mbit_s: f64,
    /// The longest time in which not a byte moved.
    pub(super) longest_pause_ms: f64,
}

/// What is said to the threads of the streams.
#[derive(Default)]
struct Orders {
    /// Come to an end, in order.
    finish: AtomicBool,
    /// Leave everything: nobody wants the result any more.
    abandon: AtomicBool,
}

impl Orders {
    fn finish(&self) -> bool {
        self.finish.load(Relaxed)
    }

    fn abandoned(&self) -> Result<()> {
        if self.abandon.load(Relaxed) { Err(Error::Wrong("abandoned".to_owned())) } else { Ok(()) }
    }
}

/// A stream that came to its end in order.
struct End {
    connections: u32,
    sha256_ok: bool,
    seconds: f64,
}

/// One direction, as all threads see it.
struct Stream {
    name: &'static str,
    meter: Meter,
    end: OnceLock<End>,
}

impl Stream {
    fn new(name: &'static str, epoch: Instant) -> Stream {
        Stream { name, meter: Meter::new(epoch), end: OnceLock::new() }
    }

    /// An error when it has not moved for too long.
    fn moves(&self) -> Result<()> {
        if self.meter.still_for() < STALL {
            return Ok(());
        }
        Err(Error::Late { what: format!("progress of the {}", self.name), seconds: STALL.as_secs_f64() })
    }

    /// It has come to its end.
    fn ended(&self, began: Instant, connections: u32, sha256_ok: bool) {
        let end = End { connections, sha256_ok, seconds: began.elapsed().as_secs_f64() };
        let first = self.end.set(end).is_ok();
        debug_assert!(first, "a stream ends once");
    }

    fn figures(&self) -> Result<Figures> {
        let Some(End { connections, sha256_ok, seconds }) = self.end.get() else {
            return Err(Error::Wrong(format!("the {} has ended without a result", self.name)));
        };
        let bytes = self.meter.bytes();
        Ok(Figures {
            bytes,
            connections: *connections,
            sha256_ok: *sha256_ok,
            seconds: *seconds,
            mbit_s: bytes as f64 * 8.0 / 1e6 / seconds,
            longest_pause_ms: self.meter.longest_pause().as_secs_f64() * 1e3,
        })
    }
}

/// What the threads have in common.
struct Shared {
    orders: Orders,
    upload: Stream,
    download: Stream,
}

/// Both streams, running.
pub(super) struct Streams {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<()>>>,
}

/// Throughput of the streams, also after their end.
pub(super) struct Throughput(Arc<Shared>);

impl Throughput {
    /// Bytes by [`BUCKET`] since the epoch: up and down.
    pub(super) fn buckets(&self) -> [Vec<u64>; 2] {
        [&self.0.upload, &self.0.download].map(|stream| stream.meter.buckets())
    }
}

impl Streams {
    /// Over this machine's kernel, whose network the far host is in. Times are counted from `epoch`.
    pub(super) fn over_kernel(epoch: Instant, seed: u64) -> Result<Streams> {
        let mut streams = Streams::new(epoch);
        streams.start("upload", move |shared| kernel::upload(&shared.orders, &shared.upload, seed))?;
        streams.start("download", |shared| kernel::download(&shared.orders, &shared.download))?;
        Ok(streams)
    }

    /// Over a packet socket that is a network card with the station address `mac`.
    pub(super) fn over_socket(epoch: Instant, seed: u64, socket: OwnedFd, mac: [u8; 6]) -> Result<Streams> {
        let mut streams = Streams::new(epoch);
        streams.start("streams", move |shared| stack::run(shared, seed, socket, mac))?;
        Ok(streams)
    }

    fn new(epoch: Instant) -> Streams {
        let (upload, download) = (Stream::new("upload", epoch), Stream::new("download", epoch));
        Streams { shared: Arc::new(Shared { orders: Orders::default(), upload, download }), threads: Vec::new() }
    }

    fn start(&mut self, name: &str, body: impl FnOnce(&Shared) -> Result<()> + Send + 'static) -> Result<()> {
        let shared = self.shared.clone();
        let thread = Builder::new().name(name.to_owned()).spawn(move || body(&shared));
        self.threads.push(thread.doing(|| "start a thread".to_owned())?);
        Ok(())
    }

    /// Bytes moved so far: up and down.
    pub(super) fn bytes(&self) -> [u64; 2] {
        [&self.shared.upload, &self.shared.download].map(|stream| stream.meter.bytes())
    }

    /// Whether one has ended that was not told to.
    pub(super) fn broken(&self) -> bool {
        !self.shared.orders.finish() && self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Has them end in order; what they did, up and down.
    pub(super) fn finish(mut self) -> Result<[Figures; 2]> {
        self.shared.orders.finish.store(true, Relaxed);
        self.join()?;
        Ok([self.shared.upload.figures()?, self.shared.download.figures()?])
    }

    /// Throughput, to be looked at whenever one likes.
    pub(super) fn throughput(&self) -> Throughput {
        Throughput(self.shared.clone())
    }

    fn join(&mut self) -> Result<()> {
        let ends = self.threads.drain(..).map(|thread| match thread.join() {
            Ok(end) => end,
            Err(_) => Err(Error::Wrong("a stream's thread has panicked".to_owned())),
        });
        // all of them are waited for; the first error is the cause
        ends.collect::<Vec<_>>().into_iter().collect()
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.shared.orders.abandon.store(true, Relaxed);
        // abandoned streams have nothing to say
        let _ = self.join();
    }
}
