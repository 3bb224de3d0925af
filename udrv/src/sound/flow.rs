//! Starting, feeding and stopping streams.

use fgft::tracking::Rights;
use udrv_driver::{Direction, Entry, Error, Params, Rates, SampleRing, SoundDriver, Stream, StreamInfo, Trigger};

use super::samples::SampleMemory;
use super::stream::Phase;
use super::{SoundDevice, SoundOptions};
use crate::dma::DmaError;
use crate::endpoint::sound::{self, Wish};
use crate::host::Host;
use crate::ledger::Ledger;
use crate::report::FaultReport;
use crate::run::{CallError, DeviceError};

/// Attempts of each entry point in a restart.
const ATTEMPTS: u32 = 3;
/// Times in a row that the device is restored for a stream that stands still, and when it is restarted.
const STUCK_RESTORES: u32 = 3;
/// See [`STUCK_RESTORES`].
const STUCK_RESTART: u32 = STUCK_RESTORES + 1;
/// A period has a multiple of so many frames: what all engines take.
const GRANULE: u32 = 16;

impl<D: SoundDriver> SoundDevice<D> {
    /// Does what applications want, and moves what can be moved.
    pub(super) fn follow_wishes(&mut self) -> Result<(), DeviceError> {
        while let Some(wish) = self.class.endpoint.wish()? {
            match wish {
                Wish::Start(stream, sound) => self.begin(stream, sound)?,
                Wish::Stop(stream) => self.end(stream)?,
                Wish::Set(control, value) => self.turn(control, value)?,
            }
        }
        Ok(())
    }

    /// Feeds the streams, and starts those that have enough.
    pub(super) fn feed_all(&mut self) -> Result<(), DeviceError> {
        for number in 0..self.class.flows.len() {
            match self.class.flows[number].phase {
                Phase::Filling => {
                    self.feed(number)?;
                    if self.class.flows[number].is_filled() {
                        self.run_stream(number, Phase::Running)?;
                    }
                }
                Phase::Running => self.feed(number)?,
                Phase::Idle | Phase::Draining => {}
            }
        }
        Ok(())
    }

