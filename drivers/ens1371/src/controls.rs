//! The controls of the mixer: names, levels, and where in the codec's registers each of them stands.
//!
//! Names are those of ALSA's scheme. A codec attenuates; a control is louder from step to step, so most are turned round. Levels are
//! those of Audio Codec '97, revision 2.1, sections 6.3.2 to 6.3.7, and of the AK4531's datasheet.
//!
//! The AK4531 has a switch for each source to what is heard and one to what is captured, and a mute before both; the mutes stay
//! off, so that to be captured a source need not be heard. DAC2 is its voice (`PCM`), DAC1 its FM (`Synth`).

use udrv_driver::{Control, ControlInfo, ControlKind, ControlValue, Cx, Error};

use crate::chip::Codec;
use crate::codec;
use crate::state::State;

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    /// Place in the codec's table.
    at: usize,
    shift: u32,
}

/// A control, and where it stands.
#[derive(Debug, Clone, Copy)]
struct Entry {
    info: ControlInfo,
    /// The same twice where there is one channel.
    fields: [Field; 2],
    /// The largest value.
    max: u16,
    /// The largest value is written as 0.
    turned_round: bool,
}

const fn field(at: usize, shift: u32) -> Field {
    Field { at, shift }
}

const fn entry(name: &'static str, kind: ControlKind, fields: [Field; 2], channels: u32, turned_round: bool) -> Entry {
    let max = match kind {
        ControlKind::Volume { max, .. } => max,
        ControlKind::Switch => 1,
        ControlKind::Choice(names) => names.len() as u16 - 1,
    };
    Entry { info: ControlInfo { name, channels, kind }, fields, max, turned_round }
}

/// A mute of one bit.
const fn unmute(name: &'static str, at: usize, shift: u32) -> Entry {
    entry(name, ControlKind::Switch, [field(at, shift); 2], 1, true)
}

/// A switch, left and right.
const fn switch(name: &'static str, left: Field, right: Field) -> Entry {
    entry(name, ControlKind::Switch, [left, right], 2, false)
}

/// A switch of one bit.
const fn switch1(name: &'static str, at: usize, shift: u32) -> Entry {
    entry(name, ControlKind::Switch, [field(at, shift); 2], 1, false)
}

// AC'97: left in the high half of a register, right in the low half, mute in bit 15. Numbers are places in its table.

/// Master: 0 to -46.5 dB, which every codec has.
const AC97_MASTER: ControlKind = ControlKind::Volume { max: 31, lowest: -4_650, step: 150 };
/// Inputs of the mixer, PCM among them: 12 to -34.5 dB.
const AC97_INPUT: ControlKind = ControlKind::Volume { max: 31, lowest: -3_450, step: 150 };
/// Record gain: 0 to 22.5 dB.
const AC97_GAIN: ControlKind = ControlKind::Volume { max: 15, lowest: 0, step: 150 };
/// Record select.
const AC97_SOURCES: ControlKind =
    ControlKind::Choice(&["Mic", "CD", "Video", "Aux", "Line", "Mix", "Mix Mono", "Phone"]);

const fn ac97(name: &'static str, at: usize, kind: ControlKind) -> Entry {
    entry(name, kind, [field(at, 8), field(at, 0)], 2, true)
}

const AC97: [Entry; 16] = [
    ac97("Master Playback Volume", 0, AC97_MASTER),
    unmute("Master Playback Switch", 0, 15),
    ac97("PCM Playback Volume", 5, AC97_INPUT),
    unmute("PCM Playback Switch", 5, 15),
    ac97("Line Playback Volume", 2, AC97_INPUT),
    unmute("Line Playback Switch", 2, 15),
    ac97("CD Playback Volume", 3, AC97_INPUT),
    unmute("CD Playback Switch", 3, 15),
    ac97("Aux Playback Volume", 4, AC97_INPUT),
    unmute("Aux Playback Switch", 4, 15),
    entry("Mic Playback Volume", AC97_INPUT, [field(1, 0); 2], 1, true),
    unmute("Mic Playback Switch", 1, 15),
    switch1("Mic Boost (+20dB)", 1, 6),
    entry("Capture Source", AC97_SOURCES, [field(6, 8), field(6, 0)], 2, false),
    entry("Capture Volume", AC97_GAIN, [field(7, 8), field(7, 0)], 2, false),
    unmute("Capture Switch", 7, 15),
];

