//! Times in which nothing came, by the system's uptime: a script that does something to the path notes the same clock.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

/// A time in which nothing came. Both in seconds; `at` is the system's uptime when it began.
#[derive(Debug, Serialize)]
pub(crate) struct Pause {
    pub(crate) at: f64,
    pub(crate) seconds: f64,
}

/// Notes each pause that is long enough.
pub(crate) struct Pauses {
    clock: Clock,
    least: Duration,
    last: Instant,
    seen: Vec<Pause>,
}

impl Pauses {
    /// Shorter ones than `least` are none.
    pub(crate) fn new(clock: Clock, least: Duration) -> Pauses {
        Pauses { clock, least, last: Instant::now(), seen: Vec::new() }
    }

    /// Something has come.
    pub(crate) fn came(&mut self) {
        let pause = self.last.elapsed();
        if pause >= self.least {
            self.seen.push(Pause { at: self.clock.uptime(self.last), seconds: pause.as_secs_f64() });
        }
        self.last = Instant::now();
    }

    pub(crate) fn all(self) -> Vec<Pause> {
        self.seen
    }
}

/// Two clocks at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    uptime: f64,
    instant: Instant,
}

impl Clock {
    pub(crate) fn read() -> Result<Clock, String> {
        let text = std::fs::read_to_string("/proc/uptime").map_err(|e| format!("/proc/uptime: {e}"))?;
        let uptime = text.split(' ').next().and_then(|seconds| seconds.parse().ok());
        Ok(Clock { uptime: uptime.ok_or_else(|| format!("/proc/uptime: {text}"))?, instant: Instant::now() })
    }

    /// Seconds, to 0.01.
    pub(crate) fn uptime(&self, at: Instant) -> f64 {
        self.uptime + at.saturating_duration_since(self.instant).as_secs_f64()
    }
}

/// Keeps a number in a file, renamed: whoever reads it at any time finds a number.
pub(crate) fn tell_progress(file: &Path, number: u64) -> io::Result<()> {
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, number.to_string())?;
    std::fs::rename(&fresh, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_as_long_as_nothing_came_and_short_ones_are_none() {
        let mut pauses = Pauses::new(Clock::read().unwrap(), Duration::from_millis(30));
        pauses.came();
        std::thread::sleep(Duration::from_millis(40)); // the pause
        pauses.came();
        let long = pauses.all();
        assert!(long.iter().any(|pause| pause.seconds >= 0.04), "{long:?}");
        let mut none = Pauses::new(Clock::read().unwrap(), Duration::from_secs(3600));
        none.came();
        assert!(none.all().is_empty());
    }
}
