//! Endpoints that do not work any more, and a device that leaves.

use pegasus::Pegasus;
use udrv_driver::usb::{CHAIN, status};
use udrv_driver::{Driver, Error, Events, MARK_SPACES, NetDriver};

use crate::chip::Chip;
use crate::controller::{RX, TOLD, TX};
use crate::fake::{Fake, with_all};

impl Chip {
    fn halt(&mut self, ring: usize) {
        self.controller.halt(&mut self.bus, ring);
    }

    /// The transfer of this ring that ends next ends so.
    fn end(&mut self, ring: usize, status: u32) {
        self.controller.end(&mut self.bus, ring, status, 0);
    }
}

/// `poll` says of an endpoint of frames that it does not work, and `interrupt` of the third, which frames can do without.
fn assert_told(fake: &mut Fake, ring: usize, error: Error, interrupts: bool) {
    assert_eq!(fake.poll(8), if ring == TOLD { Ok(0) } else { Err(error) }, "{ring}");
    if interrupts {
        assert_eq!(fake.interrupt().has(Events::ERROR), ring == TOLD, "{ring}");
    }
}

/// Of each endpoint, with interrupts and without.
#[test]
fn a_halted_endpoint_is_restored() {
    for ring in [RX, TX, TOLD] {
        for polled in [false, true] {
            with_all(|mut fake| {
                fake.interrupt();
                assert_eq!(fake.transmit(1, 60), Ok(()));
                fake.chip().halt(ring);
                assert_told(&mut fake, ring, Error::Bus, !polled);
                assert_eq!(fake.border().completed, [], "it is not known yet");
                let (transfers, resets) = (fake.chip().transfers, fake.chip().resets);
                // the device has erred
                fake.border().marks = [u64::MAX; MARK_SPACES];
                assert_eq!(fake.call(Pegasus::restore), Ok(()));
                assert_eq!(fake.border().completed, [(1, false)]);
                assert_eq!(fake.chip().resets, resets + 1);
                assert_eq!(fake.chip().transfers - transfers, 12, "clearing the halt is one");
                fake.assert_works();
            });
        }
    }
}

/// An endpoint that halts while nothing is handed over is found with the next frame.
#[test]
fn a_halted_transmitter_is_found_with_the_next_frame() {
    with_all(|mut fake| {
        fake.chip().halt(TX);
        fake.interrupt();
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.transmit(1, 60), Ok(()));
        assert_told(&mut fake, TX, Error::Bus, true);
        assert_eq!(fake.call(Pegasus::restore), Ok(()));
        fake.assert_works();
    });
}

/// What came, or was sent, before it is not lost.
#[test]
fn what_came_before_goes_up_first() {
    with_all(|mut fake| {
        fake.interrupt();
        assert_eq!(fake.transmit(1, 60), Ok(()));
        fake.chip().send();
        for fill in 0..3 {
            assert!(fake.chip().receive(60, fill));
        }
        fake.chip().halt(RX);
        assert_eq!(fake.poll(2), Ok(2));
        assert_eq!(fake.border().completed, [(1, true)]);
        assert_eq!(fake.poll(8), Ok(1));
        assert_eq!(fake.poll(8), Err(Error::Bus));
        assert_eq!(fake.border().delivered.len(), 3);
    });
}

#[test]
fn transfers_that_end_otherwise() {
    for ring in [RX, TX, TOLD] {
        for (status, error) in [
            (status::NONE, Error::Bus),
            (status::CANCELLED, Error::Bus),
            (status::GONE, Error::Gone),
            (status::FAILED, Error::Bus),
            (status::REFUSED, Error::Bus),
            (99, Error::Bus),
        ] {
            with_all(|mut fake| {
                fake.interrupt();
                assert_eq!(fake.transmit(1, 60), Ok(()));
                fake.chip().end(ring, status);
                for interrupts in [false, false, true] {
                    assert_told(&mut fake, ring, error, interrupts);
                }
                assert_eq!(fake.call(Pegasus::restore), Ok(()));
                fake.assert_works();
            });
        }
    }
}

/// Nobody says that CHAIN goes with OWN.
#[test]
fn a_chain_may_stay_one() {
    with_all(|mut fake| {
        assert_eq!(fake.transmit(1, 60), Ok(()));
        fake.chip().end(TX, status::DONE | CHAIN);
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.border().completed, [(1, true)]);
    });
}

/// Each of its transfers says so, and the controller.
#[test]
fn a_device_that_leaves() {
    with_all(|mut fake| {
        assert_eq!(fake.transmit(1, 60), Ok(()));
        let chip = fake.chip();
        chip.bus.gone = true;
        (0..3).for_each(|ring| chip.controller.end_all(&mut chip.bus, ring, status::GONE));
        assert_eq!(fake.poll(8), Err(Error::Gone));
        assert_eq!(fake.call(Pegasus::interrupt), Err(Error::Gone));
        assert_eq!(fake.transmit(2, 60), if fake.versions.alternate_transmit { Err(Error::Busy) } else { Ok(()) });
        assert_eq!(fake.call(Pegasus::restore), Err(Error::Gone));
    });
}

/// The device's own words are bounded wherever they stand: see also `every_call_leaves_a_state_that_may_be`.
#[test]
fn a_frame_is_never_longer_than_its_buffer() {
    with_all(|mut fake: Fake| {
        for counted in [0, 60, 2044, 2048, 2052, 4095] {
            for bytes in [2048, 2049, 4095, u32::MAX - 8, u32::MAX] {
                assert!(fake.chip().receive_as(bytes, 1, counted, 0));
                assert_eq!(fake.poll(8), Ok(0), "{bytes} {counted}");
            }
        }
        assert_eq!(fake.stats().rx_errors, 30);
        fake.assert_works();
    });
}
