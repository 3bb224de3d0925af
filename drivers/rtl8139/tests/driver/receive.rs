//! The receive ring.

use rtl8139::{Rtl8139, regs};
use udrv_driver::{Driver, Error, Events};

use crate::fake::{Fake, with_both_polls};

use regs::isr::{FOVW, ROK, RXOVW};

#[test]
fn several_frames_and_one_capr() {
    with_both_polls(|mut fake| {
        for i in 1..=5 {
            fake.chip().receive(59 + u32::from(i), i);
        }
        fake.chip().bus.writes.clear();
        assert_eq!(fake.poll(64), Ok(5));
        for (i, frame) in (1..=5_u8).zip(&fake.border().delivered) {
            assert_eq!(frame, &vec![i; 59 + usize::from(i)]);
        }
        // 4 + 64 = 68 for the first, 4 + 65..68 rounded up = 72 for the others, less 16
        assert_eq!(fake.chip().bus.writes, [(regs::CAPR.offset(), 68 + 4 * 72 - 16)]);
        assert_eq!(fake.poll(64), Ok(0));
        assert_eq!(fake.chip().bus.writes.len(), 1, "nothing consumed, nothing written");
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

/// Every length, many laps: frames cross the end at every possible place and come out as they went in.
#[test]
fn around_the_end_in_one_piece() {
    with_both_polls(|mut fake| {
        let mut crossed = 0;
        for length in (60..=1518).chain((60..=1518).rev()) {
            let before = fake.chip().get(regs::CAPR.offset(), 2);
            fake.chip().receive(length, length as u8);
            assert_eq!(fake.poll(1), Ok(1));
            assert_eq!(fake.border().delivered.pop(), Some(vec![length as u8; length as usize]));
            crossed += u32::from((fake.chip().get(regs::CAPR.offset(), 2) + 16) % 0x8000 < (before + 16) % 0x8000);
        }
        assert!(crossed > 60);
    });
}

#[test]
fn no_header_panics_or_delivers_what_is_outside() {
    with_both_polls(|mut fake| {
        let mut delivered = 0;
        for status in [0x0001, 0x2001, 0x8001, 0xe001, 0x0000, 0x0002, 0x0003, 0x0005, 0x0009, 0x0011, 0x0021, 0xffff] {
            // the length says nothing any more when the status is bad; 0xfff0 is a multiple of 15
            let step = if status & 0x3f == 1 { 1 } else { 15 };
            for length in (0..=0xffff_u32).step_by(step) {
                fake.chip().receive_as(1518, 1, length << 16 | status);
                let good = status & 0x3f == 1 && (64..=1522).contains(&length);
                assert_eq!(fake.serve(1), good.into(), "{status:#x} {length}");
                if good {
                    delivered += 1;
                    assert_eq!(fake.border().delivered.pop().map(|f| f.len()), Some(length as usize - 4));
                }
                if good || length == 0xfff0 {
                    // what follows a header that lied, or waits, is another test
                    assert_eq!(fake.call(Rtl8139::restore), Ok(()));
                }
                fake.chip().bus.writes.clear();
            }
        }
        assert_eq!(delivered, 4 * 1459);
        let stats = fake.stats();
        assert_eq!(stats.rx_resets, 4 * (65536 - 1459 - 1) + 8 * (4370 - 1));
        assert_eq!(stats.rx_errors, stats.rx_resets);
        fake.assert_works();
    });
}

#[test]
fn what_is_still_being_written_waits() {
    with_both_polls(|mut fake| {
        fake.chip().receive(100, 1);
        fake.chip().receive_as(200, 2, 0xfff0_0000);
        assert_eq!(fake.poll(8), Ok(1));
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.stats().rx_resets, 0);
        // 4 + 104 behind the start
        fake.chip().bus.dma[0][108..112].copy_from_slice(&(204_u32 << 16 | 1).to_le_bytes());
        assert_eq!(fake.poll(8), Ok(1));
        assert_eq!(fake.border().delivered[1], vec![2; 200]);
    });
}

/// The good ones go up first: setting up anew lets the chip write over them before they are handed on.
#[test]
fn nonsense_behind_good_frames_waits_for_the_next_poll() {
    with_both_polls(|mut fake| {
        assert_eq!(fake.transmit(7, 60), Ok(()));
        fake.chip().receive(100, 1);
        fake.chip().receive(100, 2);
        fake.chip().receive_as(100, 3, 0xdead_beef);
        fake.chip().receive(100, 4);
        fake.chip().bus.writes.clear();
        assert_eq!(fake.poll(8), Ok(2));
        assert!(fake.chip().bus.writes.iter().all(|(offset, _)| *offset == regs::CAPR.offset()));
        assert_eq!(fake.serve(8), 0);
        let stats = fake.stats();
        assert_eq!((stats.rx_errors, stats.rx_resets), (1, 1));
        if fake.versions.alternate_poll {
            assert_eq!(fake.border().completed, [(7, false)], "restore sets up the transmitter too");
        } else {
            assert_eq!(fake.border().kept, [7], "the transmitter goes on");
            fake.chip().send(regs::tsd::TOK);
            assert_eq!(fake.poll(8), Ok(0));
        }
        fake.assert_works();
    });
}

/// One that never comes: a lying length, or a chip that died in the middle of it.
#[test]
fn what_is_written_for_ever_is_nonsense() {
    for header in [0xfff0_0000, 1000 << 16 | 1, 0xfff0_0001] {
        with_both_polls(|mut fake| {
            fake.border().now = 77;
            fake.chip().receive_as(60, 2, header);
            for _ in 0..100 {
                assert_eq!(fake.poll(8), Ok(0));
            }
            assert_eq!(fake.stats().rx_resets, 0);
            fake.border().now += 10_001;
            assert_eq!(fake.serve(8), 0);
            assert_eq!(fake.stats().rx_resets, 1);
            fake.assert_works();
        });
    }
}

/// Each frame has its own time: that of the one before does not count.
#[test]
fn frames_that_come_slowly_are_no_nonsense() {
    with_both_polls(|mut fake| {
        for fill in 0..5 {
            fake.border().now += 100;
            let at = fake.chip().receive_as(60, fill, 0xfff0_0000);
            assert_eq!(fake.poll(8), Ok(0));
            fake.border().now += 9_000;
            assert_eq!(fake.poll(8), Ok(0));
            fake.chip().bus.dma[0][at..at + 4].copy_from_slice(&(64_u32 << 16 | 1).to_le_bytes());
            assert_eq!(fake.poll(8), Ok(1));
        }
        assert_eq!(fake.stats().rx_resets, 0);
    });
}

/// CAPR moves on commit and the ring is not empty before: only CBR says where the frames of this call end.
#[test]
fn old_frames_behind_the_last_are_not_delivered_again() {
    with_both_polls(|mut fake| {
        for round in 0..3 {
            for i in 0..8 {
                fake.chip().receive(100, i);
            }
            assert_eq!(fake.call(Rtl8139::restore), Ok(()));
            fake.chip().receive(100, round);
            assert_eq!(fake.poll(64), Ok(1));
            assert_eq!(fake.poll(64), Ok(0));
        }
    });
}

/// Good headers all around the ring, and a chip that never says that it is empty.
#[test]
fn a_ring_that_is_never_empty_delivers_nothing_old() {
    with_both_polls(|mut fake| {
        let header = (1020_u32 << 16 | 1).to_le_bytes();
        for at in (0..0x8000).step_by(1024) {
            fake.chip().bus.dma[0][at..at + 4].copy_from_slice(&header);
        }
        fake.chip().trouble.never_empty = true;
        for _ in 0..10 {
            assert_eq!(fake.serve(1000), 0);
            fake.border().now += 5_000;
        }
        assert!(fake.stats().rx_resets >= 1);
    });
}

/// Wherever CBR points: no panic, nothing outside, at most a ring full.
#[test]
fn no_cbr_leads_outside() {
    with_both_polls(|mut fake| {
        let header = (1020_u32 << 16 | 1).to_le_bytes();
        for cbr in 0..=0xffff_u32 {
            for at in (0..0x8000).step_by(1024) {
                fake.chip().bus.dma[0][at..at + 4].copy_from_slice(&header);
            }
            fake.chip().point_cbr(cbr);
            assert!(fake.serve(1000) <= 31);
            fake.border().delivered.clear();
            fake.chip().bus.writes.clear();
        }
    });
}

#[test]
fn an_overflow_is_cleared_after_capr() {
    for cause in [RXOVW, FOVW, RXOVW | FOVW] {
        with_both_polls(|mut fake| {
            fake.chip().receive(100, 1);
            fake.chip().raise(cause);
            let pending = |fake: &mut Fake| fake.chip().get(regs::ISR.offset(), 2) as u16;

            assert!(fake.interrupt().has(Events::POLL));
            assert_eq!(pending(&mut fake), cause, "ROK is acknowledged, the overflow is not yet");
            assert!(fake.interrupt().has(Events::POLL));
            assert_eq!(pending(&mut fake), cause, "nor by another interrupt before poll");
            assert_eq!(fake.poll(8), Ok(1));
            assert!(fake.interrupt().has(Events::POLL));
            assert_eq!(pending(&mut fake), 0);
            assert_eq!(fake.poll(8), Ok(0));
            assert_eq!(fake.interrupt(), Events::NONE);

            // the next one is a new one
            fake.chip().raise(cause | ROK);
            fake.interrupt();
            assert_eq!(pending(&mut fake), cause);
        });
    }
}

#[test]
fn an_overflow_with_an_empty_ring_is_no_storm() {
    with_both_polls(|mut fake| {
        fake.chip().raise(RXOVW);
        assert!(fake.interrupt().has(Events::POLL));
        assert_eq!(fake.poll(8), Ok(0));
        assert!(fake.interrupt().has(Events::POLL));
        assert_eq!(fake.interrupt(), Events::NONE);
    });
}

#[test]
fn a_receiver_that_does_not_stop_is_a_timeout() {
    let mut fake = Fake::opened();
    fake.chip().receive_as(100, 1, 0);
    // writes of CR have no effect while a reset hangs
    fake.chip().trouble.reset_hangs = true;
    assert!(matches!(fake.call(Rtl8139::restore), Err(Error::Timeout { .. })));
}
