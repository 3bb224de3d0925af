//! The hand on the mouse: what it does, and when.

use std::time::Duration;

use crate::motion::Button;

/// What a hand does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Moves the mouse, in eighths of a millimetre: counts at the finest resolution.
    Move {
        /// To the right.
        right: i32,
        /// Away from the user.
        away: i32,
    },
    /// A button goes down.
    Press(Button),
    /// A button goes up.
    Release(Button),
    /// Turns the wheel by clicks, away from the user.
    Turn(i32),
    /// Pulls the plug.
    Unplug,
    /// Puts the plug in.
    PlugIn,
}

/// Actions at times from the script's beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    pub(crate) actions: Vec<(Duration, Action)>,
    end: Duration,
}

/// A hand that glides is looked at so often: more often than any mouse samples.
const STEP: Duration = Duration::from_millis(1);

impl Script {
    /// A hand that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Does something at once after what was before.
    #[must_use]
    pub fn then(mut self, action: Action) -> Self {
        self.actions.push((self.end, action));
        self
    }

    /// Rests.
    #[must_use]
    pub fn rest(mut self, time: Duration) -> Self {
        self.end += time;
        self
    }

    /// Moves steadily along a straight line, in eighths of a millimetre.
    #[must_use]
    pub fn glide(mut self, right: i32, away: i32, time: Duration) -> Self {
        let steps = i64::try_from(time.as_millis() / STEP.as_millis()).unwrap_or(i64::MAX).max(1);
        let (begin, mut done) = (self.end, (0, 0));
        for step in 1..=steps {
            let share = |whole: i32| (i64::from(whole) * step / steps) as i32;
            let to = (share(right), share(away));
            let action = Action::Move { right: to.0 - done.0, away: to.1 - done.1 };
            if to != done {
                let at = begin + time.mul_f64(step as f64 / steps as f64);
                self.actions.push((at, action));
            }
            done = to;
        }
        self.end += time;
        self
    }

    /// Presses a button, and releases it `time` later.
    #[must_use]
    pub fn click(self, button: Button, time: Duration) -> Self {
        self.then(Action::Press(button)).rest(time).then(Action::Release(button))
    }

    /// How long it takes.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glide_comes_to_its_end_exactly_whatever_its_length() {
        for (right, away, ms) in [(1000, -7, 333), (-3, 5, 1000), (0, 0, 10), (i32::MAX, i32::MIN, 7), (9, 9, 0)] {
            let script = Script::new().glide(right, away, Duration::from_millis(ms));
            let sum = script.actions.iter().fold((0i64, 0i64), |sum, (_, action)| match *action {
                Action::Move { right, away } => (sum.0 + i64::from(right), sum.1 + i64::from(away)),
                _ => unreachable!("a glide moves"),
            });
            assert_eq!(sum, (right.into(), away.into()));
            assert!(script.actions.is_sorted_by_key(|(at, _)| *at));
            assert!(script.actions.iter().all(|(at, _)| *at <= script.length()));
        }
    }
}
