//! What a device that runs calls of the sound class.

use std::time::Duration;

use nix::poll::PollFd;
use udrv_driver::{Cx, Entry, Error, MAX_STREAMS, SoundDriver, SoundEvents, Stream};

use super::stream::Phase;
use super::{NOTHING, Sound, SoundDevice};
use crate::checkpoint::{ClassSettings, Refusal, SoundSettings};
use crate::device::Device;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::pool::{Pool, PoolError};
use crate::report::FaultReport;
use crate::run::{CallError, Class, ClassStatus, DeviceError, Found, variant_of};
use crate::supervisor::quarantine::Version;
use crate::transact::Findings;

/// Attempts of each entry point in a restart.
const ATTEMPTS: u32 = 3;
/// While a stream runs the device is looked at this often, in periods: should its interrupts be lost.
const LOOK_PERIODS: u32 = 2;
/// While one waits for samples, the endpoint is asked for some this often a period.
const ASKED: u32 = 2;
/// All streams have come to the end of a period.
const ANY: SoundEvents = SoundEvents((1 << MAX_STREAMS) - 1);

impl<D: SoundDriver> Class for Sound<D> {
    type Driver = D;
    type Settings = SoundSettings;
    const ENTRIES: &'static [Entry] = &Entry::SOUND;

    fn pool(&self, device: &mut dyn Device) -> Result<Pool, PoolError> {
        // there are no packets
        Pool::new(device, Some(0))
    }

    /// It stays the card that applications were shown.
    fn learn(&mut self, [variant, ..]: Findings) -> bool {
        let Some(has) = variant_of(D::VARIANTS, variant) else { return false };
        if self.has != has && self.has != NOTHING {
            return false;
        }
        self.has = has;
        true
    }

    fn bring_up(run: &mut SoundDevice<D>) -> Result<(), DeviceError> {
        run.set_up()
    }

    fn stop(_: &mut SoundDevice<D>) -> Result<(), DeviceError> {
        Ok(()) // `quiesce` stops what runs
    }

    fn has_alternate(entry: Entry) -> bool {
        entry == Entry::Pointer && D::ALTERNATES.pointer.is_some()
    }

    /// Where one stream errs the others go on, and it is ended when nothing helps.
    fn is_vital(_: Entry) -> bool {
        false
    }

    fn may_refuse(entry: Entry) -> bool {
        matches!(entry, Entry::Open | Entry::HwParams | Entry::SetControl | Entry::GetControl)
    }

    fn release(run: &mut SoundDevice<D>) {
        run.ring();
    }

    fn lost(&self) -> u64 {
        self.flows.iter().map(|flow| flow.counters.lost).sum()
    }

    fn forget(run: &mut SoundDevice<D>) {
        run.keep_samples();
    }

    fn restored(run: &mut SoundDevice<D>) {
        // it may be elsewhere in its rings: that is to be seen before it has played more of them
        run.class.looks_again = true;
        run.class.flows.iter_mut().filter(|flow| flow.phase.moves()).for_each(super::stream::Flow::doubt);
    }

    fn come_back(_: &mut SoundDevice<D>, _: &Ledger) {}

    fn start_again(run: &mut SoundDevice<D>, nested: &mut Vec<(Entry, FaultReport)>) -> Result<(), String> {
        let identity = run.identity;
        run.within_rung(Entry::Probe, ATTEMPTS, nested, move |cx| D::probe(cx, identity))?;
        run.host.window.device().enable(true).map_err(|e| e.to_string())?;
        run.replay_controls(nested)?;
        run.replay_streams(nested)
    }

