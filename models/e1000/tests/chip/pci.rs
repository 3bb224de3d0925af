//! Configuration space, both BARs, opening again.

use std::sync::Arc;

use model_e1000::testing::TestMemory;
use model_e1000::{Config, Variant, regs};
use udrv_bus::{BarKind, BusError, DmaMapping, PciFunction, ResetKind, Width};

use crate::bench::{Bench, MAC, frame};

#[test]
fn identity() {
    for (variant, id, revision, subsystem) in [
        (Variant::I82540Em, 0x100e_8086, 2, 0x001e_8086),
        (Variant::I82545Em, 0x100f_8086, 1, 0x100f_8086),
        (Variant::I82544Gc, 0x100c_8086, 2, 0x100c_8086u32),
    ] {
        let (mut b, _) = Bench::of(Config { variant, ..Config::default() });
        assert_eq!(b.nic.config_read(0, Width::U32).unwrap(), id);
        assert_eq!(b.nic.config_read(8, Width::U32).unwrap(), 0x0200_0000 | revision);
        assert_eq!(b.nic.config_read(0x2c, Width::U32).unwrap(), subsystem);
        assert_eq!(b.nic.config_read(0x3d, Width::U8).unwrap(), 1);
        assert_eq!(b.nic.name(), "model:e1000");
        assert_eq!(b.nic.reset().unwrap(), ResetKind::None);
    }
}

#[test]
fn bars_tell_their_size() {
    let (mut b, _) = Bench::new();
    let bars = [(0x10u16, 0xfffe_0000u32, BarKind::Memory, 0x2_0000), (0x14, 0xffff_ffc1, BarKind::Io, 64)];
    for (at, sized, kind, size) in bars {
        b.nic.config_write(at, Width::U32, 0xffff_ffff).unwrap();
        assert_eq!(b.nic.config_read(at, Width::U32).unwrap(), sized);
        let bar = b.nic.bar(((at - 0x10) / 4) as u8).unwrap();
        assert_eq!((bar.kind, bar.size), (kind, size));
    }
    assert!(matches!(b.nic.bar(2), Err(BusError::NoSuchBar(2))));
    assert!(matches!(b.nic.bar_read(0, 0x2_0000, Width::U32), Err(BusError::OutOfRange { .. })));
    assert!(matches!(b.nic.bar_read(0, 2, Width::U32), Err(BusError::Unsupported(_))));
}

#[test]
fn io_reaches_the_registers_through_a_window() {
    let (mut b, _) = Bench::new();
    let mut io = |at: u32, value: Option<u32>| {
        if let Some(value) = value {
            b.nic.bar_write(1, at.into(), Width::U32, value).unwrap();
        }
        b.nic.bar_read(1, at.into(), Width::U32).unwrap()
    };
    assert_eq!(io(regs::IOADDR, Some(regs::FCAL)), regs::FCAL);
    assert_eq!(io(regs::IODATA, Some(0x1234_5678)), 0x1234_5678);
    assert_eq!(io(regs::IOADDR, Some(0xffff_fffd)), regs::SIZE - 4);
    assert_eq!([io(regs::IODATA, None), io(8, Some(5))], [0, 0]);
    assert_eq!(b.r(regs::FCAL), 0x1234_5678);
    // A driver resets some of these chips this way.
    b.nic.bar_write(1, regs::IOADDR.into(), Width::U32, regs::CTRL).unwrap();
    b.nic.bar_write(1, regs::IODATA.into(), Width::U32, regs::ctrl::RST).unwrap();
    assert_eq!((b.r(regs::FCAL), b.handle.counters().resets), (0, 1));
}

#[test]
fn decode_off_reads_all_ones_and_loses_writes() {
    let (mut b, _) = Bench::new();
    b.nic.config_write(4, Width::U16, 1).unwrap();
    assert_eq!(b.r(regs::CTRL), u32::MAX);
    b.w(regs::FCAL, 1);
    assert_eq!(b.nic.bar_read(1, 0, Width::U32).unwrap(), 0);
    b.nic.config_write(4, Width::U16, 2).unwrap();
    assert_eq!(b.nic.bar_read(1, 0, Width::U32).unwrap(), u32::MAX);
    assert_eq!(b.r(regs::FCAL), 0);
}

#[test]
fn it_reaches_beyond_32_bits() {
    let (mut b, _) = Bench::new();
    let mut map = |iova| b.nic.map_dma(DmaMapping { iova, memory: Arc::new(TestMemory::new(4096)) });
    map(0x7f_ffff_f000).unwrap();
    assert!(map(0x80_0000_0000).is_err());
    assert!(map(0xfee0_0000).is_err());
}

#[test]
fn the_last_close_stops_the_card_and_leaves_it_dirty() {
    let (b, station) = Bench::started();
    assert!(b.handle.open().is_err(), "it is open");
    let Bench { nic, handle, .. } = b;
    drop(nic);
    station.inject(&frame(MAC, 60));
    assert_eq!(handle.counters().rx_missed, 1);
    let mut nic = handle.open().unwrap();
    assert_eq!(nic.config_read(4, Width::U16).unwrap(), 3, "bus mastering is off, decode is as it was");
    let rctl = nic.bar_read(0, regs::RCTL.into(), Width::U32).unwrap();
    assert_ne!(rctl & regs::rctl::EN, 0, "not reset");
}
