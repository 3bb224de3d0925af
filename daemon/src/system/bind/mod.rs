//! Giving a device to a process, and back to the kernel.
//!
//! ```text
//!   plan_bind / plan_unbind --Plan: steps, group, what speaks against it--> carry_out --> Change
//! ```
//!
//! A plan reads and changes nothing; it is what `--dry-run` shows. `carry_out` takes the steps, looks whether the kernel has
//! done what they ask for, and puts everything back as it was if not. PCI functions go to vfio-pci (`pci.rs`), PS/2 ports to
//! serio_raw (`serio.rs`). An adapter on USB needs none of it: udrvd takes it and gives it back.

mod pci;
mod persist;
mod serio;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::System;
use super::address::Address;
use super::iommu::Group;

/// How it is to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// It stays so when the machine is started anew: in driverctl's folder.
    pub persist: bool,
    /// Of a device that no driver here drives too, and of one that carries something.
    pub force: bool,
}

/// Why it cannot be done, or was not.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// There is no such device.
    #[error("{0}")]
    NoDevice(String),
    /// This kind of device is not bound by anybody.
    #[error("{0}")]
    NotForThis(String),
    /// Something speaks against it.
    #[error("{0}")]
    Refused(String),
    /// The files of sysfs are root's.
    #[error("{} cannot be written: only root changes which driver has a device; use sudo", .0.display())]
    NoPermission(PathBuf),
    /// The machine lacks something. Nothing was changed.
    #[error("{0}")]
    NotPossible(String),
    /// It failed on the way, and all is as it was.
    #[error("{failed}; undone: {device} is with {was} as before")]
    Undone {
        /// Which device.
        device: String,
        /// The step, and what became of it.
        failed: String,
        /// Who has the device.
        was: String,
    },
    /// It failed on the way, and could not be undone.
    #[error("{failed}; and could not be undone: {device} was with {was}, and is with {now}")]
    LeftChanged {
        /// Which device.
        device: String,
        /// The step, and what became of it.
        failed: String,
        /// Who had the device, and what it was set to.
        was: String,
        /// Who has it now, and what it is set to.
        now: String,
    },
}

/// What is to be done, and what there is to be said about it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    address: Address,
    /// The device.
    pub device: String,
    /// Who has it now.
    pub was: Option<String>,
    /// Its IOMMU group.
    pub group: Option<Group>,
    /// One after the other. Empty: it is so already.
    pub steps: Vec<Step>,
    /// What to know and to do besides.
    pub warnings: Vec<String>,
    /// Why it is not done, each in a clause. `--force` has left out what it may.
    pub refusals: Vec<String>,
    wanted: Wanted,
}

/// Which driver is to have the device in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The one that passes it on to a process.
    Ours,
    /// One of the kernel's, or none if it has none for it.
    Kernels,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Have a module loaded.
    Load(&'static str),
    /// Write to a file of sysfs.
    Write {
        /// Which.
        file: PathBuf,
        /// What, without a newline, which `drvctl` would take for a part of it. Nothing: that what is set is taken away.
        text: String,
    },
    /// If no driver has taken the device: have the module for this alias loaded, and write once more.
    LoadFor {
        /// `pci:v000010EC...`.
        alias: String,
        /// Which file.
        file: PathBuf,
        /// What.
        text: String,
    },
    /// Make a file that stays.
    Save {
        /// Which.
        file: PathBuf,
        /// Its line.
        text: &'static str,
    },
    /// Take such a file away.
    Forget {
        /// Which.
        file: PathBuf,
    },
}

impl Step {
    /// It is for the next starts of the machine.
    fn lasts(&self) -> bool {
        matches!(self, Step::Save { .. } | Step::Forget { .. })
    }

    /// The file or folder that has to be open to us for it, if it is there yet: `driver/unbind` comes and goes, and is as the
    /// device's other files.
    fn touches(&self) -> Option<&Path> {
        match self {
            Step::Write { file, .. } => Some(file.as_path()).filter(|file| file.exists()),
            Step::Save { file, .. } | Step::Forget { file } => file.ancestors().skip(1).find(|folder| folder.exists()),
            Step::Load(_) | Step::LoadFor { .. } => None,
        }
    }
}

/// The step as a person would type it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Load(module) => write!(f, "modprobe {module}"),
            Step::Write { file, text } if text.is_empty() => write!(f, "echo > {}", file.display()),
            Step::Write { file, text } => write!(f, "echo -n {text} > {}", file.display()),
            Step::LoadFor { alias, file, text } => {
                write!(f, "modprobe {alias}; echo -n {text} > {}  # if no driver has taken it", file.display())
            }
            Step::Save { file, text } => write!(f, "echo {text} > {}", file.display()),
            Step::Forget { file } => write!(f, "rm {}", file.display()),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The device.
    pub device: String,
    /// The driver that had it.
    pub was: Option<String>,
    /// The driver that has it.
    pub driver: Option<String>,
    /// What to know and to do besides.
    pub warnings: Vec<String>,
}

