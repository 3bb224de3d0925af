//! How fast a path is, without a judgement of its bytes: TCP each way, round trips, packets a second, and the processor
//! time that it takes. For comparing two drivers on one card in one run; `stream.rs` says whether bytes are right.
//!
//! A request is one byte: `u` the client sends until it ends its half, and gets the number of bytes back; `d` the client
//! gets bytes until it closes; `p` each byte comes back.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::frames;

/// A stream that stands still for so long has ended.
const PATIENCE: Duration = Duration::from_secs(60);
const CHUNK: usize = 64 * 1024;

/// The serving side.
#[derive(clap::Args)]
pub(crate) struct SpeedServe {
    /// Address and port to listen at.
    listen: SocketAddr,
}

impl SpeedServe {
    pub(crate) fn run(&self) -> Result<(), String> {
        let listener = TcpListener::bind(self.listen).map_err(|e| format!("{}: {e}", self.listen))?;
        for stream in listener.incoming() {
            let stream = stream.map_err(|e| format!("accept: {e}"))?;
            // how a client ends is its own affair
            std::thread::spawn(move || serve(stream));
        }
        Ok(())
    }
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let (mut request, mut buffer) = ([0], vec![0; CHUNK]);
    stream.read_exact(&mut request)?;
    match request[0] {
        b'u' => {
            let mut total = 0_u64;
            loop {
                match stream.read(&mut buffer)? {
                    0 => return stream.write_all(&total.to_be_bytes()),
                    n => total += n as u64,
                }
            }
        }
        b'd' => loop {
            stream.write_all(&buffer)?;
        },
        b'p' => loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                n => stream.write_all(&buffer[..n])?,
            }
        },
        other => Err(io::Error::other(format!("no such request: {other}"))),
    }
}

/// The asking side. Prints one JSON object.
#[derive(clap::Args)]
pub(crate) struct Speed {
    /// Address and port of the serving side.
    connect: SocketAddr,
    /// Seconds for each of: up, down, round trips.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

impl Speed {
    pub(crate) fn run(&self) -> Result<(), String> {
        let up = self.bulk(b'u', "up")?;
        let down = self.bulk(b'd', "down")?;
        let round_trip = self.round_trips().map_err(|e| format!("round trips: {e}"))?;
        println!("{}", json!({ "up": up, "down": down, "round_trip": round_trip }));
        Ok(())
    }

    fn connect(&self, request: u8) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&self.connect, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        stream.write_all(&[request])?;
        Ok(stream)
    }

    fn bulk(&self, request: u8, name: &str) -> Result<Value, String> {
        let say = |e: io::Error| format!("{name}: {e}");
        let mut stream = self.connect(request).map_err(say)?;
        let (busy, start, mut buffer) = (busy_seconds()?, Instant::now(), vec![0; CHUNK]);
        let mut bytes = 0_u64;
        while start.elapsed().as_secs_f64() < self.seconds {
            bytes += if request == b'u' {
                stream.write_all(&buffer).map(|()| buffer.len()).map_err(say)? as u64
            } else {
                match stream.read(&mut buffer).map_err(say)? {
                    0 => return Err(format!("{name}: the other side has closed")),
                    n => n as u64,
                }
            };
        }
        if request == b'u' {
            stream.shutdown(Shutdown::Write).map_err(say)?;
            let mut total = [0; 8];
            stream.read_exact(&mut total).map_err(say)?;
            let arrived = u64::from_be_bytes(total);
            if arrived != bytes {
                return Err(format!("{name}: {bytes} bytes were sent and {arrived} arrived"));
            }
        }
        let (seconds, busy) = (start.elapsed().as_secs_f64(), busy_seconds()? - busy);
        let gib = bytes as f64 / f64::from(1 << 30);
        Ok(json!({
            "megabits_per_second": bytes as f64 * 8e-6 / seconds,
            "cpu_seconds_per_gib": busy / gib,
            "bytes": bytes,
        }))
    }

    fn round_trips(&self) -> io::Result<Value> {
        let mut stream = self.connect(b'p')?;
        let (start, mut times, mut byte) = (Instant::now(), Vec::new(), [7]);
        while start.elapsed().as_secs_f64() < self.seconds {
            let sent = Instant::now();
            stream.write_all(&byte)?;
            stream.read_exact(&mut byte)?;
            times.push(sent.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[(times.len() as f64 * part) as usize];
        Ok(json!({ "count": times.len(), "median_us": at(0.5), "p99_us": at(0.99) }))
    }
}

/// Sends short frames as fast as it can, and says how many arrive a second. Prints one JSON object.
#[derive(clap::Args)]
pub(crate) struct Flood {
    /// Interface to send from.
    interface: String,
    /// Destination address.
    #[arg(long)]
    to: String,
    /// The file that counts frames received at the other end (`/sys/class/net/.../statistics/rx_packets`, perhaps in
    /// another network namespace by way of `/proc/PID/root`).
    #[arg(long)]
    counter: std::path::PathBuf,
    /// Bytes of a frame, without CRC.
    #[arg(long, default_value_t = 60)]
    bytes: usize,
    /// Seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

impl Flood {
    pub(crate) fn run(&self) -> Result<(), String> {
        let count = || -> Result<u64, String> {
            let name = self.counter.display();
            let text = fs::read_to_string(&self.counter).map_err(|e| format!("{name}: {e}"))?;
            text.trim().parse().map_err(|e| format!("{name}: {e}"))
        };
        let mut flood = frames::Flood::new(&self.interface, &self.to, self.bytes)?;
        let (before, busy, start) = (count()?, busy_seconds()?, Instant::now());
        let mut sent = 0_u64;
        while start.elapsed().as_secs_f64() < self.seconds {
            for _ in 0..32 {
                sent += u64::from(flood.send());
            }
        }
        let (seconds, arrived, busy) = (start.elapsed().as_secs_f64(), count()? - before, busy_seconds()? - busy);
        if arrived == 0 {
            return Err(format!("of {sent} frames from {} none arrived", self.interface));
        }
        println!(
            "{}",
            json!({
                "sent": sent,
                "arrived": arrived,
                "packets_per_second": arrived as f64 / seconds,
                "cpu_us_per_packet": busy * 1e6 / arrived as f64,
            })
        );
        Ok(())
    }
}

/// Processor time of the whole machine that was not idle, in seconds: both ends are on it, and the kernel's part too.
fn busy_seconds() -> Result<f64, String> {
    /// `USER_HZ`, which is the same on all machines that Linux runs on today.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/stat").map_err(|e| format!("/proc/stat: {e}"))?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let &[user, nice, system, _, _, irq, softirq, ..] = ticks.as_slice() else {
        return Err(format!("/proc/stat: '{line}' is not a line of times"));
    };
    Ok((user + nice + system + irq + softirq) / TICKS)
}
