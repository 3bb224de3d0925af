//! The PHY, and the link.

use model_r8169::Variant;
use model_r8169::regs::{self, isr, mii, phyar, phystatus};

use crate::bench::Bench;

#[test]
fn an_access_shows_by_its_flag() {
    let (mut b, _) = Bench::new();
    b.w32(regs::PHYAR, u32::from(mii::ID1) << 16);
    assert_eq!([0; 3].map(|_| b.r32(regs::PHYAR)), [0x0002_0000, 0x8002_001c, 0x8002_001c]);
    b.w32(regs::PHYAR, phyar::FLAG | 0x0012_3456);
    assert_eq!([0; 2].map(|_| b.r32(regs::PHYAR)), [0x8012_0000, 0x0012_3456]);
    assert_eq!(b.phy_read(0x12), 0x3456);
    b.handle.misbehave(|m| m.phyar_hangs = true);
    b.w32(regs::PHYAR, 0);
    assert!((0..100).all(|_| b.r32(regs::PHYAR) & phyar::FLAG == 0));
    b.w32(regs::PHYAR, phyar::FLAG);
    assert!((0..100).all(|_| b.r32(regs::PHYAR) & phyar::FLAG != 0));
    b.handle.misbehave(|m| m.phyar_hangs = false);
    assert_eq!(b.phy_read(mii::ID1), 0x001c);
}

#[test]
fn a_phy_that_other_drivers_know() {
    for (variant, id) in [(Variant::Rtl8169S, 0xc910), (Variant::Rtl8169Sc, 0xc912), (Variant::Rtl8168B, 0xc912)] {
        let (mut b, _) = Bench::of(variant);
        assert_eq!([b.phy_read(mii::ID1), b.phy_read(mii::ID2)], [0x001c, id]);
        assert_eq!(b.phy_read(mii::BMSR), 0x796d);
        assert_eq!(b.phy_read(mii::BMCR), mii::ANE | mii::DUPLEX | mii::SPEED_1000);
        assert_eq!([b.phy_read(mii::ANLPAR), b.phy_read(mii::GBSR), b.phy_read(mii::GBESR)], [0x45e1, 0x3c00, 0x3000]);
        b.phy_write(mii::ID1, 0);
        assert_eq!(b.phy_read(mii::ID1), 0x001c);
    }
}

#[test]
fn speed_and_duplex_follow_what_is_advertised() {
    let (mut b, _) = Bench::new();
    let flow = phystatus::TX_FLOW | phystatus::RX_FLOW;
    assert_eq!(b.r8(regs::PHYSTATUS), phystatus::SPEED_1000 | phystatus::FULL | phystatus::LINK | flow);
    b.phy_write(mii::GBCR, 0);
    assert_eq!(b.r8(regs::PHYSTATUS) & 0x1d, phystatus::SPEED_100 | phystatus::FULL);
    b.phy_write(mii::ANAR, 0x0021);
    assert_eq!(b.r8(regs::PHYSTATUS), phystatus::SPEED_10 | phystatus::LINK);
    b.phy_write(mii::BMCR, mii::SPEED_100 | mii::DUPLEX);
    assert_eq!(b.r8(regs::PHYSTATUS), phystatus::SPEED_100 | phystatus::FULL | phystatus::LINK);
    assert_eq!([b.phy_read(mii::ANLPAR), b.phy_read(mii::ANER)], [0; 2]);
    b.phy_write(mii::BMCR, mii::RESET);
    assert_eq!(b.phy_read(mii::BMCR), mii::ANE | mii::DUPLEX | mii::SPEED_1000);
    assert_eq!(b.r8(regs::PHYSTATUS) & phystatus::SPEED_1000, phystatus::SPEED_1000);
}

#[test]
fn the_link_is_latched_low() {
    let (mut b, _) = Bench::new();
    b.wire.set_link(false);
    assert_eq!((b.r8(regs::PHYSTATUS), b.r16(regs::ISR)), (0, isr::LINKCHG));
    b.wire.set_link(true);
    let link = [0; 2].map(|_| b.phy_read(mii::BMSR) & mii::LINK);
    assert_eq!(link, [0, mii::LINK]);
    b.w16(regs::ISR, 0xffff);
    b.wire.set_link(true);
    assert_eq!(b.r16(regs::ISR), 0, "no change");
    b.phy_write(mii::BMCR, mii::ANE | mii::RESTART);
    assert_eq!((b.r16(regs::ISR), b.phy_read(mii::BMCR)), (isr::LINKCHG, mii::ANE), "it negotiates anew");
    assert_eq!(b.phy_read(mii::BMSR) & mii::LINK, 0);
    b.w16(regs::ISR, 0xffff);
    b.phy_write(mii::BMCR, mii::ANE | mii::POWER_DOWN);
    assert_eq!((b.r8(regs::PHYSTATUS), b.r16(regs::ISR)), (0, isr::LINKCHG));
    b.w16(regs::ISR, 0xffff);
    b.phy_write(mii::BMCR, mii::ANE);
    assert_eq!((b.r8(regs::PHYSTATUS) & phystatus::LINK, b.r16(regs::ISR)), (phystatus::LINK, isr::LINKCHG));
}

#[test]
fn other_pages_are_no_page_0() {
    let (mut b, _) = Bench::new();
    b.phy_write(mii::PAGE, 1);
    b.phy_write(mii::BMCR, mii::RESET | mii::POWER_DOWN);
    assert_eq!([b.phy_read(mii::BMCR), b.phy_read(mii::PAGE)], [mii::RESET | mii::POWER_DOWN, 1]);
    b.phy_write(mii::PAGE, 2);
    assert_eq!(b.phy_read(mii::BMCR), 0);
    b.phy_write(mii::PAGE, 0xa43);
    b.phy_write(0x10, 7);
    assert_eq!(b.phy_read(0x10), 0);
    b.phy_write(mii::PAGE, 0);
    assert_eq!(b.phy_read(mii::BMCR), mii::ANE | mii::DUPLEX | mii::SPEED_1000);
    assert_eq!(b.r16(regs::ISR), 0);
}

#[test]
fn the_link_flaps() {
    let (mut b, _) = Bench::new();
    b.handle.misbehave(|m| m.link_flaps = 10);
    let changes = (0..100)
        .filter(|_| {
            let causes = b.r16(regs::ISR);
            b.w16(regs::ISR, causes);
            causes & isr::LINKCHG != 0
        })
        .count();
    assert_eq!(changes, 10);
    b.handle.misbehave(|m| m.link_flaps = 0);
    assert_eq!(b.phy_read(mii::BMSR) & mii::LINK, 0);
    assert_ne!(b.phy_read(mii::BMSR) & mii::LINK, 0);
}
