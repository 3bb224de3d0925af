//! Every entry point, every fault, every point: each fires, is recovered from, and costs no frame where nothing but
//! memory and registers had to be put back. Then thousands of them under two numbered streams.

use std::time::{Duration, Instant};

use model_wire::Rng;
use udrv::report::{FaultReport, Rung};
use udrv_driver::{Entry, InjectedFault, Point};
use udrv_tests::frames::{Judge, Way};
use udrv_tests::rig::{Rig, is_emulated};
use udrv_tests::subject::{Rtl8139, Subject};
use udrv_tests::{PATIENCE, every_subject, wait_until};

every_subject! {
    probe,
    open,
    stop,
    transmit,
    interrupt,
    poll,
    link,
    set_mac,
    set_rx_mode,
    configure,
    get_ringparam,
    get_stats,
    tx_timeout,
    quiesce,
    restore,
    a_device_stops_though_its_last_entry_points_fault,
    faults_in_a_row_do_not_end_the_device,
    a_driver_that_always_faults_is_given_up,
    thousands_of_faults_under_two_streams_cost_no_frame,
    faults_that_need_a_restore_lose_only_what_was_in_flight,
}

/// Kind of the report for each fault.
fn kinds(fault: InjectedFault) -> &'static [&'static str] {
    match fault {
        InjectedFault::NullWrite => &["null-access"],
        InjectedFault::WildWrite => &["wild-access"],
        InjectedFault::DivideByZero => &["arithmetic"],
        InjectedFault::StackOverflow => &["stack-overflow"],
        InjectedFault::EndlessLoop => &["hang"],
        InjectedFault::Panic => &["panic"],
    }
}

/// Two streams of numbered frames through a device.
struct Streams {
    down: Judge,
    up: Judge,
    sent_down: u64,
    sent_up: u64,
    buffer: Vec<u8>,
}

impl Streams {
    fn new() -> Streams {
        Streams {
            down: Judge::new(Way::Down),
            up: Judge::new(Way::Up),
            sent_down: 0,
            sent_up: 0,
            buffer: vec![0; 2048],
        }
    }

    fn send_down<S: Subject>(&mut self, rig: &Rig<S>) {
        rig.around.host.send(&Way::Down.frame(self.sent_down));
        self.sent_down += 1;
    }

    fn send_up<S: Subject>(&mut self, rig: &Rig<S>) {
        rig.around.station.inject(&Way::Up.frame(self.sent_up));
        self.sent_up += 1;
    }

    /// Takes what has arrived so far.
    fn take<S: Subject>(&mut self, rig: &Rig<S>) {
        for frame in rig.around.station.drain() {
            assert!(frame.fcs_ok);
            self.down.take(&frame.data).expect("down");
        }
        while let Some(length) = rig.around.host.try_receive(&mut self.buffer) {
            self.up.take(&self.buffer[..length]).expect("up");
        }
    }

    /// All that was sent has arrived, once and in order.
    fn expect_all<S: Subject>(&mut self, rig: &Rig<S>, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while (self.down.next(), self.up.next()) != (self.sent_down, self.sent_up) {
            self.take(rig);
            assert!(
                Instant::now() < deadline,
                "{what}: {} of {} down, {} of {} up, {:#?}, {:#?}",
                self.down.next(),
                self.sent_down,
                self.up.next(),
                self.sent_up,
                rig.status(),
                rig.faults(0).last()
            );
            std::thread::yield_now();
        }
        assert_eq!((self.down.missing, self.up.missing), (0, 0), "{what}");
    }
}

/// Makes the device call `entry`.
fn drive<S: Subject>(rig: &Rig<S>, streams: &mut Streams, entry: Entry) {
    match entry {
        Entry::Transmit => streams.send_down(rig),
        Entry::Interrupt | Entry::Poll => streams.send_up(rig),
        other => rig.call(other).expect("the call is made again and works"),
    }
}

