//! Each setting is what the mouse has, and costs what it must.

use model_psmouse::Variant;
use psmouse::PsMouse;
use udrv_driver::{Error, InputDriver};

use crate::mouse::{Fake, VARIANTS, assert_works, bench, enabled, plugged_in, probed, sent, settings};

const COUNTED: [u8; 6] = [0xf3, 0xe8, 0xe6, 0xe7, 0xf4, 0xf5];

/// Commands that a call has sent: how often each of [`COUNTED`], and bytes in all.
fn cost(fake: &mut Fake, call: impl FnOnce(&mut Fake)) -> ([u64; 6], u64) {
    let count = |fake: &mut Fake| COUNTED.map(|code| bench(fake).counters().of(code));
    let (before, bytes) = (count(fake), sent(fake));
    call(fake);
    let after = count(fake);
    (std::array::from_fn(|at| after[at] - before[at]), sent(fake) - bytes)
}

#[test]
fn rates_and_resolutions_are_the_next_that_there_are() {
    for variant in VARIANTS {
        for mut fake in [probed(variant), enabled(variant)] {
            let before = settings(&mut fake);
            for (wanted, is) in [(10, 10), (25, 20), (40, 40), (60, 60), (99, 80), (100, 100), (500, 200), (0, 10)] {
                assert_eq!(fake.call(|cx| PsMouse::set_rate(cx, wanted)), Ok(is));
                assert_eq!(settings(&mut fake), model_psmouse::Settings { rate: is as u8, ..before });
                assert_eq!(PsMouse::info(&fake.state).rate, is);
            }
            assert_eq!(fake.call(|cx| PsMouse::set_rate(cx, 100)), Ok(100));
            for (wanted, is, code) in [(25, 25, 0), (60, 50, 1), (100, 100, 2), (1000, 200, 3), (0, 25, 0)] {
                assert_eq!(fake.call(|cx| PsMouse::set_resolution(cx, wanted)), Ok(is));
                assert_eq!(settings(&mut fake), model_psmouse::Settings { resolution: code, ..before });
                assert_eq!(PsMouse::info(&fake.state).resolution, is);
            }
            assert_eq!(fake.call(|cx| PsMouse::set_resolution(cx, 200)), Ok(200));
            for double in [true, false] {
                assert_eq!(fake.call(|cx| PsMouse::set_scaling(cx, double)), Ok(()));
                assert_eq!(settings(&mut fake), model_psmouse::Settings { doubled: double, ..before });
                assert_eq!(PsMouse::info(&fake.state).double, double);
            }
            assert_works(&mut fake);
        }
    }
}

#[test]
fn only_what_changes_is_sent() {
    for reports in [false, true] {
        let mut fake = if reports { enabled(Variant::Explorer) } else { probed(Variant::Explorer) };
        let around = u64::from(reports);
        let rate = |fake: &mut Fake| assert!(fake.call(|cx| PsMouse::set_rate(cx, 40)).is_ok());
        assert_eq!(cost(&mut fake, rate), ([1, 0, 0, 0, around, around], 2 + 2 * around));
        assert_eq!(cost(&mut fake, rate), ([0; 6], 0));
        let resolution = |fake: &mut Fake| assert!(fake.call(|cx| PsMouse::set_resolution(cx, 50)).is_ok());
        assert_eq!(cost(&mut fake, resolution), ([0, 1, 0, 0, around, around], 2 + 2 * around));
        assert_eq!(cost(&mut fake, resolution), ([0; 6], 0));
        let scaling = |fake: &mut Fake| assert!(fake.call(|cx| PsMouse::set_scaling(cx, true)).is_ok());
        assert_eq!(cost(&mut fake, scaling), ([0, 0, 0, 1, around, around], 1 + 2 * around));
        assert_eq!(cost(&mut fake, scaling), ([0; 6], 0));
        assert_eq!(settings(&mut fake).enabled, reports);
    }
}

#[test]
fn it_reports_when_it_is_to() {
    let mut fake = probed(Variant::IntelliMouse);
    for enabled in [true, false, true] {
        let call = |fake: &mut Fake| {
            assert_eq!(fake.call(if enabled { PsMouse::enable } else { PsMouse::disable }), Ok(()));
        };
        let (on, off) = (u64::from(enabled), u64::from(!enabled));
        assert_eq!(cost(&mut fake, call), ([0, 0, 0, 0, on, off], 1));
        assert_eq!((settings(&mut fake).enabled, PsMouse::info(&fake.state).enabled), (enabled, enabled));
        assert_eq!(cost(&mut fake, call), ([0; 6], 0));
    }
}

#[test]
fn before_probe_nothing_is_set() {
    let mut fake = plugged_in(Variant::Explorer);
    assert_eq!(fake.call(PsMouse::enable), Err(Error::NotReady));
    assert_eq!(fake.call(PsMouse::disable), Err(Error::NotReady));
    assert_eq!(fake.call(PsMouse::interrupt), Err(Error::NotReady));
    assert_eq!(fake.call(PsMouse::poll), Err(Error::NotReady));
    assert_eq!(fake.call(|cx| PsMouse::set_rate(cx, 40)), Err(Error::NotReady));
    assert_eq!(fake.call(|cx| PsMouse::set_resolution(cx, 50)), Err(Error::NotReady));
    assert_eq!(fake.call(|cx| PsMouse::set_scaling(cx, true)), Err(Error::NotReady));
    assert_eq!(fake.call(PsMouse::reconnect), Err(Error::NotReady));
    assert_eq!(fake.restore(), Ok(()));
    assert_eq!(sent(&mut fake), 0);
}
