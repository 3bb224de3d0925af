//! Settings, made at each way into a driver or past it: whether they are in the device's registers still after a fault in each entry
//! point was recovered, and after a restart. What is read are the registers of the model, and not what the driver believes.

mod cards;
mod others;

use std::collections::BTreeMap;

use serde::Serialize;
use udrv::checkpoint::{Checkpoint, ClassSettings};
use udrv::report::Rung;
use udrv::run::{Answer, Command, DeviceError, Options};
use udrv_driver::{Entry, InjectedFault, Point};

use crate::device::{Device, Driver, Work};

/// By what way a setting was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// Written to a register that the driver does not know, past it.
    RawForeign,
    /// Written to one of the driver's registers, past it.
    RawOwn,
    /// An option of the configuration file, in force from the start.
    AtStart,
    /// A private option of the driver, changed while it runs.
    Private,
    /// The interface of its class.
    Class,
}

/// How a setting is made. `Err`: the device refuses.
pub(super) enum Make<D> {
    /// Before the start.
    AtStart(fn(&mut Options)),
    /// While it runs.
    Running(fn(&mut D) -> Result<(), String>),
}

/// A setting.
pub(super) struct Setting<D> {
    /// What it is.
    pub(super) name: &'static str,
    /// See there.
    pub(super) way: Way,
    /// Which register of the model shows it.
    pub(super) register: &'static str,
    /// How it is made.
    pub(super) make: Make<D>,
    /// What that register holds, the bits that count.
    pub(super) read: fn(&mut D) -> u64,
}

/// Recoveries by one rung.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Tally {
    /// The setting was there afterwards.
    pub(crate) kept: u64,
    /// It was not.
    pub(crate) lost: u64,
    /// In which entry points that was.
    pub(crate) lost_in: Vec<String>,
}

/// What has become of a setting.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// Whose.
    pub(crate) driver: Driver,
    /// What it is.
    pub(crate) setting: &'static str,
    /// By what way it was made.
    pub(crate) way: Way,
    /// Which register was read.
    pub(crate) register: &'static str,
    /// What is there without it.
    pub(crate) without: u64,
    /// What is there with it.
    pub(crate) with: u64,
    /// After faults that were recovered, by rung: abort, restore.
    pub(crate) after: BTreeMap<&'static str, Tally>,
    /// Entry points whose call changes it also when nothing fails: no recovery is judged by these.
    pub(crate) changed_by: Vec<String>,
    /// After a restart.
    pub(crate) after_restart: bool,
    /// Why there is nothing of this.
    pub(crate) failed: Option<String>,
}

/// All rows.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    /// By driver.
    pub(crate) rows: Vec<Row>,
}

/// Tries all of it.
pub(crate) fn run() -> Settings {
    let rows = [cards::rows(), others::rows()].into_iter().flatten().collect();
    Settings { rows }
}

/// Tries all settings of a driver.
pub(super) fn rows_of<D: Device>(
    driver: Driver,
    options: fn() -> Options,
    start: fn(Options) -> Result<D, DeviceError>,
    settings: Vec<Setting<D>>,
) -> Vec<Row> {
    settings.into_iter().map(|setting| Trial { driver, options, start, setting }.row()).collect()
}

struct Trial<D> {
    driver: Driver,
    options: fn() -> Options,
    start: fn(Options) -> Result<D, DeviceError>,
    setting: Setting<D>,
}

impl<D: Device> Trial<D> {
    fn row(&self) -> Row {
        let Setting { name, way, register, .. } = self.setting;
        let mut row = Row {
            driver: self.driver,
            setting: name,
            way,
            register,
            without: 0,
            with: 0,
            after: BTreeMap::new(),
            changed_by: Vec::new(),
            after_restart: false,
            failed: None,
        };
        row.failed = self.try_it(&mut row).err();
        row
    }

