//! The driver of the 8254x on its model: numbered frames both ways, every fault in every entry point, chips that
//! misbehave.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use e1000::E1000;
use model_e1000::{BadWriteback, Config, E1000Handle, E1000Model, Misbehave, Variant};
use model_wire::{Rng, Station, Wire, WireConfig};
use udrv::net::{Answer, Command, DeviceError, NetDevice, Status};
use udrv::report::{FaultReport, Rung};
use udrv_driver::{Entry, InjectedFault, Injection, NetDriver, Point};
use udrv_tests::PATIENCE;
use udrv_tests::frames::{CARD, Judge, Way};
use udrv_tests::host::{self, HostEnd};
use udrv_tests::rig::{Turn, is_emulated, patient, quick, turn};

/// The device, turned by hand, and what is around it.
struct Bench {
    device: NetDevice<E1000>,
    host: HostEnd,
    station: Station,
    wire: Wire,
    model: E1000Handle,
    down: Judge,
    up: Judge,
    sent_down: u64,
    sent_up: u64,
    buffer: Vec<u8>,
    _turn: Turn,
}

impl Bench {
    fn start(config: Config, trouble: impl FnOnce(&mut Misbehave)) -> Result<Bench, DeviceError> {
        let turn = turn();
        fgft::init()?;
        let (wire, near, far) = Wire::new(WireConfig::default());
        let (card, model) = E1000Model::new(config, near);
        model.misbehave(trouble);
        let (endpoint, host) = host::pair();
        let device = NetDevice::start(Box::new(card), Box::new(endpoint), patient(quick()))?;
        Ok(Bench {
            device,
            host,
            station: Station::new(far),
            wire,
            model,
            down: Judge::new(Way::Down),
            up: Judge::new(Way::Up),
            sent_down: 0,
            sent_up: 0,
            buffer: vec![0; 2048],
            _turn: turn,
        })
    }

    fn new() -> Bench {
        Bench::start(Config::default(), |_| {}).expect("the device starts")
    }

    /// One round of what the loop in `udrvd` does.
    fn turn(&mut self) -> Result<(), DeviceError> {
        self.device.pump_endpoint()?;
        if self.model.intx_asserted() {
            self.device.serve_interrupt()?;
        }
        Ok(())
    }

    fn send_down(&mut self) {
        assert!(self.host.try_send(&Way::Down.frame(self.sent_down)));
        self.sent_down += 1;
    }

    fn send_up(&mut self) {
        self.station.inject(&Way::Up.frame(self.sent_up));
        self.sent_up += 1;
    }

    /// Takes what has arrived so far.
    fn take(&mut self) {
        for frame in self.station.drain() {
            assert!(frame.fcs_ok);
            self.down.take(&frame.data).expect("down");
        }
        while let Some(length) = self.host.try_receive(&mut self.buffer) {
            self.up.take(&self.buffer[..length]).expect("up");
        }
    }

    /// Turns until all that was sent has arrived, once and in order.
    fn expect_all(&mut self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while (self.down.next(), self.up.next()) != (self.sent_down, self.sent_up) || self.model.intx_asserted() {
            self.turn().unwrap_or_else(|error| panic!("{what}: {error}"));
            self.take();
            assert!(
                Instant::now() < deadline,
                "{what}: {} of {} down, {} of {} up",
                self.down.next(),
                self.sent_down,
                self.up.next(),
                self.sent_up
            );
        }
        assert_eq!((self.down.missing, self.up.missing), (0, 0), "{what}");
    }

    fn exchange(&mut self, frames: u32, what: &str) {
        for _ in 0..frames {
            self.send_down();
            self.send_up();
        }
        self.expect_all(what);
    }
}

#[test]
fn each_variant_starts_and_carries_frames() {
    for variant in [Variant::I82540Em, Variant::I82545Em, Variant::I82544Gc] {
        assert!(E1000::IDS.contains(&(0x8086, variant.device())));
        let mut bench = Bench::start(Config { variant, ..Config::default() }, |_| {}).expect("it starts");
        assert_eq!(*bench.host.told.mac.lock().unwrap(), CARD);
        assert!(bench.host.told.carrier.load(Relaxed));
        for _ in 0..if is_emulated() { 10 } else { 100 } {
            bench.exchange(20, &format!("{variant:?}"));
        }
        bench.device.shut_down().expect("it stops");
    }
}

