//! INTx: a level, seen through an event that masks itself.

use std::time::{Duration, Instant};

use model_e1000::regs::{self, icr, mdic};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, MAC, frame};

#[test]
fn reading_clears_and_so_do_ones() {
    let (mut b, station) = Bench::started();
    station.inject(&frame(MAC, 60));
    b.send(&[1; 60]);
    assert_eq!(b.r(regs::ICR), icr::RXT0 | icr::TXDW | icr::TXQE);
    assert_eq!(b.r(regs::ICR), 0);
    b.w(regs::ICS, icr::RXT0 | icr::LSC);
    b.w(regs::ICR, icr::RXT0);
    assert_eq!(b.r(regs::ICR), icr::LSC);
}

#[test]
fn one_event_an_assertion_until_unmasked() {
    let (mut b, station) = Bench::started();
    b.enable_line();
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 0, "IMS is clear");
    b.w(regs::IMS, icr::RXT0);
    assert_eq!(b.interrupts(), 1, "a level: the cause was already there");
    b.take_interrupt();
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 1, "masked");
    b.nic.unmask_intx().unwrap();
    assert_eq!(b.interrupts(), 2, "still asserted");
    b.take_interrupt();
    assert!(b.handle.intx_asserted());
    assert_ne!(b.r(regs::ICR), 0);
    assert!(!b.handle.intx_asserted(), "the read took the cause away");
    b.nic.unmask_intx().unwrap();
    assert_eq!(b.interrupts(), 2);
    b.w(regs::IMC, icr::RXT0);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 2);
}

/// As a driver tests its line: each of the ten lowest causes, reserved ones too.
#[test]
fn every_cause_can_be_set_and_masked() {
    let (mut b, _station) = Bench::started();
    for bit in (0..10).map(|i| 1 << i) {
        b.w(regs::IMC, u32::MAX);
        b.r(regs::ICR);
        b.w(regs::ICS, bit);
        assert!(!b.handle.intx_asserted());
        b.w(regs::IMS, bit);
        assert!(b.handle.intx_asserted());
        assert_eq!(b.r(regs::IMS), bit);
        b.r(regs::ICR);
        b.w(regs::ICS, !bit & 0x7fff);
        assert!(!b.handle.intx_asserted());
    }
    assert_eq!((b.r(regs::ICS), b.r(regs::IMC)), (0, 0), "write only");
}

#[test]
fn the_disable_bit_holds_the_line_and_the_status_bit_shows_it() {
    let (mut b, _station) = Bench::started();
    b.enable_line();
    b.nic.config_write(4, Width::U16, 0x407).unwrap();
    b.w(regs::IMS, icr::LSC);
    b.w(regs::ICS, icr::LSC);
    assert_eq!((b.interrupts(), b.nic.config_read(6, Width::U16).unwrap() & 8), (0, 8));
    b.nic.config_write(4, Width::U16, 7).unwrap();
    assert_eq!(b.interrupts(), 1);
    b.r(regs::ICR);
    assert_eq!(b.nic.config_read(6, Width::U16).unwrap() & 8, 0);
}

#[test]
fn the_link_interrupts() {
    let (mut b, _station) = Bench::started();
    b.wire.set_link(false);
    assert_eq!(b.r(regs::ICR), icr::LSC);
    b.wire.set_link(false);
    assert_eq!(b.r(regs::ICR), 0, "no change, no cause");
    b.wire.set_link(true);
    assert_eq!(b.r(regs::ICR), icr::LSC);
    b.w(regs::CTRL, regs::ctrl::DEFAULT);
    assert_eq!(b.r(regs::ICR), icr::LSC, "the MAC heeds it no more");
    b.wire.set_link(false);
    assert_eq!(b.r(regs::ICR), 0);
}

#[test]
fn an_mdi_access_interrupts_if_told() {
    let (mut b, _station) = Bench::started();
    b.w(regs::MDIC, mdic::OP_READ | 1 << mdic::PHY_SHIFT);
    assert_eq!(b.r(regs::ICR), 0);
    b.w(regs::MDIC, mdic::OP_READ | 1 << mdic::PHY_SHIFT | mdic::INT);
    assert_eq!(b.r(regs::ICR), icr::MDAC);
}

/// ITR holds back what comes too soon, and it comes then without anybody touching the chip.
#[test]
fn interrupts_keep_their_distance() {
    let (mut b, station) = Bench::started();
    b.enable_line();
    // 10.24 ms
    let (itr, distance) = (40_000, Duration::from_nanos(40_000 * 256));
    b.w(regs::ITR, itr);
    b.w(regs::IMS, icr::RXT0);
    let begun = Instant::now();
    for n in 1..=4 {
        station.inject(&frame(MAC, 60));
        while b.interrupts() < n {
            assert!(begun.elapsed() < Duration::from_secs(20), "interrupt {n} never comes");
            std::thread::yield_now();
        }
        assert!(begun.elapsed() >= distance * (n as u32 - 1), "{n}");
        b.take_interrupt();
        assert_ne!(b.r(regs::ICR), 0);
        b.nic.unmask_intx().unwrap();
    }
}

#[test]
fn what_itr_holds_back_is_there_all_the_same() {
    let (mut b, station) = Bench::started();
    b.w(regs::ITR, 0xffff);
    b.w(regs::IMS, icr::RXT0);
    let begun = Instant::now();
    station.inject(&frame(MAC, 60));
    assert!(b.handle.intx_asserted());
    assert_ne!(b.r(regs::ICR), 0);
    station.inject(&frame(MAC, 60));
    let asserted = b.handle.intx_asserted();
    assert!(!asserted || begun.elapsed() >= Duration::from_nanos(0xffff * 256), "held back");
    assert_eq!(b.r(regs::ICR) & icr::RXT0, icr::RXT0);
    station.inject(&frame(MAC, 60));
    b.w(regs::ITR, 0);
    assert!(b.handle.intx_asserted(), "without ITR at once");
}
