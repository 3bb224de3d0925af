//! `hand-back`: udrvd is ended, and its device and what its interface carries go to the kernel's driver.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use udrv_daemon::complaint::in_a_line;
use udrv_daemon::directory;
use udrv_daemon::system::System;
use udrv_daemon::system::address::Address;
use udrv_daemon::system::bind::BindError;
use udrv_daemon::system::hand_back::{Carry, GIVEN_UP, HandedBack, Note, Plan};

use crate::exit::{Exit, Failure};
use crate::named::Named;
use crate::output::{complain, print, print_json};

/// How a service ended, by what its manager says: to a command of the unit, and to a unit that it starts for that.
const ENDINGS: [&str; 2] = ["EXIT_STATUS", "MONITOR_EXIT_STATUS"];

/// Hand a device back to the kernel's driver: end the udrvd that drives it, and move addresses, routes and MTU of its interface
/// to the kernel's. If the kernel does not take it, all is as it was.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device, as `udrvctl list` shows it.
    #[arg(required_unless_present = "config")]
    device: Option<Address>,
    /// The device that this file of udrvd names.
    #[arg(long, value_name = "FILE", conflicts_with = "device")]
    config: Option<PathBuf>,
    /// Leave the network alone: what the interface carries goes with it.
    #[arg(long)]
    no_network: bool,
    /// For the service manager: only if udrvd has ended because it has given the device up, and the file has `hand-back`. What
    /// moves is what udrvd has noted.
    #[arg(long, requires = "config", conflicts_with_all = ["device", "no_network", "dry_run"])]
    given_up: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<Exit, Failure> {
        let (system, runtime) = (System::default(), directory::of_client());
        let named = self.config.as_deref().map(Named::read).transpose()?;
        let address = match (&self.device, &named) {
            (Some(device), _) => device.clone(),
            (None, Some(named)) => {
                let wrong = |error| Failure::new(Exit::Usage, format!("{}: {error}", named.device));
                named.device.parse().map_err(wrong)?
            }
            (None, None) => return Err(Failure::new(Exit::Usage, "no device was named")),
        };
        let carry = match (&named, self.given_up) {
            (Some(named), true) => match self.noted(named, &runtime, json)? {
                Some(carry) => carry,
                None => return Ok(Exit::Done),
            },
            _ if self.no_network => Carry::Nothing,
            _ => Carry::Found,
        };
        let is_noted = matches!(carry, Carry::Noted(Some(_)));
        let plan =
            system.plan_hand_back(&address, &runtime, carry).map_err(|error| self.noted_still(is_noted, error))?;
        if self.dry_run && plan.refusals.is_empty() {
            match json {
                true => print_json(&json!({
                    "device": plan.device, "was": plan.was, "dry_run": true, "steps": plan.steps, "warnings": plan.warnings,
                }))?,
                false => print(&listed(&plan))?,
            }
            return Ok(Exit::Done);
        }
        // half-way the device is nobody's, and its addresses nowhere: Ctrl-C waits
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let kept = signal_hook::flag::register(signal, Arc::default());
            kept.map_err(|error| Failure::failed(format!("signal {signal} cannot be kept: {error}")))?;
        }
        let (was, is_back) = (plan.daemon.as_ref().map(ToString::to_string).or(plan.was.clone()), plan.is_back);
        let mut done = system.hand_back(plan).map_err(|error| self.noted_still(is_noted, error))?;
        if let (Some(named), true) = (&named, self.given_up)
            && let Err(error) = Note::remove(&runtime, &named.device)
        {
            done.warnings.push(error.to_string());
        }
        match json {
            true => print_json(&json!({
                "device": done.device, "was": was, "driver": done.driver, "from": done.from, "interface": done.interface,
                "moved": done.moved, "missing": done.missing, "warnings": done.warnings, "dry_run": false,
            }))?,
            false => print(&told(&done, was.as_deref(), is_back))?,
        }
        if done.missing.is_empty() {
            return Ok(Exit::Done);
        }
        complain(&format!("{} is handed back, and not all has moved: {}", done.device, done.missing.join("; ")));
        Ok(Exit::LeftChanged)
    }

    /// What was noted does not come back by itself: how it does, once the cause is mended.
    fn noted_still(&self, is_noted: bool, error: BindError) -> Failure {
        let mut failure = Failure::from(error);
        if let (true, Some(file)) = (is_noted, &self.config) {
            failure.message += &format!(
                "; what its interface carried is still noted, once that is mended: EXIT_STATUS={GIVEN_UP} udrvctl hand-back \
                 --given-up --config {}",
                file.display()
            );
        }
        failure
    }

    /// What udrvd has noted. `None`: this is not the case that it is for.
    fn noted(&self, named: &Named, runtime: &Path, json: bool) -> Result<Option<Carry>, Failure> {
        let device = &named.device;
        let endings: Vec<String> = ENDINGS.iter().filter_map(|name| std::env::var(name).ok()).collect();
        if endings.is_empty() {
            let why = "--given-up is for a service manager, which says in EXIT_STATUS or MONITOR_EXIT_STATUS how udrvd has ended";
            return Err(Failure::new(
                Exit::Usage,
                format!("{device}: {why}; leave it out to hand the device back now"),
            ));
        }
        if !endings.contains(&GIVEN_UP.to_string()) || !named.hand_back {
            let why = if named.hand_back { "udrvd has not given it up" } else { "hand-back is not set" };
            // an ordinary failure is no alarm: what this prints is one else, and the journal takes a level from the line
            match json {
                true => print_json(&json!({ "device": device, "steps": [], "why": why }))?,
                false => print(&format!("<6>{device}: not handed back, for {why}\n"))?,
            }
            return Ok(None);
        }
        match Note::read(runtime, device) {
            Ok(note) => {
                complain(&format!("{device} was given up, and is handed back to the kernel's driver: {}", note.reason));
                Ok(Some(Carry::Noted(note.network)))
            }
            // the device all the same: without addresses it is better off there than with nobody
            Err(error) => {
                complain(&format!(
                    "{device} was given up, and is handed back without what its interface carried: {error}"
                ));
                Ok(Some(Carry::Noted(None)))
            }
        }
    }
}

