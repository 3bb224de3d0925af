//! The net class with a real driver: frames both ways, settings, link, start and stop.

use std::time::Duration;

use udrv::net::{NetDevice, NetOptions};
use udrv::run::{Answer, Command, Options};
use udrv::supervisor::policy::Protect;
use udrv_driver::{Entry, MacAddress};
use udrv_tests::frames::{CARD, Judge, PEER, Way};
use udrv_tests::rig::{Hand, Rig, quick, turn};
use udrv_tests::subject::Subject;
use udrv_tests::{PATIENCE, every_subject, wait_until};

every_subject! {
    frames_of_every_length_go_both_ways_as_they_are_and_in_order,
    short_frames_are_padded_with_zeros_and_not_with_what_was_there_before,
    what_is_no_frame_is_dropped_and_counted,
    a_burst_while_the_transmitter_stands_still_keeps_its_order,
    a_frame_that_finds_no_slot_is_kept_and_sent_when_there_is_one,
    a_frame_that_waits_is_sent_after_a_restore_that_freed_the_slots,
    settings_in_force_survive_being_set_again,
    the_link_is_mirrored,
    a_stopped_device_leaves_the_chip_quiet,
    a_hundred_starts_and_stops_leave_nothing_behind,
    a_device_is_started_again_on_the_card_as_it_was_left,
    protection_costs_no_access_to_the_device,
}

/// A frame to `destination`, of 60 bytes and told apart by `mark`.
fn frame_to(destination: [u8; 6], mark: u8) -> Vec<u8> {
    let mut frame = vec![mark; 60];
    frame[..6].copy_from_slice(&destination);
    frame[6..12].copy_from_slice(&PEER);
    frame
}

/// The marks of the frames that come up until the one that is marked `last`.
fn marks_until<S: Subject>(rig: &Rig<S>, last: u8) -> Vec<u8> {
    let mut marks = Vec::new();
    while marks.last() != Some(&last) {
        marks.push(rig.around.host.receive(PATIENCE).expect("a frame")[20]);
    }
    marks
}

fn frames_of_every_length_go_both_ways_as_they_are_and_in_order<S: Subject>() {
    for variant in S::variants() {
        let rig = Rig::<S>::start(quick(), variant, |_| {}).expect("starts");
        let mut frame = Vec::new();
        for length in 60..=1518 {
            Way::Down.write_long(length as u64, length, &mut frame);
            rig.around.host.send(&frame);
            assert_eq!(rig.around.station.receive(PATIENCE).expect("on the wire").data, frame);
            Way::Up.write_long(length as u64, length, &mut frame);
            rig.around.station.inject(&frame);
            assert_eq!(rig.around.host.receive(PATIENCE).expect("with the host"), frame);
        }
        let traffic = rig.status().net().traffic;
        assert_eq!((traffic.rx_frames, traffic.tx_dropped, traffic.rx_dropped), (1459, 0, 0), "{traffic:?}");
        wait_until("all completions", || rig.status().net().traffic.tx_frames == 1459);
        rig.stop().0.expect("stops");
    }
}

fn short_frames_are_padded_with_zeros_and_not_with_what_was_there_before<S: Subject>() {
    let rig = Rig::<S>::new();
    // every buffer has held something else
    for number in 0..130 {
        rig.around.host.send(&[0xee; 1514]);
        assert_eq!(rig.around.station.receive(PATIENCE).expect("on the wire").data.len(), 1514, "{number}");
    }
    for length in 14..60 {
        rig.around.host.send(&vec![7; length]);
        let frame = rig.around.station.receive(PATIENCE).expect("on the wire").data;
        let mut expected = vec![7; length];
        expected.resize(60, 0);
        assert_eq!(frame, expected);
    }
    rig.stop().0.expect("stops");
}

fn what_is_no_frame_is_dropped_and_counted<S: Subject>() {
    let rig = Rig::<S>::new();
    for length in [1, 13, 1519, 2048, 2049, 9000] {
        rig.around.host.send(&vec![9; length]);
    }
    rig.around.host.send(&Way::Down.frame(0));
    assert_eq!(rig.around.station.receive(PATIENCE).expect("on the wire").data, Way::Down.frame(0));
    assert_eq!(rig.status().net().traffic.tx_dropped, 6);
    // frames with a wrong FCS are the chip's to drop
    rig.around.station.inject_bad_fcs(&Way::Up.frame(0));
    rig.around.station.inject(&Way::Up.frame(1));
    assert_eq!(rig.around.host.receive(PATIENCE), Some(Way::Up.frame(1)));
    rig.stop().0.expect("stops");
}

