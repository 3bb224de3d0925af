//! What the device does wrong, counted; and when a device that does wrong is restored. No I/O, and time is passed in.
//!
//! The first error has the device restored at once, those that follow after pauses that double: a fault that lasts for
//! a moment is waited for, and one that lasts does not keep the processor busy. An error of `poll` or `tx_timeout`
//! is *vital*: frames do not move until the device is restored, and restores without a frame between them are vain.
//! Without the other entry points the device goes on: frames can be had by polling.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use udrv_driver::Error;

/// The pause after a restore; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest.
const MAX_PAUSE: Duration = Duration::from_millis(4096);
/// A device without errors for this long beyond the pause is forgiven.
const FORGIVEN: Duration = Duration::from_secs(1);
/// Restores after vital errors without a frame between them. With their pauses they take a second.
const VAIN: u32 = 10;
/// A device that could not be restored for this long is given up.
const HOPELESS: Duration = Duration::from_secs(1);

/// What the device did wrong, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFaults {
    /// Reads of all ones, where that cannot be a value.
    pub gone: u64,
    /// Other values that cannot be.
    pub nonsense: u64,
    /// Registers that did not become ready in time.
    pub timeout: u64,
    /// Errors of the bus, told by the bus or by the device.
    pub bus: u64,
    /// Looks that found work which a dead interrupt line had not announced.
    pub interrupts_lost: u64,
    /// Times that the interrupt line was masked because it did not stop.
    pub interrupt_storms: u64,
    /// Milliseconds in which the device was polled in the interrupt line's place.
    pub polled_ms: u64,
}

impl DeviceFaults {
    /// Counts `error`. False: it is none of the device's.
    pub(crate) fn note(&mut self, error: Error) -> bool {
        let counter = match error {
            Error::Gone => &mut self.gone,
            Error::Nonsense { .. } => &mut self.nonsense,
            Error::Timeout { .. } => &mut self.timeout,
            Error::Bus => &mut self.bus,
            Error::Busy | Error::NoMemory | Error::NotThisDevice | Error::Unsupported | Error::NotReady => {
                return false;
            }
        };
        *counter += 1;
        true
    }
}

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Restore the device.
    Now,
    /// Not yet: it was restored a moment ago. See [`Restores::due`].
    Later,
    /// It does not help.
    GiveUp,
}

/// When to restore. Times are since any fixed moment.
#[derive(Debug)]
pub(crate) struct Restores {
    pause: Duration,
    not_before: Duration,
    due: Option<Duration>,
    /// Frames do not move until it is restored.
    down: bool,
    /// Since when it cannot be restored.
    failing_since: Option<Duration>,
    /// Restores after vital errors without a frame between them.
    vain: u32,
    /// The driver was restarted for it, and no frame has moved since.
    restarted: bool,
}

impl Restores {
    /// None was needed yet.
    pub(crate) const fn new() -> Restores {
        let zero = Duration::ZERO;
        Restores {
            pause: FIRST_PAUSE,
            not_before: zero,
            due: None,
            down: false,
            failing_since: None,
            vain: 0,
            restarted: false,
        }
    }

    /// The device erred.
    pub(crate) fn wanted(&mut self, now: Duration, vital: bool) -> Verdict {
        if self.due.is_none() && now >= self.not_before + FORGIVEN {
            (self.pause, self.vain) = (FIRST_PAUSE, 0);
        }
        if vital && self.vain >= VAIN {
            return Verdict::GiveUp;
        }
        self.vain += u32::from(vital && !self.down);
        if now >= self.not_before {
            return Verdict::Now;
        }
        self.down |= vital;
        self.due = Some(self.not_before);
        Verdict::Later
    }

    /// A restore has worked, or has not. True: it is time to give up.
    pub(crate) fn done(&mut self, now: Duration, worked: bool) -> bool {
        self.not_before = now + self.pause;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        self.down = !worked;
        if worked {
            (self.due, self.failing_since) = (None, None);
            return false;
        }
        self.due = Some(self.not_before);
        now >= *self.failing_since.get_or_insert(now) + HOPELESS
    }

