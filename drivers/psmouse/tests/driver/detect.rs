//! What is at the other end: each mouse, each touchpad, and what is none.

use std::cell::RefCell;

use model_psmouse::{Misbehave, Variant};
use psmouse::{PsMouse, regs};
use udrv_driver::{Buttons, Cx, Driver, Error, InputDriver, InputInfo, Kind};
use udrv_driver_tests::lifecycle::the_framework_has_room_for_map_and_state;

use crate::mouse::{Mouse, VARIANTS, assert_works, bench, enabled, plugged_in, probed, sent, settings};
use crate::scripted::{NAMES, Port, Script, byte};

const THREE: Buttons = Buttons(7);

fn info_of(name: &'static str, protocol: &'static str) -> InputInfo {
    InputInfo {
        name,
        protocol,
        buttons: if protocol == "ImExPS/2" { Buttons::ALL } else { THREE },
        wheel: protocol != "PS/2",
        pan: protocol == "ImExPS/2",
        rate: 100,
        resolution: 200,
        double: false,
        enabled: false,
    }
}

#[test]
fn each_mouse_is_known_and_works() {
    for variant in VARIANTS {
        let (name, protocol, id) = match variant {
            Variant::Ps2 => (NAMES[0], "PS/2", 0),
            Variant::IntelliMouse => (NAMES[1], "ImPS/2", 3),
            Variant::Explorer => (NAMES[2], "ImExPS/2", 4),
            Variant::Synaptics => (NAMES[3], "PS/2", 0),
        };
        let mut fake = plugged_in(variant);
        assert_eq!(fake.call(PsMouse::enable), Err(Error::NotReady), "before probe");
        // a second time it is the same
        for resets in 1..=2 {
            assert_eq!(fake.call(PsMouse::probe), Ok(()));
            assert_eq!(PsMouse::info(&fake.state), info_of(name, protocol));
            assert_eq!(fake.border().logs, vec![3; resets], "its name");
            let is = settings(&mut fake);
            assert_eq!((is.id, is.rate, is.resolution, is.doubled), (id, 100, 3, false), "{variant:?}");
            assert!(!is.enabled && !is.remote && !is.wrap);
            assert_eq!(bench(&mut fake).counters().resets(), resets as u64);
        }
        assert_works(&mut fake);
        assert_eq!(bench(&mut fake).counters().refused, 0);
    }
}

fn probe(script: &mut Script) -> Result<&'static str, Error> {
    let (cell, mut state) = (RefCell::new(std::mem::take(script)), PsMouse::NEW);
    let result = PsMouse::probe(&mut Cx::new(&mut state, &Port(&cell), None));
    assert_eq!(PsMouse::check(&state), Ok(()));
    *script = cell.into_inner();
    if result.is_err() {
        assert_eq!(state, PsMouse::NEW);
    }
    result.map(|()| PsMouse::info(&state).name)
}

fn script(ids: &[u32], statuses: &[u32]) -> Script {
    Script { reset: 0x00aa, ids: ids.to_vec().into(), statuses: statuses.to_vec().into(), ..Script::default() }
}

#[test]
fn touchpads_are_told_from_mice() {
    let mouse = 0x64_0000;
    assert_eq!(probe(&mut script(&[0], &[0x17_4702])), Ok("Synaptics touchpad"));
    for signature in [0x0a_0233, 0x64_0273, 0xc8_0363, 0x14_0232, 0x0e_0220] {
        // with a button down, too
        for report in [mouse, 0x0a_0000, mouse | 1] {
            assert_eq!(probe(&mut script(&[0], &[mouse, report, signature])), Ok("ALPS touchpad"), "{signature:#x}");
        }
    }
    for second in [0x64_0010, 0x64_0017, 0x64_0030] {
        assert_eq!(probe(&mut script(&[0, 0], &[mouse, mouse, second])), Ok("PS/2 mouse"), "{second:#x}");
    }
    for first in [0x64_0010, 0x64_0100, 0x28_0000] {
        assert_eq!(probe(&mut script(&[0, 0], &[mouse, first])), Ok("PS/2 mouse"), "{first:#x}");
    }
    // one that is awake already is none, and not asked
    assert_eq!(probe(&mut script(&[4, 3, 4], &[])), Ok("IntelliMouse Explorer"));
    assert_eq!(probe(&mut script(&[3, 3, 3], &[])), Ok("IntelliMouse"));
}

#[test]
fn the_knocks_are_those_of_the_makers() {
    let rates = |script: &Script| -> Vec<u32> {
        let knocks = script.writes.iter().filter(|(name, value)| *name == "COMMAND" && value & 0xff == 0xf3);
        knocks.map(|(_, value)| value >> 8 & 0xff).collect()
    };
    let mouse = [0x64_0000, 0x64_0010];
    for (ids, wanted) in [
        (&[0, 0][..], &[200, 100, 80][..]),
        (&[0, 3, 3], &[200, 100, 80, 200, 200, 80]),
        (&[0, 3, 4], &[200, 100, 80, 200, 200, 80, 200, 80, 40]),
    ] {
        let mut script = script(ids, &mouse);
        assert!(probe(&mut script).is_ok());
        assert_eq!(rates(&script), wanted);
        let settings: Vec<_> = script.writes.iter().filter(|(name, _)| *name != "COMMAND").copied().collect();
        assert_eq!(settings, [("SAMPLE_RATE", 100), ("RESOLUTION", 3), ("SCALING", 0), ("REPORTING", 0)]);
    }
}

