//! Controls: what the codec's registers say of each value, and the other way round.

use udrv_driver::{Control, ControlKind, ControlValue, Error, SoundDriver};

use ens1371::Ens1371;

use crate::fake::{Fake, SORTS, control, get, has, max, probed, set};

const ES1370: (u16, u8) = SORTS[0];
const ES1371: (u16, u8) = SORTS[1];

const fn value(left: u16, right: u16) -> ControlValue {
    ControlValue { left, right }
}

fn set_by_name(fake: &mut Fake, name: &str, to: ControlValue) {
    let (control, _) = control(fake, name);
    assert_eq!(set(fake, control, to), Ok(()), "{name}");
}

#[test]
fn each_value_of_each_control_is_told_back_and_leaves_the_others_alone() {
    for chip in SORTS {
        let mut fake = probed(chip);
        let controls = has(&fake.state).controls;
        for (index, info) in controls.iter().enumerate() {
            let others = |fake: &mut Fake| -> Vec<ControlValue> {
                let all = (0..controls.len()).filter(|other| *other != index);
                all.map(|other| get(fake, Control(other as u32))).collect()
            };
            let before = others(&mut fake);
            for left in 0..=max(info) {
                let right = if info.channels == 2 { max(info) - left } else { 0 };
                let control = Control(index as u32);
                assert_eq!(set(&mut fake, control, value(left, right)), Ok(()), "{}", info.name);
                assert_eq!(get(&mut fake, control), value(left, right), "{}", info.name);
            }
            assert_eq!(others(&mut fake), before, "{}", info.name);
        }
    }
}

#[test]
fn values_that_there_are_not_are_refused() {
    for chip in SORTS {
        let mut fake = probed(chip);
        let (before, controls) = (fake.chip().snapshot(), has(&fake.state).controls);
        for (index, info) in controls.iter().enumerate() {
            let control = Control(index as u32);
            let past = max(info) + 1;
            let right = if info.channels == 2 { past } else { 1 };
            for wrong in [value(past, 0), value(u16::MAX, 0), value(0, right), value(0, u16::MAX)] {
                assert_eq!(set(&mut fake, control, wrong), Err(Error::Unsupported), "{} {wrong:?}", info.name);
            }
        }
        let none = Control(controls.len() as u32);
        assert_eq!(set(&mut fake, none, value(0, 0)), Err(Error::Unsupported));
        assert_eq!(fake.call(|cx| Ens1371::get_control(cx, none)), Err(Error::Unsupported));
        assert_eq!(fake.chip().snapshot(), before);
    }
    assert_eq!(Fake::new().call(|cx| Ens1371::get_control(cx, Control(0))), Err(Error::NotReady));
}

/// What is played is heard as it is, nothing else is, and the microphone is what is captured.
#[test]
fn after_probe_what_is_played_is_heard() {
    let mut fake = probed(ES1371);
    let ac97 = |fake: &mut Fake, register: usize| fake.chip().codec[register / 2];
    assert_eq!([0x02, 0x18].map(|at| ac97(&mut fake, at)), [0x0000, 0x0808]);
    assert_eq!([0x0e, 0x10, 0x12, 0x16].map(|at| ac97(&mut fake, at) & 0x8000), [0x8000; 4]);
    assert_eq!([0x1a, 0x1c, 0x26].map(|at| ac97(&mut fake, at)), [0, 0, 0]);

    let mut fake = probed(ES1370);
    let codec = fake.chip().codec;
    assert_eq!(codec[..6], [0, 0, 6, 6, 6, 6]);
    assert_eq!((codec[0x10], codec[0x11]), (0x60, 0x0c), "DAC1 and DAC2 are heard");
    assert_eq!((codec[0x12], codec[0x13], codec[0x14], codec[0x15]), (1, 1, 0, 0));
    assert_eq!((codec[0x16], codec[0x17], codec[0x18], codec[0x19]), (3, 0, 0, 0));

    for (chip, name) in [(ES1371, "Master"), (ES1371, "PCM"), (ES1370, "Master"), (ES1370, "PCM"), (ES1370, "Synth")] {
        let mut fake = probed(chip);
        let (volume, info) = control(&fake, &format!("{name} Playback Volume"));
        let ControlKind::Volume { lowest, step, .. } = info.kind else { panic!("no volume") };
        assert_eq!(lowest + step * i32::from(get(&mut fake, volume).left), 0, "{name} is at 0 dB");
        let (switch, _) = control(&fake, &format!("{name} Playback Switch"));
        assert_eq!(get(&mut fake, switch).left, 1);
    }
}

