//! How far a stream has come: counts of frames since it was started, from a place in a ring that is told now and then. No I/O;
//! time is passed in.
//!
//! ```text
//!            passed             written            passed + ring
//!   ───────────┼──────────────────┼──────────────────────┼───────
//!    the device │ what it plays    │ silence              │
//!    was here   │ next             │                      │
//! ```
//!
//! A place says the count but for whole rings; the clock says which of them. A device that tells a place where it cannot be yet by the
//! clock has jumped. If it is not far ahead it has leapt, as a device does that fetches a good deal at once: that has gone. Else, or
//! when the driver has just set the device up anew, it is elsewhere: the count goes on from where the clock says, and the ring is
//! turned under it. One that is slower than the clock is slow.

use std::time::Duration;

/// What the device may be ahead of the clock by, beside a period: a thread that was kept waiting, a clock that is off.
const SLACK: Duration = Duration::from_millis(5);
/// And this part of the time that has passed.
const SLACK_PART: u32 = 50;
/// What a device is behind is no more than this part of a ring, and of that this part is forgotten each time that it tells its
/// place: a clock that is slow is not behind for ever.
const BEHIND_PART: u64 = 4;
/// See [`BEHIND_PART`].
const FORGOTTEN_PART: u64 = 32;

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Frames of the ring.
    ring: u64,
    /// Of a period.
    period: u64,
    /// Frames a second.
    rate: u64,
    /// The count at the ring's beginning, in one of its rounds.
    origin: u64,
    /// Frames that the device has played or recorded.
    passed: u64,
    /// When it told that.
    at: Duration,
    /// When it was asked for that: it may have been there so long ago.
    asked: Duration,
    /// Frames that it is behind the clock, as far as that is of the last moments: it may make up for them at once.
    behind: u64,
    /// The driver may have moved it since.
    doubted: bool,
}

/// What a place that was told means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Frames since the last.
    pub(crate) frames: u64,
    /// It is further than it can be by the clock.
    pub(crate) leapt: bool,
    /// It is elsewhere: what was in the ring is not where it will play next.
    pub(crate) elsewhere: bool,
}

impl Position {
    /// At the beginning of a ring, `passed` frames having gone before it.
    pub(crate) fn new(ring: u32, period: u32, rate: u32, passed: u64, now: Duration) -> Position {
        let [ring, period, rate] = [ring, period, rate].map(|n| u64::from(n.max(1)));
        Position { ring, period, rate, origin: passed, passed, at: now, asked: now, behind: 0, doubted: false }
    }

    /// Frames that the device has played or recorded.
    pub(crate) const fn passed(&self) -> u64 {
        self.passed
    }

    /// Where in the ring the frame of count `count` is.
    pub(crate) const fn place(&self, count: u64) -> u64 {
        // a count of the round before the origin is possible after a jump
        (count + self.ring * 2 - self.origin % self.ring) % self.ring
    }

    /// Frames that pass in `time`.
    fn frames_in(&self, time: Duration) -> u64 {
        (time.as_nanos() * u128::from(self.rate) / 1_000_000_000) as u64
    }

    /// It stood still until `now`.
    pub(crate) fn stood_still(&mut self, now: Duration) {
        self.at = now;
        self.asked = now;
    }

    /// The driver may have moved it in the ring.
    pub(crate) fn doubt(&mut self) {
        self.doubted = true;
    }

    /// Where it should be by the clock.
    pub(crate) fn place_by_clock(&self, now: Duration) -> u32 {
        self.place(self.passed + self.frames_in(now.saturating_sub(self.at))) as u32
    }

    /// It has moved with the clock until `now`, by no more than `most` frames; how many. Rather too many than too few: a part of
    /// a frame counts as one, and so does the time in which it was asked last.
    pub(crate) fn guess(&mut self, now: Duration, most: u64) -> u64 {
        let nanoseconds = now.saturating_sub(self.asked).as_nanos() * u128::from(self.rate);
        let frames = (nanoseconds.div_ceil(1_000_000_000) as u64).min(most);
        self.at = now;
        self.asked = now;
        self.passed += frames;
        frames
    }

