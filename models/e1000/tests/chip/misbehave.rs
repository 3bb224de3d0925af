//! Each way to fail, on and off again. What every card can is tested where it is made; here that this chip heeds it.

use model_e1000::regs::{self, ctrl, eerd, icr, mdic, rctl, rxd, status};
use model_e1000::{AllOnes, BadWriteback, Garbage};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, MAC, frame};

#[test]
fn gone() {
    let (mut b, station) = Bench::started();
    b.enable_line();
    b.w(regs::IMS, u32::MAX);
    b.handle.misbehave(|m| m.gone = true);
    assert_eq!(b.r(regs::STATUS), u32::MAX);
    assert_eq!(b.nic.config_read(0, Width::U32).unwrap(), u32::MAX);
    b.send(&[1; 60]);
    station.inject(&frame(MAC, 60));
    b.wire.set_link(false);
    assert!(station.drain().is_empty());
    assert_eq!(b.interrupts(), 0);
    b.handle.misbehave(|m| m.gone = false);
    assert_eq!(b.r(regs::TDT), 0, "the write was lost");
}

#[test]
fn gone_for_a_while() {
    let (mut b, _station) = Bench::started();
    b.handle.misbehave(|m| m.gone_for = 2);
    assert_eq!(b.r(regs::STATUS), u32::MAX);
    b.w(regs::FCAL, 7);
    assert_eq!(b.r(regs::FCAL), 0);
}

#[test]
fn registers_lie() {
    let (mut b, _station) = Bench::started();
    let head = vec![regs::TDH..=regs::TDH + 3];
    b.handle.misbehave(|m| m.all_ones = Some(AllOnes { offsets: head.clone(), reads: Some(2) }));
    assert_eq!([b.r(regs::TDT), b.r(regs::TDH), b.r(regs::TDH), b.r(regs::TDH)], [0, u32::MAX, u32::MAX, 0]);
    b.handle.misbehave(|m| m.garbage = Some(Garbage { seed: 1, offsets: head, one_in: 1 }));
    let lies = [0; 4].map(|_| b.r(regs::TDH));
    assert!(lies.windows(2).all(|w| w[0] != w[1]));
    assert_eq!(b.r(regs::TDT), 0);
    b.handle.misbehave(|m| (m.garbage, m.heads_jump) = (None, Some(0xffff)));
    assert_eq!([b.r(regs::TDH), b.r(regs::RDH)], [0xffff; 2]);
}

#[test]
fn reset_hangs() {
    let (mut b, _) = Bench::new();
    b.handle.misbehave(|m| m.reset_hangs = true);
    b.w(regs::CTRL, ctrl::RST);
    assert!((0..1000).all(|_| b.r(regs::CTRL) & ctrl::RST != 0));
    b.w(regs::FCAL, 7);
    assert_eq!((b.r(regs::FCAL), b.handle.counters().writes_in_reset), (0, 1));
    b.handle.misbehave(|m| m.reset_hangs = false);
    assert!((0..2).any(|_| b.r(regs::CTRL) & ctrl::RST == 0));
}

#[test]
fn storms_and_lost_interrupts() {
    let (mut b, station) = Bench::started();
    b.enable_line();
    b.w(regs::IMS, icr::RXT0);
    b.handle.misbehave(|m| m.icr_stuck = icr::RXT0);
    for n in 1..=100 {
        assert_eq!(b.interrupts(), n);
        b.take_interrupt();
        assert_eq!([b.r(regs::ICR), b.r(regs::ICR)], [icr::RXT0; 2]);
        b.nic.unmask_intx().unwrap();
    }
    b.handle.misbehave(|m| (m.icr_stuck, m.interrupt_lost) = (0, true));
    b.take_interrupt();
    b.nic.unmask_intx().unwrap();
    station.inject(&frame(MAC, 60));
    assert_eq!(b.interrupts(), 101);
    b.handle.misbehave(|m| (m.interrupt_lost, m.intx_stuck) = (false, true));
    b.take_interrupt();
    b.w(regs::IMC, u32::MAX);
    b.nic.unmask_intx().unwrap();
    assert_eq!(b.interrupts(), 103, "without a cause");
}