/// Audio Codec '97, section 6.3: attenuations, left in the high half; bit 15 mutes.
#[test]
fn an_ac97_codec_is_told_what_it_understands() {
    let mut fake = probed(ES1371);
    for (name, to, register, wanted) in [
        ("Master Playback Volume", value(0, 31), 0x02, 0x1f00),
        ("Master Playback Switch", value(0, 0), 0x02, 0x9f00),
        ("PCM Playback Volume", value(31, 1), 0x18, 0x001e),
        ("PCM Playback Switch", value(0, 0), 0x18, 0x801e),
        ("PCM Playback Switch", value(1, 0), 0x18, 0x001e),
        ("Line Playback Volume", value(21, 22), 0x10, 0x8a09),
        ("CD Playback Switch", value(1, 0), 0x12, 0x0808),
        ("Aux Playback Volume", value(30, 30), 0x16, 0x8101),
        ("Mic Playback Volume", value(30, 0), 0x0e, 0x8001),
        ("Mic Boost (+20dB)", value(1, 0), 0x0e, 0x8041),
        ("Capture Source", value(4, 1), 0x1a, 0x0401),
        ("Capture Volume", value(15, 2), 0x1c, 0x0f02),
        ("Capture Switch", value(0, 0), 0x1c, 0x8f02),
    ] {
        set_by_name(&mut fake, name, to);
        assert_eq!(fake.chip().codec[register / 2], wanted, "{name}");
    }
}

#[test]
fn an_ak4531_is_told_what_it_understands() {
    let mut fake = probed(ES1370);
    for (name, to, registers, wanted) in [
        ("Master Playback Volume", value(31, 0), [0x00, 0x01], [0x00, 0x1f]),
        ("Master Playback Switch", value(0, 1), [0x00, 0x01], [0x80, 0x1f]),
        ("Master Mono Playback Volume", value(0, 0), [0x0f, 0x0f], [0x87, 0x87]),
        ("Master Mono Playback Switch", value(1, 0), [0x0f, 0x0f], [0x07, 0x07]),
        ("PCM Playback Volume", value(0, 31), [0x02, 0x03], [0x1f, 0x00]),
        ("PCM Playback Switch", value(1, 0), [0x10, 0x11], [0x60, 0x08]),
        ("PCM Capture Switch", value(1, 0), [0x14, 0x15], [0x04, 0x00]),
        ("Synth Playback Switch", value(0, 1), [0x10, 0x11], [0x20, 0x08]),
        ("Synth Capture Switch", value(1, 1), [0x12, 0x13], [0x41, 0x21]),
        ("CD Playback Switch", value(1, 0), [0x10, 0x11], [0x24, 0x08]),
        ("CD Capture Switch", value(1, 1), [0x12, 0x13], [0x45, 0x23]),
        ("Line Playback Switch", value(1, 1), [0x10, 0x11], [0x3c, 0x08]),
        ("Line Capture Switch", value(1, 1), [0x12, 0x13], [0x55, 0x2b]),
        ("Aux Playback Switch", value(0, 1), [0x10, 0x11], [0x3c, 0x18]),
        ("Aux Capture Switch", value(1, 1), [0x14, 0x15], [0x14, 0x08]),
        ("Mono Playback Switch", value(1, 0), [0x10, 0x11], [0x3c, 0x19]),
        ("Mono Capture Switch", value(0, 1), [0x14, 0x15], [0x14, 0x09]),
        ("Mic Playback Switch", value(1, 0), [0x10, 0x11], [0x3d, 0x19]),
        ("Mic Capture Switch", value(0, 0), [0x12, 0x13], [0x54, 0x2a]),
        ("Mic Boost (+30dB)", value(1, 0), [0x19, 0x16], [0x01, 0x03]),
    ] {
        set_by_name(&mut fake, name, to);
        assert_eq!(registers.map(|register| fake.chip().codec[register]), wanted, "{name}");
    }
}

/// Nothing is told twice.
#[test]
fn a_value_that_is_in_force_is_not_written() {
    for chip in SORTS {
        let mut fake = probed(chip);
        let (volume, _) = control(&fake, "Master Playback Volume");
        set_by_name(&mut fake, "Master Playback Volume", value(3, 4));
        let writes = fake.chip().bus.writes.len();
        assert_eq!(set(&mut fake, volume, value(3, 4)), Ok(()));
        assert_eq!(fake.chip().bus.writes.len(), writes);
    }
}
