//! The receive ring.

use e1000::{E1000, regs};
use udrv_driver::Driver;

use crate::fake::{Fake, Versions, hide_injected, with_both_polls};

/// Length with CRC, DD and EOP, errors.
fn word(length: u64, errors: u64) -> u64 {
    errors << 40 | 3 << 32 | length
}

#[test]
fn several_frames_and_their_buffers_one_poll_later() {
    with_both_polls(|mut fake| {
        for i in 1..=5 {
            assert!(fake.chip().receive(59 + u32::from(i), i));
        }
        fake.chip().bus.writes.clear();
        assert_eq!(fake.poll(64), Ok(5));
        for (i, frame) in (1..=5_u8).zip(&fake.border().delivered) {
            assert_eq!(frame, &vec![i; 59 + usize::from(i)]);
        }
        assert_eq!(fake.chip().bus.writes, [], "they are not given back before they have gone up");
        assert_eq!(fake.poll(64), Ok(0));
        assert_eq!(fake.chip().bus.writes, [(regs::RDT.offset(), 4)]);
        assert_eq!(fake.poll(64), Ok(0));
        assert_eq!(fake.chip().bus.writes.len(), 1, "nothing to give back, nothing written");
        assert_eq!(fake.stats().rx_frames, 5);
    });
}

#[test]
fn the_budget_is_kept() {
    with_both_polls(|mut fake| {
        for i in 0..10 {
            fake.chip().receive(60, i);
        }
        assert_eq!(fake.poll(0), Ok(0));
        assert_eq!([fake.poll(4), fake.poll(4), fake.poll(4)], [Ok(4), Ok(4), Ok(2)]);
    });
}

/// Every length, many laps.
#[test]
fn around_the_end() {
    with_both_polls(|mut fake| {
        for length in 60..=1518 {
            assert!(fake.chip().receive(length, length as u8));
            assert_eq!(fake.poll(1), Ok(1));
            assert_eq!(fake.border().delivered.pop(), Some(vec![length as u8; length as usize]));
        }
    });
}

/// All that it has, and then there is no room: missed frames are counted, and it goes on.
#[test]
fn a_full_ring() {
    with_both_polls(|mut fake| {
        for lap in 0..3 {
            let mut came = 0;
            while fake.chip().receive(60, came as u8) {
                came += 1;
            }
            assert!(came >= 255 - 64, "{came}");
            let mut got = 0;
            while got < came {
                got += fake.poll(64).unwrap();
            }
            assert_eq!(fake.poll(64), Ok(0));
            let fills = fake.border().delivered.drain(..).map(|frame| frame[0]);
            assert!(fills.eq((0..came).map(|n| n as u8)));
            assert_eq!(fake.stats().rx_missed, lap + 1);
        }
    });
}

#[test]
fn no_word_panics_or_delivers_what_is_outside() {
    with_both_polls(|mut fake| {
        let (mut good, mut bad) = (0, 0);
        for errors in 0..=0xff {
            for length in [0, 1, 4, 63, 64, 65, 1517, 1522, 1523, 2048, 0xffff_u64] {
                assert!(fake.chip().receive_as(1, word(length, errors)));
                let expected = errors & 0x97 == 0 && (64..=1522).contains(&length);
                assert_eq!(fake.poll(1), Ok(expected.into()), "{errors:#x} {length}");
                *(if expected { &mut good } else { &mut bad }) += 1;
            }
        }
        let stats = fake.stats();
        assert_eq!((stats.rx_frames, stats.rx_errors), (good, bad));
        fake.assert_works();
    });
}

#[test]
fn a_frame_in_several_descriptors_is_dropped_whole() {
    with_both_polls(|mut fake| {
        fake.chip().receive(100, 1);
        for _ in 0..3 {
            fake.chip().receive_as(2, 1 << 32 | 2048);
        }
        assert_eq!(fake.poll(8), Ok(1), "its end has not come");
        fake.chip().receive_as(3, word(100, 0));
        fake.chip().receive(100, 4);
        assert_eq!(fake.poll(8), Ok(1));
        assert_eq!(fake.border().delivered, [vec![1; 100], vec![4; 100]]);
        assert_eq!(fake.stats().rx_errors, 1);
        fake.assert_works();
    });
}

/// A chip that marks everything: bounded by the ring, and by the budget.
#[test]
fn a_ring_that_is_all_done_ends() {
    with_both_polls(|mut fake| {
        for index in 0..256 {
            let descriptor = &mut fake.chip().bus.dma[0][16 * index..][8..16];
            descriptor.copy_from_slice(&word(100, 0x97).to_le_bytes());
        }
        assert_eq!(fake.poll(64), Ok(0));
        assert_eq!(fake.stats().rx_errors, 255);
    });
}

/// The heart: whatever call is abandoned after whatever request, each frame goes up once, in order, and whole.
#[test]
fn no_abandoned_poll_loses_or_repeats_a_frame() {
    hide_injected();
    for versions in Versions::ALL {
        let poll = versions.poll::<E1000>();
        for after in 0.. {
            let mut fake = Fake::opened_with(versions);
            let mut reached = 0;
            let mut came = 0_u32;
            // two laps, so that each index is met with and without something to give back
            while came < 600 {
                for _ in 0..came % 7 + 1 {
                    assert!(fake.chip().receive(60 + came % 1000, came as u8), "no room");
                    came += 1;
                }
                fake.allow(0, 16);
                reached += u32::from(fake.abandon_after(after, |cx| poll(cx, 16)));
                // the wire goes on before the retry
                assert!(fake.chip().receive(60 + came % 1000, came as u8));
                came += 1;
                fake.poll(16).unwrap();
            }
            assert_eq!(fake.poll(16), Ok(0));
            let delivered = &fake.border().delivered;
            assert_eq!(delivered.len() as u32, came);
            for (n, frame) in (0_u32..).zip(delivered) {
                assert_eq!(*frame, vec![n as u8; 60 + n as usize % 1000], "after {after}");
            }
            if reached == 0 {
                assert!(after > 8);
                break;
            }
        }
    }
}

/// Frames are copied when they go up, on commit: the doorbells come after, and give back others.
#[test]
fn the_chip_never_writes_into_what_has_not_gone_up() {
    with_both_polls(|mut fake| {
        let (mut came, mut got) = (0_u32, 0);
        for round in 0..200 {
            while fake.chip().receive(60, came as u8) {
                came += 1;
            }
            fake.chip().set(regs::ICR, 0);
            got += fake.poll(round % 64 + 1).unwrap();
        }
        let fills = fake.border().delivered.iter().map(|frame| frame[0]);
        assert!(fills.eq((0..got).map(|n| n as u8)));
        assert_eq!(fake.call(E1000::restore), Ok(()));
        fake.border().delivered.clear();
        while got < came {
            let more = fake.poll(64).unwrap();
            assert_ne!(more, 0);
            got += more;
        }
    });
}
