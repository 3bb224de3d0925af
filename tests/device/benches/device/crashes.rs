//! What crashes cost a stream: two devices of the same kind take turns, and one of them crashes once in each second of its
//! own time, or oftener. Every frame has a number, so none can be lost, damaged or twice unseen.
//!
//! Time is that of this thread on a processor, so that what else runs on the machine is not counted. A recovery of these
//! calls waits for nothing, so none of it is left out; a hang is ended by its processor time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model_wire::{Station, Wire};
use nix::time::{ClockId, clock_gettime};
use serde_json::json;
use udrv::dma::DmaRegion;
use udrv::endpoint::{EndpointError, NetEndpoint, Received, Sent};
use udrv::net::NetDevice;
use udrv::report::{FaultReport, Rung};
use udrv::run::{Answer, Command, Options};
use udrv_driver::{Entry, InjectedFault, Injection, Point};
use udrv_tests::frames::{Judge, Way};
use udrv_tests::subject::{E1000, R8169, Rtl8139, Subject};

use crate::mill::FRAME;
use crate::turned::{BATCH, started};

/// A turn at most. Short, so that whatever else the machine does meets both.
const TURN: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
/// Turns between two crashes, at least.
const TURNS: u32 = 5;
/// Of every kind. A loop is ended after 5 ms, and that is most of what all six cost.
const FAULTS: [InjectedFault; 6] = [
    InjectedFault::NullWrite,
    InjectedFault::EndlessLoop,
    InjectedFault::Panic,
    InjectedFault::StackOverflow,
    InjectedFault::DivideByZero,
    InjectedFault::WildWrite,
];
/// Those that stop at once.
const TRAPS: [InjectedFault; 1] = [InjectedFault::NullWrite];

/// When which crash comes.
#[derive(Clone, Copy)]
struct Plan {
    interval: Duration,
    faults: &'static [InjectedFault],
}

impl Plan {
    fn turn(self) -> Duration {
        TURN.min(self.interval / TURNS)
    }
}

/// The host's end: makes numbered frames when told to, and judges those that it gets.
struct Ends {
    to_make: AtomicU64,
    made: AtomicU64,
    up: Mutex<Judge>,
}

struct Numbered {
    ends: Arc<Ends>,
    frame: Vec<u8>,
    nothing: std::fs::File,
}

impl NetEndpoint for Numbered {
    fn name(&self) -> String {
        "numbered".to_owned()
    }
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.nothing)
    }
    fn recv(&mut self, _: &mut [u8]) -> Result<Received, EndpointError> {
        Ok(Received::Empty)
    }
    fn recv_into(&mut self, region: &DmaRegion, offset: u64, _: usize) -> Result<Received, EndpointError> {
        if self.ends.to_make.load(Relaxed) == 0 {
            return Ok(Received::Empty);
        }
        self.ends.to_make.fetch_sub(1, Relaxed);
        Way::Down.write_long(self.ends.made.fetch_add(1, Relaxed), FRAME, &mut self.frame);
        region.copy_in(offset, &self.frame).expect("a buffer holds a frame");
        Ok(Received::Frame(FRAME))
    }
    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError> {
        self.ends.up.lock().expect("no panic").take(frame).expect("right, and once");
        Ok(Sent::Done)
    }
    fn send_from(&mut self, region: &DmaRegion, offset: u64, len: usize) -> Result<Sent, EndpointError> {
        let mut frame = [0; 2048];
        region.copy_out(offset, &mut frame[..len]).expect("it is inside");
        self.send(&frame[..len])
    }
    fn set_mac(&mut self, _: [u8; 6]) -> Result<(), EndpointError> {
        Ok(())
    }
    fn set_mtu(&mut self, _: u32) -> Result<(), EndpointError> {
        Ok(())
    }
    fn set_carrier(&mut self, _: bool) -> Result<(), EndpointError> {
        Ok(())
    }
    fn set_up(&mut self, _: bool) -> Result<(), EndpointError> {
        Ok(())
    }
}

/// Processor time of this thread.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has it").into()
}

/// A device with a stream through it.
struct Stream<S: Subject> {
    device: NetDevice<S::Driver>,
    station: Station,
    ends: Arc<Ends>,
    down: Judge,
    frame: Vec<u8>,
    injected: u64,
    time: Duration,
    crashes: u64,
    _wire: Wire,
}

impl<S: Subject> Stream<S> {
    fn new() -> Stream<S> {
        let up = Mutex::new(Judge::new(Way::Up));
        let ends = Arc::new(Ends { to_make: AtomicU64::new(0), made: AtomicU64::new(0), up });
        let nothing = std::fs::File::open("/dev/null").expect("/dev/null");
        let endpoint = Numbered { ends: ends.clone(), frame: Vec::new(), nothing };
        let (device, _, station, wire) = started::<S>(Box::new(endpoint), Options::default());
        let (down, frame) = (Judge::new(Way::Down), Vec::new());
        Stream { device, station, ends, down, frame, injected: 0, time: Duration::ZERO, crashes: 0, _wire: wire }
    }

