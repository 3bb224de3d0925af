//! Each way to fail, on and off again.

use model_rtl8139::regs::{self, cr, isr, rcr, tsd};
use model_rtl8139::{AllOnes, BadHeader, Garbage};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, MAC, frame};

#[test]
fn gone() {
    let (mut b, station) = Bench::new();
    b.start(rcr::APM);
    b.enable_line();
    b.w16(regs::IMR, 0xffff);
    b.handle.misbehave(|m| m.gone = true);
    assert_eq!((b.r8(regs::CR), b.r16(regs::ISR), b.r32(0)), (0xff, 0xffff, u32::MAX));
    assert_eq!(b.nic.config_read(0, Width::U32).unwrap(), u32::MAX);
    b.send(0, &[1; 60]);
    station.inject(&frame(MAC, 60));
    b.wire.set_link(false);
    assert!(station.drain().is_empty());
    assert_eq!(b.interrupts(), 0);
    b.handle.misbehave(|m| m.gone = false);
    assert_eq!(b.r32(regs::TSD0), tsd::OWN, "the write was lost");
}

#[test]
fn gone_for_a_while() {
    let (mut b, _station) = Bench::new();
    b.handle.misbehave(|m| m.gone_for = 3);
    assert_eq!(b.r16(regs::ISR), 0xffff);
    assert_eq!(b.nic.config_read(0, Width::U16).unwrap(), 0xffff);
    b.w16(regs::IMR, 7);
    assert_eq!((b.r16(regs::IMR), b.nic.config_read(0, Width::U16).unwrap()), (0, 0x10ec), "the write was lost");
}

#[test]
fn all_ones_stay_in_their_registers_and_end() {
    let (mut b, _station) = Bench::new();
    let cr = || vec![u32::from(regs::CR)..=u32::from(regs::CR)];
    b.handle.misbehave(|m| m.all_ones = Some(AllOnes { offsets: cr(), reads: None }));
    assert!((0..100).all(|_| b.r8(regs::CR) == 0xff && b.r16(regs::ISR) == 0));
    assert_eq!(b.nic.config_read(0, Width::U16).unwrap(), 0x10ec, "the card is there");
    b.handle.misbehave(|m| m.all_ones = Some(AllOnes { offsets: cr(), reads: Some(2) }));
    assert_eq!([b.r8(regs::CR), b.r8(regs::CR)], [0xff; 2]);
    assert_eq!(b.r8(regs::CR), cr::BUFE);
}

#[test]
fn garbage_is_seeded_and_stays_in_its_registers() {
    const CBR: u32 = regs::CBR as u32;
    let garbage = |one_in| Garbage { seed: 7, offsets: vec![CBR..=CBR + 1], one_in };
    let run = || {
        let (mut b, _) = Bench::new();
        b.handle.misbehave(|m| m.garbage = Some(garbage(1)));
        let lies: Vec<u16> = (0..8).map(|_| b.r16(regs::CBR)).collect();
        assert_eq!(b.r16(regs::CAPR), 0xfff0, "a neighbour tells the truth");
        b.handle.misbehave(|m| m.garbage = None);
        assert_eq!(b.r16(regs::CBR), 0);
        lies
    };
    let lies = run();
    assert_eq!(lies, run());
    assert!(lies.windows(2).any(|w| w[0] != w[1]));
    let (mut b, _) = Bench::new();
    b.handle.misbehave(|m| m.garbage = Some(garbage(4)));
    let wrong = (0..1000).filter(|_| b.r16(regs::CBR) != 0).count();
    assert!((150..350).contains(&wrong), "{wrong} of 1000 lied, about 250 expected");
}

#[test]
fn bad_header() {
    let (mut b, station) = Bench::new();
    b.start(rcr::APM);
    b.handle.misbehave(|m| m.rx_header = Some(BadHeader { status: Some(0x1234), length: Some(0) }));
    station.inject(&frame(MAC, 60));
    let mut header = [0; 4];
    udrv_bus::DmaMemory::read(&*b.memory, crate::bench::RX.into(), &mut header).unwrap();
    assert_eq!(header, [0x34, 0x12, 0, 0]);
    assert_eq!(b.r16(regs::CBR), 68, "the ring itself is right");
}

