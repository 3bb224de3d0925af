//! The EEPROM by both its ways, and the PHY.

use model_e1000::regs::{self, ctrl, eecd, eerd, icr, mdic, mii, status};
use model_e1000::{Config, Variant};

use crate::bench::{Bench, MAC};

fn by_eerd(b: &mut Bench, address: u32) -> Option<u16> {
    b.w(regs::EERD, address << eerd::ADDR_SHIFT | eerd::START);
    let value = b.r(regs::EERD);
    (value & eerd::DONE != 0).then_some((value >> eerd::DATA_SHIFT) as u16)
}

/// Reads a word at the pins, as drivers do.
fn by_pins(b: &mut Bench, address: u32) -> u16 {
    let mut level = b.r(regs::EECD) & !(eecd::CS | eecd::SK | eecd::DI);
    let mut set = |b: &mut Bench, off: u32, on: u32| {
        level = level & !off | on;
        b.w(regs::EECD, level);
    };
    set(b, eecd::CS | eecd::SK, 0);
    set(b, 0, eecd::CS);
    for i in (0..9).rev() {
        let bit = (0b110 << 6 | address) >> i & 1 != 0;
        set(b, eecd::DI, if bit { eecd::DI } else { 0 });
        set(b, 0, eecd::SK);
        set(b, eecd::SK, 0);
    }
    let word = (0..16).fold(0, |word, _| {
        set(b, 0, eecd::SK);
        let bit = b.r(regs::EECD) & eecd::DO != 0;
        set(b, eecd::SK, 0);
        word << 1 | u16::from(bit)
    });
    set(b, eecd::CS, 0);
    word
}

fn mdi_read(b: &mut Bench, at: u8) -> u16 {
    b.w(regs::MDIC, mdic::OP_READ | 1 << mdic::PHY_SHIFT | u32::from(at) << mdic::REG_SHIFT);
    let value = b.r(regs::MDIC);
    assert_eq!(value & (mdic::READY | mdic::ERROR), mdic::READY);
    value as u16
}

fn mdi_write(b: &mut Bench, at: u8, value: u16) {
    let what = u32::from(at) << mdic::REG_SHIFT | u32::from(value);
    b.w(regs::MDIC, mdic::OP_WRITE | 1 << mdic::PHY_SHIFT | what);
    assert_eq!(b.r(regs::MDIC) & (mdic::READY | mdic::ERROR), mdic::READY);
}

#[test]
fn both_ways_read_the_same_and_the_checksum_is_right() {
    let (mut b, _) = Bench::new();
    assert_eq!(b.r(regs::EECD) & (eecd::PRES | eecd::GNT), eecd::PRES);
    b.w(regs::EECD, eecd::REQ);
    assert_ne!(b.r(regs::EECD) & eecd::GNT, 0);
    let words: Vec<u16> = (0..64).map(|i| by_eerd(&mut b, i).unwrap()).collect();
    assert_eq!(words, (0..64).map(|i| by_pins(&mut b, i)).collect::<Vec<_>>());
    assert_eq!(words.iter().fold(0u16, |sum, w| sum.wrapping_add(*w)), 0xbaba);
    assert_eq!(words[..3], [0x5452, 0x1200, 0x5634]);
    assert_eq!((words[0xd], words[0xe], words[0xa] >> 14), (0x100e, 0x8086, 1));
}

#[test]
fn the_pins_have_to_be_asked_for() {
    let (mut b, _) = Bench::new();
    b.w(regs::EECD, eecd::REQ);
    assert_eq!(by_pins(&mut b, 0), 0x5452);
    b.w(regs::EECD, 0);
    assert_eq!(by_pins(&mut b, 0), 0);
    // What is clocked without them is not heard: this would be a whole command, and its answer.
    b.w(regs::EECD, eecd::CS);
    for bit in [1, 1, 0, 0, 0, 0, 0, 0, 0] {
        b.w(regs::EECD, eecd::CS | (bit * eecd::DI));
        b.w(regs::EECD, eecd::CS | (bit * eecd::DI) | eecd::SK);
    }
    b.w(regs::EECD, eecd::REQ | eecd::CS);
    assert_ne!(b.r(regs::EECD) & eecd::DO, 0, "no dummy zero");
}

#[test]
fn the_82544_has_pins_alone() {
    let (mut b, _) = Bench::of(Config { variant: Variant::I82544Gc, ..Config::default() });
    assert_eq!((by_eerd(&mut b, 0), b.r(regs::EERD)), (None, 0));
    b.w(regs::EECD, eecd::REQ);
    assert_eq!(b.r(regs::EECD) & (eecd::REQ | eecd::GNT), 0, "not there");
    assert_eq!((by_pins(&mut b, 0), by_pins(&mut b, 0xd)), (0x5452, 0x100c));
    assert_eq!(mdi_read(&mut b, mii::ID2) & 0xfff0, 0x0c30);
}

