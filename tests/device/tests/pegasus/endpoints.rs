//! An adapter whose endpoints halt, hang, babble, storm or lie: frames go on, or the device ends with one clear line, within bounds.

use std::time::{Duration, Instant};

use model_pegasus::{BULK_IN, BULK_OUT, BadTrailer, INTERRUPT, Misbehave};
use udrv::run::Command;
use udrv_driver::Entry;
use udrv_tests::frames::Way;
use udrv_tests::traffic::{BOUND, Ends, Traffic};
use udrv_tests::usb_rig::UsbRig;
use udrv_tests::wait_until;

use crate::bench::{ends, in_traffic, recovers, start, told};

#[test]
fn an_endpoint_that_halts_once_goes_on() {
    for endpoint in [BULK_IN, BULK_OUT, INTERRUPT] {
        let (rig, mut traffic) = in_traffic(|_| {});
        for round in 0..3 {
            rig.around.bench.halt(endpoint);
            wait_until("it is noticed", || {
                traffic.send(&rig, 1);
                traffic.take(&rig);
                rig.status().restores > round
            });
            traffic.flows(&rig, &format!("{endpoint:#x} was halted, {round}"));
        }
        assert_eq!(rig.status().restarts, 0, "{endpoint:#x}");
        recovers(rig, traffic.sent, &format!("{endpoint:#x}"));
    }
}

/// Without one of the two there is no network. It is tried for a while.
#[test]
fn an_endpoint_that_always_halts_ends_the_device() {
    for endpoint in [BULK_IN, BULK_OUT] {
        let (rig, mut traffic) = in_traffic(|m| m.halts = vec![endpoint]);
        let begin = Instant::now();
        while !rig.has_ended() {
            assert!(begin.elapsed() < 2 * BOUND, "{endpoint:#x}: {}", told(&rig));
            let way = if endpoint == BULK_IN { Way::Up } else { Way::Down };
            // frames that way alone: those the other way would say that it works
            match way {
                Way::Up => rig.station().inject(&way.frame(traffic.sent)),
                Way::Down => drop(rig.host().try_send(&way.frame(traffic.sent))),
            }
            traffic.sent += 1;
            let _ = rig.ask(Command::Faults(u64::MAX));
        }
        ends(rig, &["given up", "does not help"]);
    }
}

#[test]
fn an_interrupt_endpoint_that_always_halts_costs_its_news_and_no_frame() {
    let (rig, mut traffic) = in_traffic(|m| m.halts = vec![INTERRUPT]);
    let begin = Instant::now();
    traffic.flows(&rig, "without news");
    traffic.endure(&rig, Duration::from_millis(500), true);
    rig.around.wire.set_link(false);
    wait_until("the link is asked for by the clock", || !rig.host().carrier());
    rig.around.wire.set_link(true);
    wait_until("and comes", || rig.host().carrier());
    // pauses between restores double
    let restores = rig.status().restores;
    let most = 6 + 2 * u64::from(begin.elapsed().as_millis().max(1).ilog2());
    assert!((1..=most).contains(&restores), "{restores} restores in {:?}", begin.elapsed());
    recovers(rig, traffic.sent, "endpoint 3 halts");
}

#[test]
fn babble_and_failures_of_the_bus_are_borne() {
    for some in [1, 2, 5, 40] {
        let (rig, mut traffic) = in_traffic(|m| m.babbles = some);
        traffic.flows(&rig, &format!("{some} babbles"));
        assert_eq!(rig.status().restores, 0, "one transfer is bad, and the endpoint is not");
        recovers(rig, traffic.sent, &format!("{some} babbles"));
        let (rig, mut traffic) = in_traffic(|m| m.failures = some);
        traffic.flows(&rig, &format!("{some} failures"));
        assert!(rig.status().restores > 0);
        recovers(rig, traffic.sent, &format!("{some} failures"));
    }
}

