//! Transfers: order, cancelling, halts, the event.

use std::os::fd::AsFd;

use model_pegasus::{BULK_IN, BULK_OUT, INTERRUPT};
use rustix::event::{EventfdFlags, eventfd};
use udrv_bus::{BusError, Transfer, TransferStatus, UsbDevice};

use crate::bench::{Bench, MAC, OTHER, ROOM, frame};

/// What an eventfd has counted since it was looked at.
fn count(event: &impl AsFd) -> u64 {
    let mut bytes = [0; 8];
    match rustix::io::read(event, &mut bytes) {
        Ok(8) => u64::from_ne_bytes(bytes),
        Err(rustix::io::Errno::AGAIN) => 0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_end_adds_one_to_the_event_and_so_does_leaving() {
    let (mut bench, station) = Bench::started();
    let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    bench.nic.set_event(event.as_fd()).unwrap();
    assert_eq!(count(&event), 0);
    bench.submit(BULK_IN, vec![0; ROOM], false);
    bench.submit(BULK_IN, vec![0; ROOM], false);
    assert_eq!(count(&event), 0);
    station.inject(&frame(MAC, 60));
    assert_eq!(count(&event), 1);
    bench.send_from(3);
    assert_eq!(count(&event), 3);
    bench.nic.cancel(BULK_IN).unwrap();
    assert_eq!(count(&event), 1);
    bench.handle.unplug();
    assert_eq!(count(&event), 1);
    bench.handle.unplug();
    assert_eq!(count(&event), 0, "it has left already");
}

impl Bench {
    fn send_from(&mut self, frames: usize) {
        let data = [&[60, 0][..], &frame(OTHER, 60)].concat();
        for _ in 0..frames {
            self.submit(BULK_OUT, data.clone(), false);
        }
    }
}

#[test]
fn cancelling_ends_those_of_one_endpoint_and_what_had_ended_keeps_its_status() {
    let (mut bench, station) = Bench::started();
    bench.interrupt();
    let first = bench.submit(BULK_IN, vec![0; ROOM], false);
    let second = bench.submit(BULK_IN, vec![0; ROOM], false);
    let third = bench.submit(BULK_IN, vec![0; ROOM], false);
    let other = bench.submit(INTERRUPT, vec![0; 8], false);
    station.inject(&frame(MAC, 60));
    bench.nic.cancel(BULK_IN).unwrap();
    let ended: Vec<_> = std::iter::from_fn(|| bench.nic.reap()).map(|c| (c.token, c.status, c.data.len())).collect();
    let (done, cancelled) = (TransferStatus::Done, TransferStatus::Cancelled);
    assert_eq!(ended, [(first, done, ROOM), (second, cancelled, ROOM), (third, cancelled, ROOM)]);
    bench.wire.set_link(false);
    assert_eq!(bench.nic.reap().unwrap().token, other);
    assert!(matches!(bench.nic.cancel(0x84), Err(BusError::Unsupported(_))));
}

#[test]
fn a_halt_ends_all_that_wait_until_it_is_cleared() {
    let (mut bench, station) = Bench::started();
    let waiting = [0; 2].map(|_| bench.submit(BULK_IN, vec![0; ROOM], false));
    assert!(matches!(bench.nic.clear_halt(BULK_IN), Err(BusError::Unsupported(_))), "transfers are queued");
    bench.handle.halt(BULK_IN);
    for token in waiting {
        let ended = bench.nic.reap().unwrap();
        assert_eq!((ended.token, ended.status, ended.length), (token, TransferStatus::Stalled, 0));
    }
    station.inject(&frame(MAC, 60));
    assert_eq!(bench.transfer(BULK_IN, vec![0; ROOM]).status, TransferStatus::Stalled);
    bench.send(&frame(OTHER, 60));
    let before = bench.handle.counters().control_writes;
    bench.nic.clear_halt(BULK_IN).unwrap();
    assert_eq!(bench.handle.counters().control_writes, before + 1);
    assert_eq!(bench.receive().unwrap().data, frame(MAC, 60), "nothing was lost");
    assert!(matches!(bench.nic.clear_halt(0x84), Err(BusError::Stall { .. })));
}

#[test]
fn frames_need_no_control_transfer() {
    let (mut bench, station) = Bench::started();
    let before = bench.handle.counters();
    for _ in 0..50 {
        bench.send(&frame(OTHER, 60));
        station.inject(&frame(MAC, 60));
        bench.receive().unwrap();
    }
    let after = bench.handle.counters();
    assert_eq!((after.control_reads, after.control_writes), (before.control_reads, before.control_writes));
    assert_eq!((after.bulk_in, after.bulk_out, after.tx_frames), (50, 50, 50));
}

#[test]
fn an_endpoint_that_is_not_there_takes_nothing() {
    let (mut bench, _) = Bench::started();
    for endpoint in [0x00, 0x01, 0x82, 0x84] {
        let transfer = Transfer { endpoint, token: 0, data: vec![0; 8], zero_packet: false };
        assert!(matches!(bench.nic.submit(transfer), Err(BusError::Unsupported(_))));
    }
    assert!(bench.nic.reap().is_none());
}

/// The packet is of eight bytes: less room is an overflow, and it is lost.
#[test]
fn endpoint_3_needs_room() {
    let (mut bench, _) = Bench::started();
    let ended = bench.transfer(INTERRUPT, vec![0; 4]);
    assert_eq!((ended.status, ended.length), (TransferStatus::Overflow, 4));
    assert_eq!(bench.interrupt(), None);
}
