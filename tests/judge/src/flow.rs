//! One TCP connection that is to live through everything: bytes that a server sends back, with each time at which none came.
//!
//! Not for speed: bytes go out at a fixed pace, so that what is between two of them is the path's doing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::content::Content;
use crate::pauses::{Clock, Pause, Pauses, tell_progress};

/// A connection on which nothing comes for so long is dead.
const PATIENCE: Duration = Duration::from_secs(180);
/// Bytes of a piece, and the time between two: 1 MiB a second.
const PIECE: usize = 16 * 1024;
const PACE: Duration = Duration::from_micros(15_625);
/// Any two pieces may be so far apart on a busy machine.
const NO_PAUSE: Duration = Duration::from_millis(50);
const SEED: u64 = 0xf10e;

/// The serving side.
#[derive(clap::Args)]
pub(crate) struct EchoServe {
    /// Address and port to listen at.
    listen: SocketAddr,
}

impl EchoServe {
    pub(crate) fn run(&self) -> Result<(), String> {
        let listener = TcpListener::bind(self.listen).map_err(|e| format!("{}: {e}", self.listen))?;
        for stream in listener.incoming() {
            let stream = stream.map_err(|e| format!("accept: {e}"))?;
            std::thread::spawn(move || {
                // what ends it, the other side tells
                let ended = stream.try_clone().and_then(|mut back| io::copy(&mut &stream, &mut back));
                let _ = stream.shutdown(Shutdown::Write);
                if let Err(error) = ended {
                    eprintln!("udrv-judge: a flow ended: {error}");
                }
            });
        }
        Ok(())
    }
}

/// The asking side.
#[derive(clap::Args)]
pub(crate) struct Flow {
    /// Address and port of the serving side.
    connect: SocketAddr,
    /// Go on until this file exists.
    #[arg(long)]
    until: PathBuf,
    /// Keep in this file how many bytes have come back.
    #[arg(long)]
    progress: PathBuf,
}

#[derive(Serialize, Default)]
struct Flowed {
    bytes: u64,
    sent: u64,
    pauses: Vec<Pause>,
    right: bool,
    failure: Option<String>,
}

impl Flow {
    pub(crate) fn run(&self) -> Result<(), String> {
        let mut pauses = Pauses::new(Clock::read()?, NO_PAUSE);
        let stream =
            TcpStream::connect_timeout(&self.connect, PATIENCE).map_err(|e| format!("{}: {e}", self.connect))?;
        let set = [stream.set_read_timeout(Some(PATIENCE)), stream.set_write_timeout(Some(PATIENCE))];
        set.into_iter().collect::<io::Result<()>>().map_err(|e| format!("timeouts: {e}"))?;
        let mut flowed = Flowed::default();
        let (received, sent) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| send(&stream, &self.until));
            let received = receive(&stream, &self.progress, &mut pauses, &mut flowed);
            // an end that is not the sender's own is an end for it too
            let _ = stream.shutdown(Shutdown::Both);
            (received, sender.join().unwrap_or_else(|_| Err(io::Error::other("the sender panicked"))))
        });
        flowed.pauses = pauses.all();
        match sent {
            Ok(sent) => flowed.sent = sent,
            Err(error) => flowed.failure = Some(format!("sending: {error}")),
        }
        if let Err(error) = received {
            flowed.failure = Some(error.to_string());
        }
        flowed.right = flowed.failure.is_none() && flowed.bytes == flowed.sent;
        println!("{}", serde_json::to_string(&flowed).map_err(|e| e.to_string())?);
        if flowed.right { Ok(()) } else { Err(flowed.failure.unwrap_or_else(|| "bytes are missing".to_owned())) }
    }
}

fn send(mut stream: &TcpStream, until: &Path) -> io::Result<u64> {
    let (mut content, mut piece, mut sent) = (Content::new(SEED), vec![0; PIECE], 0);
    let mut next = Instant::now();
    while !until.exists() {
        content.fill(&mut piece);
        stream.write_all(&piece)?;
        sent += PIECE as u64;
        next += PACE;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(sent)
}

fn receive(mut stream: impl Read, progress: &Path, pauses: &mut Pauses, flowed: &mut Flowed) -> io::Result<()> {
    let (mut content, mut piece, mut buffer) = (Content::new(SEED), vec![0; PIECE], vec![0; PIECE]);
    loop {
        // up to the end of a piece: the next begins with a whole word of the generator
        let at = (flowed.bytes % PIECE as u64) as usize;
        if at == 0 {
            content.fill(&mut piece);
        }
        let n = stream.read(&mut buffer[at..])?;
        if n == 0 {
            return Ok(());
        }
        pauses.came();
        if buffer[at..at + n] != piece[at..at + n] {
            return Err(io::Error::other(format!("after {} bytes others came back than were sent", flowed.bytes)));
        }
        flowed.bytes += n as u64;
        tell_progress(progress, flowed.bytes)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pieces: usize) -> Vec<u8> {
        let (mut content, mut bytes) = (Content::new(SEED), vec![0; pieces * PIECE]);
        bytes.chunks_mut(PIECE).for_each(|piece| content.fill(piece));
        bytes
    }

    fn received(stream: impl Read) -> (io::Result<()>, Flowed) {
        let (folder, mut flowed) = (std::env::temp_dir(), Flowed::default());
        let progress = folder.join(format!("udrv-judge-{}-{:?}", std::process::id(), std::thread::current().id()));
        let mut pauses = Pauses::new(Clock::read().unwrap(), NO_PAUSE);
        let result = receive(stream, &progress, &mut pauses, &mut flowed);
        flowed.pauses = pauses.all();
        let told = std::fs::read_to_string(&progress).unwrap_or_default();
        let _ = std::fs::remove_file(&progress);
        assert_eq!(told, flowed.bytes.to_string());
        (result, flowed)
    }

    /// Odd bytes at a time, the first of them late.
    struct Slow<'a>(&'a [u8], Duration);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(std::mem::take(&mut self.1));
            let n = buffer.len().min(1001);
            self.0.read(&mut buffer[..n])
        }
    }

    #[test]
    fn what_comes_back_is_compared_and_a_pause_is_seen() {
        let bytes = sent(3);
        let (result, flowed) = received(Slow(&bytes, NO_PAUSE));
        result.unwrap();
        assert_eq!(flowed.bytes, 3 * PIECE as u64);
        assert!(flowed.pauses[0].seconds >= NO_PAUSE.as_secs_f64(), "the first");
    }

    #[test]
    fn one_wrong_byte_is_an_end() {
        let mut bytes = sent(2);
        bytes[PIECE + 7] ^= 1;
        let (result, flowed) = received(&bytes[..]);
        assert!(result.is_err());
        assert_eq!(flowed.bytes, PIECE as u64);
    }
}