    fn serve(run: &mut SoundDevice<D>, all: bool) -> Result<Found, DeviceError> {
        if run.is_down() {
            return Ok(Found::default());
        }
        let events = run.take_causes(|cx: &mut Cx<'_, D::State>| D::interrupt(cx), (SoundEvents::NONE, ANY))?;
        let mut work = 0;
        let all = std::mem::take(&mut run.class.looks_again) || all;
        for number in 0..run.class.flows.len() {
            if !run.is_down() && (all || events.has(SoundEvents::period(Stream(number as u32)))) {
                work += run.advance(number)?;
            }
        }
        if events.has(SoundEvents::ERROR) {
            run.after_error(Entry::Interrupt, Error::Bus)?;
        }
        Ok(Found { work, change: false })
    }

    fn tick(run: &mut SoundDevice<D>) -> Result<(), DeviceError> {
        Self::pump(run)
    }

    fn period(&self, look: Duration) -> Duration {
        let of = |flow: &super::stream::Flow| match flow.phase {
            Phase::Idle => look,
            Phase::Filling => flow.period_time() / ASKED,
            Phase::Running | Phase::Draining => flow.period_time() * LOOK_PERIODS,
        };
        self.flows.iter().map(of).fold(look, Duration::min)
    }

    fn has_more(&self) -> bool {
        self.looks_again
    }

    fn pump(run: &mut SoundDevice<D>) -> Result<(), DeviceError> {
        if run.is_down() {
            return Ok(());
        }
        run.follow_wishes()?;
        run.feed_all()
    }

    fn wait_for<'a>(run: &'a SoundDevice<D>, files: &mut [PollFd<'a>]) -> usize {
        let wanted = run.class.endpoint.descriptors();
        debug_assert!(wanted.len() <= files.len());
        files.iter_mut().zip(&wanted).for_each(|(file, (fd, events))| *file = PollFd::new(*fd, *events));
        wanted.len().min(files.len())
    }

    fn ready(run: &mut SoundDevice<D>, files: &[bool]) -> Result<(), DeviceError> {
        if files.contains(&true) { Self::pump(run) } else { Ok(()) }
    }

    fn call_now(run: &mut SoundDevice<D>, entry: Entry) -> Result<(), DeviceError> {
        run.call_with_values_in_force(entry)
    }

    fn settings_of(settings: &ClassSettings) -> Option<&SoundSettings> {
        if let ClassSettings::Sound(settings) = settings { Some(settings) } else { None }
    }

    fn settings(run: &SoundDevice<D>) -> SoundSettings {
        run.settings_in_force()
    }

    fn allows(run: &SoundDevice<D>, settings: &SoundSettings) -> Result<(), Refusal> {
        run.allows(settings)
    }

    fn apply(run: &mut SoundDevice<D>, to: &SoundSettings) -> Result<(), DeviceError> {
        run.apply_settings(to)
    }

    fn record(run: &mut SoundDevice<D>, to: &SoundSettings) {
        run.record_settings(to);
    }

    fn show_settings(run: &mut SoundDevice<D>, before: &SoundSettings) -> Result<(), DeviceError> {
        run.show_settings(before)
    }

    fn status(run: &mut SoundDevice<D>) -> ClassStatus {
        ClassStatus::Sound(run.sound_status())
    }

    fn left(_: &mut SoundDevice<D>) -> Result<(), DeviceError> {
        Ok(())
    }

    fn returned(_: &mut SoundDevice<D>) -> Result<(), DeviceError> {
        Ok(())
    }
}

impl<D: SoundDriver> SoundDevice<D> {
    /// Asks for the place in the ring, with the version of `pointer` that is in use. One outside the ring is a fault.
    pub(super) fn call_pointer(&mut self, stream: Stream, ring: u32) -> Result<u32, CallError> {
        let valid = |place: &u32, _: &Host, _: &Ledger| *place < ring;
        match (self.version(Entry::Pointer), D::ALTERNATES.pointer) {
            (Version::Alternate, Some(second)) => {
                self.call_version(Entry::Pointer, true, &[], move |cx| second(cx, stream), valid)
            }
            _ => self.call(Entry::Pointer, move |cx| D::pointer(cx, stream), valid),
        }
    }
}