#[test]
fn a_status_that_lies_is_no_frame_and_leads_nowhere() {
    let length = |length| BadTrailer { length: Some(length), status: None };
    // too short, too long, more than came, all ones
    for trailer in [length(0), length(3), length(4), length(63), length(1523), length(0xfff), length(0xffff)] {
        let (rig, mut traffic) = in_traffic(|m| m.rx_trailer = Some(trailer));
        let before = rig.status();
        for _ in 0..20 {
            traffic.send(&rig, 1);
            traffic.take(&rig);
        }
        wait_until("they are counted", || {
            traffic.take(&rig);
            rig.status().net().chip.expect("counters").rx_errors >= before.net().chip.expect("counters").rx_errors + 20
        });
        assert_eq!(rig.status().net().traffic.rx_frames, before.net().traffic.rx_frames, "{trailer:?}");
        recovers(rig, traffic.sent, &format!("{trailer:?}"));
    }
    for status in [0x04, 0x08, 0x10, 0x1e] {
        let (rig, mut traffic) = in_traffic(|m| m.rx_trailer = Some(BadTrailer { length: None, status: Some(status) }));
        let before = rig.status().net().traffic.rx_frames;
        for _ in 0..20 {
            traffic.send(&rig, 1);
            traffic.take(&rig);
        }
        wait_until("they are counted", || rig.status().net().chip.expect("counters").rx_errors >= 20);
        assert_eq!(rig.status().net().traffic.rx_frames, before, "{status:#x}");
        recovers(rig, traffic.sent, &format!("status {status:#x}"));
    }
}

#[test]
fn frames_that_are_cut_off_are_no_frames() {
    for cut in [0, 1, 3, 4, 7, 59, 63] {
        let (rig, mut traffic) = in_traffic(|m| m.rx_cut = Some(cut));
        for _ in 0..20 {
            traffic.send(&rig, 1);
            // judged: nothing that is wrong comes up
            traffic.take(&rig);
        }
        wait_until("they are counted", || {
            traffic.take(&rig);
            rig.status().net().chip.expect("counters").rx_errors >= 20
        });
        recovers(rig, traffic.sent, &format!("cut at {cut}"));
    }
}

#[test]
fn a_storm_of_news_keeps_nobody_waiting() {
    let started = start(|m| m.interrupt_storm = true).expect("it starts");
    for rig in [started] {
        let mut traffic = Traffic::new();
        for _ in 0..20 {
            let begin = Instant::now();
            let _ = rig.status();
            assert!(begin.elapsed() < BOUND);
            traffic.ping(&rig, 5);
        }
        wait_until("the storm is seen", || rig.status().device_faults.interrupt_storms > 0);
        assert_eq!(rig.status().restores, 0, "there is nothing to restore");
        rig.around.bench.misbehave(|m| m.interrupt_storm = false);
        wait_until("and its end", || rig.status().interrupts.name() == "transfers");
        traffic.ping(&rig, 5);
        assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0));
        rig.stop().0.expect("stops");
    }
}

#[test]
fn news_that_are_lost_or_short_come_by_the_clock() {
    type Set = fn(&mut Misbehave);
    let sets: [(Set, &str); 4] = [
        (|m| m.interrupt_lost = true, "lost"),
        (|m| m.interrupt_short = Some(0), "empty"),
        (|m| m.interrupt_short = Some(5), "without the link"),
        (|m| m.interrupt_short = Some(7), "short"),
    ];
    for (set, what) in sets {
        let (rig, mut traffic) = in_traffic(set);
        traffic.ping(&rig, 20);
        for _ in 0..2 {
            rig.around.wire.set_link(false);
            wait_until(&format!("{what}: no carrier"), || !rig.host().carrier());
            rig.around.wire.set_link(true);
            wait_until(&format!("{what}: carrier"), || rig.host().carrier());
        }
        traffic.ping(&rig, 20);
        assert_eq!(rig.status().restores, 0, "{what}");
        recovers(rig, traffic.sent, what);
    }
}

#[test]
fn a_transmitter_that_hangs_is_started_anew_by_tx_timeout() {
    let (rig, mut traffic) = in_traffic(|m| m.tx_hangs = true);
    traffic.send(&rig, 12);
    let timeouts = |rig: &UsbRig| {
        let entries = rig.status().entries;
        entries.iter().find(|(name, _)| name == Entry::TxTimeout.name()).map_or(0, |(_, entry)| entry.counters.calls)
    };
    wait_until("tx_timeout is called, again and again", || {
        traffic.send(&rig, 1);
        traffic.take(&rig);
        timeouts(&rig) >= 2
    });
    assert!(rig.status().net().traffic.tx_lost >= 12, "they are counted");
    recovers(rig, traffic.sent, "the transmitter hung");
}

#[test]
fn a_receiver_that_hangs_is_no_reason_to_restore_it() {
    let (rig, mut traffic) = in_traffic(|m| m.rx_hangs = true);
    let down = traffic.down.next();
    for _ in 0..8 {
        traffic.send(&rig, 1);
    }
    wait_until("what is sent goes", || {
        traffic.take(&rig);
        traffic.down.next() >= down + 8
    });
    assert_eq!(rig.status().restores, 0);
    recovers(rig, traffic.sent, "the receiver hung");
}
