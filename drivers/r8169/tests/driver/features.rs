//! VLAN.

use r8169::R8169;
use udrv_driver::{Error, Micros, NetDriver, Settings};

use crate::fake::{Fake, bus_address, with_all, with_both_polls};

const USUAL: Settings = R8169::FEATURES.usual();

fn vlan(vlan: u16) -> Settings {
    Settings { vlan, ..USUAL }
}

#[test]
fn what_the_chip_does_not_have_is_refused_and_changes_nothing() {
    for opened in [false, true] {
        let mut fake = if opened { Fake::opened() } else { Fake::new() };
        let before = fake.chip().bus.writes.len();
        for wrong in [
            vlan(4095),
            Settings { mtu: u32::MAX, ..USUAL },
            Settings { interrupt_interval: Micros(u64::MAX), ..USUAL },
        ] {
            assert_eq!(fake.configure(wrong), Err(Error::Unsupported), "{wrong:?}");
        }
        assert_eq!(fake.chip().bus.writes.len(), before);
    }
}

/// Set before `open` and after it, it is the same.
#[test]
fn what_is_set_reaches_the_chip() {
    for (xid, cpcr) in [(0x1800_0000, 8), (0x0400_0000, 0x4008), (0x3800_0000, 0)] {
        for (settings, bits) in [(USUAL, 0), (vlan(0x64), 0x40)] {
            for before_open in [false, true] {
                let mut fake = Fake::new();
                fake.chip().version = xid;
                fake.call(R8169::probe).unwrap();
                if before_open {
                    assert_eq!(fake.configure(settings), Ok(()));
                }
                fake.call(R8169::open).unwrap();
                if !before_open {
                    assert_eq!(fake.configure(settings), Ok(()));
                }
                assert_eq!(fake.chip().get(0xe0, 2), cpcr | bits, "{settings:?} {before_open}");
                // whatever becomes of the register, or of the chip
                for reset in [false, true] {
                    fake.chip().set(0xe0, 2, 0xffff);
                    if reset {
                        fake.chip().registers[0x37] = 0;
                    }
                    assert_eq!(fake.call(R8169::restore), Ok(()));
                    assert_eq!(fake.chip().get(0xe0, 2), cpcr | bits, "{settings:?} {reset}");
                }
                // and back
                assert_eq!(fake.configure(USUAL), Ok(()));
                assert_eq!(fake.chip().get(0xe0, 2), cpcr);
                fake.assert_works();
            }
        }
    }
}

#[test]
fn frames_of_the_vlan_and_no_others() {
    with_all(|mut fake| {
        assert_eq!(fake.configure(vlan(0x123)), Ok(()));
        // its tag was taken out, so that it may be shorter; with a priority
        assert!(fake.chip().receive_bytes(&[1; 56], Some(0x2123)));
        // another one, of which the chip has no filter; no tag
        assert!(fake.chip().receive_bytes(&[2; 60], Some(0x122)));
        assert!(fake.chip().receive_bytes(&[3; 60], None));
        assert!(fake.chip().receive_bytes(&[5; 1518], Some(0x123)));
        assert!(fake.chip().receive_bytes(&[6; 55], Some(0x123)));
        assert_eq!(fake.poll(16), Ok(2));
        assert_eq!(fake.border().delivered, [vec![1; 56], vec![5; 1518]]);
        assert_eq!(fake.stats().rx_errors, 1, "the short one; those of others are none");
        for buffer in 0..70 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
            assert_eq!(fake.chip().send_tagged(), (bus_address(buffer), 60, Some(0x123)));
            assert_eq!(fake.poll(0), Ok(0));
        }
        // a ring full of tags: none is taken for one of the frame that comes after it
        for _ in 0..300 {
            assert!(fake.chip().receive_bytes(&[7; 60], Some(0x123)));
            assert_eq!(fake.poll(16), Ok(1));
        }
        assert!(fake.chip().receive_bytes(&[8; 60], None));
        assert_eq!(fake.poll(16), Ok(0));
        fake.border().delivered.clear();
        fake.border().completed.clear();
        assert_eq!(fake.configure(USUAL), Ok(()));
        fake.assert_works();
    });
}

/// Wherever a `poll` fails, the retry finds every frame with its tag.
#[test]
fn a_poll_that_fails_keeps_the_tags() {
    with_both_polls(|mut fake| {
        assert_eq!(fake.configure(vlan(5)), Ok(()));
        let poll = fake.versions.poll::<R8169>();
        for round in 0..100_u32 {
            for n in 0..3 {
                assert!(fake.chip().receive_bytes(&[(3 * round + n) as u8; 60], Some(5)));
            }
            for after in 0.. {
                fake.allow(0, 64);
                if !fake.abandon_after(after, |cx| poll(cx, 64)) {
                    break;
                }
            }
            assert_eq!(fake.poll(64), Ok(3));
        }
        assert!(fake.border().delivered.iter().map(|frame| frame[0]).eq((0..300_u32).map(|n| n as u8)));
    });
}
