//! The controls of the chip as elements on the loopback card: what mixers show and turn.
//!
//! What an application writes is an allegation: the kernel keeps it as it is, in range or not, and two of them may write at
//! once. It is read back, bounded, and compared with what was shown last: what is the same is an echo of our own writing.

use std::{
    ffi::{CStr, CString},
    io,
};

use alsa::{
    Ctl,
    ctl::{ElemId, ElemIface, ElemType, ElemValue},
};
use udrv_driver::{Control, ControlInfo, ControlKind, ControlValue};

use super::{
    card::{self, Entry},
    sys::{Elements, Place, Values},
};
use crate::endpoint::sound::SoundEndpointError;

/// The element that says whose the others are. It is locked for as long as its maker lives, and its values have the names of the
/// others: so who comes after one that was killed knows what to take away.
const MARK: &CStr = c"udrvd";
/// What the mark has where there are no controls: an enumerated element has at least one value.
const NOTHING: &str = "-";
/// Bytes of an element's name, with the nul.
const NAME: usize = 44;

/// One control of the chip.
#[derive(Debug)]
struct Shown {
    info: ControlInfo,
    name: CString,
    /// As it was written or read last.
    value: ControlValue,
}

/// All of them, for as long as this lives.
#[derive(Debug)]
pub(super) struct Controls {
    elements: Elements,
    shown: Vec<Shown>,
}

impl Controls {
    /// Takes a killed predecessor's away and puts these up.
    pub(super) fn show(
        card: &Entry,
        ctl: &Ctl,
        controls: &[(ControlInfo, ControlValue)],
    ) -> Result<Self, SoundEndpointError> {
        let system = |operation: String| move |source| SoundEndpointError::System { operation, source };
        let on = |what: &str| system(format!("{what} on the sound card {}", card.id));
        let elements = Elements::open(card.index).map_err(on("control elements"))?;
        clear(&elements, card, controls)?;

        let mut names: Vec<CString> = controls.iter().map(|(info, _)| c_name(info.name)).collect();
        if names.is_empty() {
            names.push(c_name(NOTHING));
        }
        elements.add(Place::Card, MARK, &Values::Enumerated(&names), 1, false).map_err(on("the element 'udrvd'"))?;

        let mut this = Controls { elements, shown: Vec::new() };
        for (info, value) in controls {
            this.put_up(info, ctl, *value).map_err(on(&format!("the element '{}'", info.name)))?;
        }
        Ok(this)
    }

    fn put_up(&mut self, info: &ControlInfo, ctl: &Ctl, value: ControlValue) -> io::Result<()> {
        let name = c_name(info.name);
        let items: Vec<CString> = match info.kind {
            ControlKind::Choice(names) => names.iter().map(|name| c_name(name)).collect(),
            _ => Vec::new(),
        };
        let values = match info.kind {
            ControlKind::Volume { max, .. } => Values::Integer(max),
            ControlKind::Switch => Values::Boolean,
            ControlKind::Choice(_) => Values::Enumerated(&items),
        };
        let levels = levels(info.kind);
        self.elements.add(Place::Mixer, &name, &values, channels(info), levels.is_some())?;
        self.shown.push(Shown { info: *info, name, value });
        let Some(shown) = self.shown.last() else { return Ok(()) };
        if let Some(tlv) = levels {
            self.elements.set_levels(Place::Mixer, &shown.name, &tlv)?;
        }
        self.elements.unlock(Place::Mixer, &shown.name)?;
        write(ctl, shown, value).map_err(|error| io::Error::from_raw_os_error(error.errno().abs()))
    }

    /// Which control an element is.
    pub(super) fn named(&self, name: &str) -> Option<Control> {
        let at = self.shown.iter().position(|shown| shown.name.to_bytes() == name.as_bytes())?;
        u32::try_from(at).ok().map(Control)
    }

    /// What an application has turned a control to, if it has. What the control does not have is put right in the element.
    pub(super) fn turned(&mut self, ctl: &Ctl, control: Control) -> alsa::Result<Option<ControlValue>> {
        let Some(shown) = self.shown.get_mut(control.0 as usize) else { return Ok(None) };
        let mut value = ElemValue::new(elem_type(shown.info.kind))?;
        value.set_id(&id(&shown.name));
        ctl.elem_read(&mut value)?;
        let raw = [raw(&shown.info, &value, 0), raw(&shown.info, &value, 1)];
        let bounded = bounded(&shown.info, raw);
        if raw[0] != i64::from(bounded.left) || (channels(&shown.info) == 2 && raw[1] != i64::from(bounded.right)) {
            write(ctl, shown, bounded)?;
        }
        Ok((std::mem::replace(&mut shown.value, bounded) != bounded).then_some(bounded))
    }

