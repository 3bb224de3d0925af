//! Another process, of another build perhaps, goes on with the device while this one waits whether that works.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use udrv::run::{Answer, Command, LeftBehind};

use super::parts::House;
use super::program::{Candidate, check};
use super::standby::Pair;
use super::wire::{FromSuccessor, ToSuccessor};
use crate::build;
use crate::protocol::{Build, Response};

/// For a candidate to have everything mapped.
const PREPARATION: Duration = Duration::from_secs(10);
/// For it to serve the device, and between two signs of life.
const SILENCE: Duration = Duration::from_secs(5);
/// For answers to be written before this process ends.
const ANSWERS: Duration = Duration::from_secs(2);
/// The longest probation.
const LONGEST: Duration = Duration::from_secs(600);

/// An upgrade under way.
#[derive(Debug, Default)]
pub(super) enum Upgrade {
    #[default]
    None,
    /// The candidate is being prepared, or one has failed.
    Prepared(Option<Arc<Candidate>>),
    /// It is ready: the device's thread takes it from here, when it has let go.
    Ready { candidate: Arc<Candidate>, build: Build, probation: Duration, told: Sender<Result<Response, String>> },
    /// It serves the device. `stops`: it was told to stop it, as this process was.
    OnProbation { pid: u32, stops: bool },
    /// Another process has the device for good.
    Over,
}

/// What has come of letting go.
pub enum Outcome {
    /// Another process drives the device: this one ends, and leaves everything as it is.
    Replaced(u32),
    /// It does not, and nobody drives it: this process is to go on. Then the caller is told why.
    Back(Box<dyn FnOnce()>),
    /// This process was told to stop it, and the other one has.
    Stopped,
    /// This process has given it back to the one before.
    GivenBack,
}

impl Pair {
    /// Has another process go on with the device. For a client's thread: returns when it is done or undone.
    ///
    /// # Errors
    /// Why not: this process drives the device as before.
    pub fn upgrade(&self, binary: Option<&Path>, probation: Duration) -> Result<Response, String> {
        if probation > LONGEST {
            return Err(format!("a probation of more than {} s", LONGEST.as_secs()));
        }
        let file = binary.unwrap_or(&self.0.program.path);
        check(file)?;
        let (Some(commander), Some(house)) = (self.0.commander.get(), self.0.house.get()) else {
            return Err(
                "the device is not served for good yet, or an upgrade of it is under way: wait for that".to_owned()
            );
        };
        {
            let mut state = self.0.lock();
            if !matches!(state.upgrade, Upgrade::None) {
                return Err("an upgrade of it is under way already: wait for that".to_owned());
            }
            state.upgrade = Upgrade::Prepared(None);
        }
        let undone = |why: String| {
            self.0.lock().upgrade = Upgrade::None;
            self.0.release();
            format!("{}: {why}; process {} drives the device as before", file.display(), std::process::id())
        };
        match commander.ask(Command::HandOut) {
            Some(Answer::Refused(why)) => return Err(undone(why)),
            None => return Err(undone("the device has stopped".to_owned())),
            Some(_) => {}
        }
        // two that wait for this one's death would be one too many
        self.0.hold();
        let (candidate, build) = self.prepare(file, house, probation).map_err(&undone)?;
        let (told, result) = channel();
        self.0.lock().upgrade = Upgrade::Ready { candidate, build, probation, told };
        match commander.ask(Command::Leave) {
            Some(Answer::Done) => result.recv().unwrap_or_else(|_| Err("the device has stopped".to_owned())),
            answer => {
                if let Upgrade::Ready { candidate, .. } = std::mem::take(&mut self.0.lock().upgrade) {
                    candidate.kill();
                }
                let why = match answer {
                    Some(Answer::Refused(why)) => why,
                    _ => "the device has stopped".to_owned(),
                };
                Err(undone(why))
            }
        }
    }

    fn prepare(&self, file: &Path, house: &House, probation: Duration) -> Result<(Arc<Candidate>, Build), String> {
        let probation = probation.as_millis() as u64;
        let candidate = {
            let mut state = self.0.lock();
            if state.stops {
                return Err("the device is being stopped".to_owned());
            }
            let started = self.0.program.start(Some(file), &self.0.parts, house, probation);
            let candidate = Arc::new(started.map_err(|e| e.to_string())?);
            state.upgrade = Upgrade::Prepared(Some(candidate.clone()));
            candidate
        };
        let why = match candidate.hear(Some(Instant::now() + PREPARATION)) {
            Ok(FromSuccessor::Ready { build }) => return Ok((candidate, build)),
            Ok(FromSuccessor::Failed { why }) => why,
            Ok(_) => "it does what it was not asked for".to_owned(),
            Err(why) => format!("{why}, and was not ready"),
        };
        candidate.kill();
        Err(why)
    }

