//! What a class of drivers adds to [`Running`].

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::PollFd;
use udrv_driver::{Driver, Entry};

use super::{ClassStatus, DeviceError, Found, Running};
use crate::checkpoint::{ClassSettings, Refusal};
use crate::device::Device;
use crate::input::InputSetting;
use crate::keep::NotAdopted;
use crate::ledger::Ledger;
use crate::pool::{Pool, PoolError};
use crate::report::FaultReport;
use crate::transact::Findings;

/// That of the `variants` which a driver says that it has found; `None`: there are not so many.
pub(crate) fn variant_of<V: Copy>(variants: &[V], number: u64) -> Option<V> {
    variants.get(usize::try_from(number).ok()?).copied()
}

/// Files that a class waits for, at most.
pub(crate) const MAX_FILES: usize = 14;

/// A class: what it has running, what it does with the device's work, and what it tells a driver that starts anew.
///
/// Functions that get a [`Running`] may call entry points.
pub trait Class: Sized + 'static {
    /// A driver of it.
    type Driver: Driver;
    /// What it is told of a device, and a checkpoint has.
    type Settings: Into<ClassSettings>;
    /// Entry points that such a driver has.
    const ENTRIES: &'static [Entry];

    /// Whether the driver may be another after this entry point, in what [`Class::ask`] gives.
    fn asks_after(entry: Entry) -> bool {
        entry == Entry::Probe
    }
    /// What is to be known of the driver's state. Runs within the call, as the driver does.
    fn ask(state: &<Self::Driver as Driver>::State) -> Findings {
        [Self::Driver::variant(state).into(), 0, 0, 0, 0]
    }
    /// Takes over what that was. False: it cannot be.
    fn learn(&mut self, findings: Findings) -> bool;

    /// The device's memory.
    fn pool(&self, device: &mut dyn Device) -> Result<Pool, PoolError>;
    /// Probe, `Running::connect`, and all that makes the device ready for use.
    fn bring_up(run: &mut Running<Self>) -> Result<(), DeviceError>;
    /// Has the device do nothing, before it is quiesced for good.
    fn stop(run: &mut Running<Self>) -> Result<(), DeviceError>;

    /// Whether an entry point has a second version.
    fn has_alternate(entry: Entry) -> bool;
    /// Whether nothing moves while this one errs, so that restoring the device is urgent.
    fn is_vital(entry: Entry) -> bool;
    /// Whether this one changes nothing when it refuses.
    fn may_refuse(entry: Entry) -> bool;

    /// A call has returned and is right: what it has staged comes true, and the doorbells ring (`Running::ring`).
    fn release(run: &mut Running<Self>);
    /// Pieces of work that were lost, since the start: for the reports.
    fn lost(&self) -> u64;

    /// The driver is about to forget everything, and what the device has in hand is lost.
    fn forget(run: &mut Running<Self>);
    /// The driver's `restore` has worked.
    fn restored(run: &mut Running<Self>);
    /// A state older than that of `before` has come back: what it believes to be in hand may be gone.
    fn come_back(run: &mut Running<Self>, before: &Ledger);
    /// Probe, and the replay of what the driver was told, with `Running::within_rung`.
    fn start_again(run: &mut Running<Self>, nested: &mut Vec<(Entry, FaultReport)>) -> Result<(), String>;

    /// Serves the device's causes and moves what can be moved. `all`: whatever the causes say.
    fn serve(run: &mut Running<Self>, all: bool) -> Result<Found, DeviceError>;
    /// What is done from time to time, after the device was looked at.
    fn tick(run: &mut Running<Self>) -> Result<(), DeviceError>;
    /// How often that is; without need `look`.
    fn period(&self, look: Duration) -> Duration;
    /// Whether serving the device was broken off and is to go on.
    fn has_more(&self) -> bool;
    /// Moves what the host wants moved: something may have become possible.
    fn pump(run: &mut Running<Self>) -> Result<(), DeviceError>;

    /// Files to wait for beside the device's: how many of `files` it has filled in, at most `MAX_FILES`.
    fn wait_for<'a>(run: &'a Running<Self>, files: &mut [PollFd<'a>]) -> usize;
    /// Of those, in the same order, which are ready.
    fn ready(run: &mut Running<Self>, files: &[bool]) -> Result<(), DeviceError>;

    /// Calls an entry point with the values in force, by command.
    fn call_now(run: &mut Running<Self>, entry: Entry) -> Result<(), DeviceError>;
    /// Changes a setting, by command: what came of it. `None`: it has no such settings.
    fn set(run: &mut Running<Self>, setting: InputSetting) -> Option<Result<InputSetting, DeviceError>> {
        let _ = (run, setting);
        None
    }
    /// Those of this class. `None`: they are another's.
    fn settings_of(settings: &ClassSettings) -> Option<&Self::Settings>;
    /// What it was told, of what a restart replays.
    fn settings(run: &Running<Self>) -> Self::Settings;
    /// Whether its device can be set to these. Neither driver nor device is asked.
    fn allows(run: &Running<Self>, settings: &Self::Settings) -> Result<(), Refusal>;
    /// Tells the driver what of `to` is another than what it was told, and notes that, until the first error.
    fn apply(run: &mut Running<Self>, to: &Self::Settings) -> Result<(), DeviceError>;
    /// Notes all of `to` and tells nobody: a restart replays it.
    fn record(run: &mut Running<Self>, to: &Self::Settings);
    /// Has the endpoint follow what has been noted, where that is another than `before`.
    fn show_settings(run: &mut Running<Self>, before: &Self::Settings) -> Result<(), DeviceError> {
        let _ = (run, before);
        Ok(())
    }

    /// For `status`; may ask the driver.
    fn status(run: &mut Running<Self>) -> ClassStatus;
    /// The same without asking the driver, whose device is left alone.
    fn glance(run: &mut Running<Self>) -> ClassStatus {
        Self::status(run)
    }

    /// The device was unplugged.
    fn left(run: &mut Running<Self>) -> Result<(), DeviceError>;
    /// It is back and was restarted.
    fn returned(run: &mut Running<Self>) -> Result<(), DeviceError>;

    /// The descriptor of its other end, for a successor. `None`: there can be none.
    fn endpoint(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// What a successor must know beside that.
    fn legacy(run: &Running<Self>) -> Option<serde_json::Value> {
        let _ = run;
        None
    }
    /// From here on there may be a successor.
    fn kept(run: &mut Running<Self>) {
        let _ = run;
    }
    /// Another process goes on with its other end.
    fn leave(&mut self) {}
    /// This process is the successor: what was in hand is taken up, before the last call is settled.
    fn take_up(run: &mut Running<Self>) -> Result<(), NotAdopted> {
        let _ = run;
        Ok(())
    }
    /// It goes on: what may have changed while nobody looked is followed.
    fn taken_up(run: &mut Running<Self>) -> Result<(), DeviceError> {
        let _ = run;
        Ok(())
    }
}
