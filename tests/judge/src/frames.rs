//! Numbered Ethernet frames below IP: what is bad, twice or missing cannot hide.
//!
//! The payload is a magic number, the frame's number, and bytes that follow from the number; lengths run over all that
//! Ethernet has. Frames with number `END` say that it is over and how many there were.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use serde::Serialize;
use smoltcp::phy::{Device, Medium, RawSocket, RxToken, TxToken};
use smoltcp::time::Instant as SmolInstant;

use crate::content::Content;
use crate::replace::monotonic_us;

/// EtherType for local experiments (IEEE Std 802, 9.2.2).
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];
const MAGIC: u32 = 0x7564_7276;
const END: u64 = u64::MAX;
/// Header 14, magic 4, number 8.
const SMALLEST: usize = 60;
const LARGEST: usize = 1514;
/// How often the end is said: it may be lost itself.
const ENDS: u32 = 20;
/// How many gaps are told.
const GAPS: usize = 20;

/// The sending side.
#[derive(clap::Args)]
pub(crate) struct Send {
    /// Interface.
    interface: String,
    /// Destination address.
    #[arg(long)]
    to: String,
    /// Frames a second.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Until this file exists.
    #[arg(long)]
    until: std::path::PathBuf,
}

fn build(number: u64, to: [u8; 6], total: u64) -> Vec<u8> {
    let length = SMALLEST + (Content::new(number).next() % (LARGEST - SMALLEST + 1) as u64) as usize;
    let mut frame = vec![0; length];
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&[0x02, 0x75, 0x64, 0x72, 0x76, 0x01]);
    frame[12..14].copy_from_slice(&ETHERTYPE);
    frame[14..18].copy_from_slice(&MAGIC.to_be_bytes());
    frame[18..26].copy_from_slice(&number.to_be_bytes());
    if number == END {
        frame[26..34].copy_from_slice(&total.to_be_bytes());
    } else {
        Content::new(!number).fill(&mut frame[26..]);
    }
    frame
}

fn address(text: &str) -> Result<[u8; 6], String> {
    let bytes: Result<Vec<u8>, _> = text.split(':').map(|part| u8::from_str_radix(part, 16)).collect();
    bytes.ok().and_then(|b| b.try_into().ok()).ok_or_else(|| format!("'{text}' is no Ethernet address"))
}

fn open(interface: &str) -> Result<RawSocket, String> {
    RawSocket::new(interface, Medium::Ethernet).map_err(|e| format!("packet socket on {interface}: {e}"))
}

fn transmit(socket: &mut RawSocket, frame: &[u8]) -> Result<(), String> {
    let token = socket.transmit(SmolInstant::ZERO).ok_or("the packet socket takes no frame")?;
    token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
    Ok(())
}

impl Send {
    pub(crate) fn run(&self) -> Result<(), String> {
        let (to, mut socket) = (address(&self.to)?, open(&self.interface)?);
        let step = Duration::from_secs(1) / self.rate.max(1);
        let start = Instant::now();
        let mut number = 0;
        while !self.until.exists() {
            transmit(&mut socket, &build(number, to, 0))?;
            number += 1;
            // a schedule, not a synchronisation: what was late is made up for
            std::thread::sleep((step * number as u32).saturating_sub(start.elapsed()));
        }
        for _ in 0..ENDS {
            transmit(&mut socket, &build(END, to, number))?;
            std::thread::sleep(step);
        }
        println!("{}", serde_json::json!({ "sent": number, "seconds": start.elapsed().as_secs_f64() }));
        Ok(())
    }
}

/// Frames that nobody looks at, as many as go.
pub(crate) struct Flood {
    socket: RawSocket,
    frame: Vec<u8>,
}

impl Flood {
    /// Of frames of `bytes` bytes from an interface to an address.
    pub(crate) fn new(interface: &str, to: &str, bytes: usize) -> Result<Flood, String> {
        if !(SMALLEST..=LARGEST).contains(&bytes) {
            return Err(format!("a frame of {bytes} bytes: it has {SMALLEST} to {LARGEST}"));
        }
        let (to, socket) = (address(to)?, open(interface)?);
        let mut frame = build(0, to, 0);
        frame.resize(bytes, 0);
        Ok(Flood { socket, frame })
    }

    /// Sends one; false if there was no room.
    pub(crate) fn send(&mut self) -> bool {
        nix::sys::socket::send(self.socket.as_raw_fd(), &self.frame, nix::sys::socket::MsgFlags::empty()).is_ok()
    }
}

/// The counting side.
#[derive(clap::Args)]
pub(crate) struct Count {
    /// Interface.
    interface: String,
    /// Only frames to this address.
    #[arg(long)]
    to: String,
    /// Give up when nothing has come for so many seconds.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// A file to make when all that comes from now on is counted.
    #[arg(long)]
    ready: std::path::PathBuf,
    /// Tell when nothing came for so many milliseconds.
    #[arg(long, default_value_t = 10)]
    pause: u64,
}

/// Nothing came.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Pause {
    /// When the next came, microseconds of the system's monotonic clock.
    end_us: u64,
    us: u64,
}