/// Who has a device, and what is set for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) driver: Option<String>,
    /// `driver_override`, if it is set.
    fixed: Option<String>,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.driver.as_deref().unwrap_or("no driver"))?;
        self.fixed.as_ref().map_or(Ok(()), |fixed| write!(f, " (driver_override {fixed})"))
    }
}

impl System {
    /// What giving the device to a process takes.
    ///
    /// # Errors
    /// There is no such device, or the machine lacks something. What only speaks against it is in [`Plan::refusals`].
    pub fn plan_bind(&self, address: &Address, options: Options) -> Result<Plan, BindError> {
        match address {
            Address::Pci(address) => self.plan_bind_pci(*address, options),
            Address::Serio(name) => self.plan_bind_serio(name, options),
            Address::Usb(_) => Err(needs_none(address)),
        }
    }

    /// What giving it back to the kernel takes.
    ///
    /// # Errors
    /// As [`System::plan_bind`].
    pub fn plan_unbind(&self, address: &Address, options: Options) -> Result<Plan, BindError> {
        match address {
            Address::Pci(address) => self.plan_unbind_pci(*address, options),
            Address::Serio(name) => self.plan_unbind_serio(name, options),
            Address::Usb(_) => Err(needs_none(address)),
        }
    }

    /// Does what is planned: all of it, or nothing.
    ///
    /// # Errors
    /// Refused, or failed on the way.
    pub fn carry_out(&self, plan: Plan) -> Result<Change, BindError> {
        if !plan.refusals.is_empty() {
            return Err(BindError::Refused(format!("{}: {}", plan.device, plan.refusals.join("; "))));
        }
        let touched = plan.steps.iter().filter_map(Step::touches);
        if let Some(file) = touched.into_iter().find(|file| !self.kernel.may_use(file)) {
            return Err(BindError::NoPermission(file.to_owned()));
        }
        let before = self.state(&plan.address);
        let (lasting, at_once): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().partition(|step| step.lasts());
        let take = |steps: Vec<&Step>| steps.into_iter().try_for_each(|step| self.take(step, &plan.address));
        // what the next start of the machine finds is what has been seen to work
        match take(at_once).and_then(|()| self.verify(&plan)).and_then(|()| take(lasting)) {
            Ok(()) => {
                let mut warnings = plan.warnings;
                let driver = self.state(&plan.address).driver;
                if driver.is_none() {
                    warnings.push(format!("the kernel has no driver for {}: nobody has it now", plan.device));
                }
                Ok(Change { device: plan.device, was: plan.was, driver, warnings })
            }
            Err(failed) => Err(self.undo(plan, &before, failed)),
        }
    }

    pub(super) fn state(&self, address: &Address) -> State {
        match address {
            Address::Pci(address) => self.pci_state(*address),
            Address::Serio(name) => self.serio_state(name),
            Address::Usb(_) => State { driver: None, fixed: None },
        }
    }

    /// Takes a step; in the error, the step and what became of it.
    fn take(&self, step: &Step, address: &Address) -> Result<(), String> {
        let done = match step {
            Step::Load(module) => self.kernel.load_module(module),
            Step::Write { file, text } => self.tell(file, text),
            Step::LoadFor { alias, file, text } => {
                if self.state(address).driver.is_some() {
                    return Ok(());
                }
                // a driver that is built in has no module to load, and may have nothing to do with it
                match self.kernel.load_module(alias) {
                    Ok(()) => self.tell(file, text),
                    Err(_) => Ok(()),
                }
            }
            Step::Save { file, text } => persist::save(file, text),
            Step::Forget { file } => persist::forget(file),
        };
        done.map_err(|error| format!("{step}: {error}"))
    }

    fn verify(&self, plan: &Plan) -> Result<(), String> {
        match &plan.address {
            Address::Pci(address) => self.verify_pci(*address, plan.wanted),
            Address::Serio(name) => self.verify_serio(name, plan.wanted),
            Address::Usb(_) => Ok(()),
        }
    }

    fn undo(&self, plan: Plan, before: &State, failed: String) -> BindError {
        // a step back that fails shows in the state
        match &plan.address {
            Address::Pci(address) => self.restore_pci(*address, before),
            Address::Serio(name) => self.restore_serio(name, before),
            Address::Usb(_) => {}
        }
        let (device, was, now) = (plan.device, before.to_string(), self.state(&plan.address));
        if now == *before {
            BindError::Undone { device, failed, was }
        } else {
            BindError::LeftChanged { device, failed, was, now: now.to_string() }
        }
    }

    /// Writes a text, or, as no bytes would reach nobody, an empty line.
    fn tell(&self, file: &Path, text: &str) -> io::Result<()> {
        self.kernel.write(file, if text.is_empty() { "\n" } else { text })
    }
}

fn needs_none(address: &Address) -> BindError {
    BindError::NotForThis(format!(
        "{address}: what is on USB needs no binding: udrvd takes it from the kernel's driver when it starts, and gives it back"
    ))
}

#[cfg(test)]
#[path = "../bind_tests.rs"]
mod tests;