#[test]
fn cbr_jumps() {
    let (mut b, _) = Bench::new();
    b.handle.misbehave(|m| m.cbr_jump = Some(0x4001));
    assert_eq!(b.r16(regs::CBR), 0x4001);
}

#[test]
fn reset_hangs() {
    let (mut b, _) = Bench::new();
    b.handle.misbehave(|m| m.reset_hangs = true);
    b.w8(regs::CR, cr::RST);
    assert!((0..1000).all(|_| b.r8(regs::CR) & cr::RST != 0));
    b.handle.misbehave(|m| m.reset_hangs = false);
    assert!((0..4).any(|_| b.r8(regs::CR) & cr::RST == 0));
}

#[test]
fn interrupt_storm() {
    let (mut b, _) = Bench::new();
    b.enable_line();
    b.w16(regs::IMR, isr::RER);
    b.handle.misbehave(|m| m.isr_stuck = isr::RER);
    for n in 1..=100 {
        assert_eq!(b.interrupts(), n);
        b.take_interrupt();
        b.w16(regs::ISR, 0xffff);
        assert_eq!(b.r16(regs::ISR), isr::RER);
        b.nic.unmask_intx().unwrap();
    }
    b.w16(regs::IMR, 0);
    b.nic.unmask_intx().unwrap();
    assert_eq!(b.interrupts(), 101, "IMR stops it");
}

#[test]
fn intx_stuck() {
    let (mut b, _) = Bench::new();
    b.enable_line();
    b.handle.misbehave(|m| m.intx_stuck = true);
    for n in 1..=100 {
        assert_eq!((b.interrupts(), b.r16(regs::ISR), b.r16(regs::IMR)), (n, 0, 0), "no cause, and nothing enabled");
        b.take_interrupt();
        b.nic.unmask_intx().unwrap();
    }
    b.handle.misbehave(|m| m.intx_stuck = false);
    b.take_interrupt();
    b.nic.unmask_intx().unwrap();
    assert_eq!(b.interrupts(), 101);
}

#[test]
fn interrupt_lost() {
    let (mut b, _station) = Bench::new();
    b.start(0);
    b.enable_line();
    b.w16(regs::IMR, isr::TOK);
    b.handle.misbehave(|m| m.interrupt_lost = true);
    b.send(0, &[1; 60]);
    assert_eq!((b.r16(regs::ISR), b.interrupts()), (isr::TOK, 0));
    b.handle.misbehave(|m| m.interrupt_lost = false);
    assert_eq!(b.interrupts(), 1);
}

#[test]
fn tx_hangs() {
    let (mut b, station) = Bench::new();
    b.start(0);
    b.handle.misbehave(|m| m.tx_hangs = true);
    b.send(0, &[1; 60]);
    assert_eq!((b.r32(regs::TSD0), b.r16(regs::ISR)), (60, 0));
    assert!(station.drain().is_empty());
    b.handle.misbehave(|m| m.tx_hangs = false);
    assert_eq!(station.drain().len(), 1);
}

#[test]
fn tx_silent() {
    let (mut b, station) = Bench::new();
    b.start(0);
    b.handle.misbehave(|m| m.tx_silent = true);
    b.send(0, &[1; 60]);
    assert_eq!((b.r32(regs::TSD0), b.r16(regs::ISR)), (tsd::OWN | tsd::TOK | 60, 0));
    assert_eq!(station.drain().len(), 1);
}

#[test]
fn dma_astray() {
    let (mut b, station) = Bench::new();
    b.start(rcr::APM);
    b.handle.misbehave(|m| m.dma_astray = Some(0x4000_0000));
    b.send(0, &[1; 60]);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.handle.counters().master_aborts, 2);
    assert_eq!(b.r16(regs::ISR), isr::SERR | isr::TER);
    assert!(station.drain().is_empty());
}
