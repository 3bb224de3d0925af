//! The station address, by EERD and by the wires, and the PHY.

use e1000::{E1000, regs};
use udrv_driver::{Error, Level, MacAddress, NetDriver};
use udrv_driver_tests::input::assert_gives_up_in_time;

use crate::chip::{eeprom, mend};
use crate::fake::{Fake, MAC, OTHER};

/// EERD, an 82544 with an arbiter and one without.
const WAYS: [(bool, bool); 3] = [(false, false), (true, false), (true, true)];

fn fake((no_eerd, no_arbiter): (bool, bool)) -> Fake {
    let mut fake = Fake::new();
    fake.chip().trouble.no_eerd = no_eerd;
    fake.chip().trouble.no_arbiter = no_arbiter;
    fake
}

#[test]
fn the_address_is_read_whichever_way() {
    for way in WAYS {
        for words in [64, 256] {
            let mut fake = fake(way);
            fake.chip().eeprom.resize(words, 0x1234);
            assert_eq!(fake.call(E1000::probe), Ok(MAC), "{way:?} {words}");
            assert_eq!(fake.chip().mac(), MAC.0);
            let eecd = fake.chip().get(regs::EECD);
            assert_eq!(eecd & (regs::eecd::EE_REQ | regs::eecd::CS | regs::eecd::SK), 0, "given back");
            assert_eq!(fake.call(E1000::open), Ok(()));
            fake.assert_works();
        }
    }
}

/// Then the administrator's is used.
#[test]
fn a_bad_checksum_gives_no_address() {
    for way in WAYS {
        for index in [0, 1, 2, 3, 40, 63] {
            let mut fake = fake(way);
            fake.chip().eeprom[index] ^= 0x0100;
            assert_eq!(fake.call(E1000::probe), Ok(MacAddress::default()), "{way:?} {index}");
            assert!(fake.border().logs.contains(&(Level::Error as u64)));
            assert_eq!(fake.chip().get(regs::RAH0) & regs::rah::AV, 0, "and what the chip has loaded does not count");
            assert_eq!(fake.call(|cx| E1000::set_mac(cx, MAC)), Ok(()));
            assert_eq!(fake.call(E1000::open), Ok(()));
            fake.assert_works();
        }
    }
}

#[test]
fn an_address_that_no_station_has_is_none() {
    for mac in [[0; 6], [0xff; 6], [1, 2, 3, 4, 5, 6]] {
        let mut fake = Fake::new();
        fake.chip().eeprom = eeprom(MacAddress(mac));
        assert_eq!(fake.call(E1000::probe), Ok(MacAddress::default()));
    }
    let mut fake = Fake::new();
    fake.chip().eeprom[..3].copy_from_slice(&[0x0102, 0x0302, 0xff04]);
    mend(&mut fake.chip().eeprom);
    assert_eq!(fake.call(E1000::probe), Ok(OTHER));
}

#[test]
fn wires_that_are_never_granted_are_given_up() {
    assert_gives_up_in_time(Fake::new(), 0x10, |chip, never| chip.trouble.never_granted = never, E1000::probe);
}

#[test]
fn a_phy_that_sleeps_is_woken() {
    for (control, expected) in [(0x1140, 0x1140), (0x1940, 0x1340), (0x0100, 0x1300), (0x2900, 0x3300)] {
        let mut fake = Fake::new();
        fake.chip().phy[0] = control;
        assert_eq!(fake.call(E1000::probe), Ok(MAC));
        assert_eq!(fake.call(E1000::open), Ok(()));
        assert_eq!(fake.chip().phy[0], expected, "{control:#x}");
    }
}

#[test]
fn a_phy_that_does_not_answer_is_given_up() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(E1000::probe), Ok(MAC));
    assert_gives_up_in_time(fake, 0x20, |chip, hangs| chip.trouble.mdic_hangs = hangs, E1000::open);
}

#[test]
fn a_phy_that_answers_with_an_error() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(E1000::probe), Ok(MAC));
    fake.chip().trouble.mdic_fails = true;
    assert!(matches!(fake.call(E1000::open), Err(Error::Nonsense { register: 0x20, .. })));
    fake.chip().trouble.mdic_fails = false;
    assert_eq!(fake.call(E1000::open), Ok(()));
    fake.assert_works();
}
