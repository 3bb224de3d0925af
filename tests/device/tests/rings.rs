//! What is in the rings of a chip that need not be reset when a call faults, and how long it takes until the next frame.
//! For the drivers whose `restore` can do without a reset.

use model_wire::Rng;
use udrv::report::Rung;
use udrv::run::{Answer, Command};
use udrv_driver::{Entry, InjectedFault, Injection, Point};
use udrv_tests::one_subject;
use udrv_tests::rig::is_emulated;
use udrv_tests::streams::Streams;
use udrv_tests::subject::Subject;

one_subject!(e1000: E1000;
    frames_in_the_rings_survive_a_fault_that_has_moved_none,
    a_campaign_repeats_nothing,
    it_is_back_within_microseconds
);
one_subject!(r8169: R8169;
    frames_in_the_rings_survive_a_fault_that_has_moved_none,
    a_campaign_repeats_nothing,
    it_is_back_within_microseconds
);

/// Frames that wait in the rings while a call is made again, or the chip is set right, are not lost: what has changed no
/// ring is restored without a reset.
fn frames_in_the_rings_survive_a_fault_that_has_moved_none<S: Subject>() {
    for entry in [Entry::Transmit, Entry::Interrupt, Entry::Poll, Entry::SetMac, Entry::SetRxMode, Entry::Link] {
        for point in Point::ALL {
            let mut streams = Streams::<S>::new();
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
fn a_campaign_repeats_nothing<S: Subject>() {
    let mut streams = Streams::<S>::new();
    let mut dice = Rng::new(0xe1000);
    let rounds = if is_emulated() { 100 } else { 2000 };
    for _ in 0..rounds {
        let mut pick = |n: usize| dice.below(n as u64) as usize;
        let (entry, point) = (Entry::NET[pick(Entry::NET.len())], Point::ALL[pick(3)]);
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
fn it_is_back_within_microseconds<S: Subject>() {
    for entry in [Entry::Transmit, Entry::Poll, Entry::Interrupt, Entry::SetMac, Entry::SetRxMode, Entry::Restore] {
        let mut streams = Streams::<S>::new();
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
