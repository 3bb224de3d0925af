//! MTU, VLAN and the distance of interrupts.

use e1000::{E1000, regs};
use udrv_driver::{Driver, Error, Micros, NetDriver, Offload, Settings, TxFrame};

use crate::fake::{Fake, Versions, bus_address, frame, hide_injected, with_all, with_both_polls};

const USUAL: Settings = E1000::FEATURES.usual();
/// VP, what the chip says of a tag that it has taken out.
const VP: u64 = 8;

fn jumbo(mtu: u32) -> Settings {
    Settings { mtu, ..USUAL }
}

/// Bytes that tell each buffer, and each place in it, from the others.
fn numbered(length: u32, seed: u32) -> Vec<u8> {
    (0..length).map(|n| (seed.wrapping_mul(31) + n / 2048 * 7 + n) as u8).collect()
}

#[test]
fn what_the_chip_does_not_have_is_refused_and_changes_nothing() {
    for opened in [false, true] {
        let mut fake = if opened { Fake::opened() } else { Fake::new() };
        let before = fake.chip().bus.writes.len();
        for wrong in [
            jumbo(16_111),
            jumbo(u32::MAX),
            Settings { vlan: 4095, ..USUAL },
            Settings { interrupt_interval: Micros(16_777), ..USUAL },
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
    for (settings, rctl, pba, ctrl, itr) in [
        (USUAL, 0x8002, 0x0010_0030, 0x48, 195),
        (jumbo(1501), 0x8022, 0x0010_0030, 0x48, 195),
        (jumbo(8170), 0x8022, 0x0010_0030, 0x48, 195),
        (jumbo(8171), 0x8022, 0x0018_0028, 0x48, 195),
        (jumbo(16_110), 0x8022, 0x0018_0028, 0x48, 195),
        (Settings { vlan: 0x64, ..USUAL }, 0x0004_8002, 0x0010_0030, 0x4000_0048, 195),
        (Settings { interrupt_interval: Micros(0), ..USUAL }, 0x8002, 0x0010_0030, 0x48, 0),
        (Settings { interrupt_interval: Micros(16_776), ..USUAL }, 0x8002, 0x0010_0030, 0x48, 65_531),
    ] {
        for before_open in [false, true] {
            let mut fake = Fake::new();
            fake.call(E1000::probe).unwrap();
            if before_open {
                assert_eq!(fake.configure(settings), Ok(()));
            }
            fake.call(E1000::open).unwrap();
            if !before_open {
                assert_eq!(fake.configure(settings), Ok(()));
            }
            let found = |fake: &mut Fake| {
                let chip = fake.chip();
                let filter = regs::VFTA.map(|register| chip.get(register));
                let ctrl = chip.get(regs::CTRL) & (regs::ctrl::VME | regs::ctrl::SLU | regs::ctrl::FRCSPD | 8);
                ([regs::RCTL, regs::PBA, regs::ITR].map(|r| chip.get(r)), ctrl, filter)
            };
            let now = found(&mut fake);
            assert_eq!((now.0, now.1), ([rctl, pba, itr], ctrl), "{settings:?} {before_open}");
            if settings.vlan != 0 {
                assert!((0..128).all(|n| now.2[n] == if n == 3 { 1 << 4 } else { 0 }), "{:?}", now.2);
                assert_eq!(fake.chip().get(regs::VET), 0x8100);
            }
            // whatever becomes of the chip
            fake.chip().scribble();
            assert_eq!(fake.call(E1000::restore), Ok(()));
            let restored = found(&mut fake);
            assert_eq!((restored.0, restored.1), (now.0, now.1), "{settings:?}");
            assert!(settings.vlan == 0 || restored.2 == now.2);
            // and back
            assert_eq!(fake.configure(USUAL), Ok(()));
            fake.assert_works();
        }
    }
}

/// Every length that differs in its descriptors, around the end of the ring, many laps.
#[test]
fn long_frames_come_in_whole() {
    with_both_polls(|mut fake| {
        assert_eq!(fake.configure(jumbo(16_110)), Ok(()));
        let lengths = (1..=7).flat_map(|n| [n * 2048 - 5, n * 2048 - 4, n * 2048 - 3, n * 2048, n * 2048 + 1]);
        let lengths: Vec<u32> = lengths.chain([60, 9018, 16_128]).collect();
        for round in 0..40 {
            for (n, length) in (0..).zip(&lengths) {
                let frame = numbered(*length, round * 100 + n);
                assert!(fake.chip().receive_bytes(&frame, 0, 0), "no room");
                assert_eq!(fake.poll(8), Ok(1), "{length}");
                assert!(fake.border().delivered.pop() == Some(frame), "{length} in round {round}");
            }
        }
        assert_eq!(fake.stats().rx_errors, 0);
        assert_eq!(fake.configure(USUAL), Ok(()));
        fake.border().delivered.clear();
        fake.assert_works();
    });
}

/// A frame of which parts are still to come is left until it is there.
#[test]
fn the_rest_of_a_frame_is_waited_for() {
    with_both_polls(|mut fake| {
        assert_eq!(fake.configure(jumbo(9000)), Ok(()));
        for _ in 0..100 {
            for _ in 0..3 {
                assert!(fake.chip().receive_as(7, 1 << 32 | 2048));
                assert_eq!(fake.poll(8), Ok(0));
            }
            assert!(fake.chip().receive_as(7, 3 << 32 | 104));
            assert_eq!(fake.poll(8), Ok(1));
            assert_eq!(fake.border().delivered.pop(), Some(vec![7; 3 * 2048 + 100]));
        }
        assert_eq!(fake.stats().rx_errors, 0);
    });
}

#[test]
fn frames_beyond_the_mtu_are_dropped_and_counted() {
    with_both_polls(|mut fake| {
        for (mtu, longest) in [(9000, 9018), (2000, 2018), (16_110, 16_128)] {
            assert_eq!(fake.configure(jumbo(mtu)), Ok(()));
            let before = fake.stats().rx_errors;
            assert!(fake.chip().receive_bytes(&vec![1; longest + 1], 0, 0));
            assert!(fake.chip().receive_bytes(&vec![2; longest], 0, 0));
            // far longer than any
            for _ in 0..20 {
                assert!(fake.chip().receive_as(3, 1 << 32 | 2048));
            }
            assert!(fake.chip().receive_as(3, 3 << 32 | 100));
            // a buffer that is not full, and the frame goes on
            assert!(fake.chip().receive_as(4, 1 << 32 | 2047) && fake.chip().receive_as(4, 3 << 32 | 100));
            // more in a buffer than it holds
            assert!(fake.chip().receive_as(4, 3 << 32 | 2049));
            assert!(fake.chip().receive_bytes(&vec![5; longest], 0, 0));
            assert_eq!(fake.poll(8), Ok(2), "{mtu}");
            assert_eq!(fake.border().delivered, [vec![2; longest], vec![5; longest]]);
            assert_eq!(fake.stats().rx_errors, before + 4);
            fake.border().delivered.clear();
            assert_eq!(fake.poll(8), Ok(0));
        }
    });
}

#[test]
fn what_may_be_sent_hangs_on_the_mtu() {
    with_all(|mut fake| {
        for (mtu, longest) in [(1500, 1518), (9000, 9018), (16_110, 16_128), (1500, 1518)] {
            assert_eq!(fake.configure(jumbo(mtu)), Ok(()));
            assert_eq!(fake.transmit(1, longest + 1), Err(Error::Unsupported));
            assert_eq!(fake.transmit(1, longest), Ok(()));
            assert_eq!(fake.chip().send(0), (bus_address(1), longest));
            assert_eq!(fake.poll(0), Ok(0));
        }
        fake.border().completed.clear();
        fake.assert_works();
    });
}

/// A poll of long frames that is abandoned after whatever request: each frame goes up once, in order, and whole.
#[test]
fn no_abandoned_poll_loses_or_repeats_a_long_frame() {
    hide_injected();
    for versions in Versions::ALL.into_iter().filter(|versions| !versions.alternate_transmit) {
        let poll = versions.poll::<E1000>();
        for after in (0..24).chain((24..1500).step_by(97)) {
            let mut fake = Fake::opened_with(versions);
            assert_eq!(fake.configure(jumbo(9000)), Ok(()));
            let (mut expected, mut reached) = (Vec::new(), 0);
            let mut bring = |fake: &mut Fake, n: u32| {
                let frame = numbered(4000 + n * 997 % 5019, n);
                assert!(fake.chip().receive_bytes(&frame, 0, 0), "no room");
                expected.push(frame);
            };
            // more than a lap
            for n in 0..25 {
                bring(&mut fake, 3 * n);
                bring(&mut fake, 3 * n + 1);
                fake.allow(0, 12);
                reached += u32::from(fake.abandon_after(after, |cx| poll(cx, 12)));
                bring(&mut fake, 3 * n + 2);
                fake.poll(12).unwrap();
            }
            assert_eq!(fake.poll(12), Ok(0));
            assert!(fake.border().delivered == expected, "{versions:?} {after}");
            assert!(reached > 0 || after > 8, "{after}");
        }
    }
}

/// Whatever frames and parts of frames lie there when the MTU changes, what comes after it goes on.
#[test]
fn the_mtu_changes_in_the_middle_of_traffic() {
    with_all(|mut fake| {
        for (before, after) in [(1500, 9000), (9000, 1500), (1500, 4000), (4000, 1500), (9000, 4000), (4000, 9000)] {
            assert_eq!(fake.configure(jumbo(before)), Ok(()));
            assert_eq!(fake.transmit(1, 60), Ok(()));
            assert!(fake.chip().receive(60, 1));
            if before > 1500 {
                assert!(fake.chip().receive_as(2, 1 << 32 | 2048));
            }
            fake.chip().bus.writes.clear();
            assert_eq!(fake.configure(jumbo(after)), Ok(()));
            let was_reset = fake.chip().bus.writes.iter().any(|(at, value)| *at == 0 && value & regs::ctrl::RST != 0);
            assert_eq!(was_reset, (before == 9000) != (after == 9000), "PBA counts after a reset only");
            if fake.chip().has_to_send() {
                fake.chip().send(0);
            }
            fake.poll(8).unwrap();
            assert_eq!(fake.border().completed.len(), 1, "{before} {after}: sent, or lost and said so");
            if before > 1500 && !was_reset {
                // the chip is in the middle of a long frame, which ends
                assert!(fake.chip().receive_as(2, 3 << 32 | 100));
                fake.poll(8).unwrap();
            }
            fake.border().completed.clear();
            fake.border().delivered.clear();
            let frame = numbered(after + 18, before);
            assert!(fake.chip().receive_bytes(&frame, 0, 0));
            assert_eq!(fake.poll(8), Ok(1), "{before} {after}");
            assert!(fake.border().delivered.pop() == Some(frame));
        }
    });
}

#[test]
fn frames_of_the_vlan_and_no_others() {
    with_all(|mut fake| {
        assert_eq!(fake.configure(Settings { vlan: 100, ..USUAL }), Ok(()));
        // its tag was taken out, so that it may be shorter; with a priority
        assert!(fake.chip().receive_bytes(&[1; 56], VP, 0x2000 | 100));
        // another one, of which the chip's filter should know; no tag; the number of the VLAN, and no tag
        assert!(fake.chip().receive_bytes(&[2; 60], VP, 101));
        assert!(fake.chip().receive_bytes(&[3; 60], 0, 0));
        assert!(fake.chip().receive_bytes(&[4; 60], 0, 100));
        assert!(fake.chip().receive_bytes(&[5; 1518], VP, 100));
        assert!(fake.chip().receive_bytes(&[6; 55], VP, 100));
        assert_eq!(fake.poll(16), Ok(2));
        assert_eq!(fake.border().delivered, [vec![1; 56], vec![5; 1518]]);
        assert_eq!(fake.stats().rx_errors, 1, "the short one; those of others are none");
        for buffer in 0..70 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
            assert_eq!(fake.chip().send_tagged(0), (bus_address(buffer), 60, Some(100)));
            assert_eq!(fake.poll(0), Ok(0));
        }
        fake.border().delivered.clear();
        fake.border().completed.clear();
        assert_eq!(fake.configure(USUAL), Ok(()));
        fake.assert_works();
    });
}

/// A packet to be cut: each of its data descriptors asks for the tag, and the context does not.
#[test]
fn segments_get_the_tag_of_the_vlan_too() {
    with_all(|mut fake| {
        assert_eq!(fake.configure(Settings { vlan: 100, ..USUAL }), Ok(()));
        let offload =
            Offload { checksum_start: 34, checksum_offset: 16, segment: 1448, headers: 66, ip_start: 14, ipv6: false };
        fake.allow(7, 0);
        let transmit = fake.versions.transmit::<E1000>();
        let packet = TxFrame { offload, ..frame(7, 20_000) };
        assert_eq!(fake.call(|cx| transmit(cx, packet)), Ok(()));
        let count = fake.chip().get(regs::TDT) as usize;
        assert!(count >= 4, "{count}");
        for index in 0..count {
            let descriptor = &fake.chip().bus.dma[0][4096 + 16 * index..][..16];
            let word = u64::from_le_bytes(descriptor[8..].try_into().unwrap());
            let is_context = word >> 20 & 0xf == 0;
            assert_eq!(is_context, index == 0, "{index}: {word:#x}");
            if !is_context {
                assert_eq!((word >> 48, word >> 30 & 1), (100, 1), "{index}: {word:#x}");
            }
        }
    });
}
