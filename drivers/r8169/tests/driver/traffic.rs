//! Frames both ways, and who owns a descriptor when.

use r8169::R8169;
use udrv_driver::Error;

use crate::chip::WHOLE;
use crate::fake::{Fake, bus_address, frame, with_all, with_both_polls};

#[test]
fn all_descriptors_are_used_and_in_turn() {
    with_both_polls(|mut fake| {
        for round in 0..3 {
            for buffer in 0..64 {
                assert_eq!(fake.transmit(buffer, 60 + round), Ok(()));
            }
            assert_eq!(fake.transmit(99, 60), Err(Error::Busy));
            for buffer in 0..64 {
                assert_eq!(fake.chip().send(), (bus_address(buffer), 60 + round));
            }
            assert!(!fake.chip().has_to_send());
            assert_eq!(fake.poll(0), Ok(0), "completions need no budget");
            assert!(fake.border().completed.drain(..).eq((0..64).map(|buffer| (buffer, true))));
        }
    });
}

#[test]
fn a_frame_that_is_too_long_is_refused() {
    with_all(|mut fake| {
        assert_eq!(fake.transmit(1, 1519), Err(Error::Unsupported));
        assert_eq!(fake.transmit(1, 1518), Ok(()));
    });
}

/// A doorbell that rings while the chip ends a frame may be lost: the poll that sees frames left rings again.
#[test]
fn what_is_left_is_rung_for_again() {
    with_both_polls(|mut fake| {
        for buffer in 0..3 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        fake.chip().bus.writes.clear();
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.chip().bus.writes, [], "nothing was sent: it is at work, or has a time-out coming");
        fake.chip().send();
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.chip().bus.writes, [(0x38, 0x40)]);
        fake.chip().send();
        fake.chip().send();
        fake.chip().bus.writes.clear();
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.chip().bus.writes, []);
    });
}

#[test]
fn frames_come_up_in_order_for_many_laps() {
    with_all(|mut fake| {
        let mut number = 0_u32;
        for round in 0..200 {
            let came = 1 + round * 7 % 61;
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
        for n in 0..256_u32 {
            assert!(fake.chip().receive(60, n as u8));
        }
        assert!(!fake.chip().receive(60, 0), "no descriptor left");
        for _ in 0..4 {
            assert_eq!(fake.poll(64), Ok(64));
        }
        assert_eq!(fake.poll(64), Ok(0));
        assert!(fake.border().delivered.iter().enumerate().all(|(n, frame)| frame[0] == n as u8));
        fake.assert_works();
    });
}

/// Lengths that no frame has, errors, and parts of frames: dropped, counted, and the ring goes on.
#[test]
fn bad_frames_are_dropped_and_counted() {
    with_all(|mut fake| {
        let bad = [0, 4, 63, 1523, 2048, 0x3fff].map(|length| WHOLE | length);
        let errors = [19, 20, 21, 22].map(|bit| WHOLE | 1 << bit | 100);
        let parts = [1 << 29 | 2048, 2048, 1 << 28 | 100];
        let all: Vec<u32> = bad.into_iter().chain(errors).chain(parts).collect();
        for (n, word) in all.iter().enumerate() {
            assert!(fake.chip().receive_as(0xee, *word));
            assert!(fake.chip().receive(60, n as u8));
        }
        assert_eq!(fake.poll(64), Ok(all.len() as u32));
        assert!(fake.border().delivered.iter().enumerate().all(|(n, frame)| frame[0] == n as u8));
        assert_eq!(fake.stats().rx_errors, all.len() as u64);
        fake.border().delivered.clear();
        // nothing but bad frames: once around, and no further
        while fake.chip().receive_as(0xee, WHOLE | 1) {}
        assert_eq!(fake.poll(64), Ok(0));
        fake.assert_works();
    });
}

/// Wherever a `transmit` fails, the chip has nothing of it, and the next takes the same descriptor.
#[test]
fn a_transmit_that_fails_hands_nothing_over() {
    with_all(|mut fake| {
        let transmit = fake.versions.transmit::<R8169>();
        for round in 0..70_u32 {
            for after in 0.. {
                fake.allow(round, 0);
                if !fake.abandon_after(after, |cx| transmit(cx, frame(round, 60))) {
                    break;
                }
                assert!(!fake.chip().has_to_send(), "after {after}");
                assert!(fake.border().kept.is_empty());
            }
            assert_eq!(fake.transmit(round, 61), Ok(()));
            assert_eq!(fake.chip().send(), (bus_address(round), 61));
            assert_eq!(fake.poll(0), Ok(0));
        }
        assert!(fake.border().completed.iter().map(|(buffer, _)| *buffer).eq(0..70));
    });
}

/// Wherever a `poll` fails, the chip gets no descriptor back, and the retry finds every frame.
#[test]
fn a_poll_that_fails_gives_nothing_back() {
    with_both_polls(|mut fake| {
        let poll = fake.versions.poll::<R8169>();
        let mut number = 0_u32;
        for round in 0..100 {
            let came = 1 + round % 5;
            for n in 0..came {
                assert!(fake.chip().receive(60, (number + n) as u8));
            }
            assert_eq!(fake.transmit(1, 60), Ok(()));
            fake.chip().send();
            let before = fake.chip().bus.dma[0][..8192].to_vec();
            for after in 0.. {
                fake.allow(0, 64);
                if !fake.abandon_after(after, |cx| poll(cx, 64)) {
                    break;
                }
                assert!(fake.chip().bus.dma[0][..8192] == before, "after {after}");
            }
            assert_eq!(fake.poll(64), Ok(came));
            number += came;
        }
        let fills = fake.border().delivered.iter().map(|frame| frame[0]);
        assert!(fills.eq((0..number).map(|n| n as u8)), "each once, in order");
        assert_eq!(fake.border().completed.len(), 100);
    });
}

#[test]
fn a_poll_without_budget_takes_nothing() {
    let mut fake = Fake::opened();
    fake.assert_works();
    fake.chip().receive(60, 1);
    assert_eq!(fake.poll(0), Ok(0), "no budget, no frame");
    assert_eq!(fake.poll(1), Ok(1));
}
