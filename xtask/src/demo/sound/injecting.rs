//! Injecting the planned faults while the piece is played, and seeing each recovered.

use std::time::Duration;

use super::{
    super::injecting,
    control::Control,
    error::Result,
    figures::{Cost, Fault, Struck},
    material::RATE,
    plan::Injection,
    status::Status,
    wait,
    waited::{Delay, Waiting},
};

/// How long a fault may take to be reached, and the card to be asked for its place after it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it.
pub(super) type Done = injecting::Done<Struck>;

/// When the piece would have begun, in nanoseconds since the device was started, had nothing ever stopped it: what a time is as
/// a number of a frame. The card tells its place now and then, so at any moment it has played at least as many frames
/// as it has told; the latest of those that is possible is when it has just told it.
#[derive(Debug, Clone, Copy)]
struct Beginning(i64);

impl Beginning {
    fn seen(self, status: &Status, number: u64) -> Beginning {
        Beginning(self.0.min(status.uptime as i64 - (number * 1_000_000_000 / u64::from(RATE)) as i64))
    }

    /// The frame that is played at this time.
    fn number(self, uptime: u64) -> u64 {
        (uptime as i64 - self.0).max(0) as u64 * u64::from(RATE) / 1_000_000_000
    }
}

/// Injects `plan`.
pub(super) fn inject(plan: &[Injection], control: &mut Control, waiting: &mut Waiting) -> Done {
    let one = |injection: &Injection, control: &mut Control, done: &mut Done| one(injection, control, waiting, done);
    let mut done = injecting::inject(plan, control, one, || false);
    if let Err(error) = listen_on(control, waiting, &mut done) {
        done.problems.push(format!("after the last fault: {error}"));
    }
    done
}

/// Waits until so many frames more have been played. Gives the status then, and when the piece began, as far as that was seen.
pub(super) fn let_play(control: &mut Control, frames: u64) -> Result<Status> {
    Ok(played(control, frames)?.0)
}

fn played(control: &mut Control, frames: u64) -> Result<(Status, Beginning)> {
    let mut goal = None;
    let mut beginning = Beginning(i64::MAX);
    let what = || "progress of the piece".to_owned();
    let status = wait::until(what, PATIENCE, || {
        let status: Status = control.status()?;
        let number = status.class.stream()?.number();
        let goal = *goal.get_or_insert(number + frames);
        // before it has begun there is no beginning
        if number > 0 {
            beginning = beginning.seen(&status, number);
        }
        Ok((number >= goal).then_some(status))
    })?;
    status.class.playing()?;
    Ok((status, beginning))
}

/// What the last fault has cost is heard after it.
fn listen_on(control: &mut Control, waiting: &mut Waiting, done: &mut Done) -> Result<()> {
    let period = control.status::<super::status::Sound>()?.class.stream()?.period;
    let after = let_play(control, 4 * period)?;
    charge(done, after.class.stream()?.xruns, waiting);
    Ok(())
}

/// What the machine has done since the last fault is in its row. `xruns` are all so far.
fn charge(done: &mut Done, xruns: u64, waiting: &mut Waiting) {
    let machine = waiting.since_last();
    let before: u64 = done.faults.iter().rev().skip(1).map(|fault| fault.class.xruns).sum();
    if let Some(last) = done.faults.last_mut() {
        last.class.xruns = xruns.saturating_sub(before);
        last.class.machine = machine;
    }
}

fn one(injection: &Injection, control: &mut Control, waiting: &mut Waiting, done: &mut Done) -> Result<()> {
    let (before, beginning) = played(control, injection.after)?;
    charge(done, before.class.stream()?.xruns, waiting);
    let report = control.strike(injection, before.faults, "a period", PATIENCE, || Ok(()))?;
    let after: Status = control.status()?;
    done.canary_intact &= after.canary_intact;
    let since = before.class.stream()?.number();
    let struck = beginning.number(report.at - report.to_error.min(report.at));
    let class = Struck { since, struck, machine: Delay::default(), xruns: 0, heard: Cost::default() };
    done.faults.push(Fault::new(injection, report, class));
    Ok(())
}
