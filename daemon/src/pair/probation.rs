//! A successor that has taken over by command: it is asked how it is, and says so to the process that could take the device
//! back.

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use udrv::run::{Answer, Command, Commander};
use udrv_driver::Entry;

use super::predecessor::Predecessor;
use super::wire::{FromSuccessor, Heard, ToSuccessor};

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(100);
/// For the other process to end.
const END: Duration = Duration::from_secs(5);
/// Faults that are no reason to go back.
const MAX_FAULTS: u64 = 3;

/// What has come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The device is this process's, and the other one ends.
    Holds,
    /// The same, for the other one has died.
    Alone,
    /// The device was let go of: the other one takes it back.
    GivenBack(String),
}

/// Nanoseconds of the system's monotonic clock.
fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}

impl Predecessor {
    /// This process serves the device from now on.
    pub fn serving(&self) {
        self.tell(&FromSuccessor::Serving { at: monotonic() });
    }

    /// Looks after the device on a thread of its own for as long as the probation takes. The predecessor is told the verdict,
    /// and where it ends `then` is called.
    ///
    /// # Errors
    /// No thread.
    pub fn probation(
        self,
        commander: Commander,
        then: impl FnOnce(&Verdict) -> io::Result<()> + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let time = Duration::from_millis(self.probation_ms());
        let watch = move || {
            let verdict = self.judge(&commander, time);
            if let Verdict::GivenBack(why) = &verdict {
                tracing::error!("this process gives the device back to the one before it: {why}");
                // at a settled point, if there is one: else the other ends this process, wherever it is
                let _ = commander.ask(Command::Leave);
            }
            match &verdict {
                Verdict::Holds => {
                    self.tell(&FromSuccessor::Holds);
                    // until it has gone: two standbys would be one too many, and the service manager hears its main process
                    let _ = self.channel.receive::<ToSuccessor>(Some(Instant::now() + END));
                }
                Verdict::GivenBack(why) => self.failed(why),
                Verdict::Alone => {}
            }
            if let Err(error) = then(&verdict) {
                tracing::error!(%error, "no standby, and no upgrade");
            }
        };
        std::thread::Builder::new().name("probation".into()).spawn(watch)
    }

    fn judge(&self, commander: &Commander, time: Duration) -> Verdict {
        let end = Instant::now() + time;
        loop {
            if let Err(why) = is_well(commander) {
                return Verdict::GivenBack(why);
            }
            self.tell(&FromSuccessor::Beat);
            let now = Instant::now();
            if now >= end {
                break;
            }
            match self.channel.receive::<ToSuccessor>(Some((now + EVERY).min(end))) {
                Ok(Heard::Silence | Heard::Message(..)) => {}
                Ok(Heard::Closed) | Err(_) => return Verdict::Alone,
            }
        }
        match commander.ask(Command::Examine) {
            Some(Answer::Refused(why)) => Verdict::GivenBack(why),
            _ => Verdict::Holds,
        }
    }
}

/// Asks the device's thread, which must answer; the driver is asked for what it counts and for its link, so that its code
/// has run.
fn is_well(commander: &Commander) -> Result<(), String> {
    // an error of the device is no fault of the driver
    let _ = commander.ask(Command::Call(Entry::Link));
    let Some(Answer::Status(status)) = commander.ask(Command::Status) else {
        return Err("the device has stopped".to_owned());
    };
    if status.restarts > 0 {
        return Err(format!("its driver was restarted {} times", status.restarts));
    }
    if status.faults > MAX_FAULTS {
        return Err(format!("its driver has had {} faults", status.faults));
    }
    if !status.canary_intact {
        return Err("memory of the host was spoilt".to_owned());
    }
    Ok(())
}
