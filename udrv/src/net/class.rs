//! What a device that runs calls of the net class.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use udrv_driver::{Entry, Error, Events, Features, Link, NetDriver};

use super::{Net, NetDevice, Recorded};
use crate::checkpoint::{ClassSettings, NetSettings, Refusal};
use crate::device::Device;
use crate::keep::NotAdopted;
use crate::ledger::Ledger;
use crate::pool::{Pool, PoolError};
use crate::report::FaultReport;
use crate::run::{CallError, Class, ClassStatus, DeviceError, Found, variant_of};
use crate::transact::Findings;

/// Attempts of each entry point in a restart.
const ATTEMPTS: u32 = 3;
/// While frames are with the device it is looked at this often.
const SENDING: Duration = Duration::from_secs(1);

impl<D: NetDriver> Class for Net<D> {
    type Driver = D;
    type Settings = NetSettings;
    const ENTRIES: &'static [Entry] = &Entry::NET;

    fn pool(&self, device: &mut dyn Device) -> Result<Pool, PoolError> {
        Pool::new(device, self.longest_packet)
    }

    fn learn(&mut self, [variant, ..]: Findings) -> bool {
        let Some(features) = variant_of(D::VARIANTS, variant) else { return false };
        self.features = features;
        true
    }

    fn bring_up(run: &mut NetDevice<D>) -> Result<(), DeviceError> {
        run.set_up()
    }

    fn stop(run: &mut NetDevice<D>) -> Result<(), DeviceError> {
        run.class.recorded.open = false;
        run.entry(Entry::Stop, |cx| D::stop(cx))
    }

    fn has_alternate(entry: Entry) -> bool {
        match entry {
            Entry::Transmit => D::ALTERNATES.transmit.is_some(),
            Entry::Poll => D::ALTERNATES.poll.is_some(),
            _ => false,
        }
    }

    fn is_vital(entry: Entry) -> bool {
        matches!(entry, Entry::Poll | Entry::TxTimeout)
    }

    fn may_refuse(entry: Entry) -> bool {
        matches!(entry, Entry::Transmit | Entry::Link)
    }

    fn release(run: &mut NetDevice<D>) {
        run.release_output();
    }

    fn lost(&self) -> u64 {
        self.traffic.tx_lost
    }

    /// Frames that the device had are lost; one that waits for room is not.
    fn forget(run: &mut NetDevice<D>) {
        run.class.traffic.tx_lost += run.host.buffers.forget_lent();
        run.class.sending_since = None;
        run.class.more = false;
    }

    fn restored(_: &mut NetDevice<D>) {}

    /// The older state does not know that the device has frames that were given since.
    fn come_back(run: &mut NetDevice<D>, before: &Ledger) {
        run.class.traffic.tx_lost += run.host.buffers.roll_back(&before.buffers, &run.domain.ledger().buffers);
    }

    fn start_again(run: &mut NetDevice<D>, nested: &mut Vec<(Entry, FaultReport)>) -> Result<(), String> {
        run.within_rung(Entry::Probe, ATTEMPTS, nested, |cx| D::probe(cx))?;
        run.host.window.device().enable(true).map_err(|e| e.to_string())?;
        let Recorded { mac, rx_mode, settings, open } = run.class.recorded;
        run.within_rung(Entry::SetMac, ATTEMPTS, nested, move |cx| D::set_mac(cx, mac))?;
        run.within_rung(Entry::SetRxMode, ATTEMPTS, nested, move |cx| D::set_rx_mode(cx, rx_mode))?;
        if D::FEATURES != Features::NONE {
            run.within_rung(Entry::Configure, ATTEMPTS, nested, move |cx| D::configure(cx, settings))?;
        }
        if open {
            run.within_rung(Entry::Open, ATTEMPTS, nested, |cx| D::open(cx))?;
        }
        Ok(())
    }

    fn serve(run: &mut NetDevice<D>, all: bool) -> Result<Found, DeviceError> {
        run.serve_frames(all)
    }

    fn tick(run: &mut NetDevice<D>) -> Result<(), DeviceError> {
        run.look_after_sending()
    }

    fn period(&self, look: Duration) -> Duration {
        if self.sending_since.is_some() { look.min(SENDING).min(self.tx_timeout) } else { look }
    }

    fn has_more(&self) -> bool {
        self.more
    }

    fn pump(run: &mut NetDevice<D>) -> Result<(), DeviceError> {
        run.pump_endpoint()
    }

    fn wait_for<'a>(run: &'a NetDevice<D>, files: &mut [PollFd<'a>]) -> usize {
        let room = if run.has_room() { PollFlags::POLLIN } else { PollFlags::empty() };
        let endpoint = &run.class.endpoint;
        files[0] = PollFd::new(endpoint.as_fd(), room);
        let Some(changes) = endpoint.changes() else { return 1 };
        files[1] = PollFd::new(changes, PollFlags::POLLIN);
        2
    }

    fn ready(run: &mut NetDevice<D>, files: &[bool]) -> Result<(), DeviceError> {
        // before frames: those of a larger MTU come behind the change
        if files.get(1) == Some(&true) {
            run.follow_settings()?;
        }
        if files[0] { run.pump_endpoint() } else { Ok(()) }
    }

