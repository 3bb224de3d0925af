//! Registers: what keeps what, what is locked, what a reset clears.

use model_r8169::Variant;
use model_r8169::regs::{self, cr, desc, dtccr, eecr, isr, phyar, rcr, tcr};
use udrv_bus::{DmaMemory, PciFunction, Width};

use crate::bench::{Bench, IOVA, MAC, RX, frame};

#[test]
fn every_chip_says_which_it_is() {
    for variant in Variant::ALL {
        let (mut b, _) = Bench::of(variant);
        assert_eq!(b.r32(regs::TCR), variant.version(), "{variant:?}");
        b.start(0);
        assert_eq!(b.r32(regs::TCR), variant.version() | 0x0300_0700, "beside what is written");
        let mac = [0, 1, 2, 3, 4, 5].map(|i| b.r8(regs::IDR0 + i));
        assert_eq!(mac, MAC);
        assert_eq!(b.nic.bar_read(0, regs::IDR0.into(), Width::U16).unwrap(), 0x5452, "by I/O too");
    }
}

#[test]
fn the_station_address_and_the_configuration_are_locked() {
    let (mut b, _) = Bench::new();
    b.w32(regs::IDR0, 0x4433_2211);
    b.w8(regs::CONFIG3, 0x20);
    assert_eq!((b.r32(regs::IDR0), b.r8(regs::CONFIG3)), (0x1200_5452, 0));
    b.w8(regs::CR9346, eecr::CONFIG_WRITE);
    b.w16(regs::IDR0, 0x2211);
    assert_eq!(b.r32(regs::IDR0), 0x1200_5452, "double words only");
    b.w32(regs::IDR0, 0x4433_2211);
    b.w32(regs::IDR4, 0xffff_6655);
    b.w8(regs::CONFIG1, 0);
    b.w8(regs::CONFIG3, 0x20);
    b.w8(regs::CONFIG0, 0xff);
    assert_eq!([b.r32(regs::IDR0), b.r32(regs::IDR4)], [0x4433_2211, 0x6655]);
    assert_eq!([b.r8(regs::CONFIG0), b.r8(regs::CONFIG1), b.r8(regs::CONFIG3)], [0, 0x0c, 0x20]);
    b.w8(regs::CR9346, eecr::AUTO_LOAD);
    assert_eq!((b.r32(regs::IDR0), b.r8(regs::CONFIG1), b.r8(regs::CR9346)), (0x1200_5452, 0x4d, 0));
}

#[test]
fn the_eeprom_is_on_its_pins() {
    let (mut b, _) = Bench::new();
    let clock = |b: &mut Bench, data: bool| {
        let bits = eecr::PROGRAM | eecr::EECS | if data { eecr::EEDI } else { 0 };
        b.w8(regs::CR9346, bits);
        b.w8(regs::CR9346, bits | eecr::EESK);
        u16::from(b.r8(regs::CR9346) & eecr::EEDO != 0)
    };
    for bit in [1, 1, 0, 0, 0, 0, 1, 1, 1] {
        clock(&mut b, bit != 0);
    }
    let word = (0..16).fold(0, |word, _| word << 1 | clock(&mut b, false));
    assert_eq!(word, u16::from_le_bytes([MAC[0], MAC[1]]), "word 7");
}

#[test]
fn configure_after_enabling() {
    let (mut b, _) = Bench::new();
    b.w32(regs::TCR, tcr::IFG);
    b.w32(regs::RCR, rcr::APM);
    assert_eq!((b.r32(regs::TCR), b.r32(regs::RCR)), (0x0080_0000, 0));
    b.w8(regs::CR, cr::RE);
    b.w32(regs::TCR, tcr::IFG);
    b.w32(regs::RCR, u32::MAX);
    assert_eq!((b.r32(regs::TCR), b.r32(regs::RCR)), (0x0080_0000, rcr::WRITABLE));
    b.w8(regs::CR, cr::TE);
    b.w32(regs::TCR, u32::MAX);
    b.w32(regs::RCR, 0);
    assert_eq!((b.r32(regs::TCR), b.r32(regs::RCR)), (0x0080_0000 | tcr::WRITABLE, rcr::WRITABLE));
}

#[test]
fn reset_clears_all_but_addresses_and_phy() {
    let (mut b, _) = Bench::new();
    b.start(rcr::APM);
    b.w32(regs::MAR0, 1);
    b.w16(regs::IMR, 0xffff);
    b.w16(regs::CPCR, 0x60);
    b.w32(regs::TIMERINT, 5);
    b.w32(regs::FLASH, 5);
    b.phy_write(4, 0x0101);
    b.w8(regs::CR, cr::RST);
    b.w16(regs::IMR, 7);
    assert_eq!(b.handle.counters().writes_in_reset, 1);
    assert_eq!([0; 4].map(|_| b.r8(regs::CR)), [cr::RST, cr::RST, cr::RST, 0]);
    let words = [regs::TNPDS, regs::RDSAR, regs::RCR, regs::TIMERINT, regs::FLASH, regs::IMR].map(|at| b.r32(at));
    assert_eq!(words, [0; 6]);
    assert_eq!((b.r16(regs::RMS), b.r16(regs::CPCR), b.r32(regs::TCR)), (0, 0, 0x0080_0000));
    assert_eq!((b.r32(regs::MAR0), b.r32(regs::IDR0), b.phy_read(4)), (1, 0x1200_5452, 0x0101));
    assert_eq!(b.handle.counters().resets, 1);
}

