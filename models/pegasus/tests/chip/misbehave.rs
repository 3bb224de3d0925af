//! How it fails when it is told to.

use std::time::Duration;

use model_pegasus::regs::{self, ctrl1, eprom, mii, phy};
use model_pegasus::{BULK_IN, BULK_OUT, BadDescriptors, BadTrailer, Config, Garbage, INTERRUPT, Misbehave, Variant};
use model_wire::WireConfig;
use udrv_bus::{BusError, EndpointKind, Setup, Transfer, TransferStatus, UsbDevice};

use crate::bench::{Bench, MAC, NOW, OTHER, ROOM, config, frame};

const CONFIGURATION: Setup = Setup { request_type: 0x80, request: 6, value: 0x0200, index: 0 };

#[test]
fn wrong_descriptors_are_what_the_host_sees() {
    let (mut bench, _) = Bench::started();
    let good = bench.nic.endpoints().to_vec();
    assert_eq!(good.iter().map(|e| (e.address, e.max_packet)).collect::<Vec<_>>(), [(0x81, 64), (0x02, 64), (0x83, 8)]);
    bench.handle.misbehave(|m| {
        m.descriptors = BadDescriptors {
            missing: Some(BULK_OUT),
            max_packet: Some((BULK_IN, 8)),
            kind: Some((INTERRUPT, EndpointKind::Bulk)),
            class: Some(3),
            product: Some(0x1234),
            cut: None,
        };
    });
    assert_eq!(bench.nic.endpoints(), good, "who has it open has asked already");
    bench.nic.reset().unwrap();
    let seen: Vec<_> = bench.nic.endpoints().iter().map(|e| (e.address, e.kind, e.max_packet)).collect();
    assert_eq!(seen, [(BULK_IN, EndpointKind::Bulk, 8), (INTERRUPT, EndpointKind::Bulk, 8)]);
    assert_eq!(bench.nic.id().product, 0x1234);
    let transfer = Transfer { endpoint: BULK_OUT, token: 0, data: vec![0; 8], zero_packet: false };
    assert!(matches!(bench.nic.submit(transfer), Err(BusError::Unsupported(_))));
    let mut bytes = [0; 64];
    assert_eq!(bench.nic.control_in(CONFIGURATION, &mut bytes).unwrap(), 32);
    assert_eq!((bytes[2], bytes[13], bytes[14]), (32, 2, 3));
    bench.handle.misbehave(|m| m.descriptors = BadDescriptors { cut: Some(20), ..BadDescriptors::default() });
    assert_eq!(bench.nic.control_in(CONFIGURATION, &mut bytes).unwrap(), 20);
    assert_eq!(bytes[2], 39);
    drop(bench.nic);
    bench.nic = bench.handle.open().unwrap();
    assert!(bench.nic.endpoints().is_empty());
}

#[test]
fn control_transfers_are_short_stall_or_time_out() {
    let (mut bench, _) = Bench::started();
    bench.handle.misbehave(|m| m.control_short = Some(2));
    let mut bytes = [0xee; 6];
    let setup = Setup { request_type: 0xc0, request: 0xf0, value: 0, index: 0x10 };
    assert_eq!(bench.nic.control_in(setup, &mut bytes).unwrap(), 2);
    assert_eq!(bytes, [MAC[0], MAC[1], 0xee, 0xee, 0xee, 0xee]);
    bench.handle.misbehave(|m| (m.control_short, m.control_stalls) = (None, 2));
    assert!(matches!(bench.try_get::<1>(0), Err(BusError::Stall { .. })));
    assert!(matches!(bench.try_set(regs::ETH_CTRL0, 0), Err(BusError::Stall { .. })));
    assert_eq!(bench.r8(regs::ETH_CTRL0), 0xc8, "nothing was done");
    bench.handle.misbehave(|m| m.control_timeouts = 1);
    assert!(matches!(bench.try_get::<1>(0), Err(BusError::Timeout { milliseconds: 1000, .. })));
    assert_eq!(bench.r8(regs::ETH_CTRL0), 0xc8);
    for n in 0..5 {
        bench.handle.misbehave(|m| (m.control_spared, m.control_stalls) = (n, 1));
        let went_well = (0..7).map(|_| bench.try_get::<1>(0).is_ok()).collect::<Vec<_>>();
        assert!((0..7).all(|at| went_well[at] == (at != n as usize)), "{n}: {went_well:?}");
    }
}