    /// Shows a value that is not the one shown. Left alone if it is: somebody may have turned it since.
    pub(super) fn set(&mut self, ctl: &Ctl, control: Control, value: ControlValue) -> alsa::Result<()> {
        let Some(shown) = self.shown.get_mut(control.0 as usize) else { return Ok(()) };
        if shown.value == value {
            return Ok(());
        }
        write(ctl, shown, value)?;
        shown.value = value;
        Ok(())
    }
}

impl Drop for Controls {
    fn drop(&mut self) {
        // The mark last: should this be cut short, the next one takes the rest away.
        for shown in &self.shown {
            let _ = self.elements.remove(Place::Mixer, &shown.name);
        }
        let _ = self.elements.remove(Place::Card, MARK);
    }
}

/// Takes away what a predecessor has left. One that lives is an error, and so is an element of somebody else.
fn clear(
    elements: &Elements,
    card: &Entry,
    controls: &[(ControlInfo, ControlValue)],
) -> Result<(), SoundEndpointError> {
    let system = |source| SoundEndpointError::System {
        operation: format!("take away what an earlier udrvd has left on the sound card {}", card.id),
        source,
    };
    let mut old: Vec<CString> = controls.iter().map(|(info, _)| c_name(info.name)).collect();
    let mark = elements.look(Place::Card, MARK).map_err(system)?;
    if let Some(mark) = &mark {
        if let Some(pid) = mark.locked_by {
            return Err(SoundEndpointError::Taken {
                what: format!("the loopback card {}", card.id),
                by: card::process(pid),
            });
        }
        old.extend(mark.items.iter().filter(|name| *name != NOTHING).map(|name| c_name(name)));
    }
    for name in old {
        let Some(element) = elements.look(Place::Mixer, &name).map_err(system)? else { continue };
        let by = match element.locked_by {
            Some(pid) => Some(card::process(pid)),
            None if !element.is_user => Some("the driver of the card itself".to_owned()),
            None => None,
        };
        if let Some(by) = by {
            let what = format!("the name of the element '{}' of the sound card {}", name.to_string_lossy(), card.id);
            return Err(SoundEndpointError::Taken { what, by });
        }
        elements.remove(Place::Mixer, &name).map_err(system)?;
    }
    if mark.is_some() {
        elements.remove(Place::Card, MARK).map_err(system)?;
        tracing::info!(card = card.id, "took over from a udrvd that did not end in order");
    }
    Ok(())
}

fn channels(info: &ControlInfo) -> u32 {
    info.channels.clamp(1, 2)
}

/// The name as an element may have it: without a nul, and not longer than there is room.
fn c_name(name: &str) -> CString {
    let bytes: Vec<u8> = name.bytes().filter(|byte| *byte != 0).take(NAME - 1).collect();
    CString::new(bytes).unwrap_or_default()
}

fn id(name: &CStr) -> ElemId {
    let mut id = ElemId::new(ElemIface::Mixer);
    id.set_name(name);
    id
}

fn elem_type(kind: ControlKind) -> ElemType {
    match kind {
        ControlKind::Volume { .. } => ElemType::Integer,
        ControlKind::Switch => ElemType::Boolean,
        ControlKind::Choice(_) => ElemType::Enumerated,
    }
}

fn raw(info: &ControlInfo, value: &ElemValue, channel: u32) -> i64 {
    let raw = match info.kind {
        ControlKind::Volume { .. } => value.get_integer(channel).map(i64::from),
        ControlKind::Switch => value.get_boolean(channel).map(i64::from),
        ControlKind::Choice(_) => value.get_enumerated(channel).map(i64::from),
    };
    raw.unwrap_or(0)
}

fn write(ctl: &Ctl, shown: &Shown, value: ControlValue) -> alsa::Result<()> {
    let mut element = ElemValue::new(elem_type(shown.info.kind))?;
    element.set_id(&id(&shown.name));
    for (channel, value) in (0..channels(&shown.info)).zip([value.left, value.right]) {
        let _ = match shown.info.kind {
            ControlKind::Volume { .. } => element.set_integer(channel, value.into()),
            ControlKind::Switch => element.set_boolean(channel, value != 0),
            ControlKind::Choice(_) => element.set_enumerated(channel, value.into()),
        };
    }
    ctl.elem_write(&element)
}

