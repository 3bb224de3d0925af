//! Registers that have neither frames nor interrupts behind them.

use model_rtl8139::regs::{self, cr, eecr, isr, mii, msr};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, MAC};

#[test]
fn the_address_is_loaded_and_takes_double_words_only() {
    let (mut b, _) = Bench::new();
    assert_eq!((b.r32(0).to_le_bytes(), b.r16(4).to_le_bytes()), ([0x52, 0x54, 0, 0x12], [0x34, 0x56]));
    b.w8(0, 0xaa);
    b.w16(4, 0xaaaa);
    assert_eq!((b.r8(0), b.r16(4)), (0x52, 0x5634));
    b.w32(0, 0x4433_2211);
    b.w32(4, 0xffff_6655);
    assert_eq!((b.r16(0), b.r8(2), b.r8(3), b.r32(4)), (0x2211, 0x33, 0x44, 0x6655));
    b.w16(regs::MAR0, 1);
    assert_eq!(b.r32(regs::MAR0), 0);
    b.w32(regs::MAR4, 0x8000_0001);
    assert_eq!(b.r8(regs::MAR4 + 3), 0x80);
    // Auto-load brings the EEPROM's address back.
    b.w8(regs::CR9346, eecr::AUTO_LOAD);
    assert_eq!(b.r8(regs::CR9346), 0);
    assert_eq!(b.r32(0).to_le_bytes(), MAC[..4]);
}

#[test]
fn a_reset_takes_its_polls_and_loses_writes_meanwhile() {
    let (mut b, _) = Bench::new();
    b.start(0x8f);
    b.w32(0, 0x0403_0201);
    b.w16(regs::IMR, 0xffff);
    b.w8(regs::CR, cr::RST);
    b.w16(regs::IMR, 0xffff);
    assert_eq!(b.handle.counters().writes_in_reset, 1);
    assert_eq!([b.r8(regs::CR), b.r8(regs::CR), b.r8(regs::CR)], [cr::RST | cr::BUFE; 3]);
    assert_eq!(b.r8(regs::CR), cr::BUFE);
    assert_eq!((b.r16(regs::IMR), b.r32(regs::RCR), b.r32(regs::RBSTART)), (0, 0, 0));
    assert_eq!((b.r16(regs::CAPR), b.r16(regs::CBR)), (0xfff0, 0));
    assert_eq!(b.r32(regs::TSD0), regs::tsd::OWN);
    assert_eq!(b.r32(0), 0x0403_0201, "IDR stays");
    assert_eq!(b.handle.counters().resets, 1);
}

#[test]
fn config_registers_are_locked() {
    let (mut b, _) = Bench::new();
    let before = (b.r8(regs::CONFIG0), b.r8(regs::CONFIG1), b.r8(regs::CONFIG3), b.r8(regs::CONFIG4));
    assert_eq!(before.1 & 0x0c, 0x0c, "both maps are shown");
    let write_all = |b: &mut Bench| {
        for at in [regs::CONFIG0, regs::CONFIG1, regs::CONFIG3, regs::CONFIG4] {
            b.w8(at, 0xff);
        }
    };
    write_all(&mut b);
    let now = (b.r8(regs::CONFIG0), b.r8(regs::CONFIG1), b.r8(regs::CONFIG3), b.r8(regs::CONFIG4));
    assert_eq!(now, before);
    b.w8(regs::CR9346, eecr::CONFIG_WRITE);
    write_all(&mut b);
    let now = (b.r8(regs::CONFIG0), b.r8(regs::CONFIG1), b.r8(regs::CONFIG3), b.r8(regs::CONFIG4));
    assert_eq!(now, (before.0, 0xff, 0x71, 0xf5));
    b.w8(regs::CR9346, 0);
    b.w8(regs::CONFIG1, 0);
    assert_eq!(b.r8(regs::CONFIG1), 0xff);
    b.w8(regs::CONFIG5, 3);
    assert_eq!(b.r8(regs::CONFIG5), 3, "CONFIG5 is not locked");
}

#[test]
fn phy_parameters_need_parm_en_clear_and_the_lock_open() {
    let (mut b, _) = Bench::new();
    b.w32(regs::PHY1_PARM, 5);
    b.w8(regs::CR9346, eecr::CONFIG_WRITE);
    b.w8(regs::CONFIG3, 0x40);
    b.w32(regs::TW_PARM, 5);
    assert_eq!((b.r32(regs::PHY1_PARM), b.r32(regs::TW_PARM)), (0, 0));
    b.w8(regs::CONFIG3, 0);
    b.w32(regs::PHY1_PARM, 5);
    b.w32(regs::TW_PARM, 6);
    b.w8(regs::PHY2_PARM, 7);
    assert_eq!((b.r32(regs::PHY1_PARM), b.r32(regs::TW_PARM), b.r8(regs::PHY2_PARM)), (5, 6, 7));
}

