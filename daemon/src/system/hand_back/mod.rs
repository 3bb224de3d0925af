//! Handing a device back: udrvd is ended, the kernel's driver gets the device, and what its interface has carried moves over.
//! Rung 5 of the ladder.
//!
//! ```text
//!   plan_hand_back --Plan: who has it, what its interface carries, what speaks against it--> hand_back --> HandedBack
//! ```
//!
//! A plan reads and changes nothing. `hand_back` ends udrvd (`daemon.rs`), gives the device to the kernel (`bind/`), waits for
//! the interface (`taken.rs`), and puts onto it what was taken down (`network/`). If the kernel does not take the device all goes back, udrvd
//! too where a service manager can start it. `note.rs` is what a udrvd that gives up leaves, `mark.rs` keeps udev from starting it again.

mod daemon;
mod mark;
mod note;
mod taken;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use udrv::run::ClassStatus;

use super::System;
use super::address::Address;
use super::bind::{BindError, Options};
use super::devices::{Device, DrivenBy, passes_on};
use super::network::Network;
use crate::drivers;

pub use daemon::Daemon;
pub use note::{Note, NoteError};
use taken::within;

/// How a udrvd ends that has given its device up and wants it handed back: for `RestartPreventExitStatus=`.
pub const GIVEN_UP: u8 = 5;
/// How long the kernel's driver may take to have its interface: one that reads an EEPROM or loads firmware takes a while.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to become of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carry {
    /// What the interface of the running udrvd carries.
    Found,
    /// What was written down while it was there, if anything was.
    Noted(Option<Network>),
    /// Nothing moves.
    Nothing,
}

/// What is to be done, and what there is to be said about it before.
#[derive(Debug, Clone)]
pub struct Plan {
    address: Address,
    /// The device.
    pub device: String,
    /// Its own name, and the one that udrvd was given.
    names: Vec<String>,
    /// The kernel's driver that has it now.
    pub was: Option<String>,
    /// The udrvd that drives it.
    pub daemon: Option<Daemon>,
    /// What moves.
    pub network: Option<Network>,
    /// The kernel's driver has it already.
    pub is_back: bool,
    /// It is a network card: an interface is to be expected.
    is_net: bool,
    /// How long the kernel may take.
    patience: Duration,
    /// What is done, in the words of a shell where there are any.
    pub steps: Vec<String>,
    /// What to know.
    pub warnings: Vec<String>,
    /// Why it is not done, each in a clause.
    pub refusals: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandedBack {
    /// The device.
    pub device: String,
    /// The kernel's driver that has it.
    pub driver: Option<String>,
    /// The interface that it had with udrvd.
    pub from: Option<String>,
    /// The one that it has now.
    pub interface: Option<String>,
    /// What has moved, and was found there afterwards.
    pub moved: Vec<String>,
    /// What has not, and why.
    pub missing: Vec<String>,
    /// What to know and to do besides.
    pub warnings: Vec<String>,
}

impl System {
    /// What handing the device back takes. `runtime` is the directory of control sockets.
    ///
    /// # Errors
    /// There is no such device, or it cannot be found out. What only speaks against it is in [`Plan::refusals`].
    pub fn plan_hand_back(&self, address: &Address, runtime: &Path, carry: Carry) -> Result<Plan, BindError> {
        let found = self.device(address, runtime).map_err(BindError::NoDevice)?;
        // the one that is meant now, whatever else may have this name later
        let typed = address.to_string();
        let address: Address = found.device.parse().map_err(|_| BindError::NoDevice(found.device.clone()))?;
        let is_net = found.driver.is_some_and(drivers::is_net);
        let mut plan = Plan {
            address,
            device: found.device.clone(),
            names: vec![found.device.clone()],
            was: found.kernel_driver.clone(),
            daemon: None,
            network: None,
            is_back: false,
            is_net,
            patience: PATIENCE,
            steps: Vec::new(),
            warnings: Vec::new(),
            refusals: Vec::new(),
        };
        match (&found.driven_by, &carry) {
            (DrivenBy::Udrvd { .. }, Carry::Noted(_)) => {
                plan.refusals.push("a udrvd drives it, which has not given it up".to_owned());
            }
            (DrivenBy::Udrvd { socket }, _) => self.plan_daemon(&mut plan, runtime, socket, &carry)?,
            (DrivenBy::Process(holder), _) => {
                plan.refusals.push(format!("{holder} has it, and is no udrvd: end that first"));
            }
            (DrivenBy::Kernel { .. }, Carry::Noted(None) | Carry::Found | Carry::Nothing) => plan.is_back = true,
            (DrivenBy::Kernel { .. } | DrivenBy::Nobody, _) => {}
        }
        if let Carry::Noted(network) = carry {
            // as its file calls it, which is what udev's rules look for
            plan.names.push(typed);
            plan.network = network;
        }
        self.say_steps(&mut plan, &found);
        Ok(plan)
    }

