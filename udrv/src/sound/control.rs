//! What a sound device is asked by command, and how it is.

use serde::{Deserialize, Serialize};
use udrv_driver::{Control, ControlValue, Direction, Entry, Error, Params, Rates, SoundDriver, Stream, Trigger};

use super::stream::{Phase, StreamCounters};
use super::{Sound, SoundDevice};
use crate::run::{CallError, Class, DeviceError};

/// State of a sound device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoundStatus {
    /// Where the sound comes from and goes to.
    pub endpoint: String,
    /// Its streams.
    pub streams: Vec<StreamStatus>,
    /// Its controls.
    pub controls: Vec<ControlStatus>,
}

/// State of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// `DAC2`.
    pub name: String,
    /// It plays; else it records.
    pub playback: bool,
    /// What it does.
    pub phase: Phase,
    /// Bits of a sample, of what it was set to last; 0: nothing yet.
    pub bits: u32,
    /// Samples of a frame.
    pub channels: u32,
    /// Frames a second.
    pub rate: u32,
    /// Frames of a period.
    pub period: u32,
    /// Periods of the ring.
    pub ring_periods: u32,
    /// Frames that wait in the ring.
    pub waiting: u64,
    /// Times that samples were lost between the application and this process.
    #[serde(default)]
    pub endpoint_xruns: u64,
    /// How much faster the device is than the system's clock, in parts of a million.
    pub faster: i32,
    /// Counters.
    #[serde(flatten)]
    pub counters: StreamCounters,
}

/// State of a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlStatus {
    /// `Master Playback Volume`.
    pub name: String,
    /// Its values: one, or left and right.
    pub values: Vec<u16>,
}

impl<D: SoundDriver> SoundDevice<D> {
    /// What concerns a stream is done with one that nobody uses, so that nobody hears it, and `trigger` and `pointer` with one that
    /// runs, if one does.
    pub(super) fn call_with_values_in_force(&mut self, entry: Entry) -> Result<(), DeviceError> {
        match entry {
            Entry::Open | Entry::Close | Entry::HwParams | Entry::Prepare => self.try_a_stream(entry)?,
            Entry::Trigger => match self.class.flows.iter().position(|flow| flow.phase.moves()) {
                Some(number) => self.pause_a_moment(number)?,
                None => self.try_a_stream(entry)?,
            },
            Entry::Pointer => self.advance_all()?,
            Entry::Interrupt => self.serve_interrupt()?,
            Entry::GetControl => self.read_controls().map(drop)?,
            Entry::SetControl => {
                let (control, value) = (Control(0), self.class.controls.first().copied());
                let Some(value) = value else { return Ok(()) };
                self.entry(entry, move |cx| D::set_control(cx, control, value))?;
            }
            Entry::Restore => {
                self.must(entry, |cx| D::restore(cx))?;
                self.host.marks.clear();
                Sound::restored(self);
                self.look()?;
            }
            Entry::Quiesce => {
                let quiet = self.quieten();
                self.begin_anew();
                self.must(Entry::Restore, |cx| D::restore(cx))?;
                self.stood_still();
                self.look()?;
                quiet?;
            }
            Entry::Probe => {
                // a chip that is probed is a chip that was reset: bring it back to where it was
                let quiet = self.quieten();
                self.keep_samples();
                let identity = self.identity;
                let probed = self.must(Entry::Probe, move |cx| D::probe(cx, identity)).and(quiet);
                let mut nested = Vec::new();
                let replayed = self.replay_controls(&mut nested).and_then(|()| self.replay_streams(&mut nested));
                if let Err(why) = replayed {
                    tracing::warn!(device = %self.name, why, "restarting");
                    self.restart_now()?;
                }
                probed?;
            }
            // those of other classes are refused before
            _ => return Err(self.entry_error(entry, CallError::Driver(Error::Unsupported))),
        }
        Ok(())
    }

    /// Quiesces the device, which has played on from where it was asked last until now.
    fn quieten(&mut self) -> Result<(), DeviceError> {
        self.advance_all()?;
        let quiet = self.must(Entry::Quiesce, |cx| D::quiesce(cx));
        let now = self.clock();
        self.class.flows.iter_mut().filter(|flow| flow.phase.moves()).for_each(|flow| flow.guess(now));
        quiet
    }

    /// Time in which the device stood still on purpose.
    fn stood_still(&mut self) {
        let now = self.clock();
        self.class.flows.iter_mut().filter(|flow| flow.phase.moves()).for_each(|flow| flow.stood_still(now));
    }