#[test]
fn tcr_needs_the_transmitter_on() {
    let (mut b, _) = Bench::new();
    b.w32(regs::TCR, 0x0300_0700);
    assert_eq!(b.r32(regs::TCR), 0x7400_0000);
    b.w8(regs::CR, cr::TE);
    b.w32(regs::TCR, 0xffff_ffff);
    assert_eq!(b.r32(regs::TCR), 0x7400_0000 | 0x0307_07f0, "IFG, LBK, CRC, MXDMA, TXRR; the version stays");
    b.w8(regs::TCR, 0);
    assert_eq!(b.r32(regs::TCR), 0x7400_0000 | 0x0307_0700, "one byte of it");
}

#[test]
fn holes_read_zero_and_read_only_stays() {
    let (mut b, _) = Bench::new();
    for at in [0x06u8, 0x53, 0x5b, 0x5f, 0x76, 0x81, 0xd4, 0xd9, 0xe0, 0xfc] {
        b.w8(at, 0xff);
        assert_eq!(b.r8(at), 0, "{at:#x}");
    }
    for at in [regs::CBR, regs::TSAD, regs::BMSR, regs::ANLPAR, regs::ANER] {
        let before = b.r16(at);
        b.w16(at, !before);
        assert_eq!(b.r16(at), before, "{at:#x}");
    }
    b.w32(0x8c, 0x1234_5678);
    assert_eq!((b.r8(0x8d), b.r16(0x8e)), (0x56, 0x1234), "wake-up registers keep what is written");
}

#[test]
fn both_widths_and_both_bars_count() {
    let (mut b, _) = Bench::new();
    let before = b.handle.counters();
    b.r8(0);
    b.r16(0);
    let _ = b.nic.bar_read(0, 0, Width::U32).unwrap();
    b.w16(regs::CAPR, 0);
    let after = b.handle.counters();
    assert_eq!(after.register_reads - before.register_reads, 3);
    assert_eq!(after.register_writes - before.register_writes, 1);
}

#[test]
fn the_eeprom_is_read_bit_by_bit_through_9346cr() {
    let (mut b, _) = Bench::new();
    let mut read = |address: u16| {
        let base = eecr::PROGRAM;
        b.w8(regs::CR9346, base);
        b.w8(regs::CR9346, base | eecr::EECS);
        let command = 0b110 << 6 | address;
        for i in (0..9).rev() {
            let data = if command >> i & 1 != 0 { eecr::EEDI } else { 0 };
            b.w8(regs::CR9346, base | eecr::EECS | data);
            b.w8(regs::CR9346, base | eecr::EECS | data | eecr::EESK);
        }
        let word = (0..16).fold(0u16, |word, _| {
            b.w8(regs::CR9346, base | eecr::EECS);
            b.w8(regs::CR9346, base | eecr::EECS | eecr::EESK);
            word << 1 | u16::from(b.r8(regs::CR9346) & eecr::EEDO)
        });
        b.w8(regs::CR9346, 0);
        word
    };
    assert_eq!([read(0), read(1), read(2)], [0x8129, 0x10ec, 0x8139]);
    assert_eq!([read(7), read(8), read(9)], [0x5452, 0x1200, 0x5634]);
}

#[test]
fn the_link_fails_and_comes_back() {
    let (mut b, _station) = Bench::new();
    let up = mii::ABILITIES | mii::LINK | mii::AN_COMPLETE;
    assert_eq!((b.r16(regs::BMSR), b.r8(regs::MSR) & msr::LINKB), (up, 0));
    assert_eq!(b.r16(regs::BMCR), mii::ANE | mii::SPD_SET | mii::DUPLEX);
    assert_ne!(b.r16(regs::ANLPAR), 0);
    b.wire.set_link(false);
    assert_eq!(b.r8(regs::MSR) & msr::LINKB, msr::LINKB);
    b.wire.set_link(true);
    assert_eq!(b.r8(regs::MSR) & msr::LINKB, 0);
    assert_eq!(b.r16(regs::BMSR), up & !mii::LINK, "latched low");
    assert_eq!(b.r16(regs::BMSR), up);
    assert_eq!(b.r16(regs::ISR), isr::PUN_LINKCHG);
    assert_eq!((b.r16(regs::DIS), b.r16(regs::DIS)), (1, 0), "cleared by reading");
}

#[test]
fn bmcr_is_locked_but_for_its_commands() {
    let (mut b, _) = Bench::new();
    b.w16(regs::BMCR, 0);
    assert_ne!(b.r16(regs::BMCR) & mii::ANE, 0);
    b.w8(regs::CR9346, eecr::CONFIG_WRITE);
    b.w16(regs::BMCR, mii::DUPLEX);
    assert_eq!(b.r16(regs::BMCR), mii::DUPLEX);
    assert_eq!(b.r8(regs::MSR) & msr::SPEED_10, msr::SPEED_10);
    b.w16(regs::BMCR, mii::RESET);
    assert_eq!(b.r16(regs::BMCR), mii::ANE | mii::SPD_SET | mii::DUPLEX, "reset clears itself");
}
