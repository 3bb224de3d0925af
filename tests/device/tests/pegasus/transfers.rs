//! What protection and recovery cost in control transfers, each of which is a millisecond on the bus: counted by the adapter.

use model_pegasus::Counters;
use udrv::report::{FaultReport, Rung};
use udrv::run::{Answer, Command, Options};
use udrv::supervisor::policy::Protect;
use udrv_driver::{Entry, InjectedFault, Point};
use udrv_tests::rig::quick;
use udrv_tests::usb_rig::{UsbHand, config};

/// What `step` costs, from the adapter and to it.
fn cost(hand: &mut UsbHand, step: impl FnOnce(&mut UsbHand)) -> (u64, u64) {
    let before = hand.around.controls();
    step(hand);
    let after = hand.around.controls();
    (after.0 - before.0, after.1 - before.1)
}

fn last_fault(hand: &mut UsbHand) -> FaultReport {
    match hand.ask(Command::Faults(0)) {
        Answer::Faults(mut faults) => faults.pop().expect("a report"),
        other => panic!("{other:?}"),
    }
}

/// A device that is open and has nothing to do.
fn settled(options: Options) -> UsbHand {
    let mut hand = UsbHand::new(options, config());
    hand.send(4);
    hand.expect_all("before");
    hand
}

/// Frames both ways, or a call by command.
fn drive(hand: &mut UsbHand, entry: Entry) {
    if matches!(entry, Entry::Transmit | Entry::Interrupt | Entry::Poll) {
        hand.send(3);
        hand.expect_all("traffic");
    } else {
        hand.call(entry);
    }
}

#[test]
fn recovery_of_a_call_that_wrote_no_register_needs_no_control_transfer() {
    let mut hand = settled(quick());
    for entry in [Entry::Transmit, Entry::Interrupt, Entry::Poll, Entry::GetStats, Entry::GetRingparam] {
        assert_eq!(cost(&mut hand, |hand| drive(hand, entry)), (0, 0), "{entry} without a fault");
        for fault in InjectedFault::ALL {
            for point in Point::ALL {
                let faults = hand.status().faults;
                hand.inject(entry, fault, point);
                assert_eq!(cost(&mut hand, |hand| drive(hand, entry)), (0, 0), "{entry} {fault} at {point}");
                let report = last_fault(&mut hand);
                assert_eq!((report.number, report.entry.as_str()), (faults + 1, entry.name()), "it has fired");
                assert_eq!(report.rung, Rung::Abort, "{entry} {fault} at {point}");
            }
        }
    }
}

/// The first of several frames in one call has been handed to the controller's ring when the call faults.
#[test]
fn recovery_of_a_batch_needs_no_control_transfer_and_sends_no_frame_twice() {
    let mut hand = settled(quick());
    for point in Point::ALL {
        let before = hand.around.bench.counters();
        hand.inject(Entry::Transmit, InjectedFault::NullWrite, point);
        assert_eq!(cost(&mut hand, |hand| drive(hand, Entry::Transmit)), (0, 0), "{point}");
        let after = hand.around.bench.counters();
        assert_eq!(after.bulk_out - before.bulk_out, 3, "{point}: as many transfers as frames");
    }
}

#[test]
fn recovery_writes_each_changed_register_back_once_and_reads_nothing() {
    let mut hand = settled(quick());
    // writes that each call has made by its three points
    for (entry, writes) in [(Entry::SetRxMode, [0, 0, 2]), (Entry::SetMac, [0, 2, 2])] {
        let usual = cost(&mut hand, |hand| hand.call(entry));
        assert_eq!(usual, (0, writes[2]), "{entry} without a fault");
        for fault in InjectedFault::ALL {
            for (point, written) in Point::ALL.into_iter().zip(writes) {
                let before = hand.around.setup();
                hand.inject(entry, fault, point);
                let what = format!("{entry} {fault} at {point}");
                let cost = cost(&mut hand, |hand| hand.call(entry));
                assert_eq!(cost, (0, written + written + usual.1), "{what}: failed, written back, made again");
                let report = last_fault(&mut hand);
                assert_eq!((report.rung, report.reads, report.writes), (Rung::Abort, 0, written), "{what}");
                assert_eq!(hand.around.setup(), before, "{what}");
            }
        }
    }
    hand.send(4);
    hand.expect_all("after");
}

/// A call that has written a command has the chip restored: the registers from the state, and the rings go on.
#[test]
fn a_restore_of_rings_that_are_in_step_is_a_handful_of_transfers_and_loses_nothing() {
    let mut hand = settled(quick());
    let usual = cost(&mut hand, |hand| hand.call(Entry::Link));
    for point in [Point::Start, Point::Middle, Point::End] {
        hand.inject(Entry::Link, InjectedFault::NullWrite, point);
        let frames = hand.around.bench.counters().bulk_out;
        // what is under way then
        hand.send(4);
        let all = cost(&mut hand, |hand| hand.call(Entry::Link));
        let restore = match point {
            Point::Start => (0, 0),
            _ => {
                assert_eq!(last_fault(&mut hand).rung, Rung::Restore);
                // ETHID and ETHCTRL 0 to 2 are written; those with a shadow are read to verify it
                (4, 5)
            }
        };
        assert_eq!(all.1, 2 * usual.1 - if point == Point::Start { usual.1 } else { 0 } + restore.1, "{point}");
        let reads = if point == Point::Start { usual.0 } else { 2 * usual.0 } + restore.0;
        assert!(all.0 <= reads, "{point}: {} reads", all.0);
        hand.expect_all("nothing is lost");
        assert!(hand.around.bench.counters().bulk_out > frames);
    }
}

/// All that the adapter has seen of a device's life.
fn life(options: Options) -> Counters {
    let mut hand = settled(options);
    for _ in 0..20 {
        hand.send(5);
        hand.expect_all("traffic");
    }
    for entry in Entry::NET {
        hand.call(entry);
    }
    hand.send(5);
    hand.expect_all("traffic");
    let UsbHand { around, device, .. } = hand;
    device.shut_down().expect("it stops");
    around.bench.counters()
}

#[test]
fn a_checkpoint_makes_no_transfer() {
    let never = Options { protect: Protect::Never, ..quick() };
    let (protected, unprotected) = (life(quick()), life(never));
    assert_eq!(protected, unprotected);
    assert!(protected.control_writes > 0 && protected.bulk_in > 100 && protected.bulk_out > 100);
}
