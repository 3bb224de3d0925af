//! Numbered datagrams at a fixed pace, and a host that sends each back: when none came, which are lost, which came twice. Below
//! TCP, which sends again what is lost and waits longer each time.
//!
//! What stands still is seen from outside: the host that asks is at the far end of the cable, and has its interface all the time.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::pauses::{Clock, Pause, Pauses, tell_progress};

/// Shorter times than this are none: a busy machine is not still.
const NO_PAUSE: Duration = Duration::from_millis(10);
/// After the last was sent, what waits somewhere may still come.
const DRAIN: Duration = Duration::from_secs(5);
/// Between two looks whether it is over.
const LOOK: Duration = Duration::from_millis(100);
/// What a datagram begins with, before its number.
const MARK: [u8; 8] = *b"udrvbeat";

/// The answering side.
#[derive(clap::Args)]
pub(crate) struct Answer {
    /// Address and port to answer at.
    listen: SocketAddr,
}

impl Answer {
    pub(crate) fn run(&self) -> Result<(), String> {
        let socket = UdpSocket::bind(self.listen).map_err(|e| format!("{}: {e}", self.listen))?;
        let mut datagram = [0; 64];
        loop {
            // an interface that has gone makes sending fail, and what that loses the other side sees
            if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                let _ = socket.send_to(&datagram[..length], from);
            }
        }
    }
}

/// The asking side.
#[derive(clap::Args)]
pub(crate) struct Ask {
    /// Address and port of the answering side.
    connect: SocketAddr,
    /// Go on until this file exists.
    #[arg(long)]
    until: PathBuf,
    /// Keep in this file how many have come back.
    #[arg(long)]
    progress: PathBuf,
    /// Time between two, microseconds.
    #[arg(long, default_value_t = 5000)]
    every: u64,
}

/// Datagrams in a row of which none came back; `at` is the system's uptime when the first was sent, seconds.
#[derive(Debug, PartialEq, Serialize)]
struct Loss {
    at: f64,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Asked {
    sent: u64,
    answered: u64,
    twice: u64,
    lost: u64,
    losses: Vec<Loss>,
    pauses: Vec<Pause>,
}

impl Ask {
    pub(crate) fn run(&self) -> Result<(), String> {
        let clock = Clock::read()?;
        let any: SocketAddr = if self.connect.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(self.connect)?;
            socket.set_read_timeout(Some(LOOK))?;
            Ok(socket)
        });
        let socket = socket.map_err(|e| format!("{}: {e}", self.connect))?;
        let over = AtomicBool::new(false);
        let (sent, received) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let sent = self.send(&socket);
                over.store(true, Ordering::Release);
                sent
            });
            let received = self.receive(&socket, &over, Pauses::new(clock, NO_PAUSE));
            (sender.join().unwrap_or_default(), received)
        });
        let (answers, pauses) = received.map_err(|e| format!("{}: {e}", self.connect))?;
        let times: Vec<f64> = sent.iter().map(|at| clock.uptime(*at)).collect();
        let asked = judged(&times, &answers, pauses.all());
        println!("{}", serde_json::to_string(&asked).map_err(|e| e.to_string())?);
        Ok(())
    }

    /// When each was sent. One that the kernel does not take is lost like another.
    fn send(&self, socket: &UdpSocket) -> Vec<Instant> {
        let (pace, mut next, mut sent) = (Duration::from_micros(self.every), Instant::now(), Vec::new());
        while !self.until.exists() {
            let mut datagram = [0; 16];
            datagram[..8].copy_from_slice(&MARK);
            datagram[8..].copy_from_slice(&(sent.len() as u64).to_le_bytes());
            sent.push(Instant::now());
            let _ = socket.send(&datagram);
            next = (next + pace).max(Instant::now());
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        sent
    }

    /// The numbers in the order in which they came.
    fn receive(&self, socket: &UdpSocket, over: &AtomicBool, mut pauses: Pauses) -> io::Result<(Vec<u64>, Pauses)> {
        let (mut answers, mut datagram, mut last) = (Vec::new(), [0; 64], Instant::now());
        loop {
            match socket.recv(&mut datagram) {
                Ok(length) => {
                    let Some(number) = number(&datagram[..length]) else {
                        return Err(io::Error::other("something else came back than was sent"));
                    };
                    pauses.came();
                    last = Instant::now();
                    answers.push(number);
                    if answers.len() % 16 == 1 {
                        tell_progress(&self.progress, answers.len() as u64)?;
                    }
                }
                // nobody there, or nobody there who answers: for now
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock
                            | ErrorKind::TimedOut
                            | ErrorKind::ConnectionRefused
                            | ErrorKind::HostUnreachable
                            | ErrorKind::NetworkUnreachable
                            | ErrorKind::Interrupted
                    ) =>
                {
                    if over.load(Ordering::Acquire) && last.elapsed() > DRAIN {
                        return Ok((answers, pauses));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn number(datagram: &[u8]) -> Option<u64> {
    let number = datagram.strip_prefix(&MARK)?;
    number.try_into().ok().map(u64::from_le_bytes)
}

/// `times` of sending by number, and the numbers that came back.
fn judged(times: &[f64], answers: &[u64], pauses: Vec<Pause>) -> Asked {
    let mut came = vec![0_u64; times.len()];
    for number in answers {
        if let Some(count) = came.get_mut(*number as usize) {
            *count += 1;
        }
    }
    let mut losses: Vec<Loss> = Vec::new();
    let mut before = true;
    for (count, at) in came.iter().zip(times) {
        match (count, before) {
            (0, true) => losses.push(Loss { at: *at, count: 1 }),
            (0, false) => losses.last_mut().into_iter().for_each(|loss| loss.count += 1),
            _ => {}
        }
        before = *count > 0;
    }
    Asked {
        sent: times.len() as u64,
        answered: answers.len() as u64,
        twice: came.iter().map(|count| count.saturating_sub(1)).sum(),
        lost: losses.iter().map(|loss| loss.count).sum(),
        losses,
        pauses,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_and_what_came_twice_is_counted_and_has_its_time() {
        let times: Vec<f64> = (0..8).map(f64::from).collect();
        let asked = judged(&times, &[1, 0, 3, 3, 3, 6], Vec::new());
        assert_eq!((asked.sent, asked.answered, asked.twice, asked.lost), (8, 6, 2, 4));
        let loss = |at: f64, count| Loss { at, count };
        assert_eq!(asked.losses, [loss(2.0, 1), loss(4.0, 2), loss(7.0, 1)]);
    }

    #[test]
    fn all_there_is_no_loss() {
        let asked = judged(&[0.0, 1.0], &[0, 1], Vec::new());
        assert_eq!((asked.twice, asked.lost, asked.losses.len()), (0, 0, 0));
    }

    #[test]
    fn a_datagram_of_somebody_else_is_none() {
        assert_eq!(number(b"udrvbeat\x07\0\0\0\0\0\0\0"), Some(7));
        for other in [&b"udrvbeat"[..], b"udrvbeat\x07", b"xdrvbeat\x07\0\0\0\0\0\0\0", b""] {
            assert_eq!(number(other), None);
        }
    }
}
