//! A card that does wrong, from the start and in mid-traffic: an error of its own or recovery, within bounded time;
//! never a hang, a crash, or a frame with wrong bytes.

use std::time::{Duration, Instant};

use model_card::Garbage;
use model_rtl8139::BadHeader;
use udrv::run::DeviceError;
use udrv_driver::Entry;
use udrv_tests::frames::{Judge, Way};
use udrv_tests::rig::{Rig, quick, turn};
use udrv_tests::spy::BUS_MASTER;
use udrv_tests::subject::{Misbehave, Rtl8139, Subject};
use udrv_tests::traffic::{BOUND, Traffic};
use udrv_tests::{every_subject, wait_until};

every_subject! {
    gone_from_the_start_is_an_error_of_its_own,
    gone_in_traffic_is_noticed_with_and_without_frames,
    a_reset_that_hangs_in_traffic_ends_the_device_when_it_is_needed,
    garbage_from_the_start_is_an_error_or_a_device,
    garbage_in_mid_traffic_is_survived_or_ends_in_an_error,
    lost_interrupts_delay_frames_and_lose_none,
    a_transmitter_that_hangs_is_started_anew_by_tx_timeout,
    a_transmitter_that_hangs_is_noticed_under_a_flood_of_received_frames,
    dma_that_goes_astray_within_its_memory_ends_nothing,
}

/// Starts a device on a card that misbehaves from the start, and says how long it took.
fn start<S: Subject>(trouble: impl FnOnce(&mut Misbehave<S>)) -> (Result<Rig<S>, DeviceError>, Duration) {
    let turn = turn();
    let begin = Instant::now();
    let rig = Rig::start_in(turn, quick(), S::config(), trouble);
    (rig, begin.elapsed())
}

/// The device has ended by itself, within bounds and with one line of its own; the card is quiet.
fn ends_by_itself<S: Subject>(rig: Rig<S>, word: &str) {
    let begin = Instant::now();
    wait_until("the device ends", || rig.has_ended());
    assert!(begin.elapsed() < BOUND);
    let (result, around) = rig.stop();
    let message = result.expect_err("an error of its own").to_string();
    assert!(message.contains(word) && !message.contains('\n'), "{message}");
    around.bench.misbehave(|m| *m = Misbehave::<S>::none());
    assert_eq!(around.spy.command() & BUS_MASTER, 0, "{message}");
}

fn garbage(offsets: std::ops::RangeInclusive<u32>, one_in: u32, seed: u64) -> Garbage {
    Garbage { seed, offsets: vec![offsets], one_in }
}

fn gone_from_the_start_is_an_error_of_its_own<S: Subject>() {
    let (result, took) = start::<S>(|m| m.gone = true);
    let message = result.err().expect("no device").to_string();
    assert!(message.contains("does not answer"), "{message}");
    assert!(took < BOUND);
}

fn gone_in_traffic_is_noticed_with_and_without_frames<S: Subject>() {
    for frames in [0, 3] {
        let rig = Rig::<S>::new();
        let mut traffic = Traffic::new();
        traffic.flows(&rig, "before");
        rig.around.bench.misbehave(|m| m.gone = true);
        traffic.send(&rig, frames);
        let begin = Instant::now();
        wait_until("the device ends", || rig.has_ended());
        assert!(begin.elapsed() < BOUND);
        let (result, _) = rig.stop();
        let message = result.expect_err("gone").to_string();
        assert!(message.contains("gone"), "{message}");
    }
}

#[test]
fn a_reset_that_hangs_at_the_start_is_a_timeout() {
    let (result, took) = start::<Rtl8139>(|m| m.reset_hangs = true);
    let message = result.err().expect("no device").to_string();
    assert!(message.contains("probe failed") && message.contains("0x37"), "{message}");
    assert!(took < BOUND);
}

