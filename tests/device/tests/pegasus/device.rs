//! What a network card does: frames both ways, link, address, receive mode, counters.

use std::time::Duration;

use model_pegasus::{Variant, regs};
use model_wire::Station;
use udrv::run::Command;
use udrv_driver::Entry;
use udrv_tests::frames::{CARD, LONGEST, SHORTEST, Way};
use udrv_tests::rig::quick;
use udrv_tests::traffic::Traffic;
use udrv_tests::usb_rig::{UsbHand, UsbRig, config, of};
use udrv_tests::{PATIENCE, wait_until};

const OTHER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];
const SECOND: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];

#[test]
fn frames_of_every_length_go_both_ways() {
    for variant in [Variant::An986, Variant::Adm8511] {
        let mut hand = UsbHand::new(quick(), of(variant));
        let mut buffer = [0; 2048];
        for length in SHORTEST..=LONGEST + 4 {
            let mut frame = Vec::new();
            Way::Down.write_long(length as u64, length, &mut frame);
            assert!(hand.around.host.try_send(&frame));
            hand.device.pump_endpoint().expect("it goes on");
            let sent = hand.around.station.receive(Duration::ZERO).expect("sent");
            assert!(sent.data == frame && sent.fcs_ok, "{variant:?} {length}");
            Way::Up.write_long(length as u64, length, &mut frame);
            hand.around.station.inject(&frame);
            hand.device.serve_interrupt().expect("it goes on");
            let came = hand.around.host.try_receive(&mut buffer).expect("received");
            assert!(buffer[..came] == frame, "{variant:?} {length}");
        }
        let counters = hand.around.bench.counters();
        assert_eq!((counters.tx_aborts, counters.tx_unended, counters.contradictions), (0, 0, 0));
        let status = hand.status();
        assert_eq!((status.net().traffic.tx_lost, status.net().traffic.tx_dropped, status.faults), (0, 0, 0));
    }
}

#[test]
fn traffic_flows_on_a_thread_of_its_own() {
    let rig = UsbRig::new(config());
    let mut traffic = Traffic::new();
    traffic.ping(&rig, 200);
    assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0));
    let status = rig.status();
    assert_eq!((status.net().traffic.tx_frames, status.net().traffic.rx_frames), (200, 200));
    assert_eq!((status.device_faults.bus, status.device_faults.interrupt_storms), (0, 0));
    rig.stop().0.expect("stops");
}

/// More frames than there are descriptors, before anybody looks.
#[test]
fn a_burst_is_held_back_or_counted_and_nothing_is_repeated() {
    let mut hand = UsbHand::new(quick(), config());
    for _ in 0..20 {
        hand.send(60);
        hand.settle();
        hand.send(1);
        hand.settle();
    }
    let counters = hand.around.bench.counters();
    assert_eq!((hand.down.next(), hand.up.next()), (hand.sent, hand.sent));
    assert_eq!(hand.down.missing, 0, "the endpoint holds what the ring does not");
    assert_eq!(hand.up.missing, counters.rx_missed, "the adapter counts what does not fit");
    let missed = hand.status().net().chip.expect("counters").rx_missed;
    assert_eq!(missed, counters.rx_missed, "and tells it");
}

#[test]
fn link_down_and_up_is_told_at_once() {
    // nobody looks at the clock here: endpoint 3 tells
    let options = udrv::run::Options { look: PATIENCE, ..quick() };
    let rig = UsbRig::start(options, config(), |_| {}).expect("starts");
    wait_until("carrier", || rig.around.host.carrier());
    for _ in 0..3 {
        rig.around.wire.set_link(false);
        wait_until("no carrier", || !rig.around.host.carrier());
        rig.around.wire.set_link(true);
        wait_until("carrier", || rig.around.host.carrier());
    }
    let status = rig.status();
    assert_eq!((status.net().link_speed, status.net().full_duplex), (100, true));
    Traffic::new().ping(&rig, 10);
    assert_eq!(rig.around.bench.register(regs::ETH_CTRL1), regs::ctrl1::SPEED_100 | regs::ctrl1::FULL);
    rig.stop().0.expect("stops");
}