fn expect_report(report: &FaultReport, entry: Entry, fault: InjectedFault, point: Point) {
    let what = format!("{entry} {fault} at {point}: {report:#?}");
    assert_eq!(report.entry, entry.name(), "{what}");
    assert_eq!(report.injected, Some((fault.name().to_owned(), point.name().to_owned())), "{what}");
    assert!(kinds(fault).contains(&report.kind.as_str()), "{what}");
    assert!(report.recovered && report.rung <= Rung::Restore, "{what}");
    assert_eq!(report.frames_lost, 0, "nothing was under way: {what}");
    assert!(report.to_error > 0, "{what}");
    let reads_nothing = report.rung == Rung::Abort && !matches!(entry, Entry::Probe | Entry::Quiesce);
    assert!(!reads_nothing || report.reads == 0, "a rollback reads nothing from the device: {what}");
}

/// One entry point, all faults at all points, one after the other on one device.
fn every_fault_in<S: Subject>(entry: Entry) {
    let rig = Rig::<S>::new();
    let mut streams = Streams::new();
    let mut number = 0;
    for fault in InjectedFault::ALL {
        for point in Point::ALL {
            let what = format!("{entry} {fault} at {point}");
            for _ in 0..6 {
                streams.send_down(&rig);
                streams.send_up(&rig);
            }
            streams.expect_all(&rig, &what);
            let before = rig.around.spy.setup();
            rig.inject(entry, fault, point, 1);
            drive(&rig, &mut streams, entry);
            wait_until(&format!("{what} is reported"), || rig.status().faults > number);
            let reports = rig.faults(number);
            assert_eq!(reports.len(), 1, "{what}: {reports:#?}");
            number = reports[0].number;
            expect_report(&reports[0], entry, fault, point);
            for _ in 0..6 {
                streams.send_down(&rig);
                streams.send_up(&rig);
            }
            streams.expect_all(&rig, &what);
            assert_eq!(rig.around.spy.setup(), before, "{what}: the chip is set up as before");
            let report = rig.faults(number - 1).remove(0);
            assert!(report.to_next_frame.is_some_and(|t| t >= report.to_error), "{what}: {report:#?}");
            let status = rig.status();
            assert!(status.canary_intact, "{what}");
            assert_eq!((status.net().traffic.tx_lost, status.net().traffic.tx_dropped), (0, 0), "{what}");
        }
    }
    rig.stop().0.expect("it stops as if nothing had been");
}

macro_rules! every_fault_in {
    ($($name:ident: $entry:ident;)*) => {$(
        fn $name<S: Subject>() {
            every_fault_in::<S>(Entry::$entry);
        }
    )*};
}

every_fault_in! {
    probe: Probe;
    open: Open;
    stop: Stop;
    transmit: Transmit;
    interrupt: Interrupt;
    poll: Poll;
    link: Link;
    set_mac: SetMac;
    set_rx_mode: SetRxMode;
    configure: Configure;
    get_ringparam: GetRingparam;
    get_stats: GetStats;
    tx_timeout: TxTimeout;
    quiesce: Quiesce;
    restore: Restore;
}

#[test]
fn no_entry_point_is_left_out() {
    assert_eq!(Entry::NET.len(), 15, "a new entry point needs its line above");
}

/// The way out is through two entry points that may fault as well.
fn a_device_stops_though_its_last_entry_points_fault<S: Subject>() {
    for entry in [Entry::Stop, Entry::Quiesce] {
        for point in Point::ALL {
            let rig = Rig::<S>::new();
            rig.inject(entry, InjectedFault::NullWrite, point, 1);
            let (result, around) = rig.stop();
            result.expect("it stops");
            around.spy.expect_quiet(&format!("{entry} {point}"));
        }
    }
}

/// The RTL8139's `interrupt` returns early when there is no cause, as `transmit` does when there is no room.
#[test]
fn a_fault_whose_place_is_not_reached_stays_armed() {
    let rig = Rig::<Rtl8139>::new();
    rig.inject(Entry::Interrupt, InjectedFault::NullWrite, Point::Middle, 1);
    rig.call(Entry::Interrupt).expect("nobody has called");
    assert_eq!(rig.status().faults, 0);
    let mut streams = Streams::new();
    streams.send_up(&rig);
    streams.expect_all(&rig, "a frame");
    assert_eq!(rig.status().faults, 1, "once, and at its place");
}

