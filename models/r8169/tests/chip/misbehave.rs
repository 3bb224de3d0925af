//! Each way to fail, on and off again. What every card can is tested where it is made; here that this chip heeds it.
//! PHYAR and the link are in `phy`, receive descriptors in `receive`.

use model_r8169::regs::{self, cr, desc, isr, rcr, tppoll};
use model_r8169::{AllOnes, Garbage};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, IOVA, MAC, TX_RING, WHOLE, frame};

#[test]
fn gone() {
    let (mut b, station) = Bench::started(rcr::APM);
    b.enable_line();
    b.w16(regs::IMR, 0xffff);
    b.handle.misbehave(|m| m.gone = true);
    assert_eq!((b.r8(regs::CR), b.r16(regs::ISR), b.r32(0)), (0xff, 0xffff, u32::MAX));
    assert_eq!(b.nic.config_read(0, Width::U32).unwrap(), u32::MAX);
    b.send(&[1; 60]);
    station.inject(&frame(MAC, 60));
    b.wire.set_link(false);
    assert!(station.drain().is_empty());
    assert_eq!(b.interrupts(), 0);
    b.handle.misbehave(|m| m.gone = false);
    assert_ne!(b.tx_word(0) & desc::OWN, 0, "the write was lost");
}

#[test]
fn registers_lie() {
    let (mut b, _station) = Bench::started(0);
    let cr = vec![u32::from(regs::CR)..=u32::from(regs::CR)];
    b.handle.misbehave(|m| m.all_ones = Some(AllOnes { offsets: cr.clone(), reads: Some(2) }));
    assert_eq!([0; 3].map(|_| b.r8(regs::CR)), [0xff, 0xff, cr::RE | cr::TE]);
    b.handle.misbehave(|m| m.garbage = Some(Garbage { seed: 1, offsets: cr, one_in: 1 }));
    let lies = [0; 8].map(|_| b.r8(regs::CR));
    assert!(lies.iter().any(|lie| *lie != lies[0]));
    assert_eq!(b.r16(regs::RMS), 0x4000);
}

#[test]
fn reset_hangs() {
    let (mut b, _) = Bench::new();
    b.handle.misbehave(|m| m.reset_hangs = true);
    b.w8(regs::CR, cr::RST);
    assert!((0..1000).all(|_| b.r8(regs::CR) & cr::RST != 0));
    b.w16(regs::RMS, 7);
    assert_eq!((b.r16(regs::RMS), b.handle.counters().writes_in_reset), (0, 1));
    b.handle.misbehave(|m| m.reset_hangs = false);
    assert!((0..4).any(|_| b.r8(regs::CR) & cr::RST == 0));
}

#[test]
fn transmission_hangs() {
    let (mut b, station) = Bench::started(0);
    b.handle.misbehave(|m| m.tx_hangs = true);
    b.send(&[1; 60]);
    assert!(station.drain().is_empty());
    assert_eq!((b.r16(regs::ISR), b.r8(regs::TPPOLL)), (0, tppoll::NPQ));
    b.handle.misbehave(|m| m.tx_hangs = false);
    assert_eq!(station.drain().len(), 1);
}

#[test]
fn transmission_is_never_done() {
    let (mut b, station) = Bench::started(0);
    b.handle.misbehave(|m| m.tx_never_done = true);
    b.put(&[1; 60], WHOLE, 0);
    b.send(&[2; 60]);
    assert_eq!((station.drain().len(), b.r16(regs::ISR)), (1, isr::TOK));
    b.poll();
    b.poll();
    let sent: Vec<u8> = station.drain().iter().map(|f| f.data[0]).collect();
    assert_eq!(sent, [2]);
    assert!([0, 1].iter().all(|i| b.tx_word(*i) & desc::OWN != 0));
}

#[test]
fn transmission_is_silent() {
    let (mut b, station) = Bench::started(0);
    b.handle.misbehave(|m| m.tx_silent = true);
    b.send(&[1; 60]);
    assert_eq!((station.drain().len(), b.r16(regs::ISR), b.tx_word(0) & desc::OWN), (1, 0, 0));
}

#[test]
fn storms_and_lost_interrupts() {
    let (mut b, station) = Bench::started(rcr::APM);
    b.enable_line();
    b.w16(regs::IMR, isr::ROK);
    b.handle.misbehave(|m| m.isr_stuck = isr::ROK);
    for n in 1..=100 {
        assert_eq!(b.interrupts(), n);
        b.take_interrupt();
        b.w16(regs::ISR, 0xffff);
        assert_eq!(b.r16(regs::ISR), isr::ROK);
        b.nic.unmask_intx().unwrap();
    }
    b.handle.misbehave(|m| (m.isr_stuck, m.interrupt_lost) = (0, true));
    b.take_interrupt();
    b.nic.unmask_intx().unwrap();
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 101);
    b.w16(regs::ISR, 0xffff);
    b.w16(regs::IMR, 0);
    b.handle.misbehave(|m| (m.interrupt_lost, m.intx_stuck) = (false, true));
    assert_eq!(b.interrupts(), 102);
}

#[test]
fn dma_goes_astray() {
    let (mut b, station) = Bench::started(0);
    b.put(&[1; 60], WHOLE, 0);
    b.handle.misbehave(|m| m.dma_astray = Some(0x4000_0000));
    b.poll();
    assert!(station.drain().is_empty());
    assert_eq!((b.r16(regs::ISR), b.handle.counters().master_aborts), (isr::SERR, 1));
    // Near its ring it finds other descriptors.
    b.reset();
    b.start(0);
    b.handle.misbehave(|m| m.dma_astray = Some(16));
    b.set_word(TX_RING + 24, IOVA);
    b.set_word(TX_RING + 16, desc::OWN | WHOLE | 60);
    b.poll();
    assert_eq!(station.drain().len(), 1);
}
