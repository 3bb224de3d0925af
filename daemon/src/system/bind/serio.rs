//! PS/2 ports: `drvctl` takes the name of a driver, or `rescan` for the kernel's own choice, which serio_raw never is.

use super::super::System;
use super::super::address::{Address, SerioPort};
use super::{BindError, Options, Plan, State, Step, Wanted};

/// The driver that passes a port on.
const RAW: &str = "serio_raw";

impl System {
    pub(super) fn plan_bind_serio(&self, port: SerioPort, options: Options) -> Result<Plan, BindError> {
        let mut plan = self.plan_serio(port, options, Wanted::Ours)?;
        if plan.was.as_deref() == Some(RAW) {
            return Ok(plan);
        }
        if !options.force && self.for_serio(port).is_none() {
            plan.refusals.push("no driver here drives what is there; --force binds it all the same".to_owned());
        }
        if !self.exists(format!("sys/bus/serio/drivers/{RAW}")) {
            plan.steps.push(Step::Load(RAW));
        }
        plan.steps.push(self.drvctl(port, RAW));
        Ok(plan)
    }

    pub(super) fn plan_unbind_serio(&self, port: SerioPort, options: Options) -> Result<Plan, BindError> {
        let mut plan = self.plan_serio(port, options, Wanted::Kernels)?;
        if plan.was.as_deref().is_some_and(|driver| driver != RAW) {
            return Ok(plan);
        }
        let holders = self.holders(&self.serio_nodes(port));
        if !holders.seen.is_empty() {
            plan.refusals.push(format!("{} has it open: end that first", holders.clause()));
        }
        plan.steps.push(self.drvctl(port, "rescan"));
        Ok(plan)
    }

    fn plan_serio(&self, port: SerioPort, options: Options, wanted: Wanted) -> Result<Plan, BindError> {
        let address = Address::Serio(port);
        if !self.exists(port.folder()) {
            let ports: Vec<String> = self.serio_ports().iter().map(ToString::to_string).collect();
            let ports = if ports.is_empty() { "none".to_owned() } else { ports.join(", ") };
            return Err(BindError::NoDevice(format!("there is no PS/2 port {port}; ports here: {ports}")));
        }
        if options.persist {
            let why = "driverctl, whose format --persist writes, knows no PS/2 ports";
            return Err(BindError::NotForThis(format!("{address}: {why}; leave --persist out")));
        }
        let (device, was) = (address.to_string(), self.serio_driver(port));
        let (steps, warnings, refusals) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Plan { address, device, was, group: None, steps, warnings, refusals, wanted })
    }

    pub(super) fn verify_serio(&self, port: SerioPort, wanted: Wanted) -> Result<(), String> {
        let driver = self.serio_driver(port);
        match (wanted, driver.as_deref() == Some(RAW)) {
            (Wanted::Ours, true) | (Wanted::Kernels, false) => Ok(()),
            (Wanted::Kernels, true) => Err(format!("{RAW} has it still")),
            (Wanted::Ours, false) => {
                let now = driver.as_deref().unwrap_or("no driver");
                Err(format!("{RAW} has not taken it ({now} has); dmesg says why"))
            }
        }
    }

    pub(super) fn restore_serio(&self, port: SerioPort, before: &State) {
        // the kernel's own choice first: a driver that is chosen by name gets no files of its own in sysfs
        let ways: &[&str] = match &before.driver {
            Some(was) => &["rescan", was],
            None => &["none"],
        };
        for way in ways {
            if self.serio_driver(port) == before.driver {
                return;
            }
            let _ = self.tell(&self.path(format!("{}/drvctl", port.folder())), way);
        }
    }

    fn drvctl(&self, port: SerioPort, text: &str) -> Step {
        Step::Write { file: self.path(format!("{}/drvctl", port.folder())), text: text.to_owned() }
    }
}