#[test]
fn addresses_of_rings_are_multiples_of_256() {
    let (mut b, _) = Bench::new();
    for at in [regs::TNPDS, regs::THPDS, regs::RDSAR] {
        b.w32(at, 0x1234_56ff);
        b.w32(at + 4, 0x7);
        b.w8(at + 3, 0x99);
        assert_eq!((b.r32(at), b.r32(at + 4)), (0x9934_5600, 7));
    }
}

#[test]
fn some_registers_only_remember() {
    for (variant, at, kept) in [
        (Variant::Rtl8169S, regs::TBICSR0, true),
        (Variant::Rtl8169S, regs::EPHYAR, false),
        (Variant::Rtl8169S, regs::MAGIC, true),
        (Variant::Rtl8168Be, 0x84, true),
        (Variant::Rtl8168Be, 0xd0, true),
        (Variant::Rtl8168Be, 0xd4, false),
        (Variant::Rtl8168Be, 0x70, false),
        (Variant::Rtl8169Sc, 0xfc, true),
    ] {
        let (mut b, _) = Bench::of(variant);
        b.w32(at, 0x8765_4321);
        assert_eq!(b.r32(at), if kept { 0x8765_4321 } else { 0 }, "{variant:?} {at:#x}");
    }
    let (mut b, _) = Bench::new();
    b.w32(regs::CPCR, 0x5151_0028);
    assert_eq!((b.r16(regs::CPCR), b.r16(regs::INTRMITIGATE), b.r8(regs::ETTHR)), (0x28, 0x5151, 0x3f));
    b.w8(regs::INTRMITIGATE, 0);
    assert_eq!(b.r32(regs::CPCR), 0x5100_0028);
    assert_eq!(b.r8(regs::PMCH), 0);
    b.w8(regs::PMCH, 0x80);
    assert_eq!((b.r8(regs::PMCH), b.r8(regs::PHYSTATUS)), (0x80, 0x73));
}

#[test]
fn the_counters_are_dumped() {
    let (mut b, station) = Bench::new();
    b.start(rcr::APM | rcr::AM | rcr::AB);
    b.w32(regs::MAR0, u32::MAX);
    b.w32(regs::MAR4, u32::MAX);
    b.send(&[1; 60]);
    b.send(&[1; 60]);
    b.put(&[1; 60], desc::LS, 0);
    b.poll();
    for to in [MAC, MAC, [0xff; 6], [1, 0, 0, 0, 0, 1]] {
        station.inject(&frame(to, 60));
    }
    b.memory.write(RX.into(), &[0xee; 80]).unwrap();
    b.w32(regs::DTCCR_HIGH, 0);
    b.nic.config_write(4, Width::U16, 3).unwrap();
    b.w32(regs::DTCCR, (IOVA + RX) | dtccr::CMD);
    assert_eq!(b.r32(regs::DTCCR), (IOVA + RX) | dtccr::CMD, "no bus");
    b.nic.config_write(4, Width::U16, 7).unwrap();
    assert_eq!(b.r32(regs::DTCCR), IOVA + RX);
    let mut dump = [0; 80];
    b.memory.read(RX.into(), &mut dump).unwrap();
    let field = |at: usize, len: usize| dump[at..at + len].iter().rev().fold(0u64, |v, x| v << 8 | u64::from(*x));
    let fields = [(0, 8), (8, 8), (16, 8), (24, 4), (28, 2), (40, 8), (48, 8), (56, 4), (60, 2)];
    assert_eq!(fields.map(|(at, len)| field(at, len)), [2, 4, 1, 0, 0, 2, 1, 1, 1]);
    assert_eq!(dump[64..], [0xee; 16]);
    b.w32(regs::DTCCR, 0x5000_0000 | dtccr::CMD);
    assert_eq!((b.r32(regs::DTCCR), b.r16(regs::ISR) & isr::SERR), (0x5000_0000, isr::SERR));
}

#[test]
fn the_first_pcie_chips_look_into_themselves() {
    let (mut b, _) = Bench::of(Variant::Rtl8168B);
    b.w32(regs::CSIAR, 0xf000);
    assert_eq!((b.r32(regs::CSIAR) & phyar::FLAG, b.r32(regs::CSIDR)), (phyar::FLAG, 0x8168_10ec));
    b.w32(regs::CSIDR, 0xffff);
    b.w32(regs::CSIAR, phyar::FLAG | 0xf004);
    assert_eq!((b.r32(regs::CSIAR) & phyar::FLAG, b.nic.config_read(4, Width::U16).unwrap()), (0, 7));
    b.w32(regs::CSIAR, 0x70c);
    assert_eq!(b.r32(regs::CSIDR), 0);
    b.w32(regs::EPHYAR, phyar::FLAG | 0x0003_1234);
    assert_eq!(b.r32(regs::EPHYAR) & phyar::FLAG, 0);
    b.w32(regs::EPHYAR, 0x0003_0000);
    assert_eq!(b.r32(regs::EPHYAR), phyar::FLAG | 0x0003_1234);
    assert_eq!(b.nic.bar_read(2, 0x800, Width::U32).unwrap(), 0, "behind the registers");
}
