//! Waiting for the device, the endpoint and commands, and nothing else: an idle device wakes every two seconds.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use udrv_driver::NetDriver;

use super::command::{Answer, Command, Inbox};
use super::{DeviceError, NetDevice};

/// While nothing is under way: the link is looked at this often, for chips that do not tell. Milliseconds.
const IDLE: u16 = 2000;
/// While frames are with the device. Milliseconds.
const SENDING: u16 = 1000;

impl<D: NetDriver> NetDevice<D> {
    /// Runs the device until it is told to stop.
    ///
    /// # Errors
    /// When it is gone or was given up, or the endpoint is broken.
    pub fn run(mut self, inbox: &Inbox) -> Result<(), DeviceError> {
        let served = self.serve(inbox);
        self.reports.log(&self.name);
        let stopped = self.shut_down();
        served.and(stopped)
    }

    fn serve(&mut self, inbox: &Inbox) -> Result<(), DeviceError> {
        loop {
            let room = if self.has_room() { PollFlags::POLLIN } else { PollFlags::empty() };
            let timeout = PollTimeout::from(if self.is_sending() { SENDING } else { IDLE });
            let mut fds = [
                PollFd::new(self.irq.as_fd(), PollFlags::POLLIN),
                PollFd::new(inbox.wake_fd(), PollFlags::POLLIN),
                PollFd::new(self.endpoint.as_fd(), room),
            ];
            let ready = match poll(&mut fds, timeout) {
                Ok(n) => n,
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(DeviceError::System { operation: "poll", source: e.into() }),
            };
            let has = |fd: &PollFd<'_>| fd.revents().is_some_and(|r| !r.is_empty());
            let [irq, wake, frames] = [&fds[0], &fds[1], &fds[2]].map(has);
            if ready == 0 {
                self.tick()?;
            }
            if irq {
                // the count does not matter: causes are in the device
                let _ = self.irq.read();
                self.serve_interrupt()?;
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
        }
    }
}