    /// Asks where the device is in all rings.
    fn advance_all(&mut self) -> Result<(), DeviceError> {
        (0..self.class.flows.len()).try_for_each(|number| self.advance(number).map(drop))
    }

    /// Pause and resume. While it stands it is asked where.
    fn pause_a_moment(&mut self, number: usize) -> Result<(), DeviceError> {
        let stream = Stream(number as u32);
        let paused = self.must(Entry::Trigger, move |cx| D::trigger(cx, stream, Trigger::Pause));
        self.advance(number)?;
        if !self.class.flows[number].phase.moves() {
            return paused;
        }
        self.must(Entry::Trigger, move |cx| D::trigger(cx, stream, Trigger::Resume))?;
        let now = self.clock();
        self.class.flows[number].stood_still(now);
        paused
    }

    /// Takes a stream that nobody uses through its life, with the usual values.
    fn try_a_stream(&mut self, entry: Entry) -> Result<(), DeviceError> {
        let Some(number) = self.class.flows.iter().position(|flow| flow.phase == Phase::Idle) else {
            return Err(self.entry_error(entry, CallError::Driver(Error::Busy)));
        };
        let (stream, info) = (Stream(number as u32), self.class.flows[number].info);
        let rate = match info.rates {
            Rates::Range(_, highest) => highest,
            Rates::List(rates) => rates.last().copied().unwrap_or(0),
        };
        let format = info.formats.first().copied().unwrap_or_default();
        let period = info.period.0.max(256).min(info.period.1);
        let params = Params { format, channels: 1, rate, period, periods: 2 };
        self.must(Entry::Open, move |cx| D::open(cx, stream))?;
        let tried = self.entry(Entry::HwParams, move |cx| D::hw_params(cx, stream, params)).and_then(|_| {
            self.must(Entry::Prepare, move |cx| D::prepare(cx, stream))?;
            if entry == Entry::Trigger {
                self.must(entry, move |cx| D::trigger(cx, stream, Trigger::Start))?;
                self.must(entry, move |cx| D::trigger(cx, stream, Trigger::Stop))?;
            }
            Ok(())
        });
        self.must(Entry::Close, move |cx| D::close(cx, stream))?;
        match tried {
            // another stream has the clock that it needs
            Err(DeviceError::Entry { source: CallError::Driver(Error::Unsupported), .. }) => Ok(()),
            other => other,
        }
    }

    pub(super) fn sound_status(&mut self) -> SoundStatus {
        let streams = self.class.flows.iter().enumerate().map(|(number, flow)| StreamStatus {
            name: flow.info.name.to_owned(),
            playback: flow.info.direction == Direction::Playback,
            phase: flow.phase,
            bits: if flow.params.channels == 0 { 0 } else { 8 * flow.params.format.bytes() },
            channels: flow.params.channels,
            rate: flow.params.rate,
            period: flow.params.period,
            ring_periods: flow.params.periods,
            waiting: flow.waiting(),
            endpoint_xruns: self.class.endpoint.xruns(Stream(number as u32)),
            faster: flow.off(),
            counters: flow.counters,
        });
        let infos = self.class.has.controls;
        let controls =
            infos.iter().zip(&self.class.controls).map(|(info, ControlValue { left, right })| ControlStatus {
                name: info.name.to_owned(),
                values: if info.channels == 2 { vec![*left, *right] } else { vec![*left] },
            });
        SoundStatus { endpoint: self.class.endpoint.name(), streams: streams.collect(), controls: controls.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_can_be_read_again() {
        let counters = StreamCounters { frames: 1, periods: 2, xruns: 3, lost: 4, jumps: 5, stuck: 6, starts: 7 };
        let stream = StreamStatus {
            name: "DAC2".to_owned(),
            playback: true,
            phase: Phase::Draining,
            bits: 16,
            channels: 2,
            rate: 48_000,
            period: 480,
            ring_periods: 8,
            waiting: 9,
            endpoint_xruns: 8,
            faster: -10,
            counters,
        };
        let controls = vec![ControlStatus { name: "Master Playback Volume".to_owned(), values: vec![31, 30] }];
        let status = SoundStatus { endpoint: "Loopback".to_owned(), streams: vec![stream], controls };
        let text = serde_json::to_string(&status).expect("plain data is JSON");
        assert_eq!(serde_json::from_str::<SoundStatus>(&text).expect(&text), status);
    }
}