fn a_burst_while_the_transmitter_stands_still_keeps_its_order<S: Subject>() {
    let rig = Rig::<S>::new();
    // the transmitter stands still while the burst comes in
    rig.around.bench.misbehave(|m| m.tx_hangs = true);
    for number in 0..60 {
        rig.around.host.send(&Way::Down.frame(number));
    }
    rig.around.bench.misbehave(|m| m.tx_hangs = false);
    let mut judge = Judge::new(Way::Down);
    for _ in 0..60 {
        let Some(frame) = rig.around.station.receive(Duration::from_secs(2)) else { break };
        judge.take(&frame.data).expect("right and in order");
    }
    // a busy machine may have been slow enough for tx_timeout: what that lost is counted
    let traffic = rig.status().net().traffic;
    assert_eq!(judge.seen + traffic.tx_lost, 60, "{traffic:?}");
    rig.stop().0.expect("stops");
}

/// Offers frames for all slots and `beyond` more, the last ones all at once, to a device whose transmitter stands still.
fn fill<S: Subject>(hand: &mut Hand<S>, beyond: u64) {
    const AT_ONCE: u64 = 4;
    for number in 0..S::TX_ROOM + beyond {
        hand.around.host.send(&Way::Down.frame(number));
        if number + AT_ONCE < S::TX_ROOM {
            hand.settle().expect("goes on");
        }
    }
    hand.settle().expect("goes on");
}

/// By hand, so that nothing but the slots is free when the frame after them comes.
fn a_frame_that_finds_no_slot_is_kept_and_sent_when_there_is_one<S: Subject>() {
    let mut hand = Hand::<S>::new(Options::default(), S::config());
    hand.around.bench.misbehave(|m| m.tx_hangs = true);
    fill(&mut hand, 5);
    assert!(!hand.device.has_room(), "the first one too many waits, and no more are taken");
    assert!(hand.around.station.drain().is_empty());
    hand.around.bench.misbehave(|m| m.tx_hangs = false);
    let mut judge = Judge::new(Way::Down);
    for _ in 0..5 {
        hand.settle().expect("goes on");
        for frame in hand.around.station.drain() {
            judge.take(&frame.data).expect("right and in order");
        }
    }
    assert_eq!((judge.seen, judge.missing), (S::TX_ROOM + 5, 0));
    assert!(hand.device.has_room() && !hand.device.is_sending());
}

/// A device that is restored loses what it had, and then nothing announces that there is room again.
fn a_frame_that_waits_is_sent_after_a_restore_that_freed_the_slots<S: Subject>() {
    for entry in [Entry::Restore, Entry::TxTimeout, Entry::Stop, Entry::Probe, Entry::Quiesce] {
        let mut hand = Hand::<S>::new(Options::default(), S::config());
        hand.around.bench.misbehave(|m| m.tx_hangs = true);
        fill(&mut hand, 1);
        hand.around.bench.misbehave(|m| (m.tx_hangs, m.interrupt_lost) = (true, true));
        assert!(matches!(hand.device.handle(Command::Call(entry)), Ok(Answer::Done)));
        // a chip that goes on may be restored with all that it has: then a completion makes room, as always
        let freed = hand.device.has_room();
        assert!(freed || entry == Entry::Restore, "after {entry}");
        hand.around.bench.misbehave(|m| (m.tx_hangs, m.interrupt_lost) = (false, freed));
        if !freed {
            hand.settle().expect("goes on");
        }
        let frames = hand.around.station.drain();
        assert_eq!(frames.last().map(|f| &f.data), Some(&Way::Down.frame(S::TX_ROOM)), "after {entry}");
    }
}