    /// Frames for a turn; with a crash in it if it is time for one.
    fn turn(&mut self, way: Way, plan: Plan, crashing: bool) {
        if crashing && self.time >= plan.interval * self.crashes as u32 + plan.interval / 2 {
            let entries: &[Entry] = if way == Way::Down { &[Entry::Transmit, Entry::Poll] } else { &[Entry::Poll] };
            let number = self.crashes as usize;
            let (entry, fault) = (entries[number % entries.len()], plan.faults[number % plan.faults.len()]);
            let injection = Injection { fault, point: Point::Middle };
            self.device.handle(Command::Inject { entry, injection, times: 1 }).expect("armed");
            self.crashes += 1;
        }
        let start = now();
        while now() - start < plan.turn() {
            match way {
                Way::Down => self.send_down(),
                Way::Up => self.send_up(),
            }
        }
        self.time += now() - start;
    }

    fn send_down(&mut self) {
        self.ends.to_make.store(BATCH, Relaxed);
        // what has no room waits for the next round
        for _ in 0..BATCH.div_ceil(S::TX_ROOM) {
            self.device.pump_endpoint().expect("it goes on");
            self.device.serve_interrupt().expect("it goes on");
        }
        while self.station.receive_into(&mut self.frame, Duration::ZERO) == Some(true) {
            self.down.take(&self.frame).expect("right, and once");
        }
    }

    fn send_up(&mut self) {
        for _ in 0..BATCH.min(S::RX_ROOM) {
            Way::Up.write_long(self.injected, FRAME, &mut self.frame);
            self.station.inject(&self.frame);
            self.injected += 1;
        }
        self.device.serve_interrupt().expect("it goes on");
    }

    /// Frames that came through, and those that did not and do not wait any more.
    fn frames(&self, way: Way) -> (u64, u64) {
        let up = self.ends.up.lock().expect("no panic");
        let judge = if way == Way::Down { &self.down } else { &*up };
        (judge.seen, judge.missing)
    }

    fn rate(&self, way: Way) -> f64 {
        self.frames(way).0 as f64 / self.time.as_secs_f64()
    }
}

/// A line for each direction: frames a second with a crash of any kind in each second and without, crashes, frames lost to them.
pub(crate) fn run<S: Subject>(card: &str, seconds: u32) {
    for way in [Way::Down, Way::Up] {
        let plan = Plan { interval: SECOND, faults: &FAULTS };
        let Crashed { crashes, lost, with, without, .. } = Crashed::measured::<S>(way, plan, SECOND * seconds);
        println!(
            r#"{{"card":"{card}","crashing":"{}","crashes":{crashes},"lost":{lost},"with":{with:.0},"without":{without:.0}}}"#,
            name(way),
        );
    }
}

/// The same for crashes that come oftener and oftener, of every kind and of the cheapest. A short run has one card and one direction.
pub(crate) fn series(isolation: &str, quick: bool) {
    println!("{}", json!({ "isolation": isolation }));
    series_of::<E1000>("e1000", quick);
    if !quick {
        series_of::<R8169>("r8169", quick);
        series_of::<Rtl8139>("rtl8139", quick);
    }
}

fn series_of<S: Subject>(card: &str, quick: bool) {
    let ways: &[Way] = if quick { &[Way::Down] } else { &[Way::Down, Way::Up] };
    for way in ways {
        for (kind, faults) in [("six kinds", &FAULTS[..]), ("null write", &TRAPS[..])] {
            for (interval, seconds) in [(1000, 8), (100, 4), (10, 2)] {
                let interval = Duration::from_millis(interval);
                let time = SECOND * seconds / if quick { 8 } else { 1 };
                let Crashed { crashes, lost, with, without, restores, restarts, others } =
                    Crashed::measured::<S>(*way, Plan { interval, faults }, time);
                let line = json!({
                    "card": card, "way": name(*way), "kind": kind, "interval_ms": interval.as_millis() as u64, "crashes": crashes,
                    "lost": lost, "with": with, "without": without, "restores": restores, "restarts": restarts, "others": others,
                });
                println!("{line}");
            }
        }
    }
}

fn name(way: Way) -> &'static str {
    if way == Way::Down { "down" } else { "up" }
}

/// What came of it; rates are frames a second.
struct Crashed {
    crashes: u64,
    lost: u64,
    with: f64,
    without: f64,
    /// Of the crashes, those for which the ladder was climbed so far.
    restores: u64,
    restarts: u64,
    /// Faults that nobody has made: where the processor is virtual, a call can overrun its time through no fault of its own.
    others: u64,
}

impl Crashed {
    fn measured<S: Subject>(way: Way, plan: Plan, time: Duration) -> Crashed {
        let (mut crashing, mut steady) = (Stream::<S>::new(), Stream::<S>::new());
        for number in 0_u64.. {
            if crashing.time >= time && steady.time >= time {
                break;
            }
            if number % 2 == 0 {
                crashing.turn(way, plan, true);
            }
            steady.turn(way, plan, false);
            if number % 2 != 0 {
                crashing.turn(way, plan, true);
            }
        }
        let Ok(Answer::Faults(reports)) = crashing.device.handle(Command::Faults(0)) else { panic!("no reports") };
        let count = |is: fn(&FaultReport) -> bool| reports.iter().filter(|report| is(report)).count() as u64;
        let crashes = count(|report| report.injected.is_some() && report.recovered);
        assert_eq!(crashes, crashing.crashes, "each crash has happened and was recovered from");
        Crashed {
            crashes,
            lost: crashing.frames(way).1,
            with: crashing.rate(way),
            without: steady.rate(way),
            restores: count(|report| report.rung == Rung::Restore),
            restarts: count(|report| report.rung == Rung::Restart),
            others: count(|report| report.injected.is_none()),
        }
    }
}
