//! Frames both ways, and who owns a descriptor when.

use pegasus::Pegasus;
use udrv_driver::Error;
use udrv_driver_tests::{frame, hide_injected};

use crate::fake::{Fake, bus_address, with_all, with_both_polls};

/// Whatever its length, and wherever in the ring: one that would end with a full packet has a byte of 0 behind it.
#[test]
fn every_length_is_sent() {
    with_all(|mut fake| {
        for length in 60..=1518 {
            assert_eq!(fake.transmit(length, length), Ok(()));
            let pad = u32::from(length % 64 == 62);
            assert_eq!(fake.chip().send(), (bus_address(length), length, pad));
            assert_eq!(fake.poll(0), Ok(0));
            assert_eq!(fake.border().completed.pop(), Some((length, true)));
        }
    });
}

#[test]
fn a_frame_that_is_too_long_is_refused() {
    with_all(|mut fake| {
        assert_eq!(fake.transmit(1, 1519), Err(Error::Unsupported));
        assert_eq!(fake.transmit(1, 1518), Ok(()));
        assert_eq!(fake.transmit(2, 1519), Err(Error::Unsupported), "coming again would not help");
    });
}

/// 32 frames of two descriptors, 21 of three, and the ring is walked in turn.
#[test]
fn all_descriptors_are_used_and_in_turn() {
    with_both_polls(|mut fake| {
        for length in [60, 62, 61, 126, 1514, 190, 254, 254].repeat(5) {
            let room = if length % 64 == 62 { 21 } else { 32 };
            for buffer in 0..room {
                assert_eq!(fake.transmit(buffer, length), Ok(()));
            }
            assert_eq!(fake.transmit(99, length), Err(Error::Busy));
            assert_eq!(fake.chip().frames_to_send(), room as usize);
            for buffer in 0..room {
                assert_eq!(fake.chip().send().0, bus_address(buffer));
            }
            assert_eq!(fake.poll(0), Ok(0), "completions need no budget");
            assert!(fake.border().completed.drain(..).eq((0..room).map(|buffer| (buffer, true))));
        }
    });
}

/// Whether the chip counts its status or not, and long ones too: they are tagged.
#[test]
fn every_length_is_received() {
    for counts_status in [false, true] {
        with_all(|mut fake| {
            fake.chip().trouble.counts_status = counts_status;
            for length in 60..=1518_u32 {
                assert!(fake.chip().receive(length, length as u8));
                assert_eq!(fake.poll(16), Ok(1), "{length}");
                assert_eq!(fake.border().delivered.pop(), Some(vec![length as u8; length as usize]));
            }
            assert!(fake.chip().receive_as(1526, 9, 1522, 1 << 1 | 1));
            assert_eq!(fake.poll(16), Ok(1), "too long without a tag, and multicast");
            assert_eq!(fake.stats().rx_errors, 0);
        });
    }
}

#[test]
fn frames_come_up_in_order_for_many_laps() {
    with_all(|mut fake| {
        let mut number = 0_u32;
        for round in 0..200 {
            let came = 1 + round * 7 % 16;
            for n in 0..came {
                assert!(fake.chip().receive(60 + (number + n) % 1459, (number + n) as u8));
            }
            assert_eq!(fake.poll(64), Ok(came));
            for n in 0..came {
                let frame = &fake.border().delivered[n as usize];
                assert_eq!((frame.len() as u32, frame[0]), (60 + (number + n) % 1459, (number + n) as u8));
            }
            fake.border().delivered.clear();
            number += came;
        }
        assert_eq!(fake.stats().rx_frames, number.into());
    });
}

#[test]
fn a_full_ring_is_emptied_by_budgets() {
    with_all(|mut fake| {
        for n in 0..16 {
            assert!(fake.chip().receive(60, n));
        }
        assert!(!fake.chip().receive(60, 0), "no descriptor left");
        for _ in 0..4 {
            assert_eq!(fake.poll(4), Ok(4));
        }
        assert_eq!(fake.poll(4), Ok(0));
        assert!(fake.border().delivered.iter().enumerate().all(|(n, frame)| frame[0] == n as u8));
        fake.interrupt();
        assert_eq!(fake.stats().rx_missed, 1);
        fake.assert_works();
    });
}

/// Nothing but bad frames: once around, and no further.
#[test]
fn a_ring_of_bad_frames_is_walked_once() {
    with_all(|mut fake| {
        while fake.chip().receive_as(68, 0xee, 64, 1 << 3) {}
        assert_eq!(fake.poll(64), Ok(0));
        assert_eq!(fake.stats().rx_errors, 16);
        fake.assert_works();
    });
}

/// Wherever a `transmit` fails, the chip has nothing of it, and the next takes the same descriptors.
#[test]
fn a_transmit_that_fails_hands_nothing_over() {
    hide_injected();
    with_all(|mut fake: Fake| {
        let transmit = fake.versions.transmit::<Pegasus>();
        for round in 0..70_u32 {
            for after in 0.. {
                fake.allow(round, 0);
                if !fake.abandon_after(after, |cx| transmit(cx, frame(round, 60 + round))) {
                    break;
                }
                assert!(!fake.chip().has_to_send(), "after {after}");
                assert!(fake.border().kept.is_empty());
            }
            assert_eq!(fake.transmit(round, 61 + round), Ok(()));
            assert_eq!(fake.chip().send().1, 61 + round);
            assert_eq!(fake.poll(0), Ok(0));
        }
        assert!(fake.border().completed.iter().map(|(buffer, _)| *buffer).eq(0..70));
    });
}

/// Wherever a `poll` fails, the controller gets no descriptor back, and the retry finds every frame.
#[test]
fn a_poll_that_fails_gives_nothing_back() {
    hide_injected();
    with_both_polls(|mut fake: Fake| {
        let poll = fake.versions.poll::<Pegasus>();
        let mut number = 0_u32;
        for round in 0..100 {
            let came = 1 + round % 5;
            for n in 0..came {
                assert!(fake.chip().receive(60, (number + n) as u8));
            }
            assert_eq!(fake.transmit(1, 60), Ok(()));
            fake.chip().send();
            let before = fake.chip().bus.dma[0][..4096].to_vec();
            for after in 0.. {
                fake.allow(0, 64);
                if !fake.abandon_after(after, |cx| poll(cx, 64)) {
                    break;
                }
                assert!(fake.chip().bus.dma[0][..4096] == before, "after {after}");
            }
            fake.border().completed.clear();
            fake.border().delivered.clear();
            assert_eq!(fake.poll(64), Ok(came), "round {round}");
            assert_eq!(fake.border().completed, [(1, true)]);
            let fills = fake.border().delivered.iter().map(|frame| frame[0]);
            assert!(fills.eq((0..came).map(|n| (number + n) as u8)));
            number += came;
        }
    });
}
