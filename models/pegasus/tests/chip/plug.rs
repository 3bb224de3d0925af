//! Opening, closing, unplugging, the port's reset.

use model_pegasus::regs::{self, phy_power};
use model_pegasus::{BULK_IN, BULK_OUT, Variant};
use udrv_bus::{BusError, Transfer, TransferStatus, UsbDevice};

use crate::bench::{Bench, MAC, OTHER, ROOM, frame};

fn is_gone<T: std::fmt::Debug>(answer: Result<T, BusError>) -> bool {
    matches!(answer, Err(BusError::Gone { .. }))
}

#[test]
fn it_is_opened_once_at_a_time_and_stays_as_it_was_left() {
    let (mut bench, station) = Bench::started();
    assert!(matches!(bench.handle.open(), Err(BusError::Unsupported(_))));
    bench.submit(BULK_IN, vec![0; ROOM], false);
    drop(bench.nic);
    station.inject(&frame(MAC, 60));
    bench.nic = bench.handle.open().unwrap();
    assert!(bench.nic.reap().is_none(), "the transfers of the first have gone with it");
    assert_eq!(bench.r8(regs::ETH_CTRL0), 0xc8);
    assert_eq!(bench.receive().unwrap().data, frame(MAC, 60));
    assert_eq!((bench.nic.name(), bench.nic.id().to_string()), ("model:pegasus".into(), "07a6:8511".into()));
}

#[test]
fn unplugged_all_ends_as_gone_and_stays_so() {
    let (mut bench, station) = Bench::started();
    let waiting = bench.submit(BULK_IN, vec![0; ROOM], false);
    bench.handle.unplug();
    assert!(!bench.handle.is_plugged());
    let ended = bench.nic.reap().unwrap();
    assert_eq!((ended.token, ended.status, ended.data.len()), (waiting, TransferStatus::Gone, ROOM));
    station.inject(&frame(MAC, 60));
    for plugged_again in [false, true] {
        assert!(is_gone(bench.try_get::<1>(0)) && is_gone(bench.try_set(0, 0)));
        let transfer = Transfer { endpoint: BULK_IN, token: 0, data: vec![0; 64], zero_packet: false };
        assert!(is_gone(bench.nic.submit(transfer)));
        assert!(is_gone(bench.nic.reset()) && is_gone(bench.nic.clear_halt(BULK_IN)));
        bench.nic.cancel(BULK_IN).unwrap();
        assert!(bench.nic.reap().is_none());
        if !plugged_again {
            assert!(is_gone(bench.handle.open().map(drop)));
            bench.handle.replug();
        }
    }
    // What is there now is another one, as after power-on, beside the old one and after it.
    let mut again = bench.handle.open().unwrap();
    std::mem::swap(&mut bench.nic, &mut again);
    drop(again);
    assert!(matches!(bench.handle.open(), Err(BusError::Unsupported(_))), "the old one closes nothing");
    assert_eq!(bench.r8(regs::ETH_CTRL0), 0);
    bench.start();
    station.inject(&frame(MAC, 60));
    assert_eq!(bench.receive().unwrap().data, frame(MAC, 60));
    bench.send(&frame(OTHER, 60));
}

#[test]
fn what_had_ended_before_it_was_plugged_in_again_can_be_reaped() {
    let (mut bench, _) = Bench::started();
    let waiting = bench.submit(BULK_IN, vec![0; ROOM], false);
    bench.handle.replug();
    let ended = bench.nic.reap().unwrap();
    assert_eq!((ended.token, ended.status), (waiting, TransferStatus::Gone));
}

#[test]
fn it_leaves_at_the_nth_transfer_from_now() {
    for n in 1..=4 {
        let (mut bench, _) = Bench::started();
        bench.handle.misbehave(|m| m.unplug_at = n);
        for _ in 1..n {
            bench.r8(0);
        }
        assert!(is_gone(bench.try_get::<1>(0)));
        assert!(!bench.handle.is_plugged());
    }
    // A transfer that is submitted then is taken, and ends as gone.
    let (mut bench, station) = Bench::started();
    let waiting = bench.submit(BULK_IN, vec![0; ROOM], false);
    bench.handle.misbehave(|m| m.unplug_at = 2);
    bench.send(&frame(OTHER, 60));
    let last = bench.submit(BULK_OUT, [&[60, 0][..], &frame(OTHER, 60)].concat(), false);
    let ended = [0; 2].map(|_| bench.nic.reap().map(|c| (c.token, c.status)).unwrap());
    assert_eq!(ended, [(waiting, TransferStatus::Gone), (last, TransferStatus::Gone)]);
    assert_eq!(station.drain().len(), 1);
    bench.handle.replug();
    bench.nic = bench.handle.open().unwrap();
    assert_eq!(bench.r8(0), 0, "once is enough");
}

#[test]
fn a_reset_of_the_port_is_power_on_and_ends_all() {
    let (mut bench, station) = Bench::started();
    bench.handle.with_eprom(|words| words[0] = 0x0002);
    station.inject(&frame(MAC, 60));
    bench.handle.halt(BULK_OUT);
    bench.handle.misbehave(|m| m.rx_hangs = true);
    let waiting = bench.submit(BULK_IN, vec![0; ROOM], false);
    bench.nic.reset().unwrap();
    bench.handle.misbehave(|m| m.rx_hangs = false);
    let ended = bench.nic.reap().unwrap();
    assert_eq!((ended.token, ended.status), (waiting, TransferStatus::Cancelled));
    assert_eq!(bench.get(regs::ETH_ID), [2, 0, 0, 0x12, 0x34, 0x56]);
    assert_eq!((bench.r8(regs::PHY_POWER), bench.receive()), (0, None));
    bench.start();
    bench.send(&frame(OTHER, 60));
    assert_eq!(bench.handle.counters().port_resets, 1);
}

#[test]
fn an_an986_has_its_phy_in_reset_again_after_replug() {
    let (mut bench, _) = Bench::of(Variant::An986);
    bench.start();
    assert!(bench.link());
    bench.handle.replug();
    bench.nic = bench.handle.open().unwrap();
    assert_eq!(bench.mii(1, 1), 0xffff);
    bench.set(regs::PHY_POWER, phy_power::ON);
    assert_eq!(bench.mii(1, 1), 0xffff, "it has none inside");
}
