//! The four slots.

use rtl8139::{Rtl8139, regs};
use udrv_driver::{Error, Events, NetDriver};

use crate::fake::{Fake, bus_address, with_all, with_both_polls};

use regs::tsd::{NCC_SHIFT, TABT, TOK, TUN};

#[test]
fn four_then_busy() {
    with_both_polls(|mut fake| {
        for buffer in 0..4 {
            assert_eq!(fake.transmit(buffer, 60 + buffer), Ok(()));
        }
        assert_eq!(fake.transmit(4, 60), Err(Error::Busy));
        assert_eq!(fake.border().kept, [0, 1, 2, 3]);
        for buffer in 0..4 {
            assert_eq!(fake.chip().send(TOK), (bus_address(buffer), 60 + buffer));
        }
        assert!(fake.interrupt().has(Events::POLL));
        assert_eq!(fake.poll(0), Ok(0), "completions need no budget");
        assert_eq!(fake.border().completed, [(0, true), (1, true), (2, true), (3, true)]);
        assert_eq!(fake.transmit(4, 60), Ok(()));
        assert_eq!(fake.stats().tx_frames, 4);
    });
}

#[test]
fn too_long_is_refused_and_takes_no_slot() {
    let mut fake = Fake::opened();
    assert_eq!(fake.transmit(0, 1793), Err(Error::Unsupported));
    for buffer in 0..4 {
        assert_eq!(fake.transmit(buffer, 1514), Ok(()));
    }
}

/// TSD is read for those in use only, and in order: one that is done behind one that is not waits.
#[test]
fn completed_in_order() {
    with_both_polls(|mut fake| {
        for buffer in 0..3 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        let chip = fake.chip();
        let second = chip.get(regs::TSD[1].offset(), 4);
        chip.set(regs::TSD[1].offset(), 4, second | regs::tsd::OWN | TOK);
        assert_eq!(fake.poll(1), Ok(0));
        assert_eq!(fake.border().completed, []);
        fake.chip().send(TOK);
        assert_eq!(fake.poll(1), Ok(0));
        assert_eq!(fake.border().completed, [(0, true), (1, true)]);
    });
}

#[test]
fn underrun_is_sent_and_raises_the_threshold() {
    with_both_polls(|mut fake| {
        let threshold = |fake: &mut Fake, slot: usize| fake.chip().get(regs::TSD[slot].offset(), 4) >> 16 & 0x3f;
        assert_eq!(fake.transmit(0, 60), Ok(()));
        let before = threshold(&mut fake, 0);
        fake.chip().send(TUN);
        assert_eq!(fake.poll(1), Ok(0));
        assert_eq!(fake.border().completed, [(0, true)]);
        assert_eq!(fake.transmit(1, 60), Ok(()));
        assert!(threshold(&mut fake, 1) > before);
    });
}

#[test]
fn collisions_are_counted() {
    with_all(|mut fake| {
        assert_eq!(fake.transmit(0, 60), Ok(()));
        fake.chip().send(TOK | 7 << NCC_SHIFT);
        assert_eq!(fake.poll(1), Ok(0));
        assert_eq!(fake.stats().collisions, 7);
    });
}

#[test]
fn an_aborted_frame_is_sent_again() {
    with_both_polls(|mut fake| {
        for buffer in 0..2 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        fake.chip().send(TABT);
        assert!(fake.interrupt().has(Events::POLL));
        assert_eq!(fake.poll(1), Ok(0));
        assert_eq!(fake.border().kept, [0, 1], "the buffer stays with the chip");
        assert_eq!(fake.chip().send(TOK), (bus_address(0), 60), "the same again");
        fake.chip().send(TOK);
        assert_eq!(fake.poll(1), Ok(0));
        assert_eq!(fake.border().completed, [(0, true), (1, true)]);
        assert_eq!(fake.stats().tx_errors, 0);
    });
}

#[test]
fn a_chip_that_leaves_tabt_standing_is_not_told_twice() {
    with_all(|mut fake| {
        assert_eq!(fake.transmit(0, 60), Ok(()));
        fake.chip().send(TABT);
        fake.interrupt();
        assert_eq!(fake.poll(1), Ok(0));
        let chip = fake.chip();
        let status = chip.get(regs::TSD[0].offset(), 4);
        chip.set(regs::TSD[0].offset(), 4, status | TABT);
        let clears = |fake: &mut Fake| fake.chip().bus.writes.iter().filter(|w| w.0 == 0x40 && w.1 & 1 != 0).count();
        assert_eq!(clears(&mut fake), 1);
        for _ in 0..10 {
            assert_eq!(fake.poll(1), Ok(0));
        }
        assert_eq!(clears(&mut fake), 1);
    });
}

#[test]
fn a_frame_that_aborts_for_ever_costs_a_restart_and_no_more() {
    with_both_polls(|mut fake| {
        for buffer in 0..2 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        let mut rounds = 0;
        while fake.border().completed.is_empty() {
            fake.chip().send(TABT);
            assert!(fake.interrupt().has(Events::POLL));
            assert_eq!(fake.serve(1), 0);
            rounds += 1;
            assert!(rounds < 10);
        }
        assert_eq!(fake.border().completed, [(0, false), (1, false)]);
        assert_eq!(fake.stats().tx_errors, 2);
        fake.assert_works();
    });
}

#[test]
fn tx_timeout_gives_back_and_goes_on() {
    let mut fake = Fake::opened();
    for buffer in 0..4 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
    }
    assert_eq!(fake.call(Rtl8139::tx_timeout), Ok(()));
    assert_eq!(fake.border().completed, [(0, false), (1, false), (2, false), (3, false)]);
    fake.assert_works();
}

#[test]
fn no_status_panics_or_completes_what_is_not_kept() {
    // all combinations of the bits that the driver looks at, and some of the others
    for bits in 0..1 << 9 {
        let status = bits & 7 | (bits >> 3 & 7) << 13 | (bits >> 6 & 7) << 29 | (bits & 1) << 22;
        with_both_polls(|mut fake| {
            for buffer in 0..4 {
                assert_eq!(fake.transmit(buffer, 60), Ok(()));
            }
            for slot in regs::TSD {
                fake.chip().set(slot.offset(), 4, status);
            }
            for _ in 0..3 {
                let _ = fake.poll(4);
            }
            assert!([0, 4].contains(&fake.border().completed.len()));
        });
    }
}
