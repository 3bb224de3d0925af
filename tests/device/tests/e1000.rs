//! What is about the 8254x alone: what its chips can do wrong, what its EEPROM can hold, what is in its rings when a
//! call faults, and how long it takes until the next frame.

use std::time::{Duration, Instant};

use model_e1000::{BadWriteback, Config, Switches, Variant};
use model_wire::Rng;
use udrv::net::{Answer, Command, Options};
use udrv::report::Rung;
use udrv_driver::{Entry, InjectedFault, Injection, MacAddress, Point};
use udrv_tests::frames::{CARD, Judge, Way};
use udrv_tests::rig::{Hand, Rig, is_emulated, quick};
use udrv_tests::subject::{E1000, Subject};
use udrv_tests::traffic::{BOUND, Traffic};
use udrv_tests::wait_until;

/// Sixty-four words by their wires are thousands of register accesses: more than a call that carries frames may use.
#[test]
fn an_eeprom_that_is_read_by_its_wires_on_a_slow_bus_takes_longer_than_a_call_and_the_device_starts() {
    let slow = Duration::from_micros(10);
    let config = Config { variant: Variant::I82544Gc, read_cost: slow, ..E1000::config() };
    let options = Options { deadline: Duration::from_millis(2), ..quick() };
    let rig = Rig::<E1000>::start(options, config, |_| {}).expect("starts");
    rig.stop().0.expect("stops");
}

/// A device turned by hand, and numbered frames through it.
struct Streams {
    hand: Hand<E1000>,
    down: Judge,
    up: Judge,
    sent_down: u64,
    sent_up: u64,
    buffer: Vec<u8>,
}

impl Streams {
    fn new() -> Streams {
        Streams {
            hand: Hand::new(quick(), E1000::config()),
            down: Judge::new(Way::Down),
            up: Judge::new(Way::Up),
            sent_down: 0,
            sent_up: 0,
            buffer: vec![0; 2048],
        }
    }

    fn send(&mut self, count: u64) {
        for _ in 0..count {
            assert!(self.hand.around.host.try_send(&Way::Down.frame(self.sent_down)));
            self.hand.around.station.inject(&Way::Up.frame(self.sent_up));
            (self.sent_down, self.sent_up) = (self.sent_down + 1, self.sent_up + 1);
        }
    }

    /// Turns until the device has nothing to do, and judges what has arrived.
    fn settle(&mut self) {
        self.hand.settle().expect("it goes on");
        for frame in self.hand.around.station.drain() {
            assert!(frame.fcs_ok);
            self.down.take(&frame.data).expect("down");
        }
        while let Some(length) = self.hand.around.host.try_receive(&mut self.buffer) {
            self.up.take(&self.buffer[..length]).expect("up");
        }
    }

    /// All that was sent has arrived, once and in order.
    fn expect_all(&mut self, what: &str) {
        self.settle();
        let arrived = (self.down.next(), self.up.next());
        assert_eq!(arrived, (self.sent_down, self.sent_up), "{what}");
        assert_eq!((self.down.missing, self.up.missing), (0, 0), "{what}");
    }

    fn inject(&mut self, entry: Entry, fault: InjectedFault, point: Point) {
        let injection = Injection { fault, point };
        self.hand.device.handle(Command::Inject { entry, injection, times: 1 }).expect("armed");
    }

    /// Has the device call `entry`; traffic calls the three that it calls.
    fn call(&mut self, entry: Entry) {
        if !matches!(entry, Entry::Transmit | Entry::Interrupt | Entry::Poll) {
            let answer = self.hand.device.handle(Command::Call(entry)).expect("it goes on");
            assert!(matches!(answer, Answer::Done), "{entry}: {answer:?}");
        }
    }

    fn last_fault(&mut self) -> udrv::report::FaultReport {
        match self.hand.device.handle(Command::Faults(0)) {
            Ok(Answer::Faults(mut faults)) => faults.pop().expect("a report"),
            other => panic!("{other:?}"),
        }
    }
}

