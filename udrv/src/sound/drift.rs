//! By how much a stream's endpoint has to run faster than its clock says, so that the ring neither runs empty nor overflows. No I/O; time
//! is passed in.
//!
//! Two quartzes differ by some parts in 100,000. The device's is measured against the system's clock, over all the time that the
//! stream has run: the longer, the less it matters when a thread was late. What has gathered in the ring in
//! spite of that is worn off slowly.

use std::time::Duration;

/// Time between two corrections.
const INTERVAL: Duration = Duration::from_secs(1);
/// The device's clock is not believed to be off by more, in parts of a million: the measurement is young, or it is no clock.
const MAX_OFF: i64 = 1000;
/// What has gathered is worn off in so many seconds.
const WEAR: i64 = 10;
/// But no faster, in parts of a million: it could be heard.
const MAX_WEAR: i64 = 2000;

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drift {
    rate: u32,
    /// Time that has been measured, and frames that have passed in it.
    time: Duration,
    frames: u64,
    /// When the last place was told.
    told: Option<Duration>,
    /// When the last correction was made.
    corrected: Option<Duration>,
}

impl Drift {
    /// Of a stream at so many frames a second; nothing is known.
    pub(crate) const fn new(rate: u32) -> Drift {
        Drift { rate, time: Duration::ZERO, frames: 0, told: None, corrected: None }
    }

    /// The stream does not run from here on until the next [`Drift::passed`].
    pub(crate) fn stands(&mut self) {
        self.told = None;
    }

    /// Frames have passed since this was told last.
    pub(crate) fn passed(&mut self, frames: u64, now: Duration) {
        if let Some(told) = self.told {
            self.time += now.saturating_sub(told);
            self.frames += frames;
        }
        self.told = Some(now);
    }

    /// How much faster the device is than the clock, in parts of a million.
    pub(crate) fn off(&self) -> i32 {
        if self.time < INTERVAL || self.rate == 0 {
            return 0;
        }
        let expected = self.time.as_nanos() * u128::from(self.rate);
        let passed = u128::from(self.frames) * 1_000_000_000;
        let off = (passed as i128 - expected as i128) * 1_000_000 / expected as i128;
        off.clamp(i128::from(-MAX_OFF), i128::from(MAX_OFF)) as i32
    }

    /// The correction that is due, if one is: how much faster than the clock the endpoint is to run, when `surplus` frames more
    /// (or fewer) than wanted wait between them.
    pub(crate) fn correction(&mut self, surplus: i64, now: Duration) -> Option<i32> {
        if self.corrected.is_some_and(|last| now < last + INTERVAL) {
            return None;
        }
        self.corrected = Some(now);
        let wear = (surplus * 1_000_000 / (WEAR * i64::from(self.rate.max(1)))).clamp(-MAX_WEAR, MAX_WEAR);
        Some(self.off() - wear as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    /// Seconds of a device that is `off` faster, told each 10 ms and up to 3 ms late.
    fn run(off: i64, seconds: u64) -> Drift {
        let mut drift = Drift::new(RATE);
        let mut before = 0;
        for step in 0..seconds * 100 {
            let passed = (step * 480) as i64 * (1_000_000 + off) / 1_000_000;
            let late = Duration::from_micros(step * 7919 % 3000);
            drift.passed(passed as u64 - before, Duration::from_millis(10 * step) + late);
            before = passed as u64;
        }
        drift
    }

    #[test]
    fn a_quartz_is_measured_the_better_the_longer() {
        for off in [0, 50, -50, 200] {
            assert!((i64::from(run(off, 10).off()) - off).abs() <= 320, "{off}");
            assert!((i64::from(run(off, 300).off()) - off).abs() <= 12, "{off}: {}", run(off, 300).off());
        }
        assert_eq!(Drift::new(RATE).off(), 0, "nothing is known");
        assert_eq!(run(500_000, 10).off(), MAX_OFF as i32, "that is no quartz");
    }

    #[test]
    fn time_in_which_it_stands_does_not_count() {
        let mut drift = run(0, 300);
        drift.stands();
        drift.passed(480, Duration::from_secs(900));
        assert!(drift.off().abs() < 20, "{}", drift.off());
    }

    #[test]
    fn what_has_gathered_is_worn_off() {
        let mut drift = run(0, 300);
        let now = Duration::from_secs(301);
        let off = drift.off();
        assert_eq!(drift.correction(480, now), Some(off - 1000), "10 ms too much in 10 s");
        assert_eq!(drift.correction(480, now), None, "one was just made");
        assert_eq!(drift.correction(-480_000, now + INTERVAL), Some(off + MAX_WEAR as i32));
        // and so a ring that is fed by an endpoint that follows stays where it should
        let (mut surplus, mut faster, mut now) = (2000.0_f64, 0, Duration::ZERO);
        let mut drift = Drift::new(RATE);
        for _ in 0..12_000 {
            // the device is 100 ppm faster than the clock; the endpoint runs as it is told
            surplus += 480.0 * f64::from(faster - 100) / 1e6;
            now += Duration::from_millis(10);
            drift.passed(if now.as_millis().is_multiple_of(200) { 481 } else { 480 }, now);
            faster = drift.correction(surplus as i64, now).unwrap_or(faster);
        }
        assert!(surplus.abs() < 100.0, "{surplus}");
    }
}