/// A fault that comes again when the call is made again, some times in a row: the device goes on, whatever it is.
fn faults_in_a_row_do_not_end_the_device<S: Subject>() {
    for entry in Entry::NET {
        for point in [Point::Middle, Point::End] {
            let rig = Rig::<S>::new();
            let mut streams = Streams::new();
            rig.inject(entry, InjectedFault::NullWrite, point, 3);
            match entry {
                Entry::Transmit => {
                    // two attempts a frame: the first frame is lost and said to be, the second gets through
                    streams.send_down(&rig);
                    streams.send_down(&rig);
                }
                Entry::Interrupt | Entry::Poll => streams.send_up(&rig),
                _ => {
                    // it may be refused
                    let _ = rig.call(entry);
                    let _ = rig.call(entry);
                }
            }
            wait_until(&format!("{entry} has faulted three times at {point}"), || rig.status().faults >= 3);
            if entry == Entry::Transmit {
                wait_until("the frame that did get through", || {
                    streams.take(&rig);
                    streams.down.next() == streams.sent_down
                });
                assert_eq!((streams.down.missing, rig.status().net().traffic.tx_dropped), (1, 1));
                let lost: u64 = rig.faults(0).iter().map(|r| r.frames_lost).sum();
                assert_eq!(lost, 1, "the loss is in the reports");
                streams.down.missing = 0;
            }
            for _ in 0..6 {
                streams.send_down(&rig);
                streams.send_up(&rig);
            }
            streams.expect_all(&rig, &format!("after {entry} faulted three times at {point}"));
            rig.stop().0.expect("stops");
        }
    }
}

/// Endless faults are not endless: the device is given up, and says why.
fn a_driver_that_always_faults_is_given_up<S: Subject>() {
    for entry in [Entry::Interrupt, Entry::Poll] {
        let rig = Rig::<S>::new();
        rig.inject(entry, InjectedFault::DivideByZero, Point::Start, u32::MAX);
        rig.around.station.inject(&Way::Up.frame(0));
        wait_until("it gives up", || rig.has_ended());
        let (result, around) = rig.stop();
        let message = result.expect_err("an error of its own").to_string();
        assert!(message.contains("given up") && message.contains("arithmetic"), "{message}");
        assert_eq!(around.spy.command() & udrv_tests::spy::BUS_MASTER, 0, "and the chip is quiet");
    }
}

/// Keeps the streams going while `step` is called, with at most `WINDOW` frames under way in each direction.
fn streams_under<S: Subject>(rig: &Rig<S>, faults: u64, mut step: impl FnMut(u64)) -> Streams {
    /// Frames of 1514 bytes that the receive ring holds are 21.
    const WINDOW: u64 = 16;
    let mut streams = Streams::new();
    let mut done = 0;
    let mut deadline = Instant::now() + PATIENCE;
    while done < faults {
        for _ in 0..4 {
            if streams.sent_down < streams.down.next() + WINDOW {
                streams.send_down(rig);
            }
            if streams.sent_up < streams.up.next() + WINDOW {
                streams.send_up(rig);
            }
        }
        streams.take(rig);
        let count = rig.status().faults;
        if count >= done {
            step(done);
            done += 1;
            deadline = Instant::now() + PATIENCE;
        }
        assert!(Instant::now() < deadline, "stuck after {done} faults");
    }
    wait_until("the last fault", || {
        streams.send_down(rig);
        streams.send_up(rig);
        streams.take(rig);
        rig.status().faults >= faults
    });
    streams
}

/// Faults that nobody has ordered. The device keeps only the last reports: these are looked through as they come.
#[derive(Default)]
struct Strays {
    /// Reports that were looked at.
    seen: u64,
    found: Vec<String>,
}