fn a_reset_that_hangs_in_traffic_ends_the_device_when_it_is_needed<S: Subject>() {
    let rig = Rig::<S>::new();
    let mut traffic = Traffic::new();
    rig.around.bench.misbehave(|m| m.reset_hangs = true);
    traffic.flows(&rig, "nobody needs a reset");
    rig.around.bench.misbehave(|m| m.tx_hangs = true);
    traffic.send(&rig, 1);
    ends_by_itself(rig, "given up");
}

fn garbage_from_the_start_is_an_error_or_a_device<S: Subject>() {
    for seed in 0..20 {
        for one_in in [1, 2, 8] {
            let (result, took) = start::<S>(|m| m.garbage = Some(garbage(0..=u32::MAX, one_in, seed)));
            assert!(took < BOUND, "seed {seed}");
            match result {
                Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
                Ok(rig) => {
                    Traffic::new().endure(&rig, Duration::from_millis(20), false);
                    rig.around.bench.misbehave(|m| *m = Misbehave::<S>::none());
                    let begin = Instant::now();
                    let _ = rig.stop();
                    assert!(begin.elapsed() < BOUND, "seed {seed}");
                }
            }
        }
    }
}

fn garbage_in_mid_traffic_is_survived_or_ends_in_an_error<S: Subject>() {
    for seed in 0..10 {
        for (offsets, one_in) in S::GARBAGE {
            let rig = Rig::<S>::new();
            let mut traffic = Traffic::new();
            traffic.flows(&rig, "before");
            rig.around.bench.misbehave(|m| m.garbage = Some(garbage(offsets.clone(), *one_in, seed)));
            // what the device says is forged now, frames too: they are not judged
            traffic.endure(&rig, Duration::from_millis(20), false);
            rig.around.bench.misbehave(|m| *m = Misbehave::<S>::none());
            if rig.has_ended() {
                let message = rig.stop().0.expect_err("it did not end without an error").to_string();
                assert!(!message.contains('\n'), "{message}");
                continue;
            }
            // the truth again: it recovers by itself
            let begin = Instant::now();
            let mut fresh = Traffic { sent: traffic.sent, ..Traffic::new() };
            while !rig.has_ended() && fresh.down.next().min(fresh.up.next()) <= traffic.sent {
                assert!(begin.elapsed() < BOUND, "{offsets:x?} seed {seed}: {:#?}", rig.status());
                fresh.send(&rig, 1);
                for frame in rig.around.station.drain() {
                    // what was under way while the device lied may be anything
                    let _ = fresh.down.take(&frame.data);
                }
                while let Some(length) = rig.around.host.try_receive(&mut fresh.buffer) {
                    let _ = fresh.up.take(&fresh.buffer[..length]);
                }
            }
            let _ = rig.stop();
        }
    }
}

#[test]
fn wrong_headers_are_never_frames_and_the_receiver_recovers() {
    for header in [
        BadHeader { status: None, length: Some(0) },
        BadHeader { status: None, length: Some(3) },
        BadHeader { status: None, length: Some(0xffff) },
        BadHeader { status: None, length: Some(0xfff0) }, // "still writing"
        BadHeader { status: None, length: Some(1523) },
        BadHeader { status: Some(0), length: None },
        BadHeader { status: Some(0xffff), length: None },
    ] {
        let rig = Rig::<Rtl8139>::new();
        let mut traffic = Traffic::new();
        traffic.flows(&rig, "before");
        rig.around.bench.misbehave(|m| m.rx_header = Some(header));
        for _ in 0..50 {
            traffic.send(&rig, 1);
            traffic.take(&rig);
        }
        rig.around.bench.misbehave(|m| m.rx_header = None);
        traffic.flows(&rig, &format!("after {header:?}"));
        assert!(rig.status().net().chip.unwrap().rx_resets > 0, "{header:?}");
        rig.stop().0.expect("stops");
        let (started, _) = start::<Rtl8139>(|m| m.rx_header = Some(header));
        let rig = started.expect("headers do not matter yet");
        let mut traffic = Traffic::new();
        traffic.send(&rig, 5);
        rig.around.bench.misbehave(|m| m.rx_header = None);
        traffic.flows(&rig, &format!("{header:?} from the start"));
        rig.stop().0.expect("stops");
    }
}