/// Frames that wait in the rings while a call is made again, or the chip is set right, are not lost: what has changed no
/// ring is restored without a reset.
#[test]
fn frames_in_the_rings_survive_a_fault_that_has_moved_none() {
    for entry in [Entry::Transmit, Entry::Interrupt, Entry::Poll, Entry::SetMac, Entry::SetRxMode, Entry::Link] {
        for point in Point::ALL {
            let mut streams = Streams::new();
            for round in 0..20 {
                let what = format!("{entry} at {point}, round {round}");
                streams.inject(entry, InjectedFault::NullWrite, point);
                streams.send(30);
                streams.call(entry);
                streams.expect_all(&what);
                let report = streams.last_fault();
                assert_eq!((report.number, report.frames_lost), (round + 1, 0), "{what}");
            }
            let resets = streams.hand.around.bench.counters().resets;
            assert_eq!(resets, 2, "those of probe and open: {entry} at {point}");
        }
    }
}

/// A reset drops what is in the receive ring; nothing else is lost, and nothing comes twice.
#[test]
fn a_campaign_repeats_nothing() {
    let mut streams = Streams::new();
    let mut dice = Rng::new(0xe1000);
    let rounds = if is_emulated() { 100 } else { 2000 };
    for _ in 0..rounds {
        let mut pick = |n: usize| dice.below(n as u64) as usize;
        let (entry, point) = (Entry::ALL[pick(Entry::ALL.len())], Point::ALL[pick(3)]);
        let fault = [InjectedFault::NullWrite, InjectedFault::Panic, InjectedFault::DivideByZero][pick(3)];
        let (frames, settles) = (pick(20) as u64, pick(4) != 0);
        streams.inject(entry, fault, point);
        streams.send(frames);
        streams.call(entry);
        if settles {
            streams.settle();
        }
    }
    streams.settle();
    assert!(streams.up.missing * 2 < streams.sent_up, "{} of {}", streams.up.missing, streams.sent_up);
    assert!(streams.down.missing * 10 < streams.sent_down, "{} of {}", streams.down.missing, streams.sent_down);
    // all that is sent from here on arrives
    let Answer::Done = streams
        .hand
        .device
        .handle(Command::Inject {
            entry: Entry::Probe,
            injection: Injection { fault: InjectedFault::Panic, point: Point::Start },
            times: 0,
        })
        .expect("disarmed")
    else {
        panic!("it refuses")
    };
    (streams.sent_up, streams.sent_down) = (streams.up.next(), streams.down.next());
    (streams.up.missing, streams.down.missing) = (0, 0);
    streams.send(30);
    streams.expect_all("after it");
}

/// From the fault to the next frame; the best of many, for the machine has others to serve.
#[test]
fn it_is_back_within_microseconds() {
    for entry in [Entry::Transmit, Entry::Poll, Entry::Interrupt, Entry::SetMac, Entry::SetRxMode, Entry::Restore] {
        let mut streams = Streams::new();
        let (mut best, mut writes) = (u64::MAX, 0);
        for round in 0..50 {
            streams.send(3);
            streams.expect_all("before");
            streams.inject(entry, InjectedFault::NullWrite, Point::End);
            streams.call(entry);
            streams.send(1);
            streams.expect_all(&format!("{entry}, round {round}"));
            let report = streams.last_fault();
            assert!(report.rung <= Rung::Restore, "{entry}");
            best = best.min(report.to_next_frame.expect("a frame went through"));
            writes = report.writes;
        }
        println!("{entry}: {best} ns, {writes} register writes");
        // 30 us in earnest; a debug build takes some ten times that
        assert!(is_emulated() || best < 500_000, "{entry}: {best} ns");
    }
}

#[test]
fn an_eeprom_that_does_not_add_up_needs_an_address_from_the_administrator() {
    let lies = |m: &mut udrv_tests::subject::Misbehave<E1000>| m.eeprom_checksum = true;
    let error = Rig::<E1000>::start(quick(), E1000::config(), lies).err().expect("no address").to_string();
    assert!(error.contains("address") && !error.contains('\n'), "{error}");
    let options = Options { mac: Some(MacAddress(CARD)), ..quick() };
    let rig = Rig::<E1000>::start(options, E1000::config(), lies).expect("it has one now");
    Traffic::new().flows(&rig, "with the administrator's address");
    rig.stop().0.expect("stops");
}