#[test]
fn the_eeprom_has_a_wrong_checksum() {
    let (mut b, _) = Bench::new();
    let sum = |b: &mut Bench| {
        (0..64).fold(0u16, |sum, i| {
            b.w(regs::EERD, i << eerd::ADDR_SHIFT | eerd::START);
            sum.wrapping_add((b.r(regs::EERD) >> eerd::DATA_SHIFT) as u16)
        })
    };
    b.handle.misbehave(|m| m.eeprom_checksum = true);
    assert_eq!(sum(&mut b), 0xbabb);
    b.handle.misbehave(|m| m.eeprom_checksum = false);
    assert_eq!(sum(&mut b), 0xbaba);
}

#[test]
fn mdic_is_never_ready() {
    let (mut b, _) = Bench::new();
    b.handle.misbehave(|m| m.mdic_hangs = true);
    b.w(regs::MDIC, mdic::OP_READ | 1 << mdic::PHY_SHIFT);
    assert!((0..1000).all(|_| b.r(regs::MDIC) & mdic::READY == 0));
    b.handle.misbehave(|m| m.mdic_hangs = false);
    b.w(regs::MDIC, mdic::OP_READ | 1 << mdic::PHY_SHIFT);
    assert_ne!(b.r(regs::MDIC) & mdic::READY, 0);
}

#[test]
fn received_frames_are_reported_wrong() {
    let (mut b, station) = Bench::started();
    let lie = BadWriteback { length: Some(5), status: Some(rxd::DD | rxd::EOP), errors: Some(0xff) };
    b.handle.misbehave(|m| m.rx_writeback = Some(lie));
    station.inject(&frame(MAC, 60));
    let got = b.take().unwrap();
    assert_eq!((got.data.len(), got.status, got.errors), (5, rxd::DD | rxd::EOP, 0xff));
    b.handle.misbehave(|m| m.rx_writeback = Some(BadWriteback { status: Some(0), ..BadWriteback::default() }));
    station.inject(&frame(MAC, 60));
    assert!(b.take().is_none());
    assert_eq!((b.r(regs::RDH), b.r(regs::ICR)), (2, icr::RXT0), "all but done");
}

#[test]
fn transmission_hangs_or_is_not_told() {
    let (mut b, station) = Bench::started();
    b.handle.misbehave(|m| m.tx_hangs = true);
    b.send(&[1; 60]);
    assert_eq!((station.drain().len(), b.tx_done(0), b.r(regs::TDH), b.r(regs::ICR)), (0, false, 0, 0));
    b.handle.misbehave(|m| (m.tx_hangs, m.tx_never_done) = (false, true));
    assert_eq!((station.drain().len(), b.tx_done(0), b.r(regs::TDH)), (1, false, 1));
    assert_eq!(b.r(regs::ICR), icr::TXDW | icr::TXQE);
    b.handle.misbehave(|m| (m.tx_never_done, m.tx_silent) = (false, true));
    b.send(&[1; 60]);
    assert_eq!((station.drain().len(), b.tx_done(1), b.r(regs::ICR)), (1, true, 0));
}

#[test]
fn the_link_flaps() {
    let (mut b, _station) = Bench::started();
    b.handle.misbehave(|m| m.link_flaps = 3);
    let told = [0; 6].map(|_| b.r(regs::ICR));
    assert_eq!(told, [0, 0, icr::LSC, 0, 0, icr::LSC]);
    assert_ne!(b.r(regs::STATUS) & status::LU, 0, "it is back at once");
    b.handle.misbehave(|m| m.link_flaps = 0);
    assert!((0..10).all(|_| b.r(regs::ICR) == 0));
}

#[test]
fn dma_astray() {
    let (mut b, station) = Bench::started();
    b.set(regs::RCTL, rctl::UPE);
    b.handle.misbehave(|m| m.dma_astray = Some(0x4000_0000));
    b.send(&[1; 60]);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.handle.counters().master_aborts, 2);
    assert!(station.drain().is_empty());
}