#[test]
fn a_write_pointer_that_jumps_delivers_nothing_twice_and_nothing_wrong() {
    for jump in [4, 64, 1000, 0x4000, 0x7ffc, 0x8000, 0xffff] {
        let rig = Rig::<Rtl8139>::new();
        let mut traffic = Traffic::new();
        traffic.flows(&rig, "before");
        rig.around.bench.misbehave(|m| m.cbr_jump = Some(jump));
        for _ in 0..30 {
            traffic.send(&rig, 1);
            traffic.take(&rig);
        }
        rig.around.bench.misbehave(|m| m.cbr_jump = None);
        traffic.flows(&rig, &format!("after a jump of {jump:#x}"));
        rig.stop().0.expect("stops");
        let (started, _) = start::<Rtl8139>(|m| m.cbr_jump = Some(jump));
        let rig = started.expect("starts");
        let mut traffic = Traffic::new();
        traffic.endure(&rig, Duration::from_millis(10), true);
        rig.around.bench.misbehave(|m| m.cbr_jump = None);
        traffic.flows(&rig, "after a jump from the start");
        rig.stop().0.expect("stops");
    }
}

#[test]
fn a_storm_of_interrupts_does_not_keep_commands_waiting() {
    // each cause of the chip, and all of them
    for bits in (0..16).map(|bit| 1_u16 << bit).chain([0x807f, 0xffff]) {
        for early in [false, true] {
            let rig = if early {
                let (started, took) = start::<Rtl8139>(|m| m.isr_stuck = bits);
                assert!(took < BOUND);
                match started {
                    Ok(rig) => rig,
                    Err(error) => {
                        assert!(!error.to_string().contains('\n'), "{error}");
                        continue;
                    }
                }
            } else {
                let rig = Rig::<Rtl8139>::new();
                rig.around.bench.misbehave(|m| m.isr_stuck = bits);
                rig
            };
            for _ in 0..20 {
                let begin = Instant::now();
                let _ = rig.status();
                assert!(begin.elapsed() < BOUND, "{bits:#x}");
            }
            Traffic::new().flows(&rig, "in the storm");
            rig.around.bench.misbehave(|m| m.isr_stuck = 0);
            rig.stop().0.expect("stops");
        }
    }
}

fn lost_interrupts_delay_frames_and_lose_none<S: Subject>() {
    for early in [false, true] {
        let (started, _) = start::<S>(|m| m.interrupt_lost = early);
        let rig = started.expect("starts");
        rig.around.bench.misbehave(|m| m.interrupt_lost = true);
        let mut traffic = Traffic::new();
        for round in 1..=5 {
            traffic.send(&rig, 4);
            let begin = Instant::now();
            while (traffic.down.next(), traffic.up.next()) != (round * 4, round * 4) {
                assert!(begin.elapsed() < BOUND, "{} {}", traffic.down.next(), traffic.up.next());
                traffic.take(&rig);
            }
        }
        assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0));
        let status = rig.status();
        assert_eq!((status.net().traffic.tx_lost, status.restores), (0, 0), "no reset was needed");
        rig.stop().0.expect("stops");
    }
}

fn a_transmitter_that_hangs_is_started_anew_by_tx_timeout<S: Subject>() {
    for early in [false, true] {
        let (started, _) = start::<S>(|m| m.tx_hangs = early);
        let rig = started.expect("starts");
        rig.around.bench.misbehave(|m| m.tx_hangs = true);
        let mut traffic = Traffic::new();
        traffic.send(&rig, 12);
        let timeouts = |rig: &Rig<S>| {
            rig.status()
                .entries
                .iter()
                .find(|(name, _)| name == Entry::TxTimeout.name())
                .map_or(0, |(_, c)| c.counters.calls)
        };
        wait_until("tx_timeout is called, again and again", || {
            // a long ring has taken all of them, and has nothing to send after the first time
            traffic.send(&rig, 1);
            timeouts(&rig) >= 2
        });
        assert!(rig.status().net().traffic.tx_lost >= 8, "they are counted");
        rig.around.bench.misbehave(|m| m.tx_hangs = false);
        traffic.flows(&rig, "after the transmitter hung");
        rig.stop().0.expect("stops");
    }
}