    fn call_now(run: &mut NetDevice<D>, entry: Entry) -> Result<(), DeviceError> {
        run.call_with_values_in_force(entry)
    }

    fn settings_of(settings: &ClassSettings) -> Option<&NetSettings> {
        if let ClassSettings::Net(settings) = settings { Some(settings) } else { None }
    }

    fn settings(run: &NetDevice<D>) -> NetSettings {
        run.settings_in_force()
    }

    fn allows(run: &NetDevice<D>, settings: &NetSettings) -> Result<(), Refusal> {
        run.allows(settings)
    }

    fn apply(run: &mut NetDevice<D>, to: &NetSettings) -> Result<(), DeviceError> {
        run.apply_settings(to)
    }

    fn record(run: &mut NetDevice<D>, to: &NetSettings) {
        run.record_settings(to);
    }

    fn show_settings(run: &mut NetDevice<D>, before: &NetSettings) -> Result<(), DeviceError> {
        run.show_settings(before)
    }

    fn status(run: &mut NetDevice<D>) -> ClassStatus {
        ClassStatus::Net(run.net_status())
    }

    fn glance(run: &mut NetDevice<D>) -> ClassStatus {
        ClassStatus::Net(run.net_status_with(None))
    }

    fn left(run: &mut NetDevice<D>) -> Result<(), DeviceError> {
        run.class.link = Link::default();
        run.class.more = false;
        Ok(run.class.endpoint.set_carrier(false)?)
    }

    fn returned(run: &mut NetDevice<D>) -> Result<(), DeviceError> {
        run.refresh_link().map(drop)
    }

    fn endpoint(&self) -> Option<BorrowedFd<'_>> {
        self.endpoint.legacy().map(|_| self.endpoint.as_fd())
    }

    fn legacy(run: &NetDevice<D>) -> Option<serde_json::Value> {
        run.class.to_value()
    }

    fn kept(run: &mut NetDevice<D>) {
        run.count_from_here();
    }

    fn leave(&mut self) {
        self.endpoint.leave();
    }

    fn take_up(run: &mut NetDevice<D>) -> Result<(), NotAdopted> {
        run.take_up_frames()
    }

    fn taken_up(run: &mut NetDevice<D>) -> Result<(), DeviceError> {
        run.follow_settings()?;
        run.refresh_link()?;
        run.pump_endpoint()
    }
}

impl<D: NetDriver> NetDevice<D> {
    /// Frames that do not get sent, and the link.
    fn look_after_sending(&mut self) -> Result<(), DeviceError> {
        if self.has_stopped_sending() {
            // without a link nothing is sent, and that is no failure: it goes on when the link is back
            self.refresh_link()?;
        }
        if self.has_stopped_sending() && !self.is_down() {
            tracing::warn!(device = %self.name, "the device has stopped sending");
            self.class.sending_since = None;
            match self.must(Entry::TxTimeout, |cx| D::tx_timeout(cx)) {
                Err(DeviceError::Entry { source: CallError::Driver(error), .. }) => {
                    self.after_error(Entry::TxTimeout, error)?;
                }
                other => other?,
            }
        }
        // a slot that was freed here is announced by nobody
        self.pump_endpoint()?;
        self.refresh_link()?;
        Ok(())
    }

    /// Whether frames are with the device for too long, while there is a link to send them to.
    fn has_stopped_sending(&self) -> bool {
        let Some(since) = self.class.sending_since else { return false };
        self.class.link.up && self.clock().saturating_sub(since) >= self.class.tx_timeout
    }

    /// Serves causes, frames both ways and the link. `all`: frames are looked for whatever the causes say.
    fn serve_frames(&mut self, all: bool) -> Result<Found, DeviceError> {
        if self.is_down() {
            self.class.more = false;
            return Ok(Found::default());
        }
        let before = self.frames();
        let events = self.take_causes(D::interrupt, (Events::NONE, Events::POLL))?;
        if !self.is_down() && (all || events.has(Events::POLL) || self.class.more) {
            self.poll_all()?;
        }
        if events.has(Events::ERROR) {
            self.after_error(Entry::Interrupt, Error::Bus)?;
        }
        let link = !self.is_down() && events.has(Events::LINK) && self.refresh_link()?;
        // frames that waited for a slot
        self.pump_endpoint()?;
        let frames = self.frames() - before;
        Ok(Found { work: frames, change: link })
    }

    /// Frames that the device has received and sent.
    fn frames(&self) -> u64 {
        self.class.traffic.rx_frames + self.class.traffic.rx_dropped + self.class.traffic.tx_frames
    }

    /// `update_link` where nobody asked: if that fails the link is what it was. True: it is another.
    pub(crate) fn refresh_link(&mut self) -> Result<bool, DeviceError> {
        let before = self.class.link;
        match self.update_link() {
            Err(DeviceError::Entry { source: CallError::Fault(_) | CallError::Quarantined, .. }) => Ok(false),
            Err(DeviceError::Entry { source: CallError::Driver(error), .. }) => {
                self.after_error(Entry::Link, error)?;
                Ok(false)
            }
            other => other.map(|()| self.class.link != before),
        }
    }
}