/// Whether the chip takes a frame for this address: one that it takes in any case is sent behind it.
fn takes(rig: &UsbRig, mac: [u8; 6]) -> bool {
    let inject = |station: &Station, mac: [u8; 6]| {
        let mut frame = mac.to_vec();
        frame.extend([2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
        frame.resize(60, mac[5]);
        station.inject(&frame);
    };
    inject(&rig.around.station, mac);
    inject(&rig.around.station, [0xff; 6]);
    let mut seen = 0;
    loop {
        let frame = rig.around.host.receive(PATIENCE).expect("a broadcast comes up");
        seen += 1;
        if frame[5] == 0xff {
            return seen == 2;
        }
    }
}

#[test]
fn address_and_receive_mode_follow_the_interface() {
    for variant in [Variant::An986, Variant::Adm8511] {
        let rig = UsbRig::new(of(variant));
        let host = &rig.around.host;
        assert_eq!((host.mac(), rig.around.station_address()), (CARD, CARD));
        assert!(takes(&rig, CARD) && !takes(&rig, SECOND) && takes(&rig, [0x33, 0x33, 0, 0, 0, 1]));
        host.administer(|wanted| wanted.mac = SECOND);
        wait_until("the device has the address", || rig.around.station_address() == SECOND);
        assert!(takes(&rig, SECOND) && !takes(&rig, CARD) && !takes(&rig, OTHER));
        host.administer(|wanted| wanted.promiscuous = true);
        wait_until("it takes everything", || takes(&rig, OTHER));
        host.administer(|wanted| wanted.promiscuous = false);
        wait_until("it takes its own again", || !takes(&rig, OTHER));
        host.administer(|wanted| wanted.mac = [3, 0, 0, 0, 0, 1]);
        wait_until("what is nobody's address is put back", || host.mac() == SECOND);
        assert_eq!(rig.around.station_address(), SECOND);
        // what was told outlives a restart
        assert!(matches!(rig.ask(Command::Restart), Some(udrv::run::Answer::Done)));
        assert_eq!(rig.around.station_address(), SECOND);
        assert!(takes(&rig, SECOND) && !takes(&rig, OTHER));
        rig.stop().0.expect("stops");
    }
}

/// What the driver counts is in its state: a reset of the chip does not make it smaller.
#[test]
fn counters_outlive_resets_of_the_chip() {
    let mut hand = UsbHand::new(quick(), config());
    hand.around.station.inject_bad_fcs(&Way::Up.frame(0));
    hand.settle();
    // three frames sent without a link: the adapter says so on endpoint 3
    hand.around.wire.set_link(false);
    for number in 0..3 {
        assert!(hand.around.host.try_send(&Way::Down.frame(number)));
    }
    hand.device.pump_endpoint().expect("it goes on");
    hand.settle();
    hand.around.wire.set_link(true);
    hand.settle();
    let before = hand.status().net().chip.expect("counters");
    assert!(before.tx_errors > 0, "{before:?}");
    hand.call(Entry::TxTimeout);
    hand.call(Entry::Restore);
    assert!(hand.around.bench.counters().resets > 0);
    let after = hand.status().net().chip.expect("counters");
    assert!(after.tx_errors >= before.tx_errors && after.rx_missed >= before.rx_missed);
    hand.call(Entry::Stop);
    assert_eq!(hand.status().net().chip.expect("counters").tx_errors, after.tx_errors);
}

#[test]
fn a_device_that_stops_leaves_a_quiet_chip() {
    let rig = UsbRig::new(config());
    Traffic::new().ping(&rig, 5);
    let (stopped, around) = rig.stop();
    stopped.expect("stops");
    assert_eq!(around.bench.register(regs::ETH_CTRL0), 0, "receiver and transmitter are off");
    around.bench.open().expect("and nobody has it open");
}
