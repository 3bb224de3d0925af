//! Byte streams over the kernel's TCP, judged by their hash.
//!
//! A request is `U` or `D` and a seed (eight bytes, big-endian). `U`: the client sends what it likes, ends its half, and
//! gets the SHA-256 of it. `D` with a length behind the seed: the client gets that many bytes and their SHA-256.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::content::Content;

/// A stream that stands still for so long has ended.
const PATIENCE: Duration = Duration::from_secs(60);
const CHUNK: usize = 64 * 1024;

/// The serving side.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// Address and port to listen at.
    listen: SocketAddr,
}

impl Serve {
    pub(crate) fn run(&self) -> Result<(), String> {
        let listener = TcpListener::bind(self.listen).map_err(|e| format!("{}: {e}", self.listen))?;
        for stream in listener.incoming() {
            let stream = stream.map_err(|e| format!("accept: {e}"))?;
            std::thread::spawn(move || {
                if let Err(error) = serve(stream) {
                    eprintln!("udrv-judge: a stream ended: {error}");
                }
            });
        }
        Ok(())
    }
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = [0; 17];
    stream.read_exact(&mut request)?;
    let number = |at: usize| u64::from_be_bytes(request[at..at + 8].try_into().expect("eight bytes"));
    let digest = match request[0] {
        b'U' => receive(&mut stream, None)?.1,
        b'D' => send(&mut stream, number(1), number(9))?,
        other => return Err(io::Error::other(format!("no such request: {other}"))),
    };
    stream.write_all(&digest)
}

fn send(stream: &mut TcpStream, seed: u64, length: u64) -> io::Result<[u8; 32]> {
    let (mut content, mut hash, mut buffer, mut left) = (Content::new(seed), Sha256::new(), vec![0; CHUNK], length);
    while left > 0 {
        let n = left.min(CHUNK as u64) as usize;
        content.fill(&mut buffer[..n]);
        hash.update(&buffer[..n]);
        stream.write_all(&buffer[..n])?;
        left -= n as u64;
    }
    Ok(hash.finalize().into())
}

/// Receives `length` bytes, or until the end of the stream.
fn receive(stream: &mut TcpStream, length: Option<u64>) -> io::Result<(u64, [u8; 32])> {
    let (mut hash, mut buffer, mut got) = (Sha256::new(), vec![0; CHUNK], 0_u64);
    loop {
        let want = length.map_or(CHUNK, |length| (length - got).min(CHUNK as u64) as usize);
        let n = if want == 0 { 0 } else { stream.read(&mut buffer[..want])? };
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        got += n as u64;
    }
    if length.is_some_and(|length| got < length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((got, hash.finalize().into()))
}

/// The asking side.
#[derive(clap::Args)]
pub(crate) struct Transfer {
    /// Address and port of the serving side.
    connect: SocketAddr,
    /// MiB each way, at least.
    #[arg(long, default_value_t = 32)]
    mib: u64,
    /// Go on, in pieces of that size each way, until this file exists.
    #[arg(long)]
    until: Option<PathBuf>,
    /// And until there were so many MiB each way.
    #[arg(long, default_value_t = 0)]
    total: u64,
    /// One way after the other, piece by piece, not both at once: for a bus that has one way at a time, where a stream that pushes
    /// leaves the other, which waits for what was lost, no room.
    #[arg(long)]
    alternate: bool,
}

#[derive(Serialize, Default)]
struct Way {
    bytes: u64,
    seconds: f64,
    megabits_per_second: f64,
    connections: u64,
    hash_right: bool,
}

impl Way {
    fn new() -> Way {
        Way { hash_right: true, ..Way::default() }
    }
}

impl Transfer {
    pub(crate) fn run(&self) -> Result<(), String> {
        let (up, down) = if self.alternate { self.one_by_one() } else { self.both()? };
        let failure =
            [("up", &up), ("down", &down)].iter().find_map(|(n, r)| r.as_ref().err().map(|e| format!("{n}: {e}")));
        let (up, down) = (up.unwrap_or_default(), down.unwrap_or_default());
        let right = failure.is_none() && up.hash_right && down.hash_right;
        println!("{}", serde_json::json!({ "up": up, "down": down, "failure": failure, "right": right }));
        if right { Ok(()) } else { Err(failure.unwrap_or_else(|| "a hash is wrong".to_owned())) }
    }

    fn both(&self) -> Result<(io::Result<Way>, io::Result<Way>), String> {
        let (up, down) = std::thread::scope(|scope| {
            let up = scope.spawn(|| self.one_way(true));
            let down = scope.spawn(|| self.one_way(false));
            (up.join(), down.join())
        });
        let gone = |_| "a thread panicked".to_owned();
        Ok((up.map_err(gone)?, down.map_err(gone)?))
    }

    fn one_by_one(&self) -> (io::Result<Way>, io::Result<Way>) {
        let (mut up, mut down) = (Way::new(), Way::new());
        loop {
            if let Err(error) = self.one_piece(&mut up, true) {
                return (Err(error), Ok(down));
            }
            if let Err(error) = self.one_piece(&mut down, false) {
                return (Ok(up), Err(error));
            }
            if self.is_enough(&up) && self.is_enough(&down) {
                return (Ok(up), Ok(down));
            }
        }
    }

    fn one_way(&self, up: bool) -> io::Result<Way> {
        let mut way = Way::new();
        loop {
            self.one_piece(&mut way, up)?;
            if self.is_enough(&way) {
                return Ok(way);
            }
        }
    }

    fn is_enough(&self, way: &Way) -> bool {
        way.bytes >= self.total << 20 && self.until.as_ref().is_none_or(|file| file.exists())
    }

    fn one_piece(&self, way: &mut Way, up: bool) -> io::Result<()> {
        let start = Instant::now();
        let (seed, length) = (way.connections ^ u64::from(up) << 32, self.mib << 20);
        way.hash_right &= self.one_connection(up, seed, length)?;
        way.connections += 1;
        way.bytes += length;
        way.seconds += start.elapsed().as_secs_f64();
        way.megabits_per_second = way.bytes as f64 * 8e-6 / way.seconds;
        Ok(())
    }

    fn one_connection(&self, up: bool, seed: u64, length: u64) -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&self.connect, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut request = vec![if up { b'U' } else { b'D' }];
        request.extend_from_slice(&seed.to_be_bytes());
        request.extend_from_slice(&length.to_be_bytes());
        stream.write_all(&request)?;
        let ours = if up {
            let digest = send(&mut stream, seed, length)?;
            stream.shutdown(Shutdown::Write)?;
            digest
        } else {
            receive(&mut stream, Some(length))?.1
        };
        let mut theirs = [0; 32];
        stream.read_exact(&mut theirs)?;
        Ok(ours == theirs)
    }
}
