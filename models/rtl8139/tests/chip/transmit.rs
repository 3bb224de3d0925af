//! The four slots.

use model_rtl8139::regs::{self, cr, isr, rcr, tcr, tsd};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, MAC, NOW, frame};

#[test]
fn slots_go_in_turn() {
    let (mut b, station) = Bench::new();
    b.start(0);
    for n in 0..10u8 {
        let f = frame([n; 6], 60 + usize::from(n));
        b.send(n % 4, &f);
        assert_eq!(b.r32(regs::TSD0 + 4 * (n % 4)), tsd::OWN | tsd::TOK | f.len() as u32);
        assert_eq!(station.receive(NOW).unwrap().data, f);
    }
    assert_eq!(b.r16(regs::ISR), isr::TOK);
    assert_eq!(b.r16(regs::TSAD), 0xf00f);
    assert_eq!(b.handle.counters().tx_frames, 10);
    assert_eq!(b.handle.counters().dma_read_bytes, (60..70).sum::<u64>());
}

#[test]
fn a_slot_out_of_turn_waits() {
    let (mut b, station) = Bench::new();
    b.start(0);
    b.send(1, &[1; 60]);
    b.send(2, &[2; 60]);
    assert!(station.drain().is_empty());
    assert_eq!(b.r32(regs::TSD0 + 4) & tsd::OWN, 0);
    b.send(0, &[0; 60]);
    let order: Vec<u8> = station.drain().iter().map(|f| f.data[0]).collect();
    assert_eq!(order, [0, 1, 2]);
}

#[test]
fn nothing_goes_out_without_te_or_bus_mastering() {
    let (mut b, station) = Bench::new();
    b.send(0, &[1; 60]);
    assert!(station.drain().is_empty());
    b.w8(regs::CR, cr::TE);
    assert_eq!(station.drain().len(), 1);
    b.nic.config_write(4, Width::U16, 3).unwrap();
    b.send(1, &[2; 60]);
    assert!(station.drain().is_empty());
    assert_eq!(b.handle.counters().dma_read_bytes, 60);
    b.nic.config_write(4, Width::U16, 7).unwrap();
    assert_eq!(station.drain().len(), 1);
}

#[test]
fn tsd_takes_double_words_only_and_own_does_not_start() {
    let (mut b, station) = Bench::new();
    b.start(0);
    b.w16(regs::TSD0, 60);
    b.w32(regs::TSD0, tsd::OWN | 60);
    assert!(station.drain().is_empty());
    assert_eq!(b.r16(regs::TSD0), 0x203c);
}

#[test]
fn the_early_threshold_is_kept() {
    let (mut b, _station) = Bench::new();
    b.start(0);
    b.w32(regs::TSAD0, crate::bench::IOVA);
    b.w32(regs::TSD0, 0x003f_0000 | 60);
    assert_eq!(b.r32(regs::TSD0), 0x003f_0000 | tsd::OWN | tsd::TOK | 60);
}

#[test]
fn a_runt_goes_out_as_a_runt() {
    let (mut b, station) = Bench::new();
    b.start(0);
    b.send(0, &[7; 14]);
    assert_eq!(station.receive(NOW).unwrap().data, [7; 14]);
}

#[test]
fn a_giant_aborts_until_it_is_cleared_or_reset() {
    let (mut b, station) = Bench::new();
    b.start(0);
    b.send(0, &[1; 1792]);
    assert_eq!(station.drain().len(), 1);
    b.send(1, &[2; 1793]);
    b.send(2, &[3; 60]);
    assert!(station.drain().is_empty());
    assert_eq!(b.r32(regs::TSD0 + 4) & (tsd::TABT | tsd::OWN | tsd::TOK), tsd::TABT | tsd::OWN);
    assert_eq!(b.r16(regs::ISR), isr::TOK | isr::TER);
    b.w32(regs::TCR, tcr::CLRABT);
    assert_eq!(b.handle.counters().tx_aborts, 2, "the same again");
    b.w32(regs::TSD0 + 4, tsd::OWN | 60);
    b.w32(regs::TCR, tcr::CLRABT);
    let sent: Vec<usize> = station.drain().iter().map(|f| f.data.len()).collect();
    assert_eq!(sent, [60, 60], "the slot as it now is, then the next");
}

#[test]
fn memory_that_is_not_there_is_a_master_abort() {
    let (mut b, station) = Bench::new();
    b.start(0);
    b.w32(regs::TSAD0, 0x5000_0000);
    b.w32(regs::TSD0, 60);
    assert!(station.drain().is_empty());
    assert_eq!(b.r16(regs::ISR), isr::SERR | isr::TER);
    assert_eq!(b.nic.config_read(6, Width::U16).unwrap() & 0x6000, 0x2000);
    assert_eq!(b.handle.counters().master_aborts, 1);
    b.nic.config_write(6, Width::U16, 0x2000).unwrap();
    assert_eq!(b.nic.config_read(6, Width::U16).unwrap(), 0x0280, "cleared by writing one");
    // With SERR# enabled the chip says so; a transfer that begins well counts as none.
    b.nic.config_write(4, Width::U16, 0x107).unwrap();
    b.w32(regs::TSAD0, crate::bench::IOVA + crate::bench::MEMORY as u32 - 30);
    b.w32(regs::TCR, tcr::CLRABT);
    assert_eq!(b.nic.config_read(6, Width::U16).unwrap() & 0x6000, 0x6000);
    assert_eq!(b.handle.counters().dma_read_bytes, 0);
}

#[test]
fn without_link_the_carrier_is_lost_and_so_is_the_frame() {
    let (mut b, station) = Bench::new();
    b.start(0);
    b.wire.set_link(false);
    b.send(0, &[1; 60]);
    assert_eq!(b.r32(regs::TSD0), tsd::CRS | tsd::OWN | tsd::TOK | 60);
    assert!(station.drain().is_empty());
    assert_eq!(b.wire.stats().to_far.link_down, 1);
}

#[test]
fn loopback_comes_back_and_stays_off_the_wire() {
    let (mut b, station) = Bench::new();
    b.start(rcr::APM);
    b.w32(regs::TCR, tcr::LBK);
    let f = frame(MAC, 100);
    b.send(0, &f);
    assert!(station.drain().is_empty());
    assert_eq!(b.take().unwrap().data, f);
    assert_eq!(b.r16(regs::ISR), isr::TOK | isr::ROK);
}