    /// This process has let go of the device: hands it over, and waits whether that holds. `beat` is called for each sign of
    /// life, `replaced` with the process that goes on, before that is told.
    pub fn change_over(&self, left: LeftBehind, beat: impl Fn(), replaced: impl FnOnce(u32)) -> Outcome {
        self.0.gate.close();
        let upgrade = std::mem::take(&mut self.0.lock().upgrade);
        let Upgrade::Ready { candidate, build, probation, told } = upgrade else { return Outcome::GivenBack };
        self.0.lock().upgrade = Upgrade::OnProbation { pid: candidate.pid, stops: false };
        let went = supervise(&candidate, left, probation, &beat);
        match went {
            Ok(gap) => {
                replaced(candidate.pid);
                tracing::info!(
                    pid = candidate.pid,
                    gap_us = gap.as_micros() as u64,
                    "another process drives the device"
                );
                let response =
                    Response::Upgraded { from: build::of_this_process(), to: build, gap_us: gap.as_micros() as u64 };
                self.0.lock().upgrade = Upgrade::Over;
                let _ = told.send(Ok(response));
                Outcome::Replaced(candidate.pid)
            }
            Err(why) => {
                // from here on its number may be another's
                let was = std::mem::replace(&mut self.0.lock().upgrade, Upgrade::Prepared(None));
                if matches!(was, Upgrade::OnProbation { stops: true, .. }) {
                    // it puts away what it has
                    candidate.end();
                    return Outcome::Stopped;
                }
                candidate.kill();
                tracing::error!("taking the device back: {why}");
                let pair = self.clone();
                Outcome::Back(Box::new(move || {
                    pair.0.lock().upgrade = Upgrade::None;
                    pair.0.gate.open();
                    pair.0.release();
                    let pid = std::process::id();
                    let _ = told.send(Err(format!("{why}; process {pid} has taken the device back and drives it")));
                }))
            }
        }
    }

    /// The device is to be stopped: nobody waits for that to go on with it. Whether it is another process that stops it, which
    /// was told so.
    pub fn stop(&self) -> bool {
        self.hold();
        let mut state = self.0.lock();
        state.stops = true;
        match &mut state.upgrade {
            Upgrade::Prepared(Some(candidate)) | Upgrade::Ready { candidate, .. } => {
                candidate.kill();
                false
            }
            Upgrade::OnProbation { pid, stops } => {
                *stops = true;
                i32::try_from(*pid).is_ok_and(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM).is_ok())
            }
            _ => false,
        }
    }

    /// Waits for answers to clients to be written, for a moment: then this process may end.
    pub fn answers_are_written(&self) {
        self.0.gate.wait_for_answers(ANSWERS);
    }

    /// Whether another process has the device for good.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.0.lock().upgrade, Upgrade::Over)
    }
}

/// How long nobody has served the device; or why it does not work.
fn supervise(
    candidate: &Candidate,
    left: LeftBehind,
    probation: Duration,
    beat: &dyn Fn(),
) -> Result<Duration, String> {
    let at = left.at;
    let mut left = Some(left);
    candidate.tell(&ToSuccessor::TakeOver).map_err(|_| candidate.hear(None).err().unwrap_or_default())?;
    let end = Instant::now() + probation + 2 * SILENCE;
    let mut gap = None;
    loop {
        match candidate.hear(Some((Instant::now() + SILENCE).min(end)))? {
            FromSuccessor::Serving { at: then } => {
                gap = Some(Duration::from_nanos(then.saturating_sub(at)));
                // there is time now to unmap what was of it here
                left.take();
            }
            FromSuccessor::Beat => beat(),
            FromSuccessor::Holds => return gap.ok_or_else(|| "it has never served the device".to_owned()),
            FromSuccessor::Failed { why } => return Err(why),
            FromSuccessor::Ready { .. } => return Err("it does what it was not asked for".to_owned()),
        }
    }
}
