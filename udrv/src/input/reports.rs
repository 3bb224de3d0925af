//! Reports on their way to the endpoint.

use serde::{Deserialize, Serialize};
use udrv_driver::{InputDriver, Report};

use super::buttons::Told;
use super::{Input, InputDevice};
use crate::endpoint::input::{Frame, KEPT, Pointer, Shown};
use crate::run::DeviceError;

/// What has come of the device and what was lost, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputCounters {
    /// Reports that the driver has handed up.
    pub reports: u64,
    /// Those that changed something, and what else the endpoint was told.
    pub events: u64,
    /// Bytes of the device that were of no use.
    pub bytes_dropped: u64,
    /// Times that the device was out of step.
    pub out_of_step: u64,
    /// Times that it was reset or plugged in, and set up again.
    pub reconnects: u64,
    /// Times that it was asked which buttons are down.
    pub polls: u64,
    /// Times that commands broke into what it sent: each may have cost the report that was on its way.
    pub breaks: u64,
    /// Times that buttons were let go because nobody knew whether they are down.
    pub let_go: u64,
}

impl<D: InputDriver> Input<D> {
    /// A report of a call that was good.
    fn put(&mut self, report: Report) {
        self.counters.reports += 1;
        // what `probe` reports, before anybody can see it, is of no use to anybody
        if let Some(info) = &self.shown
            && let Some(frame) = self.told.report(report, info)
        {
            self.emit(frame);
        }
    }

    fn emit(&mut self, frame: Frame) {
        self.counters.events += 1;
        if let Err(error) = self.endpoint.emit(&frame) {
            self.broken.get_or_insert(error);
        }
    }

    /// Nobody knows whether the buttons that are down still are: they go up.
    pub(super) fn let_go(&mut self) {
        if let Some(info) = &self.shown
            && let Some(frame) = self.told.release(info)
        {
            self.counters.let_go += 1;
            self.emit(frame);
        }
    }
}

impl<D: InputDriver> Drop for Input<D> {
    /// Whatever the end is, no button is left down.
    fn drop(&mut self) {
        self.let_go();
    }
}

impl<D: InputDriver> InputDevice<D> {
    /// What a call that was good has handed up goes to the endpoint, in order.
    pub(super) fn release_reports(&mut self) {
        self.class.counters.bytes_dropped += std::mem::take(&mut self.host.dropped);
        if !self.host.reports.is_empty() {
            for report in self.host.reports.drain(..) {
                self.class.put(report);
            }
            self.work_went_through();
        }
        self.ring();
    }

    /// Shows the device as it is.
    pub(super) fn show(&mut self) -> Result<(), DeviceError> {
        self.class.shows = false;
        let info = self.class.info;
        let pointer = Pointer { driver: D::NAME, device: &self.name, info };
        match self.class.endpoint.show(&pointer)? {
            Shown::Same => {}
            Shown::New => {
                self.class.told = Told::default();
                self.keep_what_is_shown();
            }
            Shown::Adopted => self.class.told = Told::in_doubt(),
        }
        self.class.shown = Some(info);
        Ok(())
    }

    /// What is shown outlives this process if somebody keeps it, and what was kept before does not: that is another.
    fn keep_what_is_shown(&self) {
        let Some(keeper) = &self.options.keeper else { return };
        let keep = || self.class.endpoint.to_keep().map_or(Ok(()), |(name, fd)| keeper.keep(name, fd));
        if let Err(error) = keeper.forget(&[KEPT]).and_then(|()| keep()) {
            tracing::warn!(device = %self.name, %error, "what is shown ends with this process: it cannot be kept");
        }
    }

    /// Why the endpoint takes no more, if it does not.
    pub(super) fn endpoint_works(&mut self) -> Result<(), DeviceError> {
        self.class.broken.take().map_or(Ok(()), |error| Err(error.into()))
    }
}