    /// An application begins to play or to record.
    fn begin(&mut self, stream: Stream, sound: sound::Sound) -> Result<(), DeviceError> {
        let number = stream.0 as usize;
        let Some(flow) = self.class.flows.get_mut(number) else { return Ok(()) };
        match flow.phase {
            Phase::Idle => {}
            // first what is left of the last piece
            Phase::Draining => {
                flow.next = Some(sound);
                return Ok(());
            }
            Phase::Filling | Phase::Running => self.finish(number)?,
        }
        let params = params(&self.class.flows[number].info, sound, &self.class.options);
        if let Some(why) = refusal(&self.class.flows[number].info, &params) {
            tracing::warn!(device = %self.name, why);
            return Ok(self.class.endpoint.fail(stream, &why)?);
        }
        match self.open_stream(stream, params) {
            Ok(()) => {}
            Err(error @ DeviceError::GaveUp { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(device = %self.name, %error, "a stream cannot be started");
                if let DeviceError::Entry { source: CallError::Driver(error), entry, .. } = &error {
                    self.after_error(*entry, *error)?;
                }
                return Ok(self.class.endpoint.fail(stream, &error.to_string())?);
            }
        }
        let Params { rate, channels, period, periods, format } = params;
        tracing::info!(device = %self.name, stream = self.class.flows[number].info.name, rate, channels, period, periods, ?format, "set up");
        if self.class.flows[number].info.direction == Direction::Capture {
            self.run_stream(number, Phase::Running)?;
        }
        Ok(())
    }

    /// Open, hw_params, prepare. After an error it is closed.
    fn open_stream(&mut self, stream: Stream, params: Params) -> Result<(), DeviceError> {
        let number = stream.0 as usize;
        self.must(Entry::Open, move |cx| D::open(cx, stream))?;
        let ring = self.entry_checked(Entry::HwParams, move |cx| D::hw_params(cx, stream, params), is_ring(params));
        let prepared = ring.and_then(|ring| {
            self.must(Entry::Prepare, move |cx| D::prepare(cx, stream))?;
            Ok(ring)
        });
        let ring = match prepared {
            Ok(ring) => ring,
            Err(error) => {
                if self.failed.is_none() {
                    let closed = self.must(Entry::Close, move |cx| D::close(cx, stream));
                    self.noted(closed)?;
                }
                return Err(error);
            }
        };
        let (memory, now) = (self.memory(ring, params), self.clock());
        let rate = if ring.rate == 0 { params.rate } else { ring.rate };
        self.class.flows[number]
            .set_up(self.host.pool.region(), memory, (params, rate), now)
            .map_err(|error| broken(&self.name, error))
    }

    /// Where a ring lies. It has been checked.
    fn memory(&self, ring: SampleRing, params: Params) -> SampleMemory {
        let bytes = u64::from(params.ring_frames() * params.frame_bytes());
        let start = self.host.pool.place(self.domain.ledger(), ring.memory.0, 0, bytes, Rights::WRITE);
        SampleMemory { start: start.unwrap_or(0), bytes }
    }

    /// Has a stream run.
    fn run_stream(&mut self, number: usize, phase: Phase) -> Result<(), DeviceError> {
        let stream = Stream(number as u32);
        let asked = self.clock();
        let started = self.must(Entry::Trigger, move |cx| D::trigger(cx, stream, Trigger::Start));
        let now = self.clock();
        self.class.flows[number].phase = phase;
        self.class.flows[number].started(asked, now);
        self.work_was_given();
        match started {
            Err(DeviceError::Entry { source: CallError::Driver(error), .. }) => self.after_error(Entry::Trigger, error),
            other => other,
        }
    }

    /// An application has ended.
    fn end(&mut self, stream: Stream) -> Result<(), DeviceError> {
        let number = stream.0 as usize;
        let Some(flow) = self.class.flows.get_mut(number) else { return Ok(()) };
        flow.next = None;
        let playback = flow.info.direction == Direction::Playback;
        match flow.phase {
            Phase::Idle | Phase::Draining => Ok(()),
            Phase::Running if playback => {
                self.feed(number)?;
                self.class.flows[number].phase = Phase::Draining;
                Ok(())
            }
            Phase::Filling if playback => {
                self.feed(number)?;
                if self.class.flows[number].waiting() > 0 {
                    self.run_stream(number, Phase::Draining)
                } else {
                    self.finish(number)
                }
            }
            Phase::Running | Phase::Filling => {
                self.advance(number)?;
                self.finish(number)
            }
        }
    }

    /// Stops and closes a stream; what waits behind it begins.
    fn finish(&mut self, number: usize) -> Result<(), DeviceError> {
        let stream = Stream(number as u32);
        let moves = self.class.flows[number].phase.moves();
        self.class.flows[number].phase = Phase::Idle;
        if moves {
            let stopped = self.must(Entry::Trigger, move |cx| D::trigger(cx, stream, Trigger::Stop));
            self.noted_unless_given_up(Entry::Trigger, stopped)?;
        }
        let closed = self.must(Entry::Close, move |cx| D::close(cx, stream));
        self.noted_unless_given_up(Entry::Close, closed)?;
        match self.class.flows[number].next.take() {
            Some(sound) => self.begin(stream, sound),
            None => Ok(()),
        }
    }

    /// Passes on that the device was given up, and has it restored for an error.
    fn noted_unless_given_up(&mut self, entry: Entry, result: Result<(), DeviceError>) -> Result<(), DeviceError> {
        match result {
            Err(DeviceError::Entry { source: CallError::Driver(error), .. }) => self.after_error(entry, error),
            Err(DeviceError::Entry { source: CallError::Quarantined, .. }) => Ok(()),
            other => other,
        }
    }

    /// Moves what the application has into the ring, as much as there is room.
    fn feed(&mut self, number: usize) -> Result<(), DeviceError> {
        let stream = Stream(number as u32);
        loop {
            let flow = &mut self.class.flows[number];
            if flow.info.direction == Direction::Capture {
                return Ok(());
            }
            let frame = flow.params.frame_bytes() as usize;
            let most = (flow.room() as usize * frame).min(self.class.scratch.len() / frame * frame);
            let taken = self.class.endpoint.take(stream, &mut self.class.scratch[..most])?.min(most);
            let taken = taken / frame * frame;
            if taken == 0 {
                return Ok(());
            }
            let bytes = &self.class.scratch[..taken];
            self.class.flows[number].fill(self.host.pool.region(), bytes).map_err(|error| broken(&self.name, error))?;
        }
    }

    /// Hands on what was recorded.
    fn hand_on(&mut self, number: usize) -> Result<(), DeviceError> {
        let stream = Stream(number as u32);
        loop {
            let flow = &mut self.class.flows[number];
            if flow.info.direction == Direction::Playback {
                return Ok(());
            }
            let frame = flow.params.frame_bytes() as usize;
            let most = self.class.scratch.len() / frame * frame;
            let read = flow.collect(self.host.pool.region(), &mut self.class.scratch[..most]);
            let read = read.map_err(|error| broken(&self.name, error))?;
            if read == 0 {
                return Ok(());
            }
            let taken = self.class.endpoint.give(stream, &self.class.scratch[..read])?.min(read);
            self.class.flows[number].lose(((read - taken) / frame) as u64);
        }
    }

    /// Asks where the device is in a stream's ring, and moves samples accordingly. Gives the periods that have ended.
    pub(super) fn advance(&mut self, number: usize) -> Result<u64, DeviceError> {
        let stream = Stream(number as u32);
        if !self.class.flows[number].phase.moves() {
            return Ok(0);
        }
        let ring = self.class.flows[number].params.ring_frames();
        let (place, asked) = loop {
            let asked = self.clock();
            match self.call_pointer(stream, ring) {
                Ok(place) => break (place, asked),
                Err(CallError::Fault(_)) if self.failed.is_none() => {}
                Err(CallError::Driver(error)) => {
                    self.after_error(Entry::Pointer, error)?;
                    let now = self.clock();
                    if self.class.flows[number].is_stuck(now) {
                        self.unstick(number, 0)?;
                    }
                    return Ok(0);
                }
                // the stream goes on by the clock alone
                Err(CallError::Quarantined) => break (self.class.flows[number].place_by_clock(asked), asked),
                Err(error) => return Err(self.entry_error(Entry::Pointer, error)),
            }
        };
        self.work_went_through();
        let now = self.clock();
        let flow = &mut self.class.flows[number];
        let periods =
            flow.told(self.host.pool.region(), place, (asked, now)).map_err(|error| broken(&self.name, error))?;
        if flow.is_stuck(now) {
            self.unstick(number, place)?;
            return Ok(0);
        }
        self.hand_on(number)?;
        // what comes behind an end is of the next piece
        if self.class.flows[number].next.is_none() {
            self.feed(number)?;
        }
        if self.class.flows[number].is_drained() {
            self.finish(number)?;
            return Ok(periods);
        }
        if let Some(faster) = self.class.flows[number].correction(now) {
            self.class.endpoint.follow(stream, faster);
        }
        Ok(periods)
    }

    /// A stream stands still: the device is restored, then restarted, and where that does not help the stream ends. The others go on.
    fn unstick(&mut self, number: usize, place: u32) -> Result<(), DeviceError> {
        let (stream, now) = (Stream(number as u32), self.clock());
        let flow = &mut self.class.flows[number];
        let (name, times) = (flow.info.name, flow.was_stuck(now));
        tracing::warn!(device = %self.name, stream = name, "the device stands still");
        match times {
            ..=STUCK_RESTORES => self.after_error(Entry::Pointer, Error::Timeout { register: 0, value: place }),
            STUCK_RESTART if self.restart_for(Entry::Pointer) => Ok(()),
            STUCK_RESTART => self.given_up().map_or(Ok(()), Err),
            _ => {
                let why = format!("{name} of {} stands still, and a restart does not help", self.name);
                self.class.endpoint.fail(stream, &why)?;
                self.finish(number)
            }
        }
    }

    /// The device was quiesced and will begin at the beginning of its rings: that is where its samples are then.
    pub(super) fn begin_anew(&mut self) {
        let (region, now) = (self.host.pool.region(), self.clock());
        for flow in self.class.flows.iter_mut().filter(|flow| flow.phase.moves()) {
            if let Err(error) = flow.keep(region, now).and_then(|()| flow.begin_anew(region, now)) {
                tracing::warn!(device = %self.name, %error, "samples were lost");
            }
        }
    }

    /// For the samples of streams whose rings the driver is about to forget.
    pub(super) fn keep_samples(&mut self) {
        let (region, now) = (self.host.pool.region(), self.clock());
        for flow in &mut self.class.flows {
            if let Err(error) = flow.keep(region, now) {
                tracing::warn!(device = %self.name, %error, "samples were lost");
            }
        }
    }

    /// After `probe`: all streams that were in use are again, with the samples that were kept.
    pub(super) fn replay_streams(&mut self, nested: &mut Vec<(Entry, FaultReport)>) -> Result<(), String> {
        for number in 0..self.class.flows.len() {
            let (stream, params) = (Stream(number as u32), self.class.flows[number].params);
            let phase = self.class.flows[number].phase;
            if phase == Phase::Idle {
                continue;
            }
            self.within_rung(Entry::Open, ATTEMPTS, nested, move |cx| D::open(cx, stream))?;
            let hw_params = move |cx: &mut udrv_driver::Cx<'_, D::State>| D::hw_params(cx, stream, params);
            let ring = self.within_rung(Entry::HwParams, ATTEMPTS, nested, hw_params)?;
            if !is_ring(params)(&ring, &self.host, self.domain.ledger()) {
                return Err("hw_params: a ring that is none".to_owned());
            }
            self.within_rung(Entry::Prepare, ATTEMPTS, nested, move |cx| D::prepare(cx, stream))?;
            let (memory, now) = (self.memory(ring, params), self.clock());
            let flow = &mut self.class.flows[number];
            flow.put_back(self.host.pool.region(), memory, now).map_err(|error| error.to_string())?;
            if phase.moves() {
                let start = move |cx: &mut udrv_driver::Cx<'_, D::State>| D::trigger(cx, stream, Trigger::Start);
                let asked = self.clock();
                self.within_rung(Entry::Trigger, ATTEMPTS, nested, start)?;
                let now = self.clock();
                self.class.flows[number].started(asked, now);
            }
        }
        Ok(())
    }
}

/// The device's memory is this process's own: that it cannot be reached is an error of the program, and told as one of the bus.
fn broken(device: &str, error: DmaError) -> DeviceError {
    let source = udrv_bus::BusError::Io {
        operation: "reaching the sample memory".to_owned(),
        source: std::io::Error::other(error),
    };
    DeviceError::Bus { device: device.to_owned(), source }
}

/// Whether what `hw_params` gives is a ring of the driver's that holds what it should.
pub(super) fn is_ring(params: Params) -> impl Fn(&SampleRing, &Host, &Ledger) -> bool + Copy {
    move |ring, host, ledger| {
        let bytes = u64::from(params.ring_frames() * params.frame_bytes());
        let near = params.rate / 20;
        host.pool.place(ledger, ring.memory.0, 0, bytes, Rights::WRITE).is_ok()
            && (ring.rate == 0 || params.rate.abs_diff(ring.rate) <= near)
    }
}

/// Why a stream cannot be set to these, if it cannot.
pub(super) fn refusal(info: &StreamInfo, params: &Params) -> Option<String> {
    let Params { format, channels, rate, .. } = params;
    let rates = match info.rates {
        Rates::Range(lowest, highest) => format!("{lowest} to {highest}"),
        Rates::List(rates) => rates.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
    };
    (!info.allows(params)).then(|| {
        format!(
            "{} cannot be set to {channels} channels of {format:?} at {rate} Hz: it has 1 to {} channels, {:?}, at {rates} Hz",
            info.name, info.channels, info.formats
        )
    })
}

/// What a stream is set to for a sound: periods of about the time asked for, within what it has.
pub(super) fn params(info: &StreamInfo, sound: sound::Sound, options: &SoundOptions) -> Params {
    let sound::Sound { format, channels, rate } = sound;
    let frame = (format.bytes() * channels).max(1);
    let fit = info.ring_bytes / frame;
    let shortest = info.period.0.next_multiple_of(GRANULE);
    let periods = options.periods.clamp(2, (fit / shortest).max(2));
    let wanted = (options.period.as_nanos() * u128::from(rate) / 1_000_000_000) as u32;
    let longest = info.period.1.min(fit / periods) / GRANULE * GRANULE;
    let period = (wanted.saturating_add(GRANULE / 2) / GRANULE * GRANULE).clamp(shortest.min(longest), longest);
    Params { format, channels, rate, period, periods }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use udrv_driver::Format;

    use super::*;

    #[test]
    fn periods_are_what_the_stream_has_and_near_what_was_asked_for() {
        let info = StreamInfo {
            name: "DAC",
            direction: Direction::Playback,
            formats: &[Format::U8, Format::S16],
            channels: 2,
            rates: Rates::Range(4000, 48_000),
            period: (32, 4096),
            ring_bytes: 65_536,
        };
        let sound = |format, channels, rate| sound::Sound { format, channels, rate };
        for (ms, periods) in [(0, 0), (1, 2), (10, 8), (20, 4), (1000, 3), (10_000, 1000)] {
            let options = SoundOptions { period: Duration::from_millis(ms), periods };
            for sound in [sound(Format::U8, 1, 4000), sound(Format::S16, 2, 48_000), sound(Format::S16, 1, 44_100)] {
                let params = params(&info, sound, &options);
                assert!(info.allows(&params), "{ms} ms, {periods}: {params:?}");
            }
        }
        let sloth = params(&info, sound(Format::S16, 9, 1), &SoundOptions::default());
        assert!(refusal(&info, &sloth).is_some_and(|why| why.contains("4000 to 48000")), "{sloth:?}");
        let usual = params(&info, sound(Format::S16, 2, 48_000), &SoundOptions::default());
        assert_eq!((usual.period, usual.periods), (480, 8));
    }
}