/// Makes the device call `entry`.
fn drive(bench: &mut Bench, entry: Entry) {
    match entry {
        Entry::Transmit => bench.send_down(),
        Entry::Interrupt | Entry::Poll => bench.send_up(),
        other => {
            let answer = bench.device.handle(Command::Call(other)).expect("the device goes on");
            assert!(matches!(answer, Answer::Done), "the call is made again and works: {answer:?}");
        }
    }
}

fn status(bench: &mut Bench) -> Status {
    match bench.device.handle(Command::Status) {
        Ok(Answer::Status(status)) => *status,
        other => panic!("{other:?}"),
    }
}

fn last_report(bench: &mut Bench) -> FaultReport {
    match bench.device.handle(Command::Faults(0)) {
        Ok(Answer::Faults(mut faults)) => faults.pop().expect("a report"),
        other => panic!("{other:?}"),
    }
}

/// Each fires, is recovered from, and costs no frame; none comes twice.
#[test]
fn every_fault_in_every_entry_point_is_recovered_from() {
    for entry in Entry::ALL {
        let mut bench = Bench::new();
        let mut faults = 0;
        for fault in InjectedFault::ALL {
            for point in Point::ALL {
                let what = format!("{entry} {fault} at {point}");
                bench.exchange(6, &what);
                let injection = Injection { fault, point };
                bench.device.handle(Command::Inject { entry, injection, times: 1 }).expect("armed");
                drive(&mut bench, entry);
                bench.expect_all(&what);
                faults += 1;
                assert_eq!(status(&mut bench).faults, faults, "{what}");
                let report = last_report(&mut bench);
                assert_eq!(report.injected, Some((fault.name().to_owned(), point.name().to_owned())), "{what}");
                assert!(report.recovered && report.rung <= Rung::Restore, "{what}: {report:#?}");
                assert_eq!(report.frames_lost, 0, "{what}");
                bench.exchange(6, &what);
                let status = status(&mut bench);
                assert!(status.canary_intact, "{what}");
                assert_eq!((status.traffic.tx_lost, status.traffic.tx_dropped), (0, 0), "{what}");
            }
        }
        bench.device.shut_down().unwrap_or_else(|error| panic!("{entry}: {error}"));
    }
}

/// What comes while a call is made again is not lost either: the ring holds it.
#[test]
fn frames_under_way_survive_a_fault_that_changes_no_device() {
    for entry in [Entry::Transmit, Entry::Interrupt, Entry::Poll, Entry::SetMac, Entry::SetRxMode, Entry::Link] {
        for point in Point::ALL {
            let mut bench = Bench::new();
            for round in 0..20 {
                let injection = Injection { fault: InjectedFault::NullWrite, point };
                bench.device.handle(Command::Inject { entry, injection, times: 1 }).expect("armed");
                for _ in 0..30 {
                    bench.send_down();
                    bench.send_up();
                }
                drive(&mut bench, entry);
                bench.expect_all(&format!("{entry} at {point}, round {round}"));
            }
            assert_eq!(status(&mut bench).faults, 20, "{entry} {point}");
        }
    }
}

/// Only what a reset takes with it is lost, and nothing comes twice: thousands of faults under two streams.
#[test]
fn a_campaign_repeats_nothing() {
    let mut bench = Bench::new();
    let mut dice = Rng::new(0xe1000);
    let rounds = if is_emulated() { 100 } else { 3000 };
    for _ in 0..rounds {
        let mut pick = |n: usize| dice.next_u64() as usize % n;
        let (entry, point) = (Entry::ALL[pick(Entry::ALL.len())], Point::ALL[pick(3)]);
        let fault = [InjectedFault::NullWrite, InjectedFault::Panic, InjectedFault::DivideByZero][pick(3)];
        let injection = Injection { fault, point };
        bench.device.handle(Command::Inject { entry, injection, times: 1 }).expect("armed");
        for _ in 0..pick(20) {
            bench.send_down();
            bench.send_up();
        }
        drive(&mut bench, entry);
        for _ in 0..pick(4) {
            bench.turn().expect("it goes on");
            bench.take();
        }
    }
    while bench.model.intx_asserted() || bench.device.has_more() {
        bench.turn().expect("it goes on");
        bench.take();
    }
    // a reset drops what is in the receive ring, and the calls of a third of the entry points make one
    assert!(bench.up.missing * 2 < bench.sent_up, "{} of {}", bench.up.missing, bench.sent_up);
    assert!(bench.down.missing * 10 < bench.sent_down, "{} of {}", bench.down.missing, bench.sent_down);
    (bench.sent_up, bench.sent_down) = (bench.up.next(), bench.down.next());
    (bench.up.missing, bench.down.missing) = (0, 0);
    bench.exchange(100, "after it");
}