#[test]
fn what_is_no_mouse_is_refused_and_told() {
    let nonsense = |value| Err(Error::Nonsense { register: regs::RESPONSE.offset(), value });
    for (reset, ids, wanted) in [
        (0xffaa, &[][..], Err(Error::NotThisDevice)),
        (0x00aa, &[0xab], Err(Error::NotThisDevice)),
        (0x00aa, &[0xff], Err(Error::NotThisDevice)),
        (0x00aa, &[2], Err(Error::NotThisDevice)),
        (0xfffc, &[], nonsense(0xfffc)),
        (0x0000, &[], nonsense(0)),
    ] {
        let mut script = Script { reset, ..script(ids, &[]) };
        assert_eq!(probe(&mut script), wanted, "{reset:#x} {ids:?}");
        assert_eq!(script.logs, [1], "it says so");
    }
    // one that changes its mind
    for ids in [&[0, 9][..], &[0, 3, 0], &[0, 3, 9]] {
        let mut script = script(ids, &[0x64_0000, 0x64_0010]);
        let value = *ids.last().expect("an id");
        assert_eq!(probe(&mut script), Err(Error::Nonsense { register: regs::ID.offset(), value }));
    }
}

#[test]
fn a_keyboard_is_refused() {
    let mut fake = plugged_in(Variant::Ps2);
    bench(&mut fake).misbehave(|on| on.keyboard = true);
    assert_eq!(fake.call(PsMouse::probe), Err(Error::NotThisDevice));
    assert_eq!(fake.border().logs, [1], "it says so");
    assert_eq!(sent(&mut fake), 1, "nothing but a reset");
}

#[test]
fn what_does_not_answer_is_an_error() {
    let failed = Error::Nonsense { register: regs::RESPONSE.offset(), value: 0x00fc };
    for (misbehave, error) in [
        (Misbehave { silent: true, ..Misbehave::default() }, Error::Bus),
        (Misbehave { resend_for_ever: true, ..Misbehave::default() }, Error::Bus),
        (Misbehave { self_test_fails: true, ..Misbehave::default() }, failed),
    ] {
        let mut fake = plugged_in(Variant::Explorer);
        bench(&mut fake).misbehave(|on| *on = misbehave);
        assert_eq!(fake.call(PsMouse::probe), Err(error));
        assert_eq!(PsMouse::info(&fake.state).protocol, "PS/2");
    }
    for command in [0xff, 0xf2, 0xe8, 0xf3, 0xe9, 0xf5] {
        let mut fake = plugged_in(Variant::Explorer);
        bench(&mut fake).misbehave(|on| on.unplug_at = Some(command));
        let result = fake.call(PsMouse::probe);
        assert!(matches!(result, Err(Error::Bus | Error::Gone)), "{command:#x} {result:?}");
        assert!(!bench(&mut fake).is_plugged_in());
        // and when it is gone for good
        assert!(fake.call(PsMouse::probe).is_err());
        assert_eq!(fake.call(PsMouse::probe), Err(Error::Gone));
    }
}

/// What came before a reset is of no interest, and is not endless.
#[test]
fn a_reset_begins_anew() {
    for bytes in [0, 1, 512, 2000_usize] {
        let mut script = script(&[0, 0], &[0x64_0000, 0x64_0010]);
        script.data = (0..bytes).map(|_| byte(0xaa, 1)).collect();
        assert_eq!(probe(&mut script), Ok("PS/2 mouse"));
        assert_eq!(script.data.len(), bytes.saturating_sub(512));
    }
}

/// Its settings are as after a reset then, and it is quiet; also of a driver whose state is lost.
#[test]
fn quiesce_leaves_a_mouse_to_the_next_driver() {
    for variant in VARIANTS {
        for is_lost in [false, true] {
            let mut fake = enabled(variant);
            assert_eq!(fake.call(|cx| PsMouse::set_rate(cx, 40)), Ok(40));
            if is_lost {
                fake.state = PsMouse::NEW;
            }
            assert_eq!(fake.call(PsMouse::quiesce), Ok(()));
            let is = settings(&mut fake);
            assert_eq!((is.enabled, is.rate, is.resolution, is.doubled), (false, 100, 2, false));
            assert_eq!(fake.call(PsMouse::probe), Ok(()));
            assert_works(&mut fake);
        }
    }
    let mut fake = probed(Variant::Ps2);
    bench(&mut fake).unplug();
    assert!(fake.call(PsMouse::quiesce).is_err());
}

#[test]
fn map_and_state_have_room() {
    the_framework_has_room_for_map_and_state::<Mouse>();
    // each command has a register to be written or read by
    for command in regs::COMMANDS {
        let register = PsMouse::REGISTERS.iter().find(|register| register.offset == command.offset).expect("declared");
        let asks = matches!(command.is, udrv_driver::serio::SerioRegister::Answer(..));
        assert_eq!(register.kind, if asks { Kind::ReadOnly } else { Kind::WriteOnly }, "{}", register.name);
    }
}
