//! A mouse that is pulled out and put in again: it is set up as it was, without a reset.

use std::time::Duration;

use model_psmouse::{Action, Button, Script, Variant};
use psmouse::{PsMouse, State, regs};
use udrv_driver::{Buttons, Cx, Driver, Error, InputDriver, InputEvents, InputInterrupt};

use crate::mouse::{Fake, VARIANTS, bench, buttons, enabled, interrupts, leave, pass, play, probed, settings, sum};
use crate::scripted::{Port, byte, probed as scripted};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Not as after a reset.
fn set(fake: &mut Fake) {
    assert_eq!(fake.call(|cx| PsMouse::set_rate(cx, 200)), Ok(200));
    assert_eq!(fake.call(|cx| PsMouse::set_resolution(cx, 50)), Ok(50));
    assert_eq!(fake.call(|cx| PsMouse::set_scaling(cx, true)), Ok(()));
}

fn pull_and_put(fake: &mut Fake, entry: InputInterrupt<State>) -> InputEvents {
    bench(fake).unplug();
    pass(fake, 50, entry);
    bench(fake).plug_in();
    pass(fake, 450, entry)
}

#[test]
fn it_is_set_up_as_it_was() {
    for variant in VARIANTS {
        for entry in interrupts() {
            for reports in [true, false] {
                let mut fake = if reports { enabled(variant) } else { probed(variant) };
                set(&mut fake);
                let before = settings(&mut fake);
                let state = fake.state;
                assert!(pull_and_put(&mut fake, entry).has(InputEvents::NEW), "{variant:?}");
                assert_eq!(settings(&mut fake), before, "{variant:?} {reports}");
                assert_eq!(PsMouse::info(&fake.state), PsMouse::info(&state));
                let counters = bench(&mut fake).counters();
                assert_eq!((counters.resets(), counters.plugged_in), (1, 1), "that of probe");
            }
        }
    }
}

/// In the middle of a packet, and with a button down that is up when it is back.
#[test]
fn no_button_is_stuck_and_no_movement_is_made_up() {
    for variant in VARIANTS {
        for entry in interrupts() {
            for after in 0..25 {
                let mut fake = enabled(variant);
                bench(&mut fake).act(Action::Press(Button::Left));
                pass(&mut fake, 30, entry);
                assert_eq!(buttons(&mut fake), Buttons::LEFT);
                bench(&mut fake).act(Action::Move { right: 9, away: 0 });
                pass(&mut fake, after, entry);
                bench(&mut fake).act(Action::Release(Button::Left));
                let before = sum(&fake.border().reports);
                assert!(before == (0, 0, 0) || before == (9, 0, 0));
                assert!(pull_and_put(&mut fake, entry).has(InputEvents::NEW), "{variant:?} {after}");
                assert_eq!((buttons(&mut fake), sum(&fake.border().reports)), (Buttons::NONE, before));
                let reports = play(&mut fake, Script::new().glide(60, 30, ms(60)), entry);
                assert_eq!(sum(&reports), (60, -30, 0), "{variant:?} {after}");
            }
        }
    }
}

/// The announcement was lost: what fails then has the class call `restore`, and that does it too.
#[test]
fn restore_brings_back_one_that_was_reset_unheard() {
    for variant in VARIANTS {
        let mut fake = enabled(variant);
        set(&mut fake);
        let before = settings(&mut fake);
        bench(&mut fake).unplug();
        bench(&mut fake).plug_in();
        leave(&mut fake, 500);
        // a poll does not take it for movement
        assert!(fake.call(PsMouse::poll).is_err());
        assert_eq!(fake.border().reports, []);
        assert_eq!(fake.restore(), Ok(()));
        assert_eq!(settings(&mut fake), before, "{variant:?}");
        assert_eq!(bench(&mut fake).counters().resets(), 1, "that of probe");
    }
}

/// And one that says nothing of it, if packets have become shorter: a poll notices.
#[test]
fn a_poll_knows_one_that_speaks_otherwise() {
    for (variant, knows) in [(Variant::Ps2, false), (Variant::IntelliMouse, true), (Variant::Explorer, true)] {
        let mut fake = enabled(variant);
        set(&mut fake);
        let before = settings(&mut fake);
        fake.chip().command(regs::RESET);
        let wanted = Err(Error::Nonsense { register: regs::ID.offset(), value: 0 });
        assert_eq!(fake.call(PsMouse::poll), if knows { wanted } else { Ok(()) }, "{variant:?}");
        assert_eq!(fake.restore(), Ok(()));
        assert_eq!(settings(&mut fake), before, "{variant:?}");
        assert_eq!(fake.call(PsMouse::poll), Ok(()));
    }
    // one that does as it was told, and refuses just this
    let mut fake = enabled(Variant::Explorer);
    fake.chip().bus.fails_after = Some(1);
    assert_eq!(fake.call(PsMouse::poll), Err(Error::Bus));
}

/// Nobody is there in the middle of it.
#[test]
fn one_that_leaves_while_it_is_set_up_is_an_error_and_comes_back() {
    for command in [0xf5, 0xf2, 0xe8, 0xf3, 0xe9, 0xf4] {
        let mut fake = enabled(Variant::Explorer);
        set(&mut fake);
        let before = settings(&mut fake);
        bench(&mut fake).unplug();
        bench(&mut fake).plug_in();
        leave(&mut fake, 450);
        bench(&mut fake).misbehave(|on| on.unplug_at = Some(command));
        assert!(fake.call(PsMouse::reconnect).is_err(), "{command:#x}");
        assert!(!bench(&mut fake).is_plugged_in());
        bench(&mut fake).misbehave(|on| on.unplug_at = None);
        bench(&mut fake).plug_in();
        leave(&mut fake, 450);
        assert_eq!(fake.restore(), Ok(()), "{command:#x}");
        assert_eq!(settings(&mut fake), before, "{command:#x}");
    }
}

/// Another mouse: what it is is found out.
#[test]
fn another_mouse_is_known() {
    for (ids, name) in
        [(&[0, 0][..], "PS/2 mouse"), (&[0, 3, 3], "IntelliMouse"), (&[0, 3, 4], "IntelliMouse Explorer")]
    {
        for number in 0..5 {
            for (version, entry) in interrupts().into_iter().enumerate() {
                let (script, mut state) = scripted(number);
                PsMouse::enable(&mut Cx::new(&mut state, &Port(&script), None)).expect("a script");
                script.borrow_mut().data = [byte(0xaa, 400), byte(0x00, 1)].into();
                let told = entry(&mut Cx::new(&mut state, &Port(&script), None));
                assert_eq!(told, Ok(InputEvents::DATA | InputEvents::NEW | InputEvents::MORE), "{number} {version}");
                script.borrow_mut().ids = ids.to_vec().into();
                script.borrow_mut().statuses = [0x64_0000, 0x64_0000, 0x64_0010].into();
                assert_eq!(PsMouse::reconnect(&mut Cx::new(&mut state, &Port(&script), None)), Ok(()));
                let info = PsMouse::info(&state);
                assert_eq!((info.name, info.enabled, PsMouse::check(&state)), (name, true, Ok(())), "{number}");
                assert_eq!(script.borrow().writes.last(), Some(&("COMMAND", 0xf4)));
            }
        }
    }
}