#[test]
fn the_nth_transfer_fails() {
    let (mut bench, station) = Bench::started();
    for n in 0..4 {
        bench.handle.misbehave(|m| (m.spared, m.failures) = (n, 1));
        for at in 0..6 {
            let ended = bench.transfer(BULK_OUT, [&[60, 0][..], &[1; 60]].concat());
            let expected = if at == n { TransferStatus::Failed } else { TransferStatus::Done };
            assert_eq!(ended.status, expected, "{at} of {n}");
        }
        assert_eq!(station.drain().len(), 5);
    }
    // One that waits has not gone well yet.
    bench.handle.misbehave(|m| (m.spared, m.babbles) = (1, 1));
    bench.submit(BULK_IN, vec![0; ROOM], false);
    bench.submit(BULK_IN, vec![0; ROOM], false);
    assert!(bench.nic.reap().is_none());
    station.inject(&frame(MAC, 60));
    let ended = [0; 2].map(|_| bench.nic.reap().map(|c| c.status));
    assert_eq!(ended, [Some(TransferStatus::Done), Some(TransferStatus::Overflow)]);
}

#[test]
fn garbage_can_be_replayed_and_is_only_where_it_is_told() {
    let (mut bench, _) = Bench::started();
    let mut runs = [0; 2].map(|_| {
        let registers = vec![regs::ETH_CTRL0..=regs::ETH_CTRL2];
        bench.handle.misbehave(|m| m.garbage = None);
        bench.handle.misbehave(|m| m.garbage = Some(Garbage { seed: 7, registers, one_in: 2 }));
        (0..32).map(|_| bench.get::<4>(0)).collect::<Vec<_>>()
    });
    assert_eq!(runs[0], runs[1]);
    let run = std::mem::take(&mut runs[0]);
    assert!(run.iter().any(|r| r[0] != 0xc8) && run.iter().any(|r| r[0] == 0xc8));
    assert!(run.iter().all(|r| r[3] == 0));
}

#[test]
fn endpoints_halt_babble_fail_and_hang() {
    let (mut bench, station) = Bench::started();
    bench.handle.misbehave(|m| m.halts = vec![BULK_IN]);
    for _ in 0..2 {
        assert_eq!(bench.transfer(BULK_IN, vec![0; ROOM]).status, TransferStatus::Stalled);
        bench.nic.clear_halt(BULK_IN).unwrap();
    }
    bench.handle.misbehave(|m| (m.halts, m.babbles) = (Vec::new(), 1));
    station.inject(&frame(MAC, 60));
    bench.send(&frame(OTHER, 60));
    let ended = bench.transfer(BULK_IN, vec![0; ROOM]);
    assert_eq!((ended.status, ended.length), (TransferStatus::Overflow, ROOM));
    assert_eq!(bench.receive().unwrap().data, frame(MAC, 60));

    bench.handle.misbehave(|m| m.failures = 2);
    assert_eq!(bench.transfer(BULK_OUT, vec![0; 62]).status, TransferStatus::Failed);
    assert_eq!(bench.transfer(INTERRUPT, vec![0; 8]).status, TransferStatus::Failed);
    assert_eq!(station.drain().len(), 1);

    bench.handle.misbehave(|m| (m.tx_hangs, m.rx_hangs) = (true, true));
    station.inject(&frame(MAC, 61));
    let (tx, rx) =
        (bench.submit(BULK_OUT, [&[60, 0][..], &[3; 60]].concat(), false), bench.submit(BULK_IN, vec![0; ROOM], false));
    assert!(bench.nic.reap().is_none());
    bench.handle.misbehave(|m| *m = Misbehave::none());
    assert_eq!([0; 2].map(|_| bench.nic.reap().unwrap().token), [tx, rx]);
    assert_eq!(station.receive(NOW).unwrap().data, [3; 60]);
}

