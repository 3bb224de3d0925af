//! INTx: a level, seen through an event that masks itself.

use std::io::Read;
use std::os::fd::AsFd;

use model_rtl8139::regs::{self, isr, rcr};
use udrv_bus::{BusError, PciFunction, Width};

use crate::bench::{Bench, MAC, frame};

#[test]
fn isr_is_cleared_by_ones_and_keeps_no_ear_for_imr() {
    let (mut b, station) = Bench::new();
    b.start(rcr::APM);
    b.send(0, &[1; 60]);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.r16(regs::ISR), isr::TOK | isr::ROK);
    assert_eq!(b.r16(regs::ISR), isr::TOK | isr::ROK, "reading clears nothing");
    b.w16(regs::ISR, isr::TOK);
    assert_eq!(b.r16(regs::ISR), isr::ROK);
    b.w8(regs::ISR, 0xff);
    assert_eq!(b.r16(regs::ISR), 0);
    b.w16(regs::IMR, 0xffff);
    assert_eq!(b.r16(regs::IMR), isr::ALL);
}

#[test]
fn one_event_an_assertion_until_unmasked() {
    let (mut b, station) = Bench::new();
    b.start(rcr::APM);
    b.enable_line();
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 0, "IMR is clear");
    b.w16(regs::IMR, isr::ROK | isr::TOK);
    assert_eq!(b.interrupts(), 1, "a level: the cause was already there");
    b.take_interrupt();
    station.inject(&frame(MAC, 60));
    b.send(0, &[1; 60]);
    assert_eq!(b.interrupts(), 1, "masked");
    b.nic.unmask_intx().unwrap();
    assert_eq!(b.interrupts(), 2, "still asserted");
    b.take_interrupt();
    b.w16(regs::ISR, 0xffff);
    b.nic.unmask_intx().unwrap();
    assert_eq!(b.interrupts(), 2);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 3);
    b.take_interrupt();
    b.nic.disable_intx().unwrap();
    b.w16(regs::ISR, 0xffff);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 3);
    assert!(matches!(b.nic.unmask_intx(), Err(BusError::Io { .. })));
}

#[test]
fn the_disable_bit_holds_the_line_and_the_status_bit_shows_it() {
    let (mut b, _station) = Bench::new();
    b.start(0);
    b.enable_line();
    b.nic.config_write(4, Width::U16, 0x407).unwrap();
    b.w16(regs::IMR, isr::TOK);
    b.send(0, &[1; 60]);
    assert_eq!(b.interrupts(), 0);
    assert_eq!(b.nic.config_read(6, Width::U16).unwrap() & 8, 8);
    b.nic.config_write(4, Width::U16, 7).unwrap();
    assert_eq!(b.interrupts(), 1);
    b.w16(regs::ISR, isr::TOK);
    assert_eq!(b.nic.config_read(6, Width::U16).unwrap() & 8, 0);
    assert!(!b.handle.intx_asserted());
}

#[test]
fn the_link_interrupts() {
    let (mut b, _station) = Bench::new();
    b.enable_line();
    b.w16(regs::IMR, isr::PUN_LINKCHG);
    b.wire.set_link(false);
    assert_eq!(b.interrupts(), 1);
    b.wire.set_link(false);
    b.w16(regs::ISR, isr::PUN_LINKCHG);
    assert_eq!(b.r16(regs::ISR), 0, "no change, no cause");
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
    b.w32(regs::TIMERINT, 0);
    b.w16(regs::ISR, isr::TIMEOUT);
    b.handle.advance_clock(5000);
    assert_eq!(b.r16(regs::ISR), 0, "0 is never");
}

#[test]
fn a_new_line_gets_what_is_asserted() {
    let (mut b, _station) = Bench::new();
    b.start(0);
    b.w16(regs::IMR, isr::TOK);
    b.send(0, &[1; 60]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    b.nic.enable_intx(writer.as_fd()).unwrap();
    drop(writer);
    b.nic.disable_intx().unwrap();
    let mut events = Vec::new();
    assert_eq!(reader.read_to_end(&mut events).unwrap(), 8, "one event, and no copy of the line is left open");
}
