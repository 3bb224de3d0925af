//! Configuration space, BARs, opening and closing.

use model_r8169::Variant;
use model_r8169::regs::{self, isr};
use udrv_bus::{BarKind, BusError, PciFunction, ResetKind, Width};

use crate::bench::Bench;

#[test]
fn the_card_says_what_it_is() {
    for variant in Variant::ALL {
        let (mut b, _) = Bench::of(variant);
        let mut config = |at, width| b.nic.config_read(at, width).unwrap();
        let id = u32::from(variant.device()) << 16 | 0x10ec;
        assert_eq!([config(0, Width::U32), config(0x2c, Width::U32)], [id; 2]);
        assert_eq!(config(8, Width::U32), 0x0200_0000 | u32::from(variant.revision()));
        assert_eq!(config(0x3d, Width::U8), 1, "INTA#");
        assert_eq!(config(6, Width::U16) & 0x10, 0x10, "capabilities");
    }
}

#[test]
fn bars_are_where_the_chips_have_them() {
    for variant in Variant::ALL {
        let (mut b, _) = Bench::of(variant);
        let memory = variant.memory_bar();
        let size = if variant.is_pcie() { 4096 } else { 256 };
        for number in 0..6 {
            let info = b.nic.bar(number).ok().map(|bar| (bar.kind, bar.size));
            let expect = match number {
                0 => Some((BarKind::Io, 256)),
                n if n == memory => Some((BarKind::Memory, size)),
                _ => None,
            };
            assert_eq!(info, expect, "{variant:?} BAR {number}");
        }
        assert!(matches!(b.nic.bar_read(memory, size - 2, Width::U32), Err(BusError::OutOfRange { .. })));
        let at = 0x10 + 4 * u16::from(memory);
        b.nic.config_write(at, Width::U32, u32::MAX).unwrap();
        let flags = if variant.is_pcie() { 4 } else { 0 };
        assert_eq!(b.nic.config_read(at, Width::U32).unwrap(), (!(size - 1)) as u32 | flags);
    }
}

#[test]
fn capabilities_are_a_list() {
    let list = |variant| {
        let (mut b, _) = Bench::of(variant);
        let mut at = b.nic.config_read(0x34, Width::U8).unwrap() as u16;
        let mut found = Vec::new();
        while at != 0 {
            let word = b.nic.config_read(at, Width::U16).unwrap();
            found.push((at, word & 0xff));
            at = (word >> 8) as u16;
        }
        found
    };
    assert_eq!(list(Variant::Rtl8169S), [(0xdc, 1)]);
    assert_eq!(list(Variant::Rtl8168B), [(0x40, 1), (0x50, 5), (0x60, 0x10)]);
}

#[test]
fn power_management_and_express_keep_what_is_written() {
    let (mut b, _) = Bench::of(Variant::Rtl8168B);
    let mut write_all = |at| {
        b.nic.config_write(at, Width::U16, 0xffff).unwrap();
        b.nic.config_read(at, Width::U16).unwrap()
    };
    assert_eq!([write_all(0x42), write_all(0x44)], [0xfe02, 0x0103]);
    // PCI Express: capabilities, device control, link control, link status.
    assert_eq!([write_all(0x62), write_all(0x68), write_all(0x70), write_all(0x72)], [0x0011, 0x7fff, 0xcb, 0x1011]);
    assert_eq!(b.nic.config_read(0x6c, Width::U32).unwrap() & 0x3ff, 0x11, "2.5 GT/s, one lane");
}

#[test]
fn nothing_is_decoded_before_it_is_enabled() {
    let (mut b, _) = Bench::new();
    b.nic.config_write(4, Width::U16, 1).unwrap();
    assert_eq!(b.r32(regs::IDR0), u32::MAX);
    assert_eq!(b.nic.bar_read(0, 0, Width::U32).unwrap(), 0x1200_5452);
    b.nic.config_write(4, Width::U16, 2).unwrap();
    assert_eq!(b.r32(regs::IDR0), 0x1200_5452);
    assert_eq!(b.nic.bar_read(0, 0, Width::U32).unwrap(), u32::MAX);
}

#[test]
fn closing_leaves_the_chip_as_it_is() {
    let (mut b, station) = Bench::started(0);
    assert_eq!(b.nic.name(), "model:r8169");
    assert_eq!(b.nic.reset().unwrap(), ResetKind::None);
    b.w16(regs::IMR, isr::TOK);
    let Bench { nic, handle, .. } = b;
    assert!(handle.open().is_err());
    drop(nic);
    let mut nic = handle.open().unwrap();
    assert_eq!(nic.config_read(4, Width::U16).unwrap(), 3, "no bus mastering");
    assert_eq!(nic.bar_read(1, regs::IMR.into(), Width::U16).unwrap(), isr::TOK.into());
    nic.bar_write(1, regs::TPPOLL.into(), Width::U8, 0x40).unwrap();
    assert!(station.drain().is_empty());
    assert_eq!(handle.counters().master_aborts, 0);
}