#[test]
fn a_reset_that_hangs_at_the_start_is_a_timeout() {
    let begin = Instant::now();
    let error = Rig::<E1000>::start(quick(), E1000::config(), |m| m.reset_hangs = true).err().expect("no device");
    assert!(error.to_string().contains("probe failed") && error.to_string().contains("0x0"), "{error}");
    assert!(begin.elapsed() < BOUND);
}

#[test]
fn a_phy_that_does_not_answer_is_a_timeout() {
    let error = Rig::<E1000>::start(quick(), E1000::config(), |m| m.mdic_hangs = true).err().expect("no device");
    assert!(error.to_string().contains("0x20"), "{error}");
}

/// Whatever the chip does wrong for a while: it ends with one line of its own, or flows again by itself.
fn survives(what: &str, wrong: Switches) {
    let rig = Rig::<E1000>::new();
    let mut traffic = Traffic::new();
    traffic.flows(&rig, "before");
    rig.around.bench.misbehave(|m| **m = wrong.clone());
    for _ in 0..100 {
        traffic.send(&rig, 1);
        let _ = rig.status();
        // a frame of a length that the chip made up is no frame of ours
        let _ = rig.around.station.drain();
        while rig.around.host.try_receive(&mut traffic.buffer).is_some() {}
    }
    rig.around.bench.misbehave(|m| **m = Switches::default());
    wait_until(&format!("{what}: what was under way is through"), || {
        let before = rig.status().traffic;
        while rig.around.host.try_receive(&mut traffic.buffer).is_some() {}
        let _ = rig.around.station.drain();
        rig.status().traffic == before
    });
    let mut fresh = Traffic { sent: traffic.sent, ..Traffic::new() };
    fresh.flows(&rig, &format!("after {what}"));
    rig.stop().0.unwrap_or_else(|error| panic!("{what}: {error}"));
}

#[test]
fn results_that_cannot_be_are_no_frames_and_the_receiver_goes_on() {
    for (status, length, errors) in [
        (None, Some(0), None),
        (None, Some(63), None),
        (None, Some(1523), None),
        (None, Some(0xffff), None),
        (None, None, Some(0xff)),
        (Some(0x01), None, None),
        (Some(0xff), Some(0xffff), Some(0xff)),
    ] {
        let wrong = BadWriteback { status, length, errors };
        survives(&format!("{wrong:?}"), Switches { rx_writeback: Some(wrong), ..Switches::default() });
    }
}

#[test]
fn sending_that_is_never_done_or_never_told() {
    survives("tx_never_done", Switches { tx_never_done: true, ..Switches::default() });
    survives("tx_silent", Switches { tx_silent: true, ..Switches::default() });
}

#[test]
fn heads_that_jump() {
    for jump in [1, 63, 64, 255, 0x8000, 0xffff] {
        survives(&format!("a jump of {jump}"), Switches { heads_jump: Some(jump), ..Switches::default() });
        // `restore` is who looks at them
        let mut streams = Streams::new();
        streams.send(5);
        streams.expect_all("before");
        streams.hand.around.bench.misbehave(|m| m.heads_jump = Some(jump));
        streams.call(Entry::Restore);
        streams.send(5);
        streams.expect_all(&format!("restored with a jump of {jump}"));
    }
}

#[test]
fn causes_that_do_not_go_and_a_link_that_comes_and_goes() {
    for bits in [0x80, 0x01, 0x04, 0x10, 0x40, 0x1dd, 0xffff] {
        survives(&format!("a storm of {bits:#x}"), Switches { icr_stuck: bits, ..Switches::default() });
    }
    for every in [1, 2, 7] {
        survives("a link that flaps", Switches { link_flaps: every, ..Switches::default() });
    }
}