    /// When to restore the device next.
    pub(crate) const fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Whether no frames shall move before that.
    pub(crate) const fn is_down(&self) -> bool {
        self.down
    }

    /// The driver was restarted: all begins anew, but for a second restart without a frame between them.
    pub(crate) fn after_restart() -> Restores {
        Restores { restarted: true, ..Restores::new() }
    }

    /// Whether a restart would be the second without a frame between them.
    pub(crate) const fn was_restarted(&self) -> bool {
        self.restarted
    }

    /// Frames go through the device.
    pub(crate) fn work_done(&mut self) {
        (self.vain, self.restarted) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn errors_are_counted_by_kind() {
        let mut faults = DeviceFaults::default();
        for error in [
            Error::Gone,
            Error::Nonsense { register: 0, value: 0 },
            Error::Timeout { register: 0, value: 0 },
            Error::Bus,
            Error::Bus,
        ] {
            assert!(faults.note(error));
        }
        assert!(!faults.note(Error::Busy));
        assert_eq!((faults.gone, faults.nonsense, faults.timeout, faults.bus), (1, 1, 1, 2));
    }

    /// Errs whenever it may, for `time`; gives the restores, and whether it was given up.
    fn err(restores: &mut Restores, from: Duration, time: Duration, vital: bool) -> (u32, bool) {
        let (mut now, mut count) = (from, 0);
        while now < from + time {
            match restores.wanted(now, vital) {
                Verdict::Now => {
                    count += 1;
                    assert!(!restores.done(now, true));
                }
                Verdict::Later => now = restores.due().expect("later is some time"),
                Verdict::GiveUp => return (count, true),
            }
            if restores.due().is_some_and(|due| now >= due) {
                count += 1;
                assert!(!restores.done(now, true));
            }
        }
        (count, false)
    }

    #[test]
    fn an_error_that_stays_is_answered_more_and_more_rarely() {
        let (count, given_up) = err(&mut Restores::new(), ms(5000), ms(60_000), false);
        assert!(!given_up && (20..40).contains(&count), "{count}");
    }

    #[test]
    fn vital_errors_without_a_frame_are_reason_to_give_up_within_a_second_or_so() {
        let (count, given_up) = err(&mut Restores::new(), ms(5000), ms(1500), true);
        assert_eq!((count, given_up), (VAIN, true));
        let mut restores = Restores::new();
        for round in 0..100 {
            let (_, given_up) = err(&mut restores, ms(5000 * round), ms(100), true);
            assert!(!given_up);
            restores.work_done();
        }
    }

    #[test]
    fn between_a_vital_error_and_the_restore_nothing_moves() {
        let mut restores = Restores::new();
        assert_eq!(restores.wanted(ms(0), true), Verdict::Now);
        assert!(!restores.done(ms(0), true) && !restores.is_down());
        assert_eq!(restores.wanted(ms(0), false), Verdict::Later);
        assert!(!restores.is_down(), "this one can wait");
        assert_eq!(restores.wanted(ms(0), true), Verdict::Later);
        assert!(restores.is_down() && restores.due() == Some(FIRST_PAUSE));
        assert!(!restores.done(ms(1), true) && !restores.is_down() && restores.due().is_none());
    }

    #[test]
    fn one_restart_is_worth_a_try_without_a_frame() {
        let mut restores = Restores::after_restart();
        assert!(restores.was_restarted());
        assert_eq!(err(&mut restores, ms(5000), ms(1500), true), (VAIN, true), "and the rest begins anew");
        assert!(restores.was_restarted());
        restores.work_done();
        assert!(!restores.was_restarted());
    }

    #[test]
    fn restores_that_fail_are_made_again_for_a_second() {
        let mut restores = Restores::new();
        assert_eq!(restores.wanted(ms(3), false), Verdict::Now);
        let (mut now, mut tries) = (ms(3), 1);
        while !restores.done(now, false) {
            assert!(restores.is_down());
            now = restores.due().expect("once more");
            tries += 1;
        }
        assert!(now >= ms(1000) && now < ms(2100) && tries > 8, "{now:?} {tries}");
    }
}