#[derive(Debug, Serialize, Default, PartialEq, Eq)]
struct Counted {
    sent: Option<u64>,
    good: u64,
    bad: u64,
    duplicate: u64,
    missing: u64,
    reordered: u64,
    /// The first numbers that are missing, as ranges: first, and one past the last.
    gaps: Vec<(u64, u64)>,
    /// From the first frame on.
    pauses: Vec<Pause>,
}

/// What has come so far.
#[derive(Default)]
struct Tally {
    counted: Counted,
    /// Ranges of numbers that have come: first to one past the last.
    seen: BTreeMap<u64, u64>,
    highest: Option<u64>,
}

impl Tally {
    fn take(&mut self, frame: &[u8], to: [u8; 6]) {
        if frame.len() < 26 || frame[..6] != to || frame[12..14] != ETHERTYPE {
            return;
        }
        let number = u64::from_be_bytes(frame[18..26].try_into().expect("eight bytes"));
        if frame[14..18] != MAGIC.to_be_bytes() {
            self.counted.bad += 1;
        } else if number == END && frame.len() >= 34 {
            self.counted.sent = Some(u64::from_be_bytes(frame[26..34].try_into().expect("eight bytes")));
        } else if build(number, to, 0) != frame {
            self.counted.bad += 1;
        } else if !self.insert(number) {
            self.counted.duplicate += 1;
        } else {
            self.counted.good += 1;
            self.counted.reordered += u64::from(self.highest.is_some_and(|highest| number < highest));
            self.highest = self.highest.max(Some(number));
        }
    }

    /// False if it has come before.
    fn insert(&mut self, number: u64) -> bool {
        let below = self.seen.range(..=number).next_back().map(|(s, e)| (*s, *e));
        if below.is_some_and(|(_, end)| number < end) {
            return false;
        }
        let start = below.filter(|(_, end)| *end == number).map_or(number, |(start, _)| start);
        let end = self.seen.remove(&(number + 1)).unwrap_or(number + 1);
        self.seen.insert(start, end);
        true
    }

    fn finish(mut self) -> Counted {
        let expected = self.counted.sent.unwrap_or(self.highest.map_or(0, |n| n + 1));
        self.counted.missing = expected.saturating_sub(self.counted.good);
        let ends = std::iter::once(0).chain(self.seen.values().copied());
        let starts = self.seen.keys().copied().chain([expected]);
        self.counted.gaps = ends.zip(starts).filter(|(end, start)| end < start).take(GAPS).collect();
        self.counted
    }
}

impl Count {
    pub(crate) fn run(&self) -> Result<(), String> {
        let (to, mut socket) = (address(&self.to)?, open(&self.interface)?);
        std::fs::write(&self.ready, "").map_err(|e| format!("{}: {e}", self.ready.display()))?;
        let mut tally = Tally::default();
        let mut last = Instant::now();
        // what goes out at the interface is seen too, and is not counted
        let mut good = None;
        while tally.counted.sent.is_none() && last.elapsed() < Duration::from_secs(self.patience) {
            let second = Some(smoltcp::time::Duration::from_secs(1));
            smoltcp::phy::wait(socket.as_raw_fd(), second).map_err(|e| format!("poll: {e}"))?;
            while let Some((token, _)) = socket.receive(SmolInstant::ZERO) {
                let before = tally.counted.good;
                token.consume(|frame| tally.take(frame, to));
                last = Instant::now();
                if tally.counted.good == before {
                    continue;
                }
                let pause = good.replace(last).map_or(Duration::ZERO, |good| last - good);
                if pause >= Duration::from_millis(self.pause) {
                    let (end_us, us) = (monotonic_us(), pause.as_micros() as u64);
                    tally.counted.pauses.push(Pause { end_us, us });
                }
            }
        }
        let counted = tally.finish();
        println!("{}", serde_json::to_string(&counted).map_err(|e| e.to_string())?);
        if counted.sent.is_none() {
            return Err("the end of the frames never came".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[test]
    fn counts_what_is_bad_twice_missing_and_out_of_order() {
        let mut tally = Tally::default();
        for number in [0, 1, 2, 5, 4, 2, 5, 0] {
            tally.take(&build(number, TO, 0), TO);
        }
        let mut bad = build(7, TO, 0);
        *bad.last_mut().unwrap() ^= 1;
        tally.take(&bad, TO);
        tally.take(&build(8, TO, 0)[..70.min(build(8, TO, 0).len() - 1)], TO);
        tally.take(&build(9, [2; 6], 0), TO); // another's
        tally.take(&build(END, TO, 9), TO);
        let gaps = vec![(3, 4), (6, 9)];
        let pauses = Vec::new();
        let expected = Counted { sent: Some(9), good: 5, bad: 2, duplicate: 3, missing: 4, reordered: 1, gaps, pauses };
        assert_eq!(tally.finish(), expected);
    }

    #[test]
    fn every_length_of_ethernet_occurs() {
        let lengths: std::collections::BTreeSet<usize> = (0..40_000).map(|n| build(n, TO, 0).len()).collect();
        assert_eq!((lengths.first(), lengths.last()), (Some(&SMALLEST), Some(&LARGEST)));
        assert_eq!(lengths.len(), LARGEST - SMALLEST + 1);
    }
}
