//! Transmission.

use model_pegasus::regs::{self, ctrl0, ctrl2, mii, tx0};
use model_pegasus::{BULK_OUT, Variant};
use udrv_bus::{TransferStatus, UsbDevice};

use crate::bench::{BROADCAST, Bench, MAC, NOW, OTHER, frame};

fn with_length(length: usize, bytes: &[u8]) -> Vec<u8> {
    [&(length as u16).to_le_bytes()[..], bytes].concat()
}

#[test]
fn a_frame_ends_with_a_short_packet_and_not_with_a_transfer() {
    let (mut bench, station) = Bench::started();
    let sent = frame(OTHER, 254);
    let data = with_length(254, &sent);
    assert_eq!(data.len(), 256);
    // Whole packets, in pieces: nothing goes out until a packet is short.
    for piece in data.chunks(128) {
        assert_eq!(bench.transfer(BULK_OUT, piece.to_vec()).status, TransferStatus::Done);
        assert_eq!(station.receive(NOW), None);
    }
    bench.transfer(BULK_OUT, Vec::new());
    assert_eq!(station.receive(NOW).unwrap().data, sent);
    assert_eq!(bench.handle.counters().tx_unended, 2);
    // With an empty packet behind it, in one transfer.
    bench.submit(BULK_OUT, data.clone(), true);
    assert_eq!(bench.nic.reap().unwrap().length, 256);
    assert_eq!(station.receive(NOW).unwrap().data, sent);
    // Forgotten: the next frame is swallowed.
    bench.transfer(BULK_OUT, data);
    bench.send(&frame(MAC, 100));
    assert_eq!(station.receive(NOW).unwrap().data, sent);
    assert_eq!(station.receive(NOW), None);
    let counters = bench.handle.counters();
    assert_eq!((counters.tx_frames, counters.tx_unended, counters.tx_aborts), (3, 3, 0));
}

#[test]
fn the_length_says_how_much_of_what_came_is_the_frame() {
    let (mut bench, station) = Bench::started();
    let sent = frame(OTHER, 100);
    bench.transfer(BULK_OUT, with_length(80, &sent));
    assert_eq!(station.receive(NOW).unwrap().data, sent[..80]);
    bench.transfer(BULK_OUT, with_length(1000, &sent));
    assert_eq!(station.receive(NOW).unwrap().data, sent);
}

#[test]
fn what_is_no_frame_is_not_sent() {
    let (mut bench, station) = Bench::started();
    bench.transfer(BULK_OUT, Vec::new());
    assert_eq!(bench.handle.counters().tx_aborts, 0, "an empty packet is nothing");
    bench.transfer(BULK_OUT, vec![7]);
    bench.transfer(BULK_OUT, with_length(0, &[1; 60]));
    bench.interrupt();
    for too_long in [1519, 2048, 5000] {
        bench.transfer(BULK_OUT, with_length(too_long, &frame(OTHER, too_long)));
        assert_eq!(bench.interrupt().unwrap()[0], tx0::JABBER, "{too_long}");
        bench.set(regs::ETH_CTRL2, ctrl2::EP3_CLEARS);
    }
    bench.send(&frame(OTHER, 1518));
    assert_eq!(station.receive(NOW).unwrap().data, frame(OTHER, 1518));
    assert_eq!(station.receive(NOW), None);
    assert_eq!(bench.handle.counters().tx_aborts, 5);
}

#[test]
fn off_it_waits_and_without_a_link_it_is_lost() {
    let (mut bench, station) = Bench::started();
    bench.set(regs::ETH_CTRL0, 0);
    let waiting = [1, 2].map(|n| bench.submit(BULK_OUT, with_length(60, &[n; 60]), false));
    assert!(bench.nic.reap().is_none());
    bench.set(regs::ETH_CTRL0, ctrl0::TX);
    let ended = [1, 2].map(|_| bench.nic.reap().unwrap().token);
    assert_eq!(ended, waiting, "in order");
    assert_eq!(station.drain().len(), 2);

    bench.wire.set_link(false);
    bench.interrupt();
    bench.send(&frame(OTHER, 60));
    assert_eq!(bench.interrupt().unwrap()[..1], [tx0::NO_CARRIER | tx0::CARRIER_LOSS]);
    assert_eq!((bench.handle.counters().tx_lost, bench.handle.counters().tx_frames), (1, 2));
    // Kept until it may be cleared by reading endpoint 3.
    assert_eq!(bench.r8(regs::TX_STATUS0), tx0::NO_CARRIER | tx0::CARRIER_LOSS);
    bench.set(regs::ETH_CTRL2, ctrl2::EP3_CLEARS);
    bench.send(&frame(OTHER, 60));
    bench.interrupt();
    assert_eq!(bench.r8(regs::TX_STATUS0), 0);
}

#[test]
fn loopback_in_the_mac_and_in_the_phy() {
    let (mut bench, station) = Bench::started();
    bench.set(regs::ETH_CTRL2, ctrl2::LOOPBACK);
    bench.send(&frame(BROADCAST, 60));
    assert_eq!(bench.receive().unwrap().data, frame(BROADCAST, 60));
    bench.set(regs::ETH_CTRL2, 0);
    bench.set_mii(mii::BMCR, mii::LOOPBACK | mii::ANE);
    bench.send(&frame(MAC, 70));
    assert_eq!(bench.receive().unwrap().data, frame(MAC, 70));
    assert_eq!(bench.handle.counters().tx_loopback, 2);
    assert_eq!(station.receive(NOW), None);
}

#[test]
fn a_reset_forgets_what_is_not_ended() {
    let (mut bench, station) = Bench::of(Variant::Adm8511);
    bench.start();
    bench.transfer(BULK_OUT, with_length(100, &[9; 62]));
    bench.set(regs::ETH_CTRL1, regs::ctrl1::RESET);
    bench.poll(regs::ETH_CTRL1, regs::ctrl1::RESET, false);
    bench.start();
    bench.send(&frame(OTHER, 60));
    assert_eq!(station.receive(NOW).unwrap().data, frame(OTHER, 60));
}
