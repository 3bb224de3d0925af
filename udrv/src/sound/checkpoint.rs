//! What a sound device is set to, to be moved into another process.

use serde::{Deserialize, Serialize};
use udrv_driver::{Control, ControlInfo, ControlKind, ControlValue, Entry, Format, Params, SoundDriver, Stream};

use super::SoundDevice;
use super::flow::{is_ring, params, refusal};
use super::stream::Phase;
use crate::checkpoint::{ClassSettings, Refusal, Table, in_a_line};
use crate::endpoint::sound::Sound;
use crate::run::DeviceError;

/// What a sound device is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundSettings {
    /// Controls: one value, or left and right. Those that are not named stay as they are.
    pub controls: Table<Vec<u16>>,
    /// Streams, as they were set up last; `null`: nobody has yet. Those that are not named stay as they are.
    pub streams: Table<Option<StreamSettings>>,
}

impl From<SoundSettings> for ClassSettings {
    fn from(settings: SoundSettings) -> ClassSettings {
        ClassSettings::Sound(settings)
    }
}

/// What a stream was set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// Bits of a sample.
    pub bits: u32,
    /// Samples of a frame.
    pub channels: u32,
    /// Frames a second.
    pub rate: u32,
}

impl StreamSettings {
    /// `None`: there is no such number of bits.
    fn sound(self) -> Option<Sound> {
        let format = [Format::U8, Format::S16].into_iter().find(|format| format.bytes() * 8 == self.bits)?;
        Some(Sound { format, channels: self.channels, rate: self.rate })
    }

    /// `None`: nobody has set it up yet.
    fn of(params: Params) -> Option<StreamSettings> {
        let Params { format, channels, rate, .. } = params;
        (channels > 0).then(|| StreamSettings { bits: 8 * format.bytes(), channels, rate })
    }
}

/// As a file has it.
fn to_values(info: &ControlInfo, value: ControlValue) -> Vec<u16> {
    if info.channels == 2 { vec![value.left, value.right] } else { vec![value.left] }
}

/// `None`: the control has no such value.
fn from_values(info: &ControlInfo, values: &[u16]) -> Option<ControlValue> {
    let value = match (values, info.channels) {
        ([left, right], 2) => ControlValue { left: *left, right: *right },
        ([left], 1) => ControlValue { left: *left, right: 0 },
        _ => return None,
    };
    info.allows(value).then_some(value)
}

