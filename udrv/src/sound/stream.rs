//! One stream: its ring, how far it has come, and what of it is filled. No entry point is called here.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use udrv_driver::{Direction, Params, StreamInfo};

use super::drift::Drift;
use super::position::{Moved, Position};
use super::samples::SampleMemory;
use crate::dma::{DmaError, DmaRegion};
use crate::endpoint::sound::Sound;

/// A device that does not move for so many periods is stuck, and at least for [`STUCK`].
const STUCK_PERIODS: u32 = 4;
/// See [`STUCK_PERIODS`]; a thread that was kept waiting for less is no reason.
const STUCK: Duration = Duration::from_millis(250);
/// Part of a period that the host stays ahead of the device when it has been overtaken.
const LEAD_PART: u64 = 4;

/// What a stream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nobody uses it.
    #[default]
    Idle,
    /// It is set up, and waits for samples to begin with.
    Filling,
    /// It runs.
    Running,
    /// Nobody plays any more; what is left is played.
    Draining,
}

impl Phase {
    /// A short stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Filling => "filling",
            Phase::Running => "running",
            Phase::Draining => "draining",
        }
    }

    /// Whether the device moves.
    pub(crate) const fn moves(self) -> bool {
        matches!(self, Phase::Running | Phase::Draining)
    }
}

/// Counted since the start of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamCounters {
    /// Frames played or recorded.
    pub frames: u64,
    /// Periods played or recorded.
    pub periods: u64,
    /// Times that the device found nothing to play, or no room to record into.
    pub xruns: u64,
    /// Frames of silence that were played then, or that were recorded and lost.
    pub lost: u64,
    /// Times that it was at a place where it could not be.
    pub jumps: u64,
    /// Times that it was stuck.
    pub stuck: u64,
    /// Times that it was started.
    pub starts: u64,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) info: StreamInfo,
    pub(crate) phase: Phase,
    pub(crate) params: Params,
    /// The rate that came of them.
    rate: u32,
    /// What is to be played when all has been.
    pub(crate) next: Option<Sound>,
    memory: SampleMemory,
    position: Position,
    /// Playback: frames of the application that are in the ring or were; capture: frames that were handed on.
    done: u64,
    /// Playback: up to where there is silence in the ring behind them.
    silenced: u64,
    /// Periods that were counted.
    periods: u64,
    drift: Drift,
    /// When it was seen to move last.
    moved_at: Duration,
    /// Times in a row that it was stuck.
    stuck: u32,
    pub(crate) counters: StreamCounters,
    /// Samples that wait for a restart to be over.
    kept: Vec<u8>,
}

impl Flow {
    pub(crate) fn new(info: StreamInfo) -> Flow {
        Flow {
            info,
            phase: Phase::Idle,
            params: Params::default(),
            rate: 0,
            next: None,
            memory: SampleMemory::default(),
            position: Position::new(0, 0, 0, 0, Duration::ZERO),
            done: 0,
            silenced: 0,
            periods: 0,
            drift: Drift::new(0),
            moved_at: Duration::ZERO,
            stuck: 0,
            counters: StreamCounters::default(),
            kept: Vec::new(),
        }
    }

    fn is_playback(&self) -> bool {
        self.info.direction == Direction::Playback
    }

    fn ring(&self) -> u64 {
        self.params.ring_frames().into()
    }

    fn bytes(&self, frames: u64) -> u64 {
        frames * u64::from(self.params.frame_bytes())
    }

    /// The time of a period.
    pub(crate) fn period_time(&self) -> Duration {
        Duration::from_secs(1) * self.params.period / self.params.rate.max(1)
    }

    /// It was set up anew, with nothing in its ring: `memory` in the region, `rate` as it came out.
    pub(crate) fn set_up(
        &mut self,
        region: &DmaRegion,
        memory: SampleMemory,
        (params, rate): (Params, u32),
        now: Duration,
    ) -> Result<(), DmaError> {
        (self.params, self.rate) = (params, rate);
        self.next = None;
        self.memory = memory;
        self.begin(0, now);
        self.done = 0;
        self.stuck = 0;
        self.drift = Drift::new(rate);
        self.phase = Phase::Filling;
        self.silence_ahead(region)
    }

    /// The device will begin at the beginning of the ring, `passed` frames having gone before.
    fn begin(&mut self, passed: u64, now: Duration) {
        let period = self.params.period;
        self.position = Position::new(self.params.ring_frames(), period, self.rate, passed, now);
        self.silenced = passed;
        self.periods = passed / u64::from(period.max(1));
        self.moved_at = now;
        self.drift.stands();
    }

