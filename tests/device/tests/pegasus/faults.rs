//! Every entry point, every fault, every point, with frames behind and before: all are recovered from, no frame comes twice or
//! damaged, and what is lost is counted.

use model_pegasus::{Variant, regs};
use model_wire::Rng;
use udrv::report::{FaultReport, Rung};
use udrv::run::{Answer, Command};
use udrv_driver::{Entry, InjectedFault, Point};
use udrv_tests::rig::{is_emulated, quick};
use udrv_tests::usb_rig::{UsbHand, config, of};

fn faults(hand: &mut UsbHand, after: u64) -> Vec<FaultReport> {
    match hand.ask(Command::Faults(after)) {
        Answer::Faults(faults) => faults,
        other => panic!("{other:?}"),
    }
}

/// One entry point, all faults at all points, with nothing under way: nothing is lost.
fn every_fault_in(entry: Entry) {
    // the AN986 is woken in no time
    let mut hand = UsbHand::new(quick(), of(Variant::An986));
    let mut number = 0;
    for fault in InjectedFault::ALL {
        for point in Point::ALL {
            let what = format!("{entry} {fault} at {point}");
            hand.send(6);
            hand.expect_all(&what);
            let before = hand.around.setup();
            hand.inject(entry, fault, point);
            hand.call(entry);
            hand.send(6);
            hand.expect_all(&what);
            let reports = faults(&mut hand, number);
            assert_eq!(reports.len(), 1, "{what}: {reports:#?}");
            let report = &reports[0];
            number = report.number;
            assert_eq!(report.entry, entry.name(), "{what}");
            assert_eq!(report.injected, Some((fault.name().to_owned(), point.name().to_owned())), "{what}");
            assert!(report.recovered && report.rung <= Rung::Restore && report.frames_lost == 0, "{what}: {report:#?}");
            assert_eq!(hand.around.setup(), before, "{what}: the chip is set up as before");
            let status = hand.status();
            assert!(status.canary_intact, "{what}");
            assert_eq!((status.net().traffic.tx_lost, status.net().traffic.tx_dropped), (0, 0), "{what}");
            assert_eq!(hand.device.free_buffers(), 64, "{what}: no buffer leaks");
        }
    }
    hand.device.shut_down().expect("it stops as if nothing had been");
}

macro_rules! every_fault_in {
    ($($name:ident: $entry:ident;)*) => {$(
        #[test]
        fn $name() {
            every_fault_in(Entry::$entry);
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
    get_ringparam: GetRingparam;
    get_stats: GetStats;
    tx_timeout: TxTimeout;
    quiesce: Quiesce;
    restore: Restore;
}

/// The pause timer is in none of the driver's registers. Whoever has set it finds it as it was, as behind a call that did not fail:
/// only `probe` and `tx_timeout` are resets.
#[test]
fn what_others_have_set_outlives_recovery() {
    const SET: u8 = 0x55;
    let mut hand = UsbHand::new(quick(), of(Variant::An986));
    hand.around.bench.set_register(regs::PAUSE, SET);
    let resets = [Entry::Probe, Entry::TxTimeout, Entry::Configure];
    for entry in Entry::NET.into_iter().filter(|entry| !resets.contains(entry)) {
        for point in Point::ALL {
            let what = format!("{entry} at {point}");
            hand.inject(entry, InjectedFault::NullWrite, point);
            hand.call(entry);
            hand.send(6);
            hand.expect_all(&what);
            assert_eq!(hand.around.bench.register(regs::PAUSE), SET, "{what}");
        }
    }
    assert_eq!(faults(&mut hand, 0).len(), 12 * Point::ALL.len());
    hand.device.shut_down().expect("stops");
}

/// `configure` is not called on a chip that can be set to nothing.
#[test]
fn no_entry_point_is_left_out() {
    assert_eq!(Entry::NET.len(), 15, "a new entry point needs its line above");
}

#[test]
fn thousands_of_faults_in_traffic_cost_no_frame() {
    const ENTRIES: [Entry; 5] = [Entry::Transmit, Entry::Interrupt, Entry::Poll, Entry::SetMac, Entry::SetRxMode];
    let count = if is_emulated() { 300 } else { 2000 };
    let mut hand = UsbHand::new(quick(), config());
    let mut dice = Rng::new(0x0dd5);
    let mut throw = |n: usize| dice.below(n as u64) as usize;
    for done in 0..count {
        let (entry, fault, point) = (ENTRIES[throw(5)], InjectedFault::ALL[throw(6)], Point::ALL[throw(3)]);
        hand.inject(entry, fault, point);
        hand.send(1 + throw(8) as u64);
        hand.call(entry);
        hand.expect_all(&format!("fault {done}: {entry} {fault} at {point}"));
    }
    let status = hand.status();
    assert_eq!((status.faults, status.restarts), (count, 0));
    let t = status.net().traffic;
    assert_eq!((t.tx_lost, t.tx_dropped, t.rx_dropped, status.restores), (0, 0, 0, 0), "{t:?}");
    assert!(status.canary_intact);
}

/// Entry points that begin from nothing lose what is in flight, and say so.
#[test]
fn faults_that_need_a_restore_lose_only_what_was_in_flight() {
    const ENTRIES: [Entry; 6] =
        [Entry::Link, Entry::TxTimeout, Entry::Restore, Entry::Open, Entry::Quiesce, Entry::Probe];
    let count = if is_emulated() { 60 } else { 200 };
    let mut hand = UsbHand::new(quick(), of(Variant::An986));
    let mut dice = Rng::new(0x0dd6);
    let mut throw = |n: usize| dice.below(n as u64) as usize;
    for done in 0..count {
        // some of it has been through, some is in the rings, some waits
        hand.send(4);
        hand.device.pump_endpoint().expect("it goes on");
        hand.send(4);
        let (entry, fault, point) = (ENTRIES[throw(6)], InjectedFault::ALL[throw(6)], Point::ALL[throw(3)]);
        hand.inject(entry, fault, point);
        hand.call(entry);
        hand.settle();
        let missing = (hand.down.missing, hand.up.missing);
        hand.send(1);
        hand.settle();
        assert_eq!(
            (hand.down.next(), hand.up.next()),
            (hand.sent, hand.sent),
            "fault {done}: {entry} {fault} at {point}"
        );
        assert!(hand.up.missing - missing.1 <= 16 + 8, "fault {done}");
    }
    let status = hand.status();
    assert_eq!(status.faults, count);
    let t = status.net().traffic;
    assert!(hand.down.missing <= t.tx_lost + t.tx_dropped, "{} are missing on the wire: {t:?}", hand.down.missing);
    hand.device.shut_down().expect("it stops");
}