/// The nearest value that the control has.
fn bounded(info: &ControlInfo, raw: [i64; 2]) -> ControlValue {
    let max = match info.kind {
        ControlKind::Volume { max, .. } => max,
        ControlKind::Switch => 1,
        ControlKind::Choice(names) => u16::try_from(names.len()).unwrap_or(u16::MAX).saturating_sub(1),
    };
    let bounded = |raw: i64| u16::try_from(raw.clamp(0, max.into())).unwrap_or(max);
    ControlValue { left: bounded(raw[0]), right: if channels(info) == 2 { bounded(raw[1]) } else { 0 } }
}

/// A volume's levels as a TLV of type dB scale: lowest level and step in hundredths of a decibel. `None`: there is nothing that it could
/// say.
fn levels(kind: ControlKind) -> Option<[u32; 4]> {
    const DB_SCALE: u32 = alsa_sys::SND_CTL_TLVT_DB_SCALE;
    /// A step has 16 bits; the one above says that the lowest value is silence.
    const STEP: i32 = 0xffff;
    match kind {
        ControlKind::Volume { lowest, step, .. } if (1..=STEP).contains(&step) => {
            Some([DB_SCALE, 8, lowest.cast_unsigned(), step.cast_unsigned()])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: ControlInfo = ControlInfo {
        name: "Master Playback Volume",
        channels: 2,
        kind: ControlKind::Volume { max: 31, lowest: -4650, step: 150 },
    };
    const CHOICE: ControlInfo =
        ControlInfo { name: "Capture Source", channels: 2, kind: ControlKind::Choice(&["Mic", "CD", "Line"]) };
    const SWITCH: ControlInfo = ControlInfo { name: "Master Playback Switch", channels: 1, kind: ControlKind::Switch };

    #[test]
    fn what_an_application_writes_is_bounded() {
        for info in
            [VOLUME, CHOICE, SWITCH, ControlInfo { channels: 0, ..VOLUME }, ControlInfo { channels: 1, ..CHOICE }]
        {
            for left in [i64::MIN, -1, 0, 1, 2, 3, 31, 32, 65536, i64::MAX] {
                for right in [i64::MIN, 0, 2, 31, 32, i64::MAX] {
                    let value = bounded(&info, [left, right]);
                    assert!(info.allows(value), "{info:?} {left} {right}: {value:?}");
                }
            }
        }
        assert_eq!(bounded(&VOLUME, [40, 7]), ControlValue { left: 31, right: 7 });
        assert_eq!(bounded(&SWITCH, [2, 1]), ControlValue { left: 1, right: 0 });
        let empty = ControlInfo { kind: ControlKind::Choice(&[]), ..CHOICE };
        assert_eq!(bounded(&empty, [3, 3]), ControlValue::default());
    }

    #[test]
    fn levels_are_told_where_there_are_some() {
        assert_eq!(levels(VOLUME.kind), Some([1, 8, (-4650i32).cast_unsigned(), 150]));
        assert_eq!(levels(SWITCH.kind), None);
        for step in [i32::MIN, -150, 0, 0x10000] {
            assert_eq!(levels(ControlKind::Volume { max: 31, lowest: 0, step }), None, "{step}");
        }
    }

    #[test]
    fn a_name_fits_into_an_element() {
        assert_eq!(c_name("Master").as_c_str(), c"Master");
        assert_eq!(c_name(&"x".repeat(100)).as_bytes().len(), NAME - 1);
        assert_eq!(c_name("a\0b").as_c_str(), c"ab");
    }

    #[test]
    fn an_element_of_libasound_takes_and_gives_a_value() {
        let mut value = ElemValue::new(elem_type(CHOICE.kind)).unwrap();
        value.set_enumerated(1, 2).unwrap();
        assert_eq!((raw(&CHOICE, &value, 0), raw(&CHOICE, &value, 1)), (0, 2));
        let mut value = ElemValue::new(elem_type(VOLUME.kind)).unwrap();
        value.set_integer(0, -5).unwrap();
        assert_eq!(bounded(&VOLUME, [raw(&VOLUME, &value, 0), 0]), ControlValue::default());
    }
}