// AK4531: a register for each channel. Numbers are those of the registers.

/// Master: 0 to -62 dB.
const AK4531_MASTER: ControlKind = ControlKind::Volume { max: 31, lowest: -6_200, step: 200 };
/// Inputs: 12 to -50 dB.
const AK4531_INPUT: ControlKind = ControlKind::Volume { max: 31, lowest: -5_000, step: 200 };
/// Mono out: 0 to -28 dB.
const AK4531_MONO: ControlKind = ControlKind::Volume { max: 7, lowest: -2_800, step: 400 };

const fn ak4531(name: &'static str, left: usize, kind: ControlKind) -> Entry {
    entry(name, kind, [field(left, 0), field(left + 1, 0)], 2, true)
}

const fn ak4531_mono(name: &'static str, at: usize, kind: ControlKind) -> Entry {
    entry(name, kind, [field(at, 0); 2], 1, true)
}

const AK4531: [Entry; 26] = [
    ak4531("Master Playback Volume", 0x00, AK4531_MASTER),
    entry("Master Playback Switch", ControlKind::Switch, [field(0x00, 7), field(0x01, 7)], 2, true),
    ak4531_mono("Master Mono Playback Volume", 0x0f, AK4531_MONO),
    unmute("Master Mono Playback Switch", 0x0f, 7),
    ak4531("PCM Playback Volume", 0x02, AK4531_INPUT),
    switch("PCM Playback Switch", field(0x11, 3), field(0x11, 2)),
    switch("PCM Capture Switch", field(0x14, 2), field(0x15, 2)),
    ak4531("Synth Playback Volume", 0x04, AK4531_INPUT),
    switch("Synth Playback Switch", field(0x10, 6), field(0x10, 5)),
    switch("Synth Capture Switch", field(0x12, 6), field(0x13, 5)),
    ak4531("CD Playback Volume", 0x06, AK4531_INPUT),
    switch("CD Playback Switch", field(0x10, 2), field(0x10, 1)),
    switch("CD Capture Switch", field(0x12, 2), field(0x13, 1)),
    ak4531("Line Playback Volume", 0x08, AK4531_INPUT),
    switch("Line Playback Switch", field(0x10, 4), field(0x10, 3)),
    switch("Line Capture Switch", field(0x12, 4), field(0x13, 3)),
    ak4531("Aux Playback Volume", 0x0a, AK4531_INPUT),
    switch("Aux Playback Switch", field(0x11, 5), field(0x11, 4)),
    switch("Aux Capture Switch", field(0x14, 4), field(0x15, 3)),
    ak4531_mono("Mono Playback Volume", 0x0c, AK4531_INPUT),
    switch1("Mono Playback Switch", 0x11, 0),
    switch("Mono Capture Switch", field(0x14, 0), field(0x15, 0)),
    ak4531_mono("Mic Playback Volume", 0x0e, AK4531_INPUT),
    switch1("Mic Playback Switch", 0x10, 0),
    switch("Mic Capture Switch", field(0x12, 0), field(0x13, 0)),
    switch1("Mic Boost (+30dB)", 0x19, 0),
];

static AC97_INFOS: [ControlInfo; AC97.len()] = infos(AC97);
static AK4531_INFOS: [ControlInfo; AK4531.len()] = infos(AK4531);

const fn infos<const N: usize>(entries: [Entry; N]) -> [ControlInfo; N] {
    let mut all = [entries[0].info; N];
    let mut i = 0;
    while i < N {
        all[i] = entries[i].info;
        i += 1;
    }
    all
}

/// The controls of a card with this codec.
pub(crate) const fn of(codec: Codec) -> &'static [ControlInfo] {
    match codec {
        Codec::Ac97 => &AC97_INFOS,
        Codec::Ak4531 => &AK4531_INFOS,
    }
}

