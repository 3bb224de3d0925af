//! INTx: a level, seen through an event that masks itself.

use std::time::{Duration, Instant};

use model_r8169::regs::{self, isr, rcr, tppoll};
use model_r8169::{Config, R8169Model, Variant};
use model_wire::{Wire, WireConfig};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, MAC, frame};

#[test]
fn isr_is_cleared_by_ones_whatever_imr_is() {
    let (mut b, station) = Bench::started(rcr::APM);
    b.send(&[1; 60]);
    station.inject(&frame(MAC, 60));
    assert_eq!([0; 2].map(|_| b.r16(regs::ISR)), [isr::TOK | isr::TDU | isr::ROK; 2], "reading clears nothing");
    b.w16(regs::ISR, isr::TOK);
    assert_eq!(b.r16(regs::ISR), isr::TDU | isr::ROK);
    b.w32(regs::IMR, u32::MAX);
    assert_eq!((b.r16(regs::ISR), b.r16(regs::IMR)), (0, isr::ALL));
}

#[test]
fn one_event_an_assertion_until_unmasked() {
    let (mut b, station) = Bench::started(rcr::APM);
    b.enable_line();
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 0, "IMR is clear");
    b.w16(regs::IMR, isr::ROK | isr::TOK);
    assert_eq!(b.interrupts(), 1, "a level: the cause was already there");
    b.take_interrupt();
    b.send(&[1; 60]);
    assert_eq!(b.interrupts(), 1, "masked");
    b.nic.unmask_intx().unwrap();
    assert_eq!(b.interrupts(), 2, "still asserted");
    b.take_interrupt();
    b.w16(regs::ISR, 0xffff);
    b.nic.unmask_intx().unwrap();
    assert_eq!(b.interrupts(), 2);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 3);
}

#[test]
fn the_disable_bit_holds_the_line_and_the_status_bit_shows_it() {
    let (mut b, _station) = Bench::started(0);
    b.enable_line();
    b.nic.config_write(4, Width::U16, 0x407).unwrap();
    b.w16(regs::IMR, isr::TOK);
    b.send(&[1; 60]);
    assert_eq!((b.interrupts(), b.nic.config_read(6, Width::U16).unwrap() & 8), (0, 8));
    b.nic.config_write(4, Width::U16, 7).unwrap();
    assert_eq!(b.interrupts(), 1);
    b.w16(regs::ISR, isr::TOK);
    assert!(!b.handle.intx_asserted());
}

#[test]
fn software_interrupts() {
    let (mut b, _) = Bench::new();
    b.enable_line();
    b.w16(regs::IMR, isr::SWINT);
    b.w8(regs::TPPOLL, tppoll::FSWINT);
    assert_eq!((b.interrupts(), b.r16(regs::ISR), b.r8(regs::TPPOLL)), (1, isr::SWINT, 0));
}

#[test]
fn the_link_interrupts() {
    let (mut b, _station) = Bench::new();
    b.enable_line();
    b.w16(regs::IMR, isr::LINKCHG);
    b.wire.set_link(false);
    assert_eq!(b.interrupts(), 1);
}

#[test]
fn the_timer_interrupts_once() {
    let (mut b, _station) = Bench::new();
    b.enable_line();
    b.w16(regs::IMR, isr::TIMEOUT);
    b.w32(regs::TIMERINT, 1000);
    b.w32(regs::TCTR, 0);
    b.handle.advance_clock(999);
    assert_eq!((b.r32(regs::TCTR), b.interrupts()), (999, 0));
    b.handle.advance_clock(1);
    assert_eq!(b.interrupts(), 1);
    b.w16(regs::ISR, isr::TIMEOUT);
    b.handle.advance_clock(5000);
    assert_eq!(b.r16(regs::ISR), 0);
    b.w32(regs::TCTR, 7);
    assert_eq!(b.r32(regs::TCTR), 0, "any write starts it anew");
    b.handle.advance_clock(1000);
    assert_eq!(b.r16(regs::ISR), isr::TIMEOUT);
}

#[test]
fn the_real_clock_runs() {
    let (_wire, near, _far) = Wire::new(WireConfig::default());
    let (mut nic, _) = R8169Model::new(Config::default(), near);
    nic.config_write(4, Width::U16, 7).unwrap();
    let mut count = || nic.bar_read(1, regs::TCTR.into(), Width::U32).unwrap();
    let before = count();
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert!(count() - before >= 66_000);
}

/// A PCI Express chip whose interrupts wait: fields of IntrMitigate, in steps of 160 us.
fn mitigated(fields: u16) -> (Bench, model_wire::Station) {
    let (mut b, station) = Bench::of(Variant::Rtl8168Be);
    b.start(rcr::APM);
    b.w16(regs::CPCR, regs::cpcr::INTT);
    b.w16(regs::INTRMITIGATE, fields);
    b.w16(regs::IMR, isr::ALL);
    b.enable_line();
    (b, station)
}

/// An interrupt that waits comes when it is time, without anybody touching the chip.
#[test]
fn interrupts_keep_their_distance() {
    let (mut b, station) = mitigated(0xf0f0);
    let distance = 15 * Duration::from_micros(160);
    for n in 1..=4 {
        let begun = Instant::now();
        if n % 2 == 0 {
            b.send(&[1; 60]);
        } else {
            station.inject(&frame(MAC, 60));
        }
        while b.interrupts() < n {
            assert!(begun.elapsed() < Duration::from_secs(20), "interrupt {n} never comes");
            std::thread::yield_now();
        }
        assert!(begun.elapsed() >= distance, "{n}");
        b.take_interrupt();
        b.w16(regs::ISR, 0xffff);
        b.nic.unmask_intx().unwrap();
    }
}

#[test]
fn what_waits_is_there_all_the_same() {
    let (mut b, station) = mitigated(0x00f1);
    let begun = Instant::now();
    for n in 1..=3 {
        station.inject(&frame(MAC, 60));
        let asserted = b.handle.intx_asserted();
        assert!(!asserted || begun.elapsed() >= 15 * Duration::from_micros(160), "held back: {n}");
        assert_eq!(b.r16(regs::ISR), isr::ROK);
    }
    station.inject(&frame(MAC, 60));
    assert!(b.handle.intx_asserted(), "four frames");
    b.w16(regs::ISR, 0xffff);
    b.send(&[1; 60]);
    assert!(b.handle.intx_asserted(), "the other direction has no steps");
    b.w16(regs::ISR, 0xffff);
    station.inject(&frame(MAC, 60));
    b.wire.set_link(false);
    assert!(b.handle.intx_asserted(), "other causes do not wait");
    b.w16(regs::ISR, isr::LINKCHG);
    b.w16(regs::INTRMITIGATE, 0);
    assert!(b.handle.intx_asserted(), "without steps at once");
}
