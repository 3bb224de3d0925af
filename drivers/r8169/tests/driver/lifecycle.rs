//! Probe, open, stop, quiesce, restore, and calls that are abandoned.

use r8169::{R8169, regs};
use udrv_driver::{Error, NetDriver};
use udrv_driver_tests::input::assert_gives_up_in_time;

use crate::fake::{Fake, MAC};

#[test]
fn the_bars() {
    assert_eq!(R8169::BARS, [2, 1]);
}

#[test]
fn probe_resets_and_gives_the_address() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(R8169::probe), Ok(MAC));
    let chip = fake.chip();
    assert!(chip.bus.writes.contains(&(0x37, regs::cr::RST.into())));
    assert_eq!((chip.registers[0x37], chip.get(0x3c, 2), chip.bus.dma.len()), (0, 0, 1));
}

#[test]
fn only_the_chips_that_are_driven() {
    for xid in [0x0080_0000, 0x0400_0000, 0x1000_0000, 0x1800_0000, 0x3000_0000, 0x3800_0000, 0x3850_0000] {
        let mut fake = Fake::new();
        fake.chip().version = xid;
        assert_eq!(fake.call(R8169::probe), Ok(MAC), "{xid:#x}");
        assert_eq!(fake.call(R8169::open), Ok(()));
        fake.assert_works();
    }
    for xid in [0, 0x9800_0000, 0x3c00_0000, 0x2810_0000, 0x3400_0000, 0x4c00_0000] {
        let mut fake = Fake::new();
        fake.chip().version = xid;
        assert_eq!(fake.call(R8169::probe), Err(Error::NotThisDevice), "{xid:#x}");
        assert_eq!(fake.border().logs, [1], "it says so");
        assert_eq!(fake.chip().bus.writes, [], "and touches nothing");
    }
}

#[test]
fn a_sleeping_phy_is_woken() {
    for control in [0x1940, 0x2100] {
        let mut fake = Fake::new();
        fake.chip().phy[0] = control;
        assert_eq!(fake.call(R8169::probe), Ok(MAC));
        assert_eq!(fake.call(R8169::open), Ok(()));
        assert_eq!(fake.chip().phy[0] & 0x1800, 0x1000);
    }
    let mut fake = Fake::opened();
    assert!(fake.chip().bus.writes.iter().filter(|w| w.0 == 0x60).all(|w| w.1 >> 31 == 0), "else it is only read");
}

#[test]
fn a_phy_that_does_not_answer_is_given_up() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(R8169::probe), Ok(MAC));
    assert_gives_up_in_time(fake, 0x60, |chip, hangs| chip.trouble.phy_hangs = hangs, R8169::open);
}