    fn try_it(&self, row: &mut Row) -> Result<(), String> {
        let words = |error: DeviceError| error.to_string();
        row.without = {
            let mut plain = (self.start)((self.options)()).map_err(words)?;
            plain.work(&mut Work::default()).map_err(words)?;
            (self.setting.read)(&mut plain)
        };
        let mut device = self.set_up()?;
        row.with = (self.setting.read)(&mut device);
        if row.with == row.without {
            return Err(format!("it has not come into force: {:#x}", row.with));
        }
        for entry in device.entries() {
            device.enter(*entry, &mut Work::default()).map_err(words)?;
            if (self.setting.read)(&mut device) != row.with {
                row.changed_by.push(entry.name().to_owned());
                self.again(&mut device)?;
                continue;
            }
            for point in Point::ALL {
                self.fault(&mut device, *entry, point, row)?;
            }
        }
        device.ask(Command::Restart).map_err(words)?;
        device.work(&mut Work::default()).map_err(words)?;
        row.after_restart = (self.setting.read)(&mut device) == row.with;
        Ok(())
    }

    /// A fault there, and what has become of the setting.
    fn fault(&self, device: &mut D, entry: Entry, point: Point, row: &mut Row) -> Result<(), String> {
        let words = |error: DeviceError| error.to_string();
        let before = device.faults(0).map_err(words)?.last().map_or(0, |report| report.number);
        device.arm(entry, InjectedFault::NullWrite, point).map_err(words)?;
        device.enter(entry, &mut Work::default()).map_err(words)?;
        device.disarm().map_err(words)?;
        let reports = device.faults(before).map_err(words)?;
        let Some(rung) = reports.iter().map(|report| report.rung).max() else { return Ok(()) };
        let tally = row.after.entry(rung.name()).or_default();
        if (self.setting.read)(device) == row.with && rung != Rung::GaveUp {
            tally.kept += 1;
            return Ok(());
        }
        tally.lost += 1;
        if tally.lost_in.last().is_none_or(|last| last != entry.name()) {
            tally.lost_in.push(entry.name().to_owned());
        }
        self.again(device)
    }

    /// A device with the setting.
    fn set_up(&self) -> Result<D, String> {
        let mut options = (self.options)();
        if let Make::AtStart(set) = self.setting.make {
            set(&mut options);
        }
        let mut device = (self.start)(options).map_err(|error| error.to_string())?;
        device.work(&mut Work::default()).map_err(|error| error.to_string())?;
        if let Make::Running(set) = self.setting.make {
            set(&mut device)?;
        }
        Ok(device)
    }

    /// The setting was lost: it is made again. One of the start cannot be, and what follows counts as lost too.
    fn again(&self, device: &mut D) -> Result<(), String> {
        match self.setting.make {
            Make::AtStart(_) => Ok(()),
            Make::Running(set) => set(device),
        }
    }
}

/// Changes what `udrvctl checkpoint` has: all that the class interface can say.
pub(super) fn class(device: &mut impl Device, change: impl FnOnce(&mut ClassSettings)) -> Result<(), String> {
    let words = |error: DeviceError| error.to_string();
    let mut checkpoint: Box<Checkpoint> = match device.ask(Command::Checkpoint).map_err(words)? {
        Answer::Checkpoint(checkpoint) => checkpoint,
        other => return Err(format!("{other:?}")),
    };
    change(&mut checkpoint.settings);
    match device.ask(Command::RestoreCheckpoint { checkpoint, dry_run: false }).map_err(words)? {
        Answer::Restored(_) => Ok(()),
        Answer::Refused(why) => Err(why),
        other => Err(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a driver was told is kept by each rung. What it knows nothing of is kept where nothing restarts.
    #[test]
    fn recovery_loses_nothing_that_it_should_keep() {
        let Settings { rows } = run();
        assert!(Driver::ALL.iter().all(|driver| rows.iter().any(|row| row.driver == *driver)));
        for row in &rows {
            assert_eq!(row.failed, None, "{row:?}");
            assert!(row.after.values().any(|tally| tally.kept > 0), "{row:?}");
            let is_kept = row.after.values().all(|tally| tally.lost == 0);
            match row.way {
                Way::AtStart | Way::Private | Way::Class => {
                    assert!(is_kept && row.after_restart && row.changed_by.is_empty(), "{row:?}");
                }
                Way::RawForeign => assert!(is_kept, "{row:?}"),
                // `restore` writes what the driver's state has
                Way::RawOwn => assert_eq!(row.after.get("abort").map_or(0, |tally| tally.lost), 0, "{row:?}"),
            }
        }
    }
}
