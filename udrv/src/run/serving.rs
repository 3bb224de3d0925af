//! Serving the device: when its line fires, when the clock says so, and when it errs.
//!
//! When the line is believed is decided in `interrupts.rs`, when the device is restored in `device_faults.rs`.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use udrv_driver::abi::Words;
use udrv_driver::{Bus, Cx, Driver, Entry, Error};

use super::device_faults::{Restores, Verdict};
use super::interrupts::{Found, InterruptMode};
use super::signal::ROUNDS;
use super::{CallError, Class, DeviceError, DeviceFaults, Running};

/// Reads of the vendor id, after pauses that double from a millisecond, before a device that reads as all ones is taken
/// for gone: 127 ms. A device in a reset of its own is back sooner.
const VENDOR_READS: u32 = 8;

impl<C: Class> Running<C> {
    /// Serves the device's interrupt: causes, frames both ways, link; then unmasks the line, unless it does not stop.
    /// Causes that have come meanwhile hold the line up, and it fires again.
    ///
    /// Nothing is lost by a call when no interrupt has come.
    ///
    /// # Errors
    /// When the device is gone or was given up.
    pub fn serve_interrupt(&mut self) -> Result<(), DeviceError> {
        let (began, fired) = (self.clock(), self.line_has_fired());
        let found = self.serve_device(false)?;
        let now = self.clock();
        if fired {
            self.interrupts.fired(began, now, found);
        } else if found.work > 0 {
            self.interrupts.worked(now);
        }
        self.unmask();
        Ok(())
    }

    /// Looks at the device because the clock says so: a cause is in the device whether it was announced or not, and so
    /// are frames.
    ///
    /// # Errors
    /// As for [`Running::serve_interrupt`].
    pub(crate) fn look(&mut self) -> Result<(), DeviceError> {
        let (began, known) = (self.clock(), self.class.has_more());
        let found = self.serve_device(true)?;
        // after the look: work that came while looking was announced
        let fired = self.line_has_fired();
        if fired {
            // and is not served yet: nothing says so a second time
            self.signal.leaves(true);
        }
        let now = self.clock();
        self.interrupts.looked(began, now, found, fired, known);
        self.unmask();
        Ok(())
    }

    /// What is done from time to time: interrupts that were lost, and what the class has.
    ///
    /// # Errors
    /// As for [`Running::serve_interrupt`].
    pub fn tick(&mut self) -> Result<(), DeviceError> {
        self.look()?;
        if self.is_down() { Ok(()) } else { C::tick(self) }
    }

