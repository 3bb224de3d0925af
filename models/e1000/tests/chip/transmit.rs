//! The transmit ring: legacy descriptors, what is written back, when nothing moves.

use model_e1000::regs::{self, ctrl, icr, rctl, stat, tctl, txd};
use model_e1000::{Config, Variant};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, IOVA, MAC, NOW, RING, frame};

const ONE: u32 = txd::EOP | txd::IFCS | txd::RS;

#[test]
fn frames_go_around_the_ring() {
    let (mut b, station) = Bench::started();
    for n in 0..3 * RING {
        let f = frame([n as u8; 6], 60 + n as usize);
        b.send(&f);
        assert!(b.tx_done(n % RING));
        assert_eq!(station.receive(NOW).unwrap().data, f);
        assert_eq!(b.r(regs::TDH), (n + 1) % RING);
    }
    assert_eq!(b.r(regs::ICR), icr::TXDW | icr::TXQE);
    assert_eq!(b.handle.counters().tx_frames, 48);
    assert_eq!([b.r(stat::GPTC), b.r(stat::TPT), b.r(stat::GPTC)], [48, 48, 0]);
}

#[test]
fn a_packet_is_gathered_from_descriptors_even_over_doorbells() {
    let (mut b, station) = Bench::started();
    let f = frame(MAC, 900);
    b.put_data(&f[..100], txd::IFCS, 0);
    b.doorbell();
    assert!(station.drain().is_empty());
    assert!(!b.tx_done(0), "no RS");
    b.put_data(&f[100..101], txd::IFCS, 0);
    b.put([0, 0, txd::IFCS, 0]);
    b.put_data(&f[101..], ONE, 0);
    b.doorbell();
    assert_eq!(station.receive(NOW).unwrap().data, f);
    assert!(b.tx_done(3));
}

#[test]
fn status_comes_only_where_it_is_asked_for() {
    let (mut b, _station) = Bench::started();
    b.put_data(&frame(MAC, 60), txd::EOP | txd::IFCS, 0xabcd_0000);
    b.doorbell();
    assert_eq!((b.tx_done(0), b.r(regs::ICR)), (false, icr::TXQE));
    b.put_data(&frame(MAC, 60), txd::EOP | txd::IFCS | txd::RPS, 0);
    b.doorbell();
    assert_eq!((b.tx_done(1), b.r(regs::ICR)), (false, icr::TXQE), "the 82544 alone knows RPS");
    let (mut b, _station) = Bench::of(Config { variant: Variant::I82544Gc, ..Config::default() });
    b.start(0);
    b.put_data(&frame(MAC, 60), txd::EOP | txd::IFCS | txd::RPS, 0);
    b.doorbell();
    assert_eq!((b.tx_done(0), b.r(regs::ICR)), (true, icr::TXQE | icr::TXDW));
}

#[test]
fn short_packets_are_padded_if_told() {
    let (mut b, station) = Bench::started();
    b.send(&[7; 14]);
    assert_eq!(station.receive(NOW).unwrap().data, [7; 14]);
    b.w(regs::TCTL, tctl::EN | tctl::PSP);
    b.send(&[7; 14]);
    let f = station.receive(NOW).unwrap().data;
    assert_eq!((f.len(), &f[..14], f[14]), (60, &[7; 14][..], 0));
}

#[test]
fn nothing_goes_out_without_enable_bus_mastering_or_link() {
    let (mut b, station) = Bench::started();
    b.w(regs::TCTL, 0);
    b.send(&[1; 60]);
    assert!(station.drain().is_empty());
    b.nic.config_write(4, Width::U16, 3).unwrap();
    b.w(regs::TCTL, tctl::EN);
    assert!(station.drain().is_empty());
    b.wire.set_link(false);
    b.nic.config_write(4, Width::U16, 7).unwrap();
    assert_eq!((station.drain().len(), b.r(regs::TDH)), (0, 0));
    b.wire.set_link(true);
    assert_eq!(station.drain().len(), 1);
    b.w(regs::CTRL, ctrl::DEFAULT);
    b.send(&[1; 60]);
    assert!(station.drain().is_empty(), "SLU is clear");
    b.w(regs::CTRL, ctrl::DEFAULT | ctrl::SLU);
    assert_eq!(station.drain().len(), 1);
}

#[test]
fn a_tag_is_inserted_in_vlan_mode() {
    let (mut b, station) = Bench::started();
    let f = frame(MAC, 60);
    let tagged = [&f[..12], &[0x81, 0, 0x20, 0x64], &f[12..]].concat();
    b.put_data(&f, ONE | txd::VLE, 0x2064 << 16);
    b.doorbell();
    assert_eq!(station.receive(NOW).unwrap().data, f, "VME is clear");
    b.set(regs::CTRL, ctrl::VME);
    b.put_data(&f, ONE | txd::VLE, 0x2064 << 16);
    b.doorbell();
    assert_eq!(station.receive(NOW).unwrap().data, tagged);
    b.w(regs::VET, 0x88a8);
    b.put_data(&f, ONE | txd::VLE, 0x2064 << 16);
    b.doorbell();
    assert_eq!(station.receive(NOW).unwrap().data[12..14], [0x88, 0xa8]);
}