/// Frames that come in all the time must not hide that none goes out.
fn a_transmitter_that_hangs_is_noticed_under_a_flood_of_received_frames<S: Subject>() {
    let rig = Rig::<S>::new();
    rig.around.bench.misbehave(|m| m.tx_hangs = true);
    let mut traffic = Traffic::new();
    traffic.send(&rig, 2);
    let begin = Instant::now();
    while rig.status().net().traffic.tx_lost == 0 {
        assert!(begin.elapsed() < BOUND, "tx_timeout is never called");
        for _ in 0..20 {
            rig.around.station.inject(&Way::Up.frame(traffic.sent));
            traffic.sent += 1;
            traffic.take(&rig);
        }
    }
    rig.stop().0.expect("stops");
}

#[test]
fn a_transmitter_that_says_nothing_is_asked() {
    for early in [false, true] {
        let (started, _) = start::<Rtl8139>(|m| m.tx_silent = early);
        let rig = started.expect("starts");
        rig.around.bench.misbehave(|m| m.tx_silent = true);
        let mut down = Judge::new(Way::Down);
        for number in 0..12 {
            rig.around.host.send(&Way::Down.frame(number));
        }
        let frames = rig.around.station.receive_many(12, BOUND);
        assert_eq!(frames.len(), 12);
        for frame in frames {
            down.take(&frame.data).expect("right");
        }
        assert_eq!((down.missing, rig.status().net().traffic.tx_lost), (0, 0));
        rig.stop().0.expect("stops");
    }
}

#[test]
fn dma_that_goes_astray_into_nowhere_is_a_bus_error_that_is_recovered_or_given_up() {
    for (offset, early) in [(0x4000_0000, false), (0x4000_0000, true), (0xc000_0000, false)] {
        let (started, took) = start::<Rtl8139>(|m| m.dma_astray = early.then_some(offset));
        assert!(took < BOUND);
        let rig = started.expect("no DMA is needed to start");
        let mut traffic = Traffic::new();
        if !early {
            traffic.flows(&rig, "before");
            rig.around.bench.misbehave(|m| m.dma_astray = Some(offset));
        }
        let sent = traffic.sent;
        traffic.send(&rig, 3);
        wait_until("the device is restored", || rig.has_ended() || rig.status().restores > 0);
        rig.around.bench.misbehave(|m| m.dma_astray = None);
        assert!(!rig.has_ended(), "three frames are no reason to give up");
        traffic.flows(&rig, "after DMA went astray");
        assert!(traffic.down.missing + traffic.up.missing > 0 && traffic.sent > sent);
        rig.around.bench.misbehave(|m| m.dma_astray = Some(offset));
        traffic.endure(&rig, Duration::from_millis(200), true);
        rig.around.bench.misbehave(|m| m.dma_astray = None);
        if rig.has_ended() {
            let message = rig.stop().0.expect_err("given up").to_string();
            assert!(message.contains("given up"), "{message}");
        } else {
            rig.stop().0.expect("stops");
        }
    }
}

/// Inside the device's own memory nobody can tell: frames may be wrong, and nothing else may.
fn dma_that_goes_astray_within_its_memory_ends_nothing<S: Subject>() {
    for offset in [2048_u32, 64, 0x2_0000, 0u32.wrapping_sub(2048)] {
        let rig = Rig::<S>::new();
        let mut traffic = Traffic::new();
        traffic.flows(&rig, "before");
        rig.around.bench.misbehave(|m| m.dma_astray = Some(offset));
        traffic.endure(&rig, Duration::from_millis(50), false);
        rig.around.bench.misbehave(|m| m.dma_astray = None);
        if rig.has_ended() {
            let message = rig.stop().0.expect_err("given up").to_string();
            assert!(message.contains("given up"), "{message}");
            continue;
        }
        assert!(rig.status().canary_intact);
        rig.stop().0.expect("stops");
    }
}
