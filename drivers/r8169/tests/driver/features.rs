//! MTU, VLAN and the distance of interrupts.

use r8169::R8169;
use udrv_driver::{Driver, Error, Link, Micros, NetDriver, Settings};
use udrv_driver_tests::Chip;

use crate::fake::{Fake, Versions, bus_address, with_all, with_both_polls};

const USUAL: Settings = R8169::FEATURES.usual();

fn vlan(vlan: u16) -> Settings {
    Settings { vlan, ..USUAL }
}

fn mtu(mtu: u32) -> Settings {
    Settings { mtu, ..USUAL }
}

fn interval(us: u64) -> Settings {
    Settings { interrupt_interval: Micros(us), ..USUAL }
}

/// Bytes that tell each frame, and each place in it, from the others.
fn numbered(length: u32, seed: u32) -> Vec<u8> {
    (0..length).map(|n| (seed.wrapping_mul(31) + n / 2048 * 7 + n) as u8).collect()
}

/// With each version of `poll`, a chip of this version in TCR.
fn with_both_polls_of(xid: u32, test: impl Fn(Fake)) {
    for versions in Versions::ALL.into_iter().filter(|versions| !versions.alternate_transmit) {
        let mut fake = Fake::new();
        fake.versions = versions;
        fake.chip().version = xid;
        fake.call(R8169::probe).unwrap();
        fake.call(R8169::open).unwrap();
        test(fake);
    }
}

#[test]
fn what_the_chip_does_not_have_is_refused_and_changes_nothing() {
    for opened in [false, true] {
        let mut fake = if opened { Fake::opened() } else { Fake::new() };
        let before = fake.chip().bus.writes.len();
        for wrong in [vlan(4095), mtu(7147), mtu(u32::MAX), interval(154), interval(u64::MAX)] {
            assert_eq!(fake.configure(wrong), Err(Error::Unsupported), "{wrong:?}");
        }
        assert_eq!(fake.chip().bus.writes.len(), before);
    }
}