    /// Whom to end, and what its interface carries.
    fn plan_daemon(&self, plan: &mut Plan, runtime: &Path, socket: &Path, carry: &Carry) -> Result<(), BindError> {
        let (daemon, status) = Daemon::find(self, runtime, socket).map_err(BindError::NotPossible)?;
        plan.names.push(daemon.name.clone());
        plan.daemon = Some(daemon);
        let ClassStatus::Net(net) = status.class else { return Ok(()) };
        if *carry != Carry::Found {
            return Ok(());
        }
        let name = net.endpoint;
        let cannot = |error| BindError::NotPossible(format!("what {name} carries cannot be found out: {error}"));
        match self.kernel.network(&name).map_err(cannot)? {
            // frames of a test
            None if name == "socket" => {}
            None => plan.refusals.push(format!(
                "its interface {name} is not in this network namespace, so what it carries cannot come with it; \
                 --no-network leaves that behind"
            )),
            Some(network) => {
                if !network.uppers.is_empty() {
                    plan.refusals.push(format!(
                        "{} stands on its interface {name} and would be gone: take it down first, or say --no-network",
                        network.uppers.join(", ")
                    ));
                }
                plan.network = Some(network);
            }
        }
        Ok(())
    }

    /// For people: what [`System::hand_back`] does.
    fn say_steps(&self, plan: &mut Plan, found: &Device) {
        if plan.is_back {
            return;
        }
        plan.steps.extend(plan.daemon.as_ref().map(Daemon::ending));
        // what speaks against it now is the udrvd that will have ended
        if let Ok(unbind) = self.plan_unbind(&plan.address, Options::default()) {
            plan.steps.extend(unbind.steps.iter().map(ToString::to_string));
            plan.warnings.extend(unbind.warnings);
            if plan.daemon.is_none() && !matches!(found.driven_by, DrivenBy::Process(_)) {
                plan.refusals.extend(unbind.refusals);
            }
        }
        if let Some(network) = &plan.network {
            let lines = network.lines();
            plan.steps.extend(
                lines.iter().map(|line| format!("onto the new interface: {line}  # from {}", network.interface)),
            );
            plan.warnings.extend(network.stays_behind());
        }
    }

    /// Does what is planned: all of it, or nothing as far as that can be.
    ///
    /// # Errors
    /// Refused, or failed on the way. What has not moved from one interface to the other is no error: [`HandedBack::missing`].
    pub fn hand_back(&self, plan: Plan) -> Result<HandedBack, BindError> {
        if !plan.refusals.is_empty() {
            return Err(BindError::Refused(format!("{}: {}", plan.device, plan.refusals.join("; "))));
        }
        if !plan.is_back {
            self.may_hand_back(&plan)?;
        }
        let given = if plan.is_back { Ok(self.interface_of(&plan.address)) } else { self.give(&plan) };
        let interface = match given {
            Ok(interface) => interface,
            Err(failed) => return Err(self.take_back(&plan, failed)),
        };
        let driver = self.kernels_driver(&plan.address);
        let (mut moved, mut missing, mut warnings) = (Vec::new(), Vec::new(), plan.warnings);
        if let (Some(network), Some(interface)) = (&plan.network, &interface) {
            if !self.is_settled(interface) {
                warnings.push(format!("udev is not done with {interface}: it may get another name yet"));
            }
            if network.interface != *interface
                && let Err(error) = self.kernel.clear_network(&network.interface)
            {
                warnings
                    .push(format!("{} is still there, and what it carried is still on it: {error}", network.interface));
            }
            match self.kernel.put_network(interface, network) {
                Ok(put) => (moved, missing) = (put.there, put.missing),
                Err(error) => {
                    missing = network.lines().into_iter().map(|line| format!("{line}: {error}")).collect();
                }
            }
        }
        let from = plan.network.map(|network| network.interface);
        Ok(HandedBack { device: plan.device, driver, from, interface, moved, missing, warnings })
    }

