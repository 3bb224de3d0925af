//! `restore` sends what is not as it should be, and nothing else.

use model_psmouse::{Settings, Variant};
use psmouse::{PsMouse, State, regs};
use udrv_driver::{Driver, Error, InputDriver};

use crate::mouse::{Fake, VARIANTS, assert_works, bench, enabled, probed, sent, settings};

/// Not as after a reset.
fn busy(variant: Variant) -> (Fake, Settings) {
    let mut fake = enabled(variant);
    assert_eq!(fake.call(|cx| PsMouse::set_rate(cx, 20)), Ok(20));
    assert_eq!(fake.call(|cx| PsMouse::set_scaling(cx, true)), Ok(()));
    let settings = settings(&mut fake);
    (fake, settings)
}

/// Bytes that it sends.
fn restore(fake: &mut Fake) -> u64 {
    let before = sent(fake);
    assert_eq!(fake.restore(), Ok(()));
    sent(fake) - before
}

const RATE_10: u32 = regs::with_argument(regs::SET_SAMPLE_RATE, 10);
const RESOLUTION_0: u32 = regs::with_argument(regs::SET_RESOLUTION, 0);

#[test]
fn it_asks_twice_and_sends_what_differs() {
    for variant in VARIANTS {
        // commands past the driver, and bytes that restore sends besides its two questions: settings between off and on
        for (commands, bytes) in [
            (&[][..], 0),
            (&[RATE_10], 2 + 2),
            (&[RESOLUTION_0], 2 + 2),
            (&[0xe6], 1 + 2),
            (&[0xf5], 1),
            (&[0xf0], 1),
            (&[0xf5, 0xe6], 1 + 1),
            (&[RATE_10, RESOLUTION_0, 0xe6], 5 + 2),
            // set default: its resolution is another then, too
            (&[0xf6], 5 + 1),
        ] {
            let (mut fake, before) = busy(variant);
            for command in commands {
                fake.chip().command(*command);
            }
            assert_eq!(restore(&mut fake), 2 + bytes, "{variant:?} {commands:x?}");
            assert_eq!(settings(&mut fake), before, "{variant:?} {commands:x?}");
            assert_eq!(restore(&mut fake), 2, "and then it is as it should be");
            assert_eq!(bench(&mut fake).counters().resets(), 1);
            assert_works(&mut fake);
        }
    }
    // one that is to be quiet
    let mut fake = probed(Variant::Explorer);
    fake.chip().command(0xf4);
    assert_eq!(restore(&mut fake), 2 + 1);
    assert!(!settings(&mut fake).enabled);
}

/// One that was reset is woken first.
#[test]
fn it_knocks_where_the_mouse_has_forgotten_how_to_speak() {
    for (variant, knocks) in
        [(Variant::Ps2, 0), (Variant::IntelliMouse, 1), (Variant::Explorer, 3), (Variant::Synaptics, 0)]
    {
        let (mut fake, before) = busy(variant);
        fake.chip().command(regs::RESET);
        let woken = if knocks == 0 { 0 } else { 1 + 6 * knocks + 1 };
        assert_eq!(restore(&mut fake), 2 + woken + 5 + 1, "{variant:?}");
        assert_eq!(settings(&mut fake), before, "{variant:?}");
        assert_works(&mut fake);
    }
}

/// Another mouse than the one of the state is for `probe`.
#[test]
fn it_does_not_take_another_mouse_for_its_own() {
    let explorer = probed(Variant::Explorer).state;
    let mut fake = probed(Variant::IntelliMouse);
    fake.state = explorer;
    assert_eq!(fake.restore(), Err(Error::Nonsense { register: regs::ID.offset(), value: 3 }));
    let before: State = fake.state;
    assert_eq!(before, explorer);
    assert_eq!(fake.call(PsMouse::probe), Ok(()));
    assert_eq!(PsMouse::info(&fake.state).name, "IntelliMouse");
    assert_works(&mut fake);
    assert_eq!(PsMouse::check(&fake.state), Ok(()));
}
