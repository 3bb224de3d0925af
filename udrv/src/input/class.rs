//! What a device that runs calls of the input class.

use std::time::Duration;

use nix::poll::PollFd;
use udrv_driver::{Buttons, Entry, InputDriver, InputEvents, InputSet};

use super::{Input, InputDevice, InputSetting, Presence};
use crate::checkpoint::{ClassSettings, InputSettings, Refusal};
use crate::device::Device;
use crate::ledger::Ledger;
use crate::pool::{Pool, PoolError};
use crate::report::FaultReport;
use crate::run::{Class, ClassStatus, DeviceError, Found, variant_of};
use crate::transact::Findings;

/// Attempts of each entry point in a restart.
const ATTEMPTS: u32 = 3;
/// A button that is down while the device says nothing for so long: it is asked, for it may have been pulled out.
const HELD: Duration = Duration::from_secs(1);

impl<D: InputDriver> Class for Input<D> {
    type Driver = D;
    type Settings = InputSettings;
    const ENTRIES: &'static [Entry] = &Entry::INPUT;

    fn asks_after(entry: Entry) -> bool {
        use Entry::*;
        matches!(entry, Probe | Reconnect | Enable | Disable | SetRate | SetResolution | SetScaling)
    }

    fn ask(state: &D::State) -> Findings {
        let InputSet { rate, resolution, double, enabled } = D::set(state);
        [D::variant(state).into(), rate.into(), resolution.into(), double.into(), enabled.into()]
    }

    fn learn(&mut self, findings: Findings) -> bool {
        let [variant, rate, resolution, double @ 0..=1, enabled @ 0..=1] = findings else { return false };
        let (Ok(rate), Ok(resolution)) = (rate.try_into(), resolution.try_into()) else { return false };
        let Some(variant) = variant_of(D::VARIANTS, variant) else { return false };
        self.info = variant.set_to(InputSet { rate, resolution, double: double == 1, enabled: enabled == 1 });
        true
    }

    fn pool(&self, device: &mut dyn Device) -> Result<Pool, PoolError> {
        // there are no packets
        Pool::new(device, Some(0))
    }

    fn bring_up(run: &mut InputDevice<D>) -> Result<(), DeviceError> {
        run.set_up()
    }

    fn stop(run: &mut InputDevice<D>) -> Result<(), DeviceError> {
        run.class.enabled = false;
        run.class.let_go();
        run.entry(Entry::Disable, |cx| D::disable(cx))
    }

    fn has_alternate(entry: Entry) -> bool {
        entry == Entry::Interrupt && D::ALTERNATES.interrupt.is_some()
    }

    /// Without these nothing moves. A device that errs on the others, which are commands to one that moves, is let move.
    fn is_vital(entry: Entry) -> bool {
        matches!(entry, Entry::Interrupt | Entry::Enable | Entry::Reconnect)
    }

    /// A setting that is refused is as it was, and so is a device that is not asked.
    fn may_refuse(entry: Entry) -> bool {
        matches!(entry, Entry::Poll | Entry::SetRate | Entry::SetResolution | Entry::SetScaling)
    }

    fn release(run: &mut InputDevice<D>) {
        run.release_reports();
    }

    fn lost(&self) -> u64 {
        self.counters.breaks
    }

    fn forget(run: &mut InputDevice<D>) {
        run.class.restarted = true;
        run.class.counters.breaks += 1;
        run.class.counters.bytes_dropped += run.host.window.left_over() as u64;
    }

    fn restored(run: &mut InputDevice<D>) {
        run.class.counters.breaks += 1;
        (run.class.asks, run.class.half_set) = (true, false);
    }

    fn come_back(_: &mut InputDevice<D>, _: &Ledger) {}