    fn may_hand_back(&self, plan: &Plan) -> Result<(), BindError> {
        let file = match &plan.address {
            Address::Pci(address) => self.path(format!("sys/bus/pci/devices/{address}/driver_override")),
            Address::Serio(name) => match self.serio().find(name) {
                Ok(Some(port)) => self.serio().drvctl(&port.name),
                _ => return Ok(()),
            },
            Address::Usb(_) => self.path("sys/bus/usb/drivers_probe"),
        };
        if file.exists() && !self.kernel.may_use(&file) { Err(BindError::NoPermission(file)) } else { Ok(()) }
    }

    /// To the kernel's driver. Gives the interface that it has made; in the error, what has failed.
    fn give(&self, plan: &Plan) -> Result<Option<String>, String> {
        // before udev hears that the device changes hands
        self.mark(&plan.names).map_err(|error| format!("it cannot be marked as handed back: {error}"))?;
        if let Some(daemon) = &plan.daemon {
            daemon.end(self)?;
        }
        if !matches!(plan.address, Address::Usb(_)) {
            let unbind = self.plan_unbind(&plan.address, Options::default()).map_err(|error| error.to_string())?;
            self.carry_out(unbind).map_err(|error| error.to_string())?;
        }
        let mend = "is its module there (modprobe), or switched off (a blacklist in /etc/modprobe.d)? dmesg says why a driver refuses";
        if !within(plan.patience, || self.kernels_driver(&plan.address).is_some()) {
            return Err(format!("no driver of the kernel takes {}: {mend}", plan.device));
        }
        if !plan.is_net {
            return Ok(self.interface_of(&plan.address));
        }
        // the name that udev gives it: what is put onto one that is renamed meanwhile would keep it from that
        let settled = || self.interface_of(&plan.address).is_some_and(|interface| self.is_settled(&interface));
        let is_settled = within(plan.patience, settled);
        match self.interface_of(&plan.address) {
            None if !is_settled => {
                let driver = self.kernels_driver(&plan.address).unwrap_or_default();
                Err(format!("{driver} has {} and makes no network interface: dmesg says why", plan.device))
            }
            interface => Ok(interface),
        }
    }

    /// As it was, as far as it can be.
    fn take_back(&self, plan: &Plan, failed: String) -> BindError {
        let mut left = Vec::new();
        if let Err(error) = self.unmark(&plan.names) {
            left.push(format!("the mark of a device that was handed back cannot be taken away: {error}"));
        }
        let had = plan.was.as_deref().is_some_and(passes_on);
        if had && !matches!(plan.address, Address::Usb(_)) && self.driver_of(&plan.address) != plan.was {
            let options = Options { force: true, ..Options::default() };
            let bound = self.plan_bind(&plan.address, options).and_then(|bind| self.carry_out(bind));
            left.extend(bound.err().map(|error| error.to_string()));
        }
        if let Some(daemon) = &plan.daemon {
            match daemon.start_again(self) {
                Err(why) => left.push(why),
                Ok(()) => {
                    if let Some(network) = &plan.network {
                        match self.kernel.put_network(&network.interface, network) {
                            Ok(put) => left.extend(put.missing),
                            Err(error) => left.push(format!("{}: {error}", network.interface)),
                        }
                    }
                }
            }
        }
        let was = plan.was.clone().unwrap_or_else(|| "no driver".to_owned());
        let was = plan.daemon.as_ref().map_or(was.clone(), |daemon| format!("{was} and {daemon}"));
        let device = plan.device.clone();
        if left.is_empty() {
            BindError::Undone { device, failed, was }
        } else {
            BindError::LeftChanged { device, failed, was, now: left.join("; ") }
        }
    }
}

/// The directory of marks.
fn marks(system: &System) -> PathBuf {
    system.path("run/udrv-handed-back")
}

#[cfg(test)]
#[path = "../hand_back_tests.rs"]
mod tests;
