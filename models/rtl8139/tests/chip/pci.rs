//! Configuration space, decode, DMA mappings, opening again.

use std::sync::Arc;

use model_rtl8139::testing::TestMemory;
use model_rtl8139::{Config, Rtl8139Model, Variant, regs};
use model_wire::{Wire, WireConfig};
use udrv_bus::{BarKind, BusError, DmaMapping, PciFunction, ResetKind, Width};

use crate::bench::{Bench, IOVA, MAC, MEMORY, NOW, frame};

#[test]
fn identity() {
    let (mut b, _) = Bench::new();
    assert_eq!(b.nic.config_read(0, Width::U32).unwrap(), 0x8139_10ec);
    assert_eq!(b.nic.config_read(8, Width::U32).unwrap(), 0x0200_0010);
    assert_eq!(b.nic.config_read(0x2c, Width::U32).unwrap(), 0x8139_10ec);
    assert_eq!(b.nic.config_read(0x3d, Width::U8).unwrap(), 1);
    assert_eq!(b.nic.config_read(0x0e, Width::U8).unwrap(), 0);
    assert_eq!(b.r8(regs::RERID), 0x10);
    assert_eq!(b.r32(regs::TCR), 0x7400_0000);
    assert_eq!(b.nic.name(), "model:rtl8139");
    assert_eq!(b.nic.reset().unwrap(), ResetKind::None);
}

#[test]
fn qemus_variant() {
    let (_, near, _far) = Wire::new(WireConfig::default());
    let config = Config { variant: Variant::Rtl8139CPlusLegacy, ..Config::default() };
    let (mut nic, _) = Rtl8139Model::new(config, near);
    assert_eq!(nic.config_read(8, Width::U8).unwrap(), 0x20);
    nic.config_write(4, Width::U16, 2).unwrap();
    assert_eq!(nic.bar_read(1, regs::TCR.into(), Width::U32).unwrap(), 0x7480_0000);
}

#[test]
fn bars_tell_their_size() {
    let (mut b, _) = Bench::new();
    for (at, sized, kind) in [(0x10u16, 0xffff_ff01u32, BarKind::Io), (0x14, 0xffff_ff00, BarKind::Memory)] {
        b.nic.config_write(at, Width::U32, 0xffff_ffff).unwrap();
        assert_eq!(b.nic.config_read(at, Width::U32).unwrap(), sized);
        let bar = b.nic.bar(((at - 0x10) / 4) as u8).unwrap();
        assert_eq!((bar.kind, bar.size), (kind, 256));
    }
    b.nic.config_write(0x18, Width::U32, 0xffff_ffff).unwrap();
    assert_eq!(b.nic.config_read(0x18, Width::U32).unwrap(), 0);
    assert!(matches!(b.nic.bar(2), Err(BusError::NoSuchBar(2))));
}

#[test]
fn decode_off_reads_all_ones_and_loses_writes() {
    let (mut b, _) = Bench::new();
    for (command, io, memory) in [(0, false, false), (1, true, false), (2, false, true), (3, true, true)] {
        b.nic.config_write(4, Width::U16, command).unwrap();
        for (bar, on) in [(0, io), (1, memory)] {
            let value = b.nic.bar_read(bar, 0, Width::U16).unwrap();
            assert_eq!(value, if on { 0x5452 } else { 0xffff });
        }
    }
    b.nic.config_write(4, Width::U16, 1).unwrap();
    b.w32(regs::RBSTART, 0x1234);
    assert_eq!(b.nic.bar_read(0, regs::RBSTART.into(), Width::U32).unwrap(), 0);
    b.nic.bar_write(0, regs::RBSTART.into(), Width::U32, 0x1234).unwrap();
    b.nic.config_write(4, Width::U16, 2).unwrap();
    assert_eq!(b.r32(regs::RBSTART), 0x1234, "both BARs reach the same registers");
}

#[test]
fn accesses_that_do_not_fit_are_refused() {
    let (mut b, _) = Bench::new();
    assert!(matches!(b.nic.bar_read(1, 256, Width::U8), Err(BusError::OutOfRange { .. })));
    assert!(matches!(b.nic.bar_read(1, u64::MAX, Width::U32), Err(BusError::OutOfRange { .. })));
    assert!(matches!(b.nic.bar_write(1, 2, Width::U32, 0), Err(BusError::Unsupported(_))));
    assert!(matches!(b.nic.bar_read(3, 0, Width::U8), Err(BusError::NoSuchBar(3))));
    assert!(matches!(b.nic.config_read(0xff, Width::U16), Err(BusError::OutOfRange { .. })));
}

#[test]
fn mappings_are_whole_pages_apart_from_each_other() {
    let (mut b, _) = Bench::new();
    let mut map = |iova: u64, size| b.nic.map_dma(DmaMapping { iova, memory: Arc::new(TestMemory::new(size)) });
    for (iova, size) in [
        (0x1001, 4096),
        (0x1000, 4095),
        (0x1000, 0),
        (0, 4096),
        (u64::from(IOVA), 4096),
        (u64::from(IOVA) - 4096, 8192),
        (u64::from(IOVA) + MEMORY as u64 - 4096, 4096),
        (0xfee0_0000, 4096),
        (0xffff_f000, 8192),
        (1 << 32, 4096),
    ] {
        assert!(matches!(map(iova, size), Err(BusError::Dma { .. })), "{iova:#x} {size:#x}");
    }
    map(0xffff_f000, 4096).unwrap();
    map(u64::from(IOVA) - 4096, 4096).unwrap();
    map(u64::from(IOVA) + MEMORY as u64, 4096).unwrap();
    assert!(b.nic.unmap_dma(IOVA.into(), 4096).is_err());
    b.nic.unmap_dma(IOVA.into(), MEMORY as u64).unwrap();
    assert!(b.nic.unmap_dma(IOVA.into(), MEMORY as u64).is_err());
}

#[test]
fn a_transfer_may_span_mappings_that_touch() {
    let (mut b, station) = Bench::new();
    let below = Arc::new(TestMemory::new(4096));
    b.nic.map_dma(DmaMapping { iova: u64::from(IOVA) - 4096, memory: below }).unwrap();
    b.start(0);
    b.w32(regs::TSAD0, IOVA - 30);
    b.w32(regs::TSD0, 60);
    assert_eq!(station.receive(NOW).unwrap().data, [0; 60]);
    assert_eq!(b.handle.counters().master_aborts, 0);
}

#[test]
fn the_last_close_stops_the_card_and_leaves_it_dirty() {
    let (mut b, station) = Bench::new();
    b.start(regs::rcr::APM);
    assert!(b.handle.open().is_err(), "it is open");
    let Bench { nic, handle, .. } = b;
    drop(nic);
    station.inject(&frame(MAC, 60));
    assert_eq!(handle.counters().rx_missed, 1);
    let mut nic = handle.open().unwrap();
    assert_eq!(nic.config_read(4, Width::U16).unwrap(), 3, "bus mastering is off, decode is as it was");
    assert_eq!(nic.bar_read(1, regs::CR.into(), Width::U8).unwrap() as u8 & 0xc, 0xc, "not reset");
}