#[test]
fn the_status_of_a_frame_lies_and_frames_are_cut() {
    let (mut bench, station) = Bench::started();
    bench.handle.misbehave(|m| m.rx_trailer = Some(BadTrailer { length: Some(0xffff), status: Some(0x1f) }));
    station.inject(&frame(MAC, 60));
    let received = bench.receive().unwrap();
    assert_eq!((received.data, received.length, received.status), (frame(MAC, 60), 0xffff, 0x1f));
    for (cut, length) in [(0, 0), (3, 3), (67, 67), (1000, 68)] {
        bench.handle.misbehave(|m| (m.rx_trailer, m.rx_cut) = (None, Some(cut)));
        station.inject(&frame(MAC, 60));
        let ended = bench.transfer(BULK_IN, vec![0; ROOM]);
        assert_eq!((ended.status, ended.length), (TransferStatus::Done, length));
        assert_eq!(bench.receive(), None, "the rest is lost");
    }
}

#[test]
fn endpoint_3_storms_is_lost_or_short() {
    let (mut bench, _) = Bench::started();
    bench.interrupt();
    bench.handle.misbehave(|m| m.interrupt_storm = true);
    assert!((0..100).all(|_| bench.interrupt().is_some()));
    bench.handle.misbehave(|m| (m.interrupt_storm, m.interrupt_short) = (false, Some(5)));
    bench.wire.set_link(false);
    assert_eq!(bench.transfer(INTERRUPT, vec![0; 8]).length, 5);
    bench.handle.misbehave(|m| m.interrupt_lost = true);
    bench.wire.set_link(true);
    assert_eq!(bench.interrupt(), None);
}

#[test]
fn what_never_gets_done() {
    let (mut bench, _) = Bench::started();
    bench.handle.misbehave(|m| (m.eprom_silent, m.phy_silent, m.reset_hangs) = (true, true, true));
    bench.set(regs::EPROM_CTRL, eprom::READ);
    bench.set(regs::PHY_CTRL, phy::READ | mii::BMSR);
    bench.set(regs::ETH_CTRL1, ctrl1::RESET);
    for _ in 0..50 {
        assert_eq!(bench.r8(regs::EPROM_CTRL) & eprom::DONE, 0);
        assert_eq!(bench.r8(regs::PHY_CTRL) & phy::DONE, 0);
        assert_ne!(bench.r8(regs::ETH_CTRL1) & ctrl1::RESET, 0);
    }
    bench.handle.misbehave(|m| *m = Misbehave { phy_absent: true, ..Misbehave::none() });
    bench.poll(regs::EPROM_CTRL, eprom::DONE, true);
    bench.poll(regs::ETH_CTRL1, ctrl1::RESET, false);
    assert!((0..32).all(|address| bench.mii(address, mii::BMSR) == 0xffff));

    let quick = Config { reset_polls: 0, eprom_polls: 0, phy_polls: 0, ..config(Variant::Adm8511) };
    let (mut bench, _far) = Bench::with_far_end(quick, WireConfig::default());
    bench.handle.misbehave(|m| (m.eprom_silent, m.phy_silent, m.reset_hangs) = (true, true, true));
    bench.set(regs::EPROM_CTRL, eprom::READ);
    bench.set(regs::PHY_CTRL, phy::READ);
    bench.set(regs::ETH_CTRL1, ctrl1::RESET);
    assert_eq!(
        [regs::EPROM_CTRL, regs::PHY_CTRL, regs::ETH_CTRL1].map(|at| bench.r8(at)),
        [eprom::READ, phy::READ, ctrl1::RESET]
    );
}

#[test]
fn an_eprom_may_hold_an_address_that_no_station_has() {
    for mac in [[0; 6], [0xff; 6], [0x01, 0, 0x5e, 1, 2, 3]] {
        let config = Config { mac, control_cost: Duration::ZERO, ..Config::default() };
        let (mut bench, _far) = Bench::with_far_end(config, WireConfig::default());
        assert_eq!(bench.get(regs::ETH_ID), mac);
    }
}

#[test]
fn the_link_flaps() {
    let (mut bench, _) = Bench::started();
    assert!(bench.link());
    bench.interrupt();
    bench.handle.misbehave(|m| m.link_flaps = 7);
    let seen: Vec<bool> = (0..30).map(|_| bench.link()).collect();
    assert!(seen.contains(&false), "{seen:?}");
    assert!(bench.interrupt().is_some());
    bench.handle.misbehave(|m| m.link_flaps = 0);
    bench.link();
    assert!(bench.link());
}