    /// The device is at `place` of the ring, less than its frames. It was `asked` and has answered by `now`.
    pub(crate) fn told(&mut self, place: u32, asked: Duration, now: Duration) -> Moved {
        let elapsed = now.saturating_sub(self.at);
        let expected = self.frames_in(elapsed);
        let slack = self.period + self.frames_in(SLACK + elapsed / SLACK_PART);
        let within = (u64::from(place) + self.ring - self.place(self.passed)) % self.ring;
        // the number of frames with that remainder that is next to what is expected
        let rounds = (expected.saturating_sub(within) + self.ring / 2) / self.ring;
        let frames = within + rounds * self.ring;
        self.at = now;
        self.asked = asked;
        let doubted = std::mem::take(&mut self.doubted);
        let leapt = frames > expected + self.behind + slack;
        if !leapt || !doubted && frames <= expected + self.ring / 2 {
            self.passed += frames;
            let behind = (self.behind + expected).saturating_sub(frames).min(self.ring / BEHIND_PART);
            self.behind = behind - behind / FORGOTTEN_PART;
            return Moved { frames, leapt, elsewhere: false };
        }
        self.behind = 0;
        self.passed += expected;
        self.origin = self.passed + self.ring - u64::from(place) % self.ring;
        Moved { frames: expected, leapt: true, elsewhere: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// 4 periods of 10 ms at 48 kHz.
    fn fresh() -> Position {
        Position::new(1920, 480, 48_000, 0, ms(0))
    }

    #[test]
    fn it_counts_on_round_after_round() {
        let mut position = fresh();
        let mut count = 0;
        for step in 1..100 {
            count += 480;
            let moved = position.told((count % 1920) as u32, ms(10 * step), ms(10 * step));
            assert_eq!((moved, position.passed()), (Moved { frames: 480, leapt: false, elsewhere: false }, count));
            assert_eq!(position.place(count), count % 1920);
        }
    }

    #[test]
    fn a_thread_that_comes_late_knows_by_the_clock_how_often_the_ring_has_gone_round() {
        for (late, frames) in [(35, 1680), (45, 2160), (85, 4080), (400, 19_200)] {
            let mut position = fresh();
            let moved = position.told((frames % 1920) as u32, ms(late), ms(late));
            assert_eq!((moved.frames, moved.leapt), (frames, false), "{late} ms");
        }
        // early and late by some milliseconds: neither back nor a round too far
        let mut position = fresh();
        assert_eq!(position.told(480, ms(4), ms(4)).frames, 480);
        assert_eq!(position.told(480, ms(5), ms(5)).frames, 0);
        assert_eq!(position.told(960, ms(29), ms(29)).frames, 480);
    }

    #[test]
    fn what_is_not_far_ahead_has_leapt_and_what_is_further_is_elsewhere() {
        let mut position = fresh();
        assert_eq!(position.told(480, ms(10), ms(10)).frames, 480);
        let moved = position.told(480 + 900, ms(12), ms(12));
        assert_eq!(moved, Moved { frames: 900, leapt: true, elsewhere: false }, "18 ms of sound in 2 ms");
        assert_eq!(position.told(480 + 900, ms(25), ms(25)).frames, 0, "and stands until the clock is there");
        // half a ring and more is not fetched at once: it is elsewhere
        let moved = position.told(700, ms(26), ms(26));
        assert_eq!(moved, Moved { frames: 48, leapt: true, elsewhere: true });
        assert_eq!((position.passed(), position.place(position.passed())), (1428, 700));
        assert_eq!(position.told(700 + 480, ms(36), ms(36)), Moved { frames: 480, leapt: false, elsewhere: false });
        assert_eq!(position.place(position.passed() + 1921), 1181);
    }

    #[test]
    fn after_the_driver_has_set_it_up_anew_nothing_is_taken_for_a_leap() {
        let mut position = fresh();
        assert_eq!(position.told(480, ms(10), ms(10)).frames, 480);
        position.doubt();
        assert!(position.told(480 + 900, ms(12), ms(12)).elsewhere);
        position.doubt();
        assert!(!position.told(480 + 900 + 48, ms(13), ms(13)).leapt, "it goes on from where it was");
    }

    #[test]
    fn one_that_moves_in_leaps_is_behind_and_makes_up_for_it() {
        // as an emulator does whose timers come late: nothing for 30 ms, and then all of it
        let mut position = Position::new(14_080, 880, 44_100, 0, ms(0));
        let mut told = 0;
        for time in (0..1000).step_by(5) {
            if time % 30 == 0 {
                told = time * 441 / 10;
            }
            assert!(!position.told((told % 14_080) as u32, ms(time), ms(time)).leapt, "{time} ms");
            assert_eq!(position.passed(), told);
        }
        // but one that is slow does not get leave to leap by and by
        let mut slow = Position::new(14_080, 880, 44_100, 0, ms(0));
        for time in (0..10_000).step_by(10) {
            slow.told((time * 430 / 10 % 14_080) as u32, ms(time), ms(time));
        }
        assert!(slow.told((430_000 + 3000) % 14_080, ms(10_000), ms(10_000)).leapt);
    }

    #[test]
    fn one_that_stands_still_does_not_move_with_the_clock() {
        let mut position = fresh();
        position.stood_still(ms(100_000));
        assert_eq!(position.told(48, ms(100_001), ms(100_001)), Moved { frames: 48, leapt: false, elsewhere: false });
    }

    #[test]
    fn one_that_is_stuck_is_no_jump_until_a_period_late() {
        let mut position = fresh();
        assert_eq!(position.told(0, ms(9), ms(9)), Moved { frames: 0, leapt: false, elsewhere: false });
    }

    #[test]
    fn one_that_cannot_be_asked_is_where_the_clock_says() {
        let mut position = fresh();
        for step in 1..50 {
            let place = position.place_by_clock(ms(35 * step));
            assert_eq!(
                position.told(place, ms(35 * step), ms(35 * step)),
                Moved { frames: 1680, leapt: false, elsewhere: false }
            );
        }
    }

    #[test]
    fn one_that_is_stopped_is_not_behind_where_it_was() {
        // told its place somewhere between being asked and having answered, and in the middle of a frame
        for (asked, answered, stopped) in
            [(10.0, 10.0, 12.0), (10.0, 13.0, 14.0), (10.02, 10.02, 10.03), (9.0, 40.0, 41.0)]
        {
            let us = |ms: f64| Duration::from_micros((ms * 1e3) as u64);
            for read in [asked, (asked + answered) / 2.0, answered] {
                let frames = |ms: f64| (ms * 48.0) as u64;
                let mut position = Position::new(14_400, 480, 48_000, 0, ms(0));
                position.told(frames(read) as u32, us(asked), us(answered));
                position.guess(us(stopped), 10_000);
                let (guessed, most) = (position.passed(), frames(stopped + answered - asked) + 2);
                assert!((frames(stopped)..=most).contains(&guessed), "{asked} {read} {answered} {stopped}: {guessed}");
            }
        }
        let mut position = fresh();
        assert_eq!((position.guess(ms(10), 100), position.passed()), (100, 100), "no more than there is");
    }

    #[test]
    fn any_place_at_any_time_is_counted() {
        let mut position = Position::new(0, 0, 0, 7, ms(0));
        position.told(u32::MAX, Duration::from_secs(1 << 30), Duration::from_secs(1 << 30));
        let mut position = fresh();
        for step in 0..2000_u64 {
            let before = position.passed();
            position.told(
                (step * 7919 % 1920) as u32,
                ms(step * step % 977 + step * 3),
                ms(step * step % 977 + step * 3),
            );
            assert!(position.passed() >= before && position.place(position.passed()) < 1920);
        }
    }
}