#[test]
fn the_phy_says_who_it_is_and_what_it_agreed_on() {
    let (mut b, _) = Bench::new();
    b.w(regs::CTRL, ctrl::SLU);
    assert_eq!((mdi_read(&mut b, mii::ID1), mdi_read(&mut b, mii::ID2)), (0x0141, 0x0c20));
    let up = mii::LINK | mii::AN_COMPLETE;
    assert_eq!(mdi_read(&mut b, mii::BMSR) & up, up);
    assert_ne!(mdi_read(&mut b, mii::ANLPAR) & 0x4000, 0);
    assert_ne!(mdi_read(&mut b, mii::GSTATUS) & 0x0800, 0);
    let gigabit = 2 << mii::PS_SPEED_SHIFT | mii::PS_DUPLEX | mii::PS_RESOLVED | mii::PS_LINK;
    assert_eq!(mdi_read(&mut b, mii::PSSTAT), gigabit);
    assert_eq!(b.r(regs::STATUS), 2 << status::SPEED_SHIFT | status::LU | status::FD);
    // Without 1000BASE-T, then with 10BASE-T half duplex alone, then forced.
    for (registers, speed, full) in [
        (&[(mii::GCON, 0)][..], 1, true),
        (&[(mii::ANAR, 0x0021)][..], 0, false),
        (&[(mii::BMCR, mii::SPEED_100)][..], 1, false),
        (&[(mii::BMCR, mii::SPEED_1000 | mii::DUPLEX)][..], 2, true),
    ] {
        for (at, value) in registers {
            mdi_write(&mut b, *at, *value);
        }
        let duplex = if full { status::FD } else { 0 };
        assert_eq!(b.r(regs::STATUS), speed << status::SPEED_SHIFT | status::LU | duplex, "{registers:x?}");
    }
    b.w(regs::CTRL, ctrl::SLU | ctrl::FRCSPD | ctrl::FRCDPX | 1 << ctrl::SPEED_SHIFT);
    assert_eq!(b.r(regs::STATUS), 1 << status::SPEED_SHIFT | status::LU, "the MAC is forced");
}

#[test]
fn a_pulled_cable_and_a_restart_show_once_in_bmsr() {
    let (mut b, _) = Bench::started();
    b.wire.set_link(false);
    assert_eq!(mdi_read(&mut b, mii::BMSR) & (mii::LINK | mii::AN_COMPLETE), 0);
    assert_eq!((mdi_read(&mut b, mii::PSSTAT), b.r(regs::STATUS) & status::LU), (0, 0));
    b.wire.set_link(true);
    b.r(regs::ICR);
    assert_eq!(mdi_read(&mut b, mii::BMSR) & mii::LINK, 0, "latched");
    assert_ne!(mdi_read(&mut b, mii::BMSR) & mii::LINK, 0);
    mdi_write(&mut b, mii::BMCR, mii::ANE | mii::RESTART);
    assert_eq!(mdi_read(&mut b, mii::BMCR), mii::ANE);
    assert_eq!(b.r(regs::ICR), icr::LSC);
    let links = [0, 1].map(|_| mdi_read(&mut b, mii::BMSR) & mii::LINK);
    assert_eq!(links, [0, mii::LINK]);
    mdi_write(&mut b, mii::BMCR, mii::ANE | mii::POWER_DOWN);
    assert_eq!((b.r(regs::ICR), b.r(regs::STATUS) & status::LU), (icr::LSC, 0));
}

#[test]
fn the_reset_pin_brings_defaults_and_bit_15_keeps_registers() {
    let (mut b, _) = Bench::new();
    mdi_write(&mut b, mii::ANAR, 0x0061);
    mdi_write(&mut b, mii::PSCON, 0x1234);
    mdi_write(&mut b, mii::BMCR, mii::RESET | mii::ANE);
    assert_eq!((mdi_read(&mut b, mii::BMCR), mdi_read(&mut b, mii::PSCON)), (mii::ANE, 0x1234));
    b.w(regs::CTRL, ctrl::SLU | ctrl::PHY_RST);
    b.w(regs::CTRL, ctrl::SLU);
    assert_eq!((mdi_read(&mut b, mii::ANAR), mdi_read(&mut b, mii::PSCON)), (0x0de1, 0x0060));
}

#[test]
fn nobody_answers_at_other_addresses() {
    let (mut b, _) = Bench::new();
    b.w(regs::MDIC, mdic::OP_READ | 2 << mdic::PHY_SHIFT | 2 << mdic::REG_SHIFT);
    assert_eq!(b.r(regs::MDIC) & (mdic::READY | mdic::ERROR | 0xffff), mdic::READY | mdic::ERROR | 0xffff);
}

#[test]
fn a_card_of_another_address() {
    let mac = [0, 0x1b, 0x21, 1, 2, 3];
    let (mut b, _) = Bench::of(Config { mac, ..Config::default() });
    assert_eq!((b.r(regs::RAL0), b.r(regs::RAH0)), (0x0121_1b00, 0x8000_0302));
    assert_ne!(mac, MAC);
}
