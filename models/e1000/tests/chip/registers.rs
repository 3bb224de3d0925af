//! Registers that have neither frames nor interrupts behind them.

use model_e1000::regs::{self, ctrl, stat};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, MAC, frame};

/// As a driver tests the chip: patterns, and the bits that come back.
#[test]
fn patterns_come_back_where_bits_are() {
    let (mut b, _) = Bench::new();
    let mut registers = vec![
        (regs::FCAL, u32::MAX, u32::MAX),
        (regs::FCAH, 0xffff, u32::MAX),
        (regs::FCT, 0xffff, u32::MAX),
        (regs::VET, 0xffff, u32::MAX),
        (regs::RDTR, 0xffff, u32::MAX),
        (regs::RDBAH, u32::MAX, u32::MAX),
        (regs::RDLEN, 0x000f_ff80, 0x000f_ffff),
        (regs::RDH, 0xffff, 0xffff),
        (regs::RDT, 0xffff, 0xffff),
        (regs::FCRTH, 0xfff8, 0xfff8),
        (regs::FCTTV, 0xffff, u32::MAX),
        (regs::TIPG, 0x3fff_ffff, u32::MAX),
        (regs::TDBAH, u32::MAX, u32::MAX),
        (regs::TDLEN, 0x000f_ff80, 0x000f_ffff),
        (regs::RDBAL, 0xffff_fff0, u32::MAX),
        (regs::TXCW, 0xc000_ffff, 0xffff),
        (regs::TDBAL, 0xffff_fff0, u32::MAX),
        (regs::TIDV, 0xffff, u32::MAX),
        (regs::ITR, 0xffff, u32::MAX),
    ];
    registers.extend((0..16).map(|i| (regs::RAL0 + 8 * i, u32::MAX, u32::MAX)));
    registers.extend((0..16).map(|i| (regs::RAH0 + 8 * i, 0x8003_ffff, u32::MAX)));
    registers.extend((0..128).map(|i| (regs::MTA + 4 * i, u32::MAX, u32::MAX)));
    registers.extend((0..128).map(|i| (regs::VFTA + 4 * i, u32::MAX, u32::MAX)));
    for (at, mask, write) in registers {
        for pattern in [0x5a5a_5a5a, 0xa5a5_a5a5, 0, u32::MAX] {
            b.w(at, pattern & write);
            assert_eq!(b.r(at), pattern & write & mask, "{at:#x}");
        }
    }
    for (at, mask, write) in [
        (regs::RCTL, u32::MAX, 0),
        (regs::RCTL, 0x06df_b3fe, 0x003f_fffb),
        (regs::TCTL, u32::MAX, 0),
        (regs::RCTL, 0x06df_b3fe, u32::MAX),
    ] {
        b.w(at, write & mask);
        assert_eq!(b.r(at) & mask, write & mask, "{at:#x}");
    }
    let status = b.r(regs::STATUS);
    b.w(regs::STATUS, !status);
    assert_eq!(b.r(regs::STATUS), status, "read only");
    assert_eq!([b.r(0x00f0), b.r(0x1_2340)], [0, 0], "reserved");
}

#[test]
fn a_reset_brings_defaults_and_shows_for_its_polls() {
    let (mut b, station) = Bench::started();
    station.inject(&frame(MAC, 60));
    b.w(regs::RAL0, 0);
    b.w(regs::FCAL, 1);
    b.w(regs::MTA, 1);
    b.w(regs::IMS, 0xff);
    b.w(regs::CTRL, ctrl::DEFAULT | ctrl::RST);
    assert_eq!([b.r(regs::CTRL), b.r(regs::CTRL)], [ctrl::DEFAULT | ctrl::RST, ctrl::DEFAULT]);
    for at in [regs::FCAL, regs::MTA, regs::IMS, regs::RCTL, regs::TCTL, regs::RDH, stat::GPRC, regs::ICR] {
        assert_eq!(b.r(at), 0, "{at:#x}");
    }
    assert_eq!((b.r(regs::RAL0), b.r(regs::RAH0)), (0x1200_5452, 0x8000_5634));
    assert_eq!((b.r(regs::VET), b.r(regs::PBA)), (0x8100, 0x0010_0030));
    assert_eq!(b.handle.counters().resets, 1);
    // Writes right behind it are not lost.
    b.w(regs::CTRL, ctrl::RST);
    b.w(regs::FCAL, 7);
    assert_eq!(b.r(regs::FCAL), 7);
}

/// Linux's driver waits and then changes single bits of CTRL: RST in what it reads would be RST in what it writes.
#[test]
fn a_reset_is_over_for_those_who_read_something_else_meanwhile() {
    let (mut b, _) = Bench::new();
    b.w(regs::CTRL, ctrl::RST);
    b.r(regs::ICR);
    assert_eq!(b.r(regs::CTRL), ctrl::DEFAULT);
}

#[test]
fn the_eeprom_is_loaded_again_if_told() {
    let (mut b, _) = Bench::new();
    b.w(regs::RAL0, 0);
    b.w(regs::CTRL_EXT, regs::ctrl_ext::EE_RST | 0x80);
    assert_eq!((b.r(regs::RAL0), b.r(regs::CTRL_EXT)), (0x1200_5452, 0x80));
}

#[test]
fn narrow_reads_show_a_part_and_narrow_writes_are_lost() {
    let (mut b, _) = Bench::new();
    b.w(regs::FCAL, 0x4433_2211);
    for (at, width, value) in [(0, Width::U8, 0x11), (3, Width::U8, 0x44), (2, Width::U16, 0x4433)] {
        assert_eq!(b.nic.bar_read(0, u64::from(regs::FCAL) + at, width).unwrap(), value);
        b.nic.bar_write(0, u64::from(regs::FCAL) + at, width, 0).unwrap();
    }
    assert_eq!(b.r(regs::FCAL), 0x4433_2211);
}

#[test]
fn the_packet_buffer_has_two_parts() {
    let (mut b, _) = Bench::new();
    b.w(regs::PBA, 0xffff_0028);
    assert_eq!(b.r(regs::PBA), 24 << 16 | 40);
}