#[test]
fn without_ifcs_the_frame_brings_its_own() {
    let (mut b, station) = Bench::started();
    // CRC-32 of the nine digits, known from every table of CRCs; behind a frame of them.
    let mut f = b"123456789".to_vec();
    f.extend(0xcbf4_3926u32.to_le_bytes());
    b.put_data(&f, txd::EOP | txd::RS, 0);
    b.doorbell();
    assert_eq!(station.receive(NOW).unwrap().data, b"123456789");
    f[12] ^= 1;
    b.put_data(&f, txd::EOP | txd::RS, 0);
    b.doorbell();
    assert!(station.drain().is_empty());
    assert!(b.tx_done(1));
}

#[test]
fn jumbos_go_out_and_giants_do_not() {
    let (mut b, station) = Bench::started();
    let f = frame(MAC, 16288);
    b.send(&f);
    assert_eq!(station.receive(NOW).unwrap().data, f);
    b.put_data(&f, txd::IFCS, 0);
    b.put_data(&[1], ONE, 0);
    b.doorbell();
    assert!(station.drain().is_empty());
    assert!(b.tx_done(2), "its descriptors are done");
    assert_eq!(b.handle.counters().tx_aborts, 1);
    b.send(&[1; 60]);
    assert_eq!(station.drain().len(), 1);
}

#[test]
fn memory_that_is_not_there_stops_the_queue() {
    let (mut b, station) = Bench::started();
    b.put([0x5000_0000, 0, ONE | 60, 0]);
    b.doorbell();
    b.send(&[1; 60]);
    assert!(station.drain().is_empty());
    assert_eq!(b.nic.config_read(6, Width::U16).unwrap() & 0x6000, 0x2000);
    let counters = b.handle.counters();
    assert_eq!((counters.master_aborts, counters.tx_aborts, b.r(regs::TDH)), (1, 1, 0));
    // The driver mends the descriptor and enables the queue again.
    let address = (IOVA + 0x100).to_le_bytes();
    udrv_bus::DmaMemory::write(&*b.memory, 0, &address).unwrap();
    b.w(regs::TCTL, 0);
    b.w(regs::TCTL, tctl::EN);
    assert_eq!(station.drain().len(), 2);
}

#[test]
fn a_tail_outside_the_ring_moves_nothing() {
    let (mut b, station) = Bench::started();
    b.put_data(&[1; 60], ONE, 0);
    for tail in [RING, 0xffff] {
        b.w(regs::TDT, tail);
        assert!(station.drain().is_empty());
    }
    b.doorbell();
    assert_eq!(station.drain().len(), 1);
    b.w(regs::TDLEN, 0);
    b.w(regs::TDT, 5);
    assert!(station.drain().is_empty());
}

#[test]
fn loopback_comes_back_and_stays_off_the_wire() {
    for phy in [false, true] {
        let (mut b, station) = Bench::started();
        b.wire.set_link(false);
        if phy {
            // PHY 1, register 0: loopback, 1000 Mbit/s, full duplex.
            b.w(regs::MDIC, regs::mdic::OP_WRITE | 1 << regs::mdic::PHY_SHIFT | 0x4140);
        } else {
            b.set(regs::RCTL, rctl::LBM);
        }
        let f = frame(MAC, 100);
        b.send(&f);
        b.wire.set_link(true);
        station.inject(&f);
        assert_eq!(b.take().unwrap().data, f);
        assert!(b.take().is_none(), "the wire is not heard");
        assert!(station.drain().is_empty());
        assert_eq!(b.handle.counters().tx_loopback, 1);
    }
}

#[test]
fn statistics_of_transmission() {
    let (mut b, _station) = Bench::started();
    for (to, len) in [(MAC, 60), (MAC, 61), (MAC, 1514), ([0xff; 6], 60), ([1, 0, 0x5e, 0, 0, 1], 300)] {
        b.send(&frame(to, len));
    }
    assert_eq!([b.r(stat::BPTC), b.r(stat::MPTC), b.r(stat::GPTC)], [1, 1, 5]);
    assert_eq!([0, 1, 2, 3, 4, 5].map(|i| b.r(stat::PTC64 + 4 * i)), [2, 1, 0, 1, 0, 1]);
    let octets = 64 + 65 + 1518 + 64 + 304;
    assert_eq!([b.r(stat::GOTCL), b.r(stat::GOTCL), b.r(stat::GOTCL + 4), b.r(stat::GOTCL)], [octets, octets, 0, 0]);
    assert_eq!([b.r(stat::TOTL), b.r(stat::TOTL + 4), b.r(stat::TOTL)], [octets, 0, 0]);
}