fn settings_in_force_survive_being_set_again<S: Subject>() {
    let mac = MacAddress([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);
    let rig =
        Rig::<S>::start(Options { net: NetOptions { mac: Some(mac), ..quick().net }, ..quick() }, S::config(), |_| {})
            .expect("starts");
    assert_eq!(rig.around.host.mac(), mac.0);
    let status = rig.status();
    assert_eq!(
        (status.net().mac.clone(), status.net().permanent_mac.clone()),
        (mac.to_string(), MacAddress(CARD).to_string())
    );
    for entry in [Entry::SetMac, Entry::SetRxMode, Entry::Probe, Entry::Stop, Entry::Quiesce, Entry::Restore] {
        rig.call(entry).expect("works");
        assert_eq!(rig.around.spy.station(), mac.0, "after {entry}");
        for (mark, to) in [CARD, PEER, mac.0, [0xff; 6], [1, 0, 0x5e, 0, 0, 1], mac.0].into_iter().enumerate() {
            rig.around.station.inject(&frame_to(to, mark as u8));
        }
        assert_eq!(marks_until(&rig, 5), [2, 3, 4, 5], "own, broadcast and multicast, after {entry}");
    }
    rig.stop().0.expect("stops");
}

fn the_link_is_mirrored<S: Subject>() {
    let rig = Rig::<S>::new();
    wait_until("carrier", || rig.around.host.carrier());
    for _ in 0..10 {
        rig.around.wire.set_link(false);
        wait_until("no carrier", || !rig.around.host.carrier());
        assert!(!rig.status().net().link_up);
        rig.around.wire.set_link(true);
        wait_until("carrier", || rig.around.host.carrier());
    }
    let status = rig.status();
    assert_eq!((status.net().link_up, status.net().link_speed, status.net().full_duplex), (true, S::LINK_SPEED, true));
    rig.around.station.inject(&Way::Up.frame(0));
    assert_eq!(rig.around.host.receive(PATIENCE), Some(Way::Up.frame(0)));
    rig.stop().0.expect("stops");
}

fn a_stopped_device_leaves_the_chip_quiet<S: Subject>() {
    let rig = Rig::<S>::new();
    for number in 0..10 {
        rig.around.host.send(&Way::Down.frame(number));
        rig.around.station.inject(&Way::Up.frame(number));
    }
    let (result, around) = rig.stop();
    result.expect("stops");
    around.spy.expect_quiet("stopped");
    let before = around.bench.counters();
    around.station.inject(&Way::Up.frame(99));
    let after = around.bench.counters();
    assert_eq!((after.dma_write_bytes, after.interrupts), (before.dma_write_bytes, before.interrupts));
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("descriptors").count()
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").expect("mappings").lines().count()
}

fn a_hundred_starts_and_stops_leave_nothing_behind<S: Subject>() {
    let round = || {
        let mut hand = Hand::<S>::new(Options::default(), S::config());
        hand.around.host.send(&Way::Down.frame(0));
        hand.settle().expect("goes on");
        assert_eq!(hand.around.station.drain().len(), 1);
        hand.device.shut_down().expect("stops");
    };
    (0..5).for_each(|_| round());
    let before = (open_files(), mappings());
    (0..100).for_each(|_| round());
    // other tests of this file wait for their turn meanwhile, and may hold a descriptor or a stack; who has had it may still let go
    let _turn = turn();
    wait_until(&format!("descriptors and mappings are {before:?} again"), || {
        open_files() <= before.0 + 8 && mappings() <= before.1 + 40
    });
}

fn a_device_is_started_again_on_the_card_as_it_was_left<S: Subject>() {
    let rig = Rig::<S>::new();
    let (result, around) = rig.stop();
    result.expect("stops");
    let bench = around.bench.clone();
    drop(around);
    // the model is an open file: it can be opened again when everyone has let go of it
    let card = bench.open().expect("closed by now");
    let (endpoint, host) = udrv_tests::host::pair();
    let mut device =
        NetDevice::<S::Driver>::start(Box::new(card), Box::new(endpoint), Options::default()).expect("starts");
    host.send(&Way::Down.frame(0));
    device.pump_endpoint().expect("goes on");
    assert_eq!(bench.counters().tx_frames, 1);
}

/// The work of a checkpoint is a copy of memory: it asks the device nothing.
fn protection_costs_no_access_to_the_device<S: Subject>() {
    let run = |protect| {
        let mut hand = Hand::<S>::new(
            Options { protect: if protect { Protect::Always } else { Protect::Never }, ..Options::default() },
            S::config(),
        );
        for number in 0..200 {
            hand.around.host.send(&Way::Down.frame(number));
            hand.around.station.inject(&Way::Up.frame(number));
            hand.settle().expect("goes on");
            assert_eq!(hand.around.station.drain().len(), 1);
        }
        let counters = hand.around.bench.counters();
        (counters.register_reads, counters.register_writes)
    };
    assert_eq!(run(true), run(false));
}