impl Strays {
    /// Looks at what is new, every some faults.
    fn look<S: Subject>(&mut self, rig: &Rig<S>, faults: u64) {
        /// Fewer than are kept.
        const EVERY: u64 = 50;
        if faults < self.seen + EVERY {
            return;
        }
        self.look_now(rig);
    }

    fn look_now<S: Subject>(&mut self, rig: &Rig<S>) {
        for report in rig.faults(self.seen) {
            self.seen = report.number;
            if report.injected.is_none() {
                self.found.push(report.to_string());
            }
        }
    }

    /// There were as many faults as were ordered.
    fn expect_none<S: Subject>(mut self, rig: &Rig<S>, ordered: u64) {
        self.look_now(rig);
        assert_eq!(rig.status().faults, ordered, "not ordered: {}", self.found.join("\n"));
    }
}

fn thousands_of_faults_under_two_streams_cost_no_frame<S: Subject>() {
    const ENTRIES: [Entry; 3] = [Entry::Transmit, Entry::Interrupt, Entry::Poll];
    let count = if is_emulated() { 300 } else { 2000 };
    let rig = Rig::<S>::new();
    let mut dice = Rng::new(0x0dd5);
    let mut throw = |n: usize| dice.below(n as u64) as usize;
    let mut strays = Strays::default();
    let mut streams = streams_under(&rig, count, |done| {
        strays.look(&rig, done);
        let (fault, point) = (InjectedFault::ALL[throw(6)], Point::ALL[throw(3)]);
        rig.inject(ENTRIES[throw(3)], fault, point, 1);
    });
    streams.expect_all(&rig, "after the storm");
    let status = rig.status();
    strays.expect_none(&rig, count);
    assert!(status.canary_intact);
    let t = status.net().traffic;
    assert_eq!((t.tx_lost, t.tx_dropped, t.rx_dropped, status.restores), (0, 0, 0, 0), "{t:?}");
    let kept = rig.faults(0);
    assert!(kept.len() > 100 && kept.iter().all(|r| r.recovered && r.rung == Rung::Abort && r.frames_lost == 0));
    rig.stop().0.expect("stops");
}

/// The same with entry points whose faults need the chip to be set up anew: frames in flight are lost then, and counted,
/// and none is repeated, damaged or out of order.
fn faults_that_need_a_restore_lose_only_what_was_in_flight<S: Subject>() {
    let count = if is_emulated() { 100 } else { 300 };
    const ENTRIES: [Entry; 4] = [Entry::SetMac, Entry::SetRxMode, Entry::TxTimeout, Entry::Restore];
    let rig = Rig::<S>::new();
    let mut streams = Streams::new();
    let mut dice = Rng::new(0x0dd6);
    let mut throw = |n: usize| dice.below(n as u64) as usize;
    let mut strays = Strays::default();
    for done in 0..count {
        strays.look(&rig, done);
        for _ in 0..8 {
            streams.send_down(&rig);
            streams.send_up(&rig);
        }
        let entry = ENTRIES[throw(4)];
        rig.inject(entry, InjectedFault::ALL[throw(6)], Point::ALL[throw(3)], 1);
        rig.call(entry).expect("works the second time");
        streams.take(&rig);
    }
    strays.expect_none(&rig, count);
    // the last of each direction: what was sent before has arrived or is lost
    let quiet = Duration::from_millis(20);
    wait_until("both directions flow", || {
        let (down, up) = (streams.sent_down, streams.sent_up);
        streams.send_down(&rig);
        streams.send_up(&rig);
        let end = Instant::now() + quiet;
        while Instant::now() < end && (streams.down.next(), streams.up.next()) != (down + 1, up + 1) {
            streams.take(&rig);
        }
        (streams.down.next(), streams.up.next()) == (down + 1, up + 1)
    });
    let t = rig.status().net().traffic;
    // the chip may have sent a frame and not been asked about it before it was reset: then it counts as lost and is not
    let missing = streams.down.missing;
    assert!(
        missing <= t.tx_lost + t.tx_dropped,
        "of {missing} that are missing on the wire some were not counted: {t:?}"
    );
    assert!(rig.status().canary_intact);
    rig.stop().0.expect("stops");
}