    /// When the device is to be looked at or restored next, if that is before the next [`Running::tick`].
    pub(crate) fn next_look(&self) -> Option<Duration> {
        [self.interrupts.next_look(), self.restores.due(), self.away.as_ref().map(|away| away.due)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time since the start.
    pub(crate) fn clock(&self) -> Duration {
        Duration::from_nanos(self.host.now())
    }

    /// Work was given to the device: its completion, and an answer, are to be expected.
    pub(crate) fn work_was_given(&mut self) {
        if self.interrupts.by_clock() {
            let now = self.clock();
            self.interrupts.worked(now);
        }
    }

    /// The device has done what it is for: the last fault is over.
    pub(crate) fn work_went_through(&mut self) {
        if self.reports.waits_for_frame() {
            let now = self.host.now();
            self.reports.frame_went_through(now);
        }
    }

    /// Passes `result` on and counts the device's error in it, where nothing is done about it.
    pub(crate) fn noted<T>(&mut self, result: Result<T, DeviceError>) -> Result<T, DeviceError> {
        if let Err(DeviceError::Entry { source: CallError::Driver(error), .. }) = &result {
            self.device_faults.note(*error);
        }
        result
    }

    /// What the device did wrong, until now.
    pub(crate) fn device_faults(&self) -> DeviceFaults {
        let counts = self.interrupts.counts(self.clock());
        DeviceFaults {
            interrupts_lost: counts.lost,
            interrupt_storms: counts.storms,
            polled_ms: counts.polled.as_millis() as u64,
            ..self.device_faults
        }
    }

    /// Whether an interrupt waits to be served: for who turns the device by hand.
    #[must_use]
    pub fn is_called(&self) -> bool {
        let mut fds = [PollFd::new(self.irq.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Whether the line has fired since this was asked last. How often does not matter: causes are in the device.
    fn line_has_fired(&self) -> bool {
        self.irq.read().is_ok()
    }

    /// Unmasks the line if it is to be open. Where that fails the device is polled.
    fn unmask(&mut self) {
        self.tell_mode();
        if !self.interrupts.is_open() {
            return;
        }
        if let Err(error) = self.signal.unmask(self.host.window.device(), &self.irq) {
            tracing::warn!(device = %self.name, %error, "the interrupt line cannot be unmasked; polling");
            self.device_faults.bus += 1;
            let now = self.clock();
            self.interrupts.unmask_failed(now);
        }
    }

    /// How work is noticed.
    pub(crate) fn interrupt_mode(&self) -> InterruptMode {
        match self.interrupts.mode() {
            InterruptMode::Line if matches!(C::Driver::BUS, Bus::Usb { .. }) => InterruptMode::Transfers,
            InterruptMode::Line if self.signal.is_messages() => InterruptMode::Msi,
            mode => mode,
        }
    }

    /// Whether the eventfd is to be waited for. A line that is masked says nothing; messages cannot be masked, and of
    /// some that do not stop the device is not to be served for each.
    pub(crate) const fn hears_interrupts(&self) -> bool {
        self.interrupts.is_open() || !self.signal.is_messages()
    }

    /// Whether the device is to be served without being asked: a poll was broken off, or it was set up anew and may have
    /// a cause of which the message was lost.
    pub(crate) fn has_work(&self) -> bool {
        self.class.has_more() || self.signal.is_left() && self.interrupts.is_open()
    }

    /// Causes may be left in the device, or are not.
    pub(crate) fn leave_causes(&mut self, left: bool) {
        self.signal.leaves(left);
    }

    /// Logs how work is noticed, when that has changed.
    fn tell_mode(&mut self) {
        let mode = self.interrupt_mode();
        if std::mem::replace(&mut self.told_mode, mode) != mode {
            let why = match mode {
                InterruptMode::Line => "the interrupt line works again",
                InterruptMode::Msi | InterruptMode::Transfers => "interrupts work again",
                InterruptMode::Polled => "interrupts do not come; polling",
                InterruptMode::Masked if self.signal.is_messages() => {
                    "interrupts do not stop; not heeding them and polling"
                }
                InterruptMode::Masked => "interrupts do not stop; masking the line and polling",
            };
            tracing::warn!(device = %self.name, "{why}");
        }
    }

    /// Serves causes and moves work, where the device is there. `all`: work is looked for whatever the causes say.
    fn serve_device(&mut self, all: bool) -> Result<Found, DeviceError> {
        if !self.is_here()? {
            return Ok(Found::default());
        }
        if self.restores.due().is_some_and(|due| self.clock() >= due) {
            self.restore_device()?;
        }
        let found = C::serve(self, all)?;
        if found.work > 0 {
            self.restores.work_done();
        }
        Ok(found)
    }

    /// What causes there are, taken note of and acknowledged by `interrupt`, which gives `none` when there are none. With
    /// messages that is done until then, for only then comes another message. What there is may be all there can be, `any`,
    /// when the driver cannot say.
    pub(crate) fn take_causes<E: Words + Copy + PartialEq + std::ops::BitOr<Output = E>>(
        &mut self,
        interrupt: impl Fn(&mut Cx<'_, <C::Driver as Driver>::State>) -> Result<E, Error> + Copy,
        (none, any): (E, E),
    ) -> Result<E, DeviceError> {
        let rounds = if self.signal.is_messages() { ROUNDS } else { 1 };
        let mut all = none;
        self.signal.leaves(true);
        for _ in 0..rounds {
            match self.must(Entry::Interrupt, interrupt) {
                Err(DeviceError::Entry { source: CallError::Driver(error), .. }) => {
                    self.after_error(Entry::Interrupt, error)?;
                    return Ok(all | any);
                }
                // likewise, and its causes stay as they are
                Err(DeviceError::Entry { source: CallError::Quarantined, .. }) => return Ok(all | any),
                Err(error) => return Err(error),
                Ok(events) if events == none => {
                    self.signal.leaves(false);
                    break;
                }
                Ok(events) => all = all | events,
            }
        }
        Ok(all)
    }

    /// The device did something wrong and the driver has said so: the chip may be half set up, so it is restored. A
    /// device that has left cannot be.
    pub(crate) fn after_error(&mut self, entry: Entry, error: Error) -> Result<(), DeviceError> {
        let device_erred = self.device_faults.note(error);
        if !device_erred && C::may_refuse(entry) {
            return Ok(()); // refused, and all is as before
        }
        if error == Error::Gone && !self.answers() {
            return Err(self.entry_error(entry, CallError::Driver(error)));
        }
        let now = self.clock();
        self.erred = Some((entry, error));
        match self.restores.wanted(now, C::is_vital(entry)) {
            Verdict::Now => {
                tracing::warn!(device = %self.name, %entry, %error, "restoring the device");
                self.restore_device()
            }
            Verdict::Later => Ok(()),
            Verdict::GiveUp => self.restart_or_give_up("restoring it does not help"),
        }
    }

    fn restore_device(&mut self) -> Result<(), DeviceError> {
        self.restores_done += 1;
        let worked = self.restore_once(self.erred.map_or(Entry::Restore, |(entry, _)| entry));
        let now = self.clock();
        if self.restores.done(now, worked) { self.restart_or_give_up("it cannot be restored") } else { Ok(()) }
    }

    /// Rung 3 for a device that rung 2 does not help.
    fn restart_or_give_up(&mut self, why: &str) -> Result<(), DeviceError> {
        let (entry, error) = self.erred.unwrap_or((Entry::Restore, Error::Gone));
        if !self.restores.was_restarted() {
            tracing::warn!(device = %self.name, why, "restarting");
            if self.restart_for(entry) {
                self.restores = Restores::after_restart();
                return Ok(());
            }
        }
        self.failed = Some(format!("{entry}: {error}, {why}, and neither does a restart"));
        Err(self.entry_error(entry, CallError::Driver(error)))
    }

    /// Whether the device answers, if only after a while. One that does may have lost what lets it answer.
    fn answers(&mut self) -> bool {
        if self.is_unplugged() {
            return false; // that is certain, and it is waited for elsewhere
        }
        for attempt in 0..VENDOR_READS {
            if attempt > 0 {
                self.host.clock().pause(Duration::from_millis(1 << (attempt - 1)));
            }
            let device = self.host.window.device();
            if device.answers() {
                return device.enable(true).is_ok();
            }
        }
        false
    }
}