    fn start_again(run: &mut InputDevice<D>, nested: &mut Vec<(Entry, FaultReport)>) -> Result<(), String> {
        run.within_rung(Entry::Probe, ATTEMPTS, nested, |cx| D::probe(cx))?;
        run.host.window.device().enable(true).map_err(|e| e.to_string())?;
        for setting in run.class.wanted.settings() {
            match setting {
                InputSetting::Rate(rate) => {
                    run.within_rung(Entry::SetRate, ATTEMPTS, nested, move |cx| D::set_rate(cx, rate))?;
                }
                InputSetting::Resolution(dpi) => {
                    run.within_rung(Entry::SetResolution, ATTEMPTS, nested, move |cx| D::set_resolution(cx, dpi))?;
                }
                InputSetting::Double(double) => {
                    run.within_rung(Entry::SetScaling, ATTEMPTS, nested, move |cx| D::set_scaling(cx, double))?;
                }
            }
        }
        if run.class.enabled {
            run.within_rung(Entry::Enable, ATTEMPTS, nested, |cx| D::enable(cx))?;
            (run.class.shows, run.class.asks) = (true, true);
        }
        (run.class.presence, run.class.half_set) = (Presence::Here, false);
        Ok(())
    }

    fn serve(run: &mut InputDevice<D>, _: bool) -> Result<Found, DeviceError> {
        run.settle()?;
        if run.is_down() {
            return Ok(Found::default());
        }
        let (work, events) = run.take_reports()?;
        let new = events.has(InputEvents::NEW);
        if new {
            run.reconnect()?;
        } else if events.has(InputEvents::OUT_OF_STEP) {
            run.class.counters.out_of_step += 1;
            run.class.asks = true;
        }
        run.settle()?;
        Ok(Found { work, change: new })
    }

    fn tick(run: &mut InputDevice<D>) -> Result<(), DeviceError> {
        let now = run.clock();
        match run.class.presence {
            // it may have come back without a word
            Presence::Silent => run.reconnect()?,
            Presence::Here if run.class.half_set => run.mend(),
            Presence::Here if run.class.told.down() != Buttons::NONE && now >= run.class.heard + HELD => {
                run.class.heard = now;
                run.class.asks = true;
            }
            Presence::Here | Presence::Foreign => {}
        }
        run.settle()
    }

    fn period(&self, look: Duration) -> Duration {
        if self.told.down() == Buttons::NONE && !self.half_set { look } else { look.min(HELD) }
    }

    fn has_more(&self) -> bool {
        self.asks && !self.asleep || self.shows
    }

    fn pump(run: &mut InputDevice<D>) -> Result<(), DeviceError> {
        run.settle()
    }

    fn wait_for<'a>(_: &'a InputDevice<D>, _: &mut [PollFd<'a>]) -> usize {
        0 // an endpoint has nothing to say
    }

    fn ready(_: &mut InputDevice<D>, _: &[bool]) -> Result<(), DeviceError> {
        Ok(())
    }

    fn call_now(run: &mut InputDevice<D>, entry: Entry) -> Result<(), DeviceError> {
        run.call_with_values_in_force(entry)
    }

    fn set(run: &mut InputDevice<D>, setting: InputSetting) -> Option<Result<InputSetting, DeviceError>> {
        Some(run.change(setting))
    }

    fn settings_of(settings: &ClassSettings) -> Option<&InputSettings> {
        if let ClassSettings::Input(settings) = settings { Some(settings) } else { None }
    }

    fn settings(run: &InputDevice<D>) -> InputSettings {
        run.settings_in_force()
    }

    fn allows(run: &InputDevice<D>, settings: &InputSettings) -> Result<(), Refusal> {
        run.allows(settings)
    }

    fn apply(run: &mut InputDevice<D>, to: &InputSettings) -> Result<(), DeviceError> {
        run.apply_settings(to)
    }

    fn record(run: &mut InputDevice<D>, to: &InputSettings) {
        run.class.wanted = to.options();
    }

    fn status(run: &mut InputDevice<D>) -> ClassStatus {
        ClassStatus::Input(run.input_status())
    }

    fn left(run: &mut InputDevice<D>) -> Result<(), DeviceError> {
        run.class.asks = false;
        run.class.let_go();
        run.endpoint_works()
    }

    fn returned(run: &mut InputDevice<D>) -> Result<(), DeviceError> {
        run.settle()
    }
}
