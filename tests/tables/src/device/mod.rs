//! A driver on its model, used and judged: the same four functions for all classes. One thread does all of it, over the rigs of the
//! tests that are turned by hand.

mod input;
mod net;
mod sound;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use udrv::report::FaultReport;
use udrv::run::{Answer, Command, DeviceError, Memory};
use udrv_driver::{Entry, InjectedFault, Injection, Point};
use udrv_tests::subject::{E1000, R8169, Rtl8139};

pub(crate) use input::Mouse;
pub(crate) use net::{Adapter, Card, adapter, card, options as net_options};
pub(crate) use sound::Player;

/// Which driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Driver {
    /// RTL8139.
    Rtl8139,
    /// Intel 82540EM.
    E1000,
    /// RTL8169.
    R8169,
    /// ADM8511.
    Pegasus,
    /// ES1371.
    Ens1371,
    /// PS/2 mice.
    Psmouse,
}

impl Driver {
    /// All.
    pub(crate) const ALL: [Driver; 6] =
        [Driver::Rtl8139, Driver::E1000, Driver::R8169, Driver::Pegasus, Driver::Ens1371, Driver::Psmouse];

    /// The name of its crate.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Driver::Rtl8139 => "rtl8139",
            Driver::E1000 => "e1000",
            Driver::R8169 => "r8169",
            Driver::Pegasus => "pegasus",
            Driver::Ens1371 => "ens1371",
            Driver::Psmouse => "psmouse",
        }
    }

    /// What is counted of its work.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Driver::Rtl8139 | Driver::E1000 | Driver::R8169 | Driver::Pegasus => "frames",
            Driver::Ens1371 => "samples",
            Driver::Psmouse => "movements",
        }
    }

    /// It on its model, as users have it: options are those of the tests only where these let time pass sooner.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(self) -> Result<Box<dyn Device>, DeviceError> {
        Ok(match self {
            Driver::Rtl8139 => Box::new(card::<Rtl8139>(net_options())?),
            Driver::E1000 => Box::new(card::<E1000>(net_options())?),
            Driver::R8169 => Box::new(card::<R8169>(net_options())?),
            Driver::Pegasus => Box::new(adapter(net_options())?),
            Driver::Ens1371 => Box::new(Player::start(Player::options())?),
            Driver::Psmouse => Box::new(Mouse::start(Mouse::options())?),
        })
    }
}

/// What has come out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    /// Right, once and in order.
    pub(crate) units: u64,
    /// Left out.
    pub(crate) missing: u64,
    /// Altered, repeated, made up: how many, and the first of them in words.
    pub(crate) wrong: u64,
    /// See `wrong`.
    pub(crate) first_wrong: Option<String>,
}

impl Work {
    fn wrong(&mut self, what: impl FnOnce() -> String) {
        self.wrong += 1;
        self.first_wrong.get_or_insert_with(what);
    }
}

/// A driver on its model.
pub(crate) trait Device {
    /// Entry points of its class.
    fn entries(&self) -> &'static [Entry];
    /// Those that work calls by itself.
    fn by_work(&self) -> &'static [Entry];
    /// Asks it.
    fn ask(&mut self, command: Command) -> Result<Answer, DeviceError>;
    /// A round of its work, judged.
    fn work(&mut self, work: &mut Work) -> Result<(), DeviceError>;
    /// What it takes.
    fn memory(&self) -> Memory;

    /// Arms a fault for the next call.
    fn arm(&mut self, entry: Entry, fault: InjectedFault, point: Point) -> Result<(), DeviceError> {
        let injection = Injection { fault, point };
        self.ask(Command::Inject { entry, injection, times: 1 }).map(drop)
    }

    /// A fault that was armed and has not come will not come.
    fn disarm(&mut self) -> Result<(), DeviceError> {
        let injection = Injection { fault: InjectedFault::NullWrite, point: Point::Start };
        self.ask(Command::Inject { entry: self.entries()[0], injection, times: 0 }).map(drop)
    }

    /// Has an entry point called: by work, or by command with the values in force. What the driver refuses is no error here.
    fn enter(&mut self, entry: Entry, work: &mut Work) -> Result<(), DeviceError> {
        if !self.by_work().contains(&entry) {
            self.ask(Command::Call(entry))?;
        }
        self.work(work)
    }

    /// Reports above number `after`.
    fn faults(&mut self, after: u64) -> Result<Vec<FaultReport>, DeviceError> {
        match self.ask(Command::Faults(after))? {
            Answer::Faults(reports) => Ok(reports),
            other => panic!("faults: {other:?}"),
        }
    }
}
