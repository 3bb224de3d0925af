//! `bind` and `unbind`: the same plan, shown, and carried out.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use udrv_daemon::system::System;
use udrv_daemon::system::address::Address;
use udrv_daemon::system::bind::{BindError, Change, Options, Plan};

use crate::exit::{Exit, Failure};
use crate::named::{Bound, Named};
use crate::output::{complain, print, print_json};

/// Give a device to user space: a PCI function to vfio-pci, a PS/2 port to serio_raw. If it fails, all is as it was.
///
/// A card that holds the default route or an address is refused, and so is a device that no driver here drives.
#[derive(Debug, clap::Args)]
pub(crate) struct BindArgs {
    /// The device, as `udrvctl list` shows it.
    #[arg(required_unless_present = "config")]
    device: Option<Address>,
    /// The device that this file of udrvd names; nothing is done if that is one which needs no binding.
    #[arg(long, value_name = "FILE", conflicts_with = "device")]
    config: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
    /// Take it although it carries something, or no driver here drives it.
    #[arg(long)]
    force: bool,
}

/// Give a device back to the kernel's driver. Refused while a process has it open.
#[derive(Debug, clap::Args)]
pub(crate) struct UnbindArgs {
    /// The device, as `udrvctl list` shows it.
    device: Address,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// For the next starts of the machine too: written to, or taken out of, /etc/driverctl.d, for driverctl.
    #[arg(long)]
    persist: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl BindArgs {
    pub(crate) fn run(&self, json: bool) -> Result<Exit, Failure> {
        let options = Options { persist: self.common.persist, force: self.force };
        let system = System::default();
        let device = match (&self.device, &self.config) {
            (Some(device), _) => device.clone(),
            (None, Some(file)) => match Named::read(file)?.bound {
                Bound::At(device) => device,
                Bound::Nowhere(device) => {
                    udrvs_again(&system, &device);
                    match json {
                        true => print_json(&json!({ "device": device, "steps": [] }))?,
                        false => print(&format!("{device}: needs no binding\n"))?,
                    }
                    return Ok(Exit::Done);
                }
            },
            (None, None) => return Err(Failure::new(Exit::Usage, "no device was named")),
        };
        let plan = system.plan_bind(&device, options)?;
        let exit = self.common.run(&system, plan, json)?;
        if !self.common.dry_run {
            udrvs_again(&system, &device.to_string());
        }
        Ok(exit)
    }
}

/// One that was handed back is udrv's from now on, and udev may start its service.
fn udrvs_again(system: &System, device: &str) {
    if let Err(error) = system.unmark_device(device) {
        complain(&format!("{device} was handed back, and udev takes it for that still: {error}"));
    }
}

impl UnbindArgs {
    pub(crate) fn run(&self, json: bool) -> Result<Exit, Failure> {
        let system = System::default();
        let options = Options { persist: self.common.persist, force: false };
        let plan = system.plan_unbind(&self.device, options)?;
        self.common.run(&system, plan, json)
    }
}

impl Common {
    fn run(&self, system: &System, plan: Plan, json: bool) -> Result<Exit, Failure> {
        if !json {
            print(&group(&plan))?;
        }
        let (steps, members) = (plan.steps.iter().map(ToString::to_string).collect::<Vec<_>>(), plan.group.clone());
        if self.dry_run && plan.refusals.is_empty() {
            match json {
                true => print_json(&json!({
                    "device": plan.device, "was": plan.was, "driver": null, "dry_run": true, "steps": steps,
                    "group": members, "warnings": plan.warnings,
                }))?,
                false => print(&listed(&steps, &plan.warnings))?,
            }
            return Ok(Exit::Done);
        }
        // half-way the device is nobody's: the steps take milliseconds, and Ctrl-C waits for them
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let kept = signal_hook::flag::register(signal, Arc::default());
            kept.map_err(|error| Failure::failed(format!("signal {signal} cannot be kept: {error}")))?;
        }
        let change = system.carry_out(plan)?;
        match json {
            true => print_json(&json!({
                "device": change.device, "was": change.was, "driver": change.driver, "dry_run": false, "steps": steps,
                "group": members, "warnings": change.warnings,
            }))?,
            false => print(&told(&change))?,
        }
        Ok(Exit::Done)
    }
}

/// The whole group, before anything is done.
fn group(plan: &Plan) -> String {
    let Some(group) = &plan.group else { return String::new() };
    let mark = |device: &str| if device == plan.device { "  <-" } else { "" };
    let members = group.members.iter().map(|member| format!("  {member}{}\n", mark(&member.device)));
    format!("IOMMU group {}:\n{}", group.number, members.collect::<String>())
}

fn listed(steps: &[String], warnings: &[String]) -> String {
    let steps = match steps {
        [] => "nothing to do\n".to_owned(),
        steps => format!("would do:\n{}", steps.iter().map(|step| format!("  {step}\n")).collect::<String>()),
    };
    steps + &warned(warnings)
}

fn told(change: &Change) -> String {
    let name = |driver: &Option<String>| driver.clone().unwrap_or_else(|| "no driver".to_owned());
    let (was, now) = (name(&change.was), name(&change.driver));
    let line = if was == now { format!("with {now} already") } else { format!("with {now} now, was with {was}") };
    format!("{}: {line}\n{}", change.device, warned(&change.warnings))
}

fn warned(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("warning: {warning}\n")).collect()
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Failure {
        let exit = match &error {
            BindError::NoDevice(_) => Exit::NoDevice,
            BindError::NotForThis(_) => Exit::Usage,
            BindError::Refused(_) => Exit::Refused,
            BindError::NoPermission(_) => Exit::NoPermission,
            BindError::NotPossible(_) | BindError::Undone { .. } => Exit::Failed,
            BindError::LeftChanged { .. } => Exit::LeftChanged,
        };
        Failure::new(exit, error.to_string())
    }
}