    /// It begins to move: at `asked` at the earliest, and by `now`.
    pub(crate) fn started(&mut self, asked: Duration, now: Duration) {
        self.counters.starts += 1;
        self.position.stood_still(asked);
        self.moved_at = now;
        self.drift.passed(0, now);
    }

    /// It stood still until `now`, and goes on.
    pub(crate) fn stood_still(&mut self, now: Duration) {
        self.position.stood_still(now);
        self.moved_at = now;
        self.drift.stands();
    }

    /// Frames of the application that wait in the ring, or that were recorded and not handed on.
    pub(crate) fn waiting(&self) -> u64 {
        if self.is_playback() {
            self.done.saturating_sub(self.position.passed())
        } else {
            self.position.passed() - self.done
        }
    }

    /// Whether there is enough to begin with.
    pub(crate) fn is_filled(&self) -> bool {
        self.waiting() >= self.ring() / 2
    }

    /// Frames for which there is room.
    pub(crate) fn room(&self) -> u64 {
        self.ring() - self.waiting().min(self.ring())
    }

    /// Where the next samples of the application go, bytes; they do not reach beyond the end of the ring.
    pub(crate) fn fill(&mut self, region: &DmaRegion, bytes: &[u8]) -> Result<(), DmaError> {
        let place = self.bytes(self.position.place(self.done));
        self.memory.write(region, place, bytes)?;
        self.done += bytes.len() as u64 / u64::from(self.params.frame_bytes().max(1));
        Ok(())
    }

    /// What was recorded and not handed on: reads up to `to.len()` bytes of it; how many.
    pub(crate) fn collect(&mut self, region: &DmaRegion, to: &mut [u8]) -> Result<usize, DmaError> {
        let frame = u64::from(self.params.frame_bytes().max(1));
        let frames = self.waiting().min(to.len() as u64 / frame);
        let place = self.bytes(self.position.place(self.done));
        let bytes = self.bytes(frames) as usize;
        self.memory.read(region, place, &mut to[..bytes])?;
        self.done += frames;
        Ok(bytes)
    }

    /// Frames that were recorded and that nobody took.
    pub(crate) fn lose(&mut self, frames: u64) {
        self.counters.lost += frames;
    }

    /// The driver may have set the device up anew.
    pub(crate) fn doubt(&mut self) {
        self.position.doubt();
    }

    /// The device was asked for its place at the first time, and has told it by the second: what follows from it. Gives the periods
    /// that have ended.
    pub(crate) fn told(
        &mut self,
        region: &DmaRegion,
        place: u32,
        (asked, now): (Duration, Duration),
    ) -> Result<u64, DmaError> {
        let before = self.position;
        let Moved { frames, leapt, elsewhere } = self.position.told(place, asked, now);
        self.counters.frames += frames;
        if frames > 0 {
            self.moved_at = now;
            self.stuck = 0;
        }
        self.counters.jumps += u64::from(leapt);
        if leapt {
            self.drift.stands();
        } else {
            self.drift.passed(frames, now);
        }
        if elsewhere {
            self.move_samples(region, before)?;
        }
        let passed = self.position.passed();
        if self.is_playback() {
            if self.phase == Phase::Running && passed > self.done {
                let lead = u64::from(self.params.period) / LEAD_PART;
                self.counters.xruns += 1;
                self.counters.lost += passed.saturating_sub(self.done) + lead;
                self.done = passed + lead;
            } else if self.phase == Phase::Draining && passed > self.silenced {
                // all that was left has been played, and the silence behind it, and so what lay there before
                self.counters.xruns += 1;
                self.counters.lost += passed - self.silenced;
            }
            self.silence_ahead(region)?;
        } else if passed - self.done > self.ring() {
            // a period that is being overwritten is of no use either
            let first = passed - self.ring() + u64::from(self.params.period);
            self.counters.xruns += 1;
            self.counters.lost += first - self.done;
            self.done = first;
        }
        let periods = passed / u64::from(self.params.period.max(1));
        let ended = periods.saturating_sub(self.periods);
        self.periods = periods;
        self.counters.periods += ended;
        Ok(ended)
    }

    /// The device is elsewhere in the ring than it was `before`: what waits for it is put there, a little ahead of it, and all else
    /// is silent.
    fn move_samples(&mut self, region: &DmaRegion, before: Position) -> Result<(), DmaError> {
        let passed = self.position.passed();
        self.silenced = passed;
        if !self.is_playback() {
            // what lies there is of another round
            self.counters.lost += passed - self.done.min(passed);
            self.done = passed;
            return Ok(());
        }
        let waiting = self.waiting().min(self.ring());
        let mut samples = vec![0; self.bytes(waiting) as usize];
        self.memory.read(region, self.bytes(before.place(self.done - waiting)), &mut samples)?;
        let lead = (u64::from(self.params.period) / LEAD_PART).min(self.ring() - waiting);
        self.done = passed;
        self.silence_ahead(region)?;
        self.counters.lost += lead;
        self.done = passed + lead;
        self.fill(region, &samples)
    }

