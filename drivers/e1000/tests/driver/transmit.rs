//! The transmit ring.

use e1000::{E1000, regs};
use udrv_driver::{Error, Events, NetDriver};

use crate::fake::{Fake, bus_address, with_all, with_both_polls};

/// One of 64 is always the driver's: a tail that has caught the head is an empty ring to the chip.
#[test]
fn sixty_three_then_busy() {
    with_both_polls(|mut fake| {
        for round in 0..5 {
            for buffer in 0..63 {
                assert_eq!(fake.transmit(buffer, 60 + buffer), Ok(()));
            }
            assert_eq!(fake.transmit(63, 60), Err(Error::Busy));
            assert_eq!(fake.border().kept.len(), 63);
            for buffer in 0..63 {
                assert_eq!(fake.chip().send(0), (bus_address(buffer), 60 + buffer));
            }
            assert!(!fake.chip().has_to_send());
            assert!(fake.interrupt().has(Events::POLL));
            assert_eq!(fake.poll(0), Ok(0), "completions need no budget");
            assert_eq!(fake.border().completed.len(), 63 * (round + 1));
        }
        assert!(fake.border().completed.iter().all(|(_, sent)| *sent));
        assert_eq!(fake.stats().tx_frames, 63 * 5);
    });
}

#[test]
fn too_long_is_refused_and_takes_no_descriptor() {
    with_all(|mut fake| {
        assert_eq!(fake.transmit(0, 1519), Err(Error::Unsupported));
        assert_eq!(fake.transmit(0, 1518), Ok(()));
        assert_eq!(fake.transmit(1, 1519), Err(Error::Unsupported), "coming again would not help");
        assert_eq!(fake.chip().send(0), (bus_address(0), 1518));
    });
}

/// One that is done behind one that is not waits.
#[test]
fn completed_in_order() {
    with_both_polls(|mut fake| {
        for buffer in 0..3 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        // DD of the second descriptor, behind 256 receive descriptors
        fake.chip().bus.dma[0][0x1000 + 16 + 12] |= 1;
        assert_eq!(fake.poll(1), Ok(0));
        assert_eq!(fake.border().completed, []);
        fake.chip().bus.dma[0][0x1000 + 16 + 12] &= !1;
        fake.chip().send(0);
        fake.chip().send(0);
        assert_eq!(fake.poll(1), Ok(0));
        assert_eq!(fake.border().completed, [(0, true), (1, true)]);
    });
}

#[test]
fn what_did_not_get_out_is_lost() {
    for status in [2, 4, 8, 14] {
        with_all(|mut fake| {
            assert_eq!(fake.transmit(0, 60), Ok(()));
            fake.chip().send(status);
            assert_eq!(fake.poll(1), Ok(0));
            assert_eq!(fake.border().completed.pop(), Some((0, false)));
            let stats = fake.stats();
            assert_eq!((stats.tx_frames, stats.tx_errors), (0, 1));
            fake.assert_works();
        });
    }
}

/// What tells the chip waits for the commit; a call that fails leaves it nothing to send.
#[test]
fn an_abandoned_transmit_is_not_sent() {
    crate::fake::hide_injected();
    for after in 0.. {
        let mut fake = Fake::opened();
        assert_eq!(fake.transmit(1, 61), Ok(()));
        fake.allow(2, 0);
        if !fake.abandon_after(after, |cx| E1000::transmit(cx, crate::fake::frame(2, 62))) {
            assert!(after >= 3);
            break;
        }
        assert_eq!(fake.chip().send(0), (bus_address(1), 61));
        assert!(!fake.chip().has_to_send(), "after {after}");
        assert_eq!(fake.transmit(3, 63), Ok(()));
        assert_eq!(fake.chip().send(0), (bus_address(3), 63));
        assert_eq!(fake.poll(0), Ok(0));
        assert_eq!(fake.border().completed, [(1, true), (3, true)]);
        fake.assert_works();
    }
}

#[test]
fn tx_timeout_gives_back_and_goes_on() {
    let mut fake = Fake::opened();
    for buffer in 0..4 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
    }
    fake.chip().send(0);
    assert_eq!(fake.call(E1000::tx_timeout), Ok(()));
    assert_eq!(fake.border().completed, [(0, true), (1, false), (2, false), (3, false)], "the first was sent");
    let stats = fake.stats();
    assert_eq!((stats.tx_frames, stats.tx_errors), (1, 3));
    fake.assert_works();
}

#[test]
fn no_status_panics_or_completes_what_is_not_kept() {
    for status in 0..=0xff {
        with_both_polls(|mut fake| {
            for buffer in 0..4 {
                assert_eq!(fake.transmit(buffer, 60), Ok(()));
            }
            for index in 0..64 {
                fake.chip().bus.dma[0][0x1000 + 16 * index + 12] = status;
            }
            for _ in 0..3 {
                assert_eq!(fake.poll(4), Ok(0));
            }
            assert_eq!(fake.border().completed.len(), if status & 1 != 0 { 4 } else { 0 });
        });
    }
}

/// The tail is where the next frame goes.
#[test]
fn the_doorbell_is_the_tail() {
    let mut fake = Fake::opened();
    for n in 1..200 {
        assert_eq!(fake.transmit(n % 60, 60), Ok(()));
        assert_eq!(fake.chip().get(regs::TDT), n % 64);
        fake.chip().send(0);
        assert_eq!(fake.poll(0), Ok(0));
    }
}
