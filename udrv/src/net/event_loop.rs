//! Waiting for the device, the endpoint and commands, and nothing else: an idle device wakes once in
//! [`super::Options::look`].

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use udrv_driver::NetDriver;

use super::command::{Answer, Command, Inbox};
use super::{DeviceError, NetDevice};

/// While frames are with the device it is looked at this often.
const SENDING: Duration = Duration::from_secs(1);

impl<D: NetDriver> NetDevice<D> {
    /// Runs the device until it is told to stop.
    ///
    /// # Errors
    /// When it is gone or was given up, or the endpoint is broken.
    pub fn run(mut self, inbox: &Inbox) -> Result<(), DeviceError> {
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
        let stopped = self.shut_down();
        served.and(stopped)
    }

    /// How often the device is looked at.
    fn period(&self) -> Duration {
        let look = self.options.look;
        if self.is_sending() { look.min(SENDING).min(self.options.tx_timeout) } else { look }
    }

    fn serve(&mut self, inbox: &Inbox) -> Result<(), DeviceError> {
        let mut ticked = Instant::now();
        loop {
            let room = if self.has_room() { PollFlags::POLLIN } else { PollFlags::empty() };
            let timeout = if self.has_work() { PollTimeout::ZERO } else { self.timeout(ticked) };
            let changes = self.endpoint.changes();
            let interrupt = if self.hears_interrupts() { PollFlags::POLLIN } else { PollFlags::empty() };
            let mut fds = [
                PollFd::new(self.irq.as_fd(), interrupt),
                PollFd::new(inbox.wake_fd(), PollFlags::POLLIN),
                PollFd::new(self.endpoint.as_fd(), room),
                PollFd::new(changes.unwrap_or(inbox.wake_fd()), PollFlags::POLLIN),
            ];
            let polled = if changes.is_some() { 4 } else { 3 };
            match poll(&mut fds[..polled], timeout) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(DeviceError::System { operation: "poll", source: e.into() }),
            }
            let has = |fd: &PollFd<'_>| fd.revents().is_some_and(|r| !r.is_empty());
            let [irq, wake, frames, changed] = [&fds[0], &fds[1], &fds[2], &fds[3]].map(has);
            // before any look, which would take the interrupt's work
            if irq || self.has_work() {
                self.serve_interrupt()?;
            }
            // by the clock: a device that is never quiet may still have stopped sending
            if ticked.elapsed() >= self.period() {
                self.tick()?;
                ticked = Instant::now();
            } else if self.next_look().is_some_and(|next| self.clock() >= next) {
                self.look()?;
            }
            // before frames: those of a larger MTU come behind the change
            if changed && polled == 4 {
                self.follow_settings()?;
            }
            if frames {
                self.pump_endpoint()?;
            }
            self.reports.log(&self.name);
            if wake {
                inbox.quieten();
                while let Some((command, reply)) = inbox.next() {
                    let answer = self.handle(command);
                    let stop = command == Command::Stop;
                    let (answer, failed) = match answer {
                        Ok(answer) => (answer, None),
                        Err(error) => (Answer::Refused(error.to_string()), Some(error)),
                    };
                    // whoever asked may have gone
                    let _ = reply.send(answer);
                    if let Some(error) = failed {
                        return Err(error);
                    }
                    if stop {
                        return Ok(());
                    }
                }
            }
            // where a failure was not passed on
            if let Some(error) = self.given_up() {
                return Err(error);
            }
        }
    }

    /// Time to the next tick or look, in whole milliseconds and not too short: waking early is waking twice.
    fn timeout(&self, ticked: Instant) -> PollTimeout {
        let tick = self.period().saturating_sub(ticked.elapsed());
        let look = self.next_look().map_or(tick, |next| next.saturating_sub(self.clock()));
        PollTimeout::try_from(tick.min(look).as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
    }
}