    /// Silence in all of the ring that holds no samples of the application: what was played is not played again.
    fn silence_ahead(&mut self, region: &DmaRegion) -> Result<(), DmaError> {
        const CHUNK: usize = 4096;
        if !self.is_playback() {
            return Ok(());
        }
        let end = self.position.passed() + self.ring();
        let silence = [self.params.format.silence(); CHUNK];
        let most = (CHUNK as u64 / u64::from(self.params.frame_bytes().max(1))).max(1);
        let mut at = self.silenced.max(self.done.min(end)).max(self.position.passed());
        while at < end {
            let frames = (end - at).min(most);
            let place = self.bytes(self.position.place(at));
            self.memory.write(region, place, &silence[..self.bytes(frames) as usize])?;
            at += frames;
        }
        self.silenced = end;
        Ok(())
    }

    /// Whether the device stands still though it should move.
    pub(crate) fn is_stuck(&self, now: Duration) -> bool {
        let patience = (self.period_time() * STUCK_PERIODS).max(STUCK);
        self.phase.moves() && now.saturating_sub(self.moved_at) > patience
    }

    /// It was, until `now`; how often in a row.
    pub(crate) fn was_stuck(&mut self, now: Duration) -> u32 {
        self.counters.stuck += 1;
        self.stuck += 1;
        self.stood_still(now);
        self.stuck
    }

    /// Whether all that was to be played has been.
    pub(crate) fn is_drained(&self) -> bool {
        self.phase == Phase::Draining && self.waiting() == 0
    }

    /// How the endpoint is to follow the device, when it is time to say so.
    pub(crate) fn correction(&mut self, now: Duration) -> Option<i32> {
        if self.phase != Phase::Running {
            return None;
        }
        let waiting = self.waiting() as i64;
        // playback: with more in the ring than wanted the endpoint is to run slower. Seen just after it was filled
        let surplus = if self.is_playback() { waiting - self.ring() as i64 * 3 / 4 } else { 0 };
        self.drift.correction(surplus, now)
    }

    /// How much faster the device is than the clock, parts of a million.
    pub(crate) fn off(&self) -> i32 {
        self.drift.off()
    }

    /// Where it should be in the ring by the clock.
    pub(crate) fn place_by_clock(&self, now: Duration) -> u32 {
        self.position.place_by_clock(now)
    }

    /// It has played or recorded until `now`, as far as the clock says, and cannot be asked.
    pub(crate) fn guess(&mut self, now: Duration) {
        let most = if self.is_playback() { self.waiting() } else { self.ring() };
        self.counters.frames += self.position.guess(now, most);
    }

    /// The driver is about to forget the ring: what the application has given is kept, what the device has recorded is lost.
    /// Since the device told its place last it has gone on, as far as the clock says.
    pub(crate) fn keep(&mut self, region: &DmaRegion, now: Duration) -> Result<(), DmaError> {
        if self.phase == Phase::Idle {
            return Ok(());
        }
        if self.phase.moves() && self.kept.is_empty() {
            self.guess(now);
        }
        if !self.is_playback() {
            self.counters.lost += self.waiting();
            self.done = self.position.passed();
            return Ok(());
        }
        if !self.kept.is_empty() {
            return Ok(()); // a restart that has failed half-way: they are here already
        }
        let frames = self.waiting().min(self.ring());
        let mut kept = vec![0; self.bytes(frames) as usize];
        let place = self.bytes(self.position.place(self.done - frames));
        self.memory.read(region, place, &mut kept)?;
        self.kept = kept;
        Ok(())
    }

    /// The ring is begun anew, with what was kept at its beginning.
    pub(crate) fn begin_anew(&mut self, region: &DmaRegion, now: Duration) -> Result<(), DmaError> {
        self.put_back(region, self.memory, now)
    }

    /// The ring is a new one, with what was kept at its beginning.
    pub(crate) fn put_back(&mut self, region: &DmaRegion, memory: SampleMemory, now: Duration) -> Result<(), DmaError> {
        self.memory = memory;
        let passed = self.position.passed();
        self.begin(passed, now);
        let kept = std::mem::take(&mut self.kept);
        if self.is_playback() {
            self.done = passed;
            self.fill(region, &kept)?;
        }
        self.silence_ahead(region)
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