/// The control, bounded.
fn find(state: &State, control: Control) -> Result<&'static Entry, Error> {
    let entries: &'static [Entry] = match state.chip()?.codec {
        Codec::Ac97 => &AC97,
        Codec::Ak4531 => &AK4531,
    };
    entries.get(control.0 as usize).ok_or(Error::Unsupported)
}

impl Entry {
    /// From a value to how it is written, and back.
    fn turn(&self, value: u16) -> u16 {
        if self.turned_round { self.max - value } else { value }
    }
}

/// The value in force.
pub(crate) fn get(state: &State, control: Control) -> Result<ControlValue, Error> {
    let entry = find(state, control)?;
    let [left, right] = entry.fields.map(|Field { at, shift }| entry.turn(state.codec[at] >> shift & entry.max));
    Ok(ControlValue { left, right: if entry.info.channels == 2 { right } else { 0 } })
}

/// Changes it. Both channels in one access, if they stand in one register.
pub(crate) fn set(cx: &mut Cx<'_, State>, control: Control, value: ControlValue) -> Result<(), Error> {
    let entry = find(cx.state, control)?;
    if !entry.info.allows(value) {
        return Err(Error::Unsupported);
    }
    let [left, right] = entry.fields;
    let right_value = if entry.info.channels == 2 { value.right } else { value.left };
    let put = |register: u16, field: Field, value: u16| {
        register & !(entry.max << field.shift) | entry.turn(value) << field.shift
    };
    let register = put(cx.state.codec[left.at], left, value.left);
    if left.at == right.at {
        return codec::write(cx, left.at, put(register, right, right_value));
    }
    codec::write(cx, left.at, register)?;
    codec::write(cx, right.at, put(cx.state.codec[right.at], right, right_value))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn each() -> impl Iterator<Item = (Codec, Entry)> {
        let ac97 = AC97.into_iter().map(|entry| (Codec::Ac97, entry));
        ac97.chain(AK4531.into_iter().map(|entry| (Codec::Ak4531, entry)))
    }

    #[test]
    fn every_field_can_be_written_and_is_in_no_other() {
        let mut taken = Vec::new();
        for (codec, entry) in each() {
            assert!((entry.max + 1).is_power_of_two(), "{}", entry.info.name);
            let fields = &entry.fields[..entry.info.channels as usize];
            assert!(entry.info.channels == 2 || entry.fields[0] == entry.fields[1], "{}", entry.info.name);
            for field in fields {
                let register = codec::table(codec)[field.at];
                let bits = entry.max << field.shift;
                assert_eq!(register.writable & bits, bits, "{}", entry.info.name);
                let clash = taken.iter().find(|(c, at, other, _)| (*c, *at) == (codec, field.at) && other & bits != 0);
                assert_eq!(clash, None, "{}", entry.info.name);
                taken.push((codec, field.at, bits, entry.info.name));
            }
        }
    }

    #[test]
    fn names_are_told_apart_and_levels_go_through_0_db() {
        for codec in [Codec::Ac97, Codec::Ak4531] {
            let infos = of(codec);
            for (i, info) in infos.iter().enumerate() {
                assert!(infos[..i].iter().all(|other| other.name != info.name), "{}", info.name);
                let ControlKind::Volume { max, lowest, step } = info.kind else { continue };
                assert_eq!(lowest % step, 0, "{}", info.name);
                assert!(lowest <= 0 && lowest + step * i32::from(max) >= 0, "{}", info.name);
            }
        }
    }

    /// Hundredths of a decibel of a volume after `probe`.
    fn level(codec: Codec, name: &str) -> i32 {
        let (_, entry) = each().find(|(c, entry)| *c == codec && entry.info.name == name).expect("a control");
        let ControlKind::Volume { lowest, step, .. } = entry.info.kind else { panic!("no volume") };
        let Field { at, shift } = entry.fields[0];
        lowest + step * i32::from(entry.turn(codec::table(codec)[at].initial >> shift & entry.max))
    }

    #[test]
    fn all_begins_at_0_db() {
        for (codec, entry) in each() {
            if matches!(entry.info.kind, ControlKind::Volume { .. }) {
                assert_eq!(level(codec, entry.info.name), 0, "{}", entry.info.name);
            }
        }
    }
}
