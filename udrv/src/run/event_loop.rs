//! Waiting for the device, the endpoint and commands, and nothing else: an idle device wakes once in
//! [`super::Options::look`].

use std::any::Any;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::adopt::monotonic;
use super::class::MAX_FILES;
use super::command::{Answer, Command, Inbox};
use super::{Class, DeviceError, Running};

/// Files of ours: the device's interrupt, and commands.
const OURS: usize = 2;
/// Commands that are carried out in one turn: the device is served between any more.
const COMMANDS: usize = 2;

/// How a device's loop has ended.
pub enum Ended {
    /// It was stopped, as asked.
    Stopped,
    /// It goes on without anybody who serves it: [`Command::Leave`].
    Left(LeftBehind),
}

/// By which command.
enum End {
    Stop,
    Leave,
}

/// A device that was left to another process.
pub struct LeftBehind {
    /// When that was, in nanoseconds of the system's monotonic clock.
    pub at: u64,
    /// What this process had of it. To be dropped when there is time: it is only unmapped.
    _device: Box<dyn Any>,
}

impl<C: Class> Running<C> {
    /// Runs the device until it is told to stop, or to leave it to another process.
    ///
    /// # Errors
    /// When it is gone or was given up, or the endpoint is broken.
    pub fn run(mut self, inbox: &Inbox) -> Result<Ended, DeviceError> {
        let served = loop {
            match self.serve(inbox) {
                Err(error) if self.was_unplugged(&error) => {
                    if let Err(error) = self.leave() {
                        break Err(error);
                    }
                }
                other => break other,
            }
        };
        self.reports.log(&self.name);
        if let (Err(error), true) = (&served, self.failed.is_some()) {
            let status = self.glance();
            inbox.tell_given_up(&status, error);
        }
        if matches!(served, Ok(End::Leave)) {
            let at = monotonic();
            self.let_go();
            return Ok(Ended::Left(LeftBehind { at, _device: Box::new(self) }));
        }
        let stopped = self.shut_down();
        served.and(stopped).map(|()| Ended::Stopped)
    }

    fn period(&self) -> Duration {
        self.class.period(self.options.look)
    }

    /// By what it has ended.
    fn serve(&mut self, inbox: &Inbox) -> Result<End, DeviceError> {
        let mut ticked = Instant::now();
        let mut beaten = None;
        loop {
            let beat_due = inbox.beat(beaten).map(|(last, due)| {
                beaten = Some(last);
                due
            });
            let timeout = if self.has_work() { PollTimeout::ZERO } else { self.timeout(ticked, beat_due) };
            let interrupt = if self.hears_interrupts() { PollFlags::POLLIN } else { PollFlags::empty() };
            let mut ready = [false; OURS + MAX_FILES];
            let polled = {
                // the second, and what stands in the places of those that are not filled in
                let mut files: [_; OURS + MAX_FILES] =
                    std::array::from_fn(|_| PollFd::new(inbox.wake_fd(), PollFlags::POLLIN));
                files[0] = PollFd::new(self.irq.as_fd(), interrupt);
                let polled = OURS + C::wait_for(self, &mut files[OURS..]);
                match poll(&mut files[..polled], timeout) {
                    Ok(_) => {}
                    Err(Errno::EINTR) => continue,
                    Err(e) => return Err(DeviceError::System { operation: "poll", source: e.into() }),
                }
                for (ready, file) in ready.iter_mut().zip(&files[..polled]) {
                    *ready = file.revents().is_some_and(|events| !events.is_empty());
                }
                polled
            };
            let [irq, wake] = [ready[0], ready[1]];
            // before any look, which would take the interrupt's work
            if irq || self.has_work() {
                self.serve_interrupt()?;
            }
            // by the clock: a device that is never quiet may still have stopped working
            if ticked.elapsed() >= self.period() {
                self.tick()?;
                ticked = Instant::now();
            } else if self.next_look().is_some_and(|next| self.clock() >= next) {
                self.look()?;
            }
            C::ready(self, &ready[OURS..polled])?;
            self.reports.log(&self.name);
            if wake {
                inbox.quieten();
                for turn in 0.. {
                    if turn == COMMANDS {
                        inbox.wake_again();
                        break;
                    }
                    let Some((command, reply)) = inbox.next() else { break };
                    let end = match command {
                        Command::Stop => Some(End::Stop),
                        Command::Leave => Some(End::Leave),
                        _ => None,
                    };
                    let answer = self.handle(command);
                    let (answer, failed) = match answer {
                        Ok(answer) => (answer, None),
                        Err(error) => (Answer::Refused(error.to_string()), Some(error)),
                    };
                    let end = end.filter(|_| matches!(answer, Answer::Done));
                    // whoever asked may have gone
                    let _ = reply.send(answer);
                    if let Some(error) = failed {
                        return Err(error);
                    }
                    if let Some(end) = end {
                        return Ok(end);
                    }
                }
            }
            // where a failure was not passed on
            if let Some(error) = self.given_up() {
                return Err(error);
            }
        }
    }

    /// Time to the next tick, look or sign of life, in whole milliseconds and not too short: waking early is waking twice.
    fn timeout(&self, ticked: Instant, beat: Option<Duration>) -> PollTimeout {
        let tick = self.period().saturating_sub(ticked.elapsed());
        let tick = beat.map_or(tick, |beat| beat.min(tick));
        let look = self.next_look().map_or(tick, |next| next.saturating_sub(self.clock()));
        PollTimeout::try_from(tick.min(look).as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
    }
}