/// Set before `open` and after it, it is the same.
#[test]
fn what_is_set_reaches_the_chip() {
    for (xid, cpcr) in [(0x1800_0000, 8), (0x0400_0000, 0x4008), (0x3800_0000, 0)] {
        let (intt, timers) = if xid == 0x3800_0000 { (1, 0x4040) } else { (3, 0xf0f0) };
        for (settings, bits, mitigation) in [(USUAL, 0, 0), (vlan(0x64), 0x40, 0), (interval(153), intt, timers)] {
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
                let found = |fake: &mut Fake| (fake.chip().get(0xe0, 2), fake.chip().get(0xe2, 2));
                assert_eq!(found(&mut fake), (cpcr | bits, mitigation), "{settings:?} {before_open}");
                // whatever becomes of the register, or of the chip
                for reset in [false, true] {
                    fake.chip().set(0xe0, 4, u32::MAX);
                    if reset {
                        fake.chip().registers[0x37] = 0;
                    }
                    assert_eq!(fake.call(R8169::restore), Ok(()));
                    assert_eq!(found(&mut fake), (cpcr | bits, mitigation), "{settings:?} {reset}");
                }
                // and back
                assert_eq!(fake.configure(USUAL), Ok(()));
                assert_eq!(found(&mut fake), (cpcr, 0));
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

/// The longest frame of an MTU and the next, and on each chip.
#[test]
fn long_frames_come_in_whole() {
    for (xid, most) in [(0x1800_0000, 7146), (0x0080_0000, 7146), (0x3000_0000, 4074), (0x3800_0000, 4074)] {
        with_both_polls_of(xid, |mut fake| {
            let wrong = mtu(most + 1);
            assert_eq!(fake.configure(wrong), Err(Error::Unsupported), "{xid:#x} {wrong:?}");
            for mtu in [1501, 2026, 2027, 4000, 4074, 4075, 7146, 1500].into_iter().filter(|mtu| *mtu <= most) {
                assert_eq!(fake.configure(Settings { mtu, ..USUAL }), Ok(()));
                let ring = fake.call(R8169::get_ringparam).unwrap().rx;
                // several laps
                for n in 0..3 * ring {
                    for length in [60, mtu + 18] {
                        let frame = numbered(length, n);
                        assert!(fake.chip().receive_bytes(&frame, None), "no room");
                        assert_eq!(fake.poll(8), Ok(1), "{mtu}: {length}");
                        assert!(fake.border().delivered.pop() == Some(frame), "{mtu}: {length}");
                    }
                }
                let before = fake.stats().rx_errors;
                assert!(fake.chip().receive_bytes(&numbered(mtu + 19, 0), None));
                assert_eq!((fake.poll(8), fake.stats().rx_errors), (Ok(0), before + 1), "{mtu}");
                for n in 0..ring {
                    assert!(fake.chip().receive(60, n as u8));
                }
                assert!(!fake.chip().receive(60, 0), "no descriptor left");
                assert_eq!((0..5).map(|_| fake.poll(64).unwrap()).sum::<u32>(), ring);
                assert!(fake.border().delivered.drain(..).enumerate().all(|(n, frame)| frame[0] == n as u8));
            }
            fake.assert_works();
        });
    }
}

#[test]
fn what_may_be_sent_hangs_on_the_mtu() {
    with_all(|mut fake| {
        for (mtu, longest) in [(1500, 1518), (4000, 4018), (7146, 7164), (1500, 1518)] {
            assert_eq!(fake.configure(Settings { mtu, ..USUAL }), Ok(()));
            assert_eq!(fake.transmit(1, longest + 1), Err(Error::Unsupported));
            assert_eq!(fake.transmit(1, longest), Ok(()));
            assert_eq!(fake.chip().send(), (bus_address(1), longest));
            assert_eq!(fake.poll(0), Ok(0));
        }
        fake.border().completed.clear();
        fake.assert_works();
    });
}

/// Whatever lies in the rings when the MTU changes, what comes after it goes on; the chip is reset only where it must be.
#[test]
fn the_mtu_changes_in_the_middle_of_traffic() {
    with_all(|mut fake| {
        let mtus = [1500, 7000, 1500, 2000, 1500, 4000, 3900, 7000, 6000, 4000, 1500];
        for (before, after) in mtus.into_iter().zip(mtus.into_iter().skip(1)) {
            assert_eq!(fake.configure(mtu(before)), Ok(()));
            for n in 0..30 {
                assert!(fake.chip().receive(60, n));
                assert_eq!(fake.poll(8), Ok(1));
            }
            assert!(fake.chip().receive(60, 99));
            assert_eq!(fake.transmit(1, 60), Ok(()));
            let resets = fake.chip().resets();
            assert_eq!(fake.configure(mtu(after)), Ok(()));
            let was_reset = fake.chip().resets() != resets;
            assert_eq!(was_reset, !matches!((before, after), (4000, 3900) | (7000, 6000)), "{before} {after}");
            if fake.chip().has_to_send() {
                fake.chip().send();
            }
            assert_eq!(fake.poll(8), Ok(u32::from(!was_reset)), "{before} {after}");
            assert_eq!(fake.border().completed.len(), 1, "{before} {after}: sent, or lost and said so");
            fake.border().completed.clear();
            fake.border().delivered.clear();
            let frame = numbered(after + 18, before);
            assert!(fake.chip().receive_bytes(&frame, None));
            assert_eq!(fake.poll(8), Ok(1), "{before} {after}");
            assert!(fake.border().delivered.pop() == Some(frame));
        }
    });
}

/// Wherever a change fails, the chip goes on with what it had.
#[test]
fn a_change_that_fails_is_undone() {
    for (before, after) in [(1500, 7000), (7000, 1500), (7000, 4000), (1500, 2000)] {
        let mut reached = 0;
        for after_request in 0.. {
            let mut fake = Fake::opened();
            assert_eq!(fake.configure(mtu(before)), Ok(()));
            let ring = fake.call(R8169::get_ringparam);
            for n in 0..30 {
                assert!(fake.chip().receive(60, n));
                assert_eq!(fake.poll(8), Ok(1));
            }
            let change = |cx: &mut udrv_driver::Cx<'_, _>| R8169::configure(cx, Settings { vlan: 7, ..mtu(after) });
            if !fake.abandon_after(after_request, change) {
                break;
            }
            reached += 1;
            assert_eq!(fake.call(R8169::get_ringparam), ring);
            let frame = numbered(before + 18, 1);
            assert!(fake.chip().receive_bytes(&frame, None));
            assert_eq!(fake.poll(8), Ok(1), "{before} {after} {after_request}");
            assert!(fake.border().delivered.pop() == Some(frame));
            fake.border().completed.clear();
            fake.assert_works();
        }
        assert!(reached > 10, "{reached}");
    }
}

/// The bit in CONFIG4, on the chips that have it and on no others; what the EEPROM has loaded beside it stays.
#[test]
fn the_chips_on_pcie_but_the_first_are_told() {
    for (xid, has_it) in [(0x3800_0000, true), (0x3850_0000, true), (0x3000_0000, false), (0x1800_0000, false)] {
        let mut fake = Fake::new();
        fake.chip().version = xid;
        fake.chip().registers[0x55] = 0xa4;
        fake.call(R8169::probe).unwrap();
        fake.call(R8169::open).unwrap();
        for (mtu, bit) in [(1500, 0), (1501, 1), (4074, 1), (1500, 0)] {
            assert_eq!(fake.configure(Settings { mtu, ..USUAL }), Ok(()));
            assert_eq!(fake.chip().registers[0x55], 0xa4 | if has_it { bit } else { 0 }, "{xid:#x} {mtu}");
            fake.assert_works();
        }
    }
}

/// The steps of the timer hang on the speed, so they follow the link; one that is away has none.
#[test]
fn the_distance_of_interrupts_follows_the_speed() {
    let mut fake = Fake::opened();
    assert_eq!(fake.configure(interval(50)), Ok(()));
    let found = |fake: &mut Fake| (fake.chip().get(0xe0, 2), fake.chip().get(0xe2, 2));
    assert_eq!(found(&mut fake), (8 | 2, 0xa0a0));
    for (speed, expected) in [
        (100, (8 | 1, 0x2020)),
        (0, (8 | 1, 0x2020)),
        (10, (8, 0x1010)),
        (1000, (8 | 2, 0xa0a0)),
        (100, (8 | 1, 0x2020)),
    ] {
        let link = Link { up: speed != 0, speed, full_duplex: speed != 0 };
        fake.chip().change_link(link);
        assert_eq!((fake.call(R8169::link), found(&mut fake)), (Ok(link), expected), "{speed}");
    }
    assert_eq!(fake.call(R8169::tx_timeout), Ok(()));
    assert_eq!(found(&mut fake), (8 | 1, 0x2020), "and stays so");
    // where nobody asked for a distance there is nothing to write
    assert_eq!(fake.configure(USUAL), Ok(()));
    fake.chip().bus.writes.clear();
    fake.chip().change_link(Link { up: true, speed: 1000, full_duplex: true });
    assert!(fake.call(R8169::link).is_ok());
    assert_eq!(fake.chip().bus.writes, []);
}

/// A `stop` that has failed leaves the place in the ring where it was; a ring with fewer descriptors may not have it.
#[test]
fn the_mtu_changes_after_a_stop_that_has_failed() {
    let mut fake = Fake::opened();
    for n in 0..200 {
        assert!(fake.chip().receive(60, n));
        assert_eq!(fake.poll(8), Ok(1));
    }
    fake.chip().trouble.reset_hangs = true;
    assert!(matches!(fake.call(R8169::stop), Err(Error::Timeout { .. })));
    fake.chip().trouble.reset_hangs = false;
    assert_eq!(fake.configure(mtu(7000)), Ok(()));
    assert_eq!(fake.call(R8169::open), Ok(()));
    fake.border().delivered.clear();
    fake.assert_works();
}