/// What a control has, in words.
fn range(info: &ControlInfo) -> String {
    let many = if info.channels == 2 { "two values (left and right)" } else { "one value" };
    match info.kind {
        ControlKind::Volume { max, .. } => format!("{many}, each 0 to {max}"),
        ControlKind::Switch => format!("{many}, each 0 (off) or 1 (on)"),
        ControlKind::Choice(names) => format!("{many}, the number of one of these, from 0 on: {}", names.join(", ")),
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

impl<D: SoundDriver> SoundDevice<D> {
    pub(super) fn settings_in_force(&self) -> SoundSettings {
        let infos = self.class.has.controls;
        let controls = infos.iter().zip(&self.class.controls);
        let streams = self.class.flows.iter().map(|flow| (flow.info.name.to_owned(), StreamSettings::of(flow.params)));
        SoundSettings {
            controls: controls.map(|(info, value)| (info.name.to_owned(), to_values(info, *value))).collect(),
            streams: streams.collect(),
        }
    }

    pub(super) fn allows(&self, settings: &SoundSettings) -> Result<(), Refusal> {
        let infos = self.class.has.controls;
        for (name, values) in settings.controls.iter() {
            let field = format!("settings.sound.controls.{}", in_a_line(name));
            let value = format!("{values:?}");
            let Some(info) = infos.iter().find(|info| info.name == name) else {
                let known = names(infos.iter().map(|info| info.name));
                let why = format!("this chip has no such control; take it out (it has {known})");
                return Err(Refusal::new(field, value, why));
            };
            if from_values(info, values).is_none() {
                return Err(Refusal::new(field, value, format!("it has {}; write that", range(info))));
            }
        }
        settings.streams.iter().try_for_each(|(name, wanted)| self.allows_stream(name, *wanted))
    }

    fn allows_stream(&self, name: &str, wanted: Option<StreamSettings>) -> Result<(), Refusal> {
        let refuse = |why: String| {
            let value = wanted.map_or("null".to_owned(), |StreamSettings { bits, channels, rate }| {
                format!("{rate} Hz, {bits} bits, {channels} channels")
            });
            Err(Refusal::new(format!("settings.sound.streams.{}", in_a_line(name)), value, why))
        };
        let Some(flow) = self.class.flows.iter().find(|flow| flow.info.name == name) else {
            let known = names(self.class.flows.iter().map(|flow| flow.info.name));
            return refuse(format!("this chip has no such stream; take it out (it has {known})"));
        };
        if wanted == StreamSettings::of(flow.params) {
            return Ok(());
        }
        if let Some(wanted) = wanted {
            let Some(sound) = wanted.sound() else {
                return refuse("bits can be 8 or 16; write one of these".to_owned());
            };
            // with a ring that it has for sure: what the file says is not calculated with before it is known to be small
            let Sound { format, channels, rate } = sound;
            let params = Params { format, channels, rate, period: flow.info.period.0, periods: 2 };
            if let Some(why) = refusal(&flow.info, &params) {
                return refuse(format!("{why}; write that"));
            }
        }
        if flow.phase != Phase::Idle {
            return refuse("an application uses this stream now; end it, or take the stream out".to_owned());
        }
        Ok(())
    }

    /// Tells the driver what differs from what it was told last.
    pub(super) fn apply_settings(&mut self, to: &SoundSettings) -> Result<(), DeviceError> {
        for number in 0..self.class.controls.len() {
            let (control, wanted) = (Control(number as u32), self.wanted_control(number, to));
            if wanted == self.class.controls[number] {
                continue;
            }
            let told = self.entry(Entry::SetControl, move |cx| D::set_control(cx, control, wanted));
            if !told.as_ref().is_err_and(DeviceError::is_of_a_call_undone) {
                self.class.controls[number] = wanted;
            }
            told?;
        }
        for number in 0..self.class.flows.len() {
            let flow = &self.class.flows[number];
            match to.streams.get(flow.info.name).copied() {
                Some(wanted) if wanted == StreamSettings::of(flow.params) => {}
                Some(Some(wanted)) => self.set_idle_stream(number, wanted)?,
                // as if nobody had set it up: that is never heard
                Some(None) => self.class.flows[number].params = Params::default(),
                None => {}
            }
        }
        Ok(())
    }

    /// The value of a control by `settings`, else as it is to be now.
    fn wanted_control(&self, number: usize, settings: &SoundSettings) -> ControlValue {
        let info = self.class.has.controls[number];
        let values = settings.controls.get(info.name);
        values.and_then(|values| from_values(&info, values)).unwrap_or(self.class.controls[number])
    }

    /// Sets a stream up that nobody uses, and closes it: its clock is what it will be.
    fn set_idle_stream(&mut self, number: usize, wanted: StreamSettings) -> Result<(), DeviceError> {
        let stream = Stream(number as u32);
        let Some(sound) = wanted.sound() else { return Ok(()) };
        let params = params(&self.class.flows[number].info, sound, &self.class.options);
        self.must(Entry::Open, move |cx| D::open(cx, stream))?;
        let set = self.entry_checked(Entry::HwParams, move |cx| D::hw_params(cx, stream, params), is_ring(params));
        if self.failed.is_none() {
            self.must(Entry::Close, move |cx| D::close(cx, stream))?;
        }
        set?;
        self.class.flows[number].params = params;
        Ok(())
    }

    /// Has a restart tell the driver all of it.
    pub(super) fn record_settings(&mut self, to: &SoundSettings) {
        for number in 0..self.class.controls.len() {
            self.class.controls[number] = self.wanted_control(number, to);
        }
    }

    /// Applications see the controls as the driver was told, where that is another than `before`.
    pub(super) fn show_settings(&mut self, before: &SoundSettings) -> Result<(), DeviceError> {
        for number in 0..self.class.controls.len() {
            let value = self.class.controls[number];
            if self.wanted_control(number, before) != value {
                self.class.endpoint.show_control(Control(number as u32), value)?;
            }
        }
        Ok(())
    }
}