fn listed(plan: &Plan) -> String {
    if plan.is_back {
        return format!("{}: with {} already\n", plan.device, plan.was.as_deref().unwrap_or("no driver"));
    }
    let steps = indented(&plan.steps);
    format!("{}: would do:\n{steps}{}", plan.device, warned(&plan.warnings))
}

fn told(done: &HandedBack, was: Option<&str>, is_back: bool) -> String {
    let driver = done.driver.as_deref().unwrap_or("no driver");
    if is_back {
        return format!("{}: with {driver} already\n", done.device);
    }
    let mut text =
        format!("{}: HANDED BACK: with {driver} now, was with {}\n", done.device, was.unwrap_or("no driver"));
    match (&done.from, &done.interface) {
        (Some(from), Some(interface)) => {
            text += &format!("{} has what {} had:\n", in_a_line(interface), in_a_line(from));
            text += &indented(&done.moved);
        }
        (None, Some(interface)) => {
            text += &format!("its interface is {}, to which nothing has moved\n", in_a_line(interface))
        }
        _ => {}
    }
    text += &match done.device.starts_with("usb:") {
        true => "it stays there until udrvd is started for it\n".to_owned(),
        false => {
            let device = &done.device;
            format!("it stays there until it is given to udrv again: udrvctl bind --force {device}, and start udrvd\n")
        }
    };
    text + &warned(&done.warnings)
}

/// A line each. The kernel lets an interface have a name that a terminal would obey.
fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {}\n", in_a_line(line))).collect()
}

fn warned(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("warning: {}\n", in_a_line(warning))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel takes an escape as part of an interface's name.
    #[test]
    fn no_name_reaches_the_terminal_as_it_is() {
        let name = || Some("\u{1b}[2J".to_owned());
        let lines = || vec!["member of \u{1b}[2J".to_owned()];
        let done = HandedBack {
            device: "pci:0000:00:04.0".to_owned(),
            driver: None,
            from: name(),
            interface: name(),
            moved: lines(),
            missing: Vec::new(),
            warnings: lines(),
        };
        let told = [told(&done, None, false), told(&HandedBack { from: None, ..done }, None, false)].concat();
        assert!(!told.contains('\u{1b}'), "{told:?}");
        assert_eq!(told.matches("\\u{1b}[2J").count(), 6, "{told}");
    }
}
