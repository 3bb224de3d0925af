//! PS/2 ports: `drvctl` takes the name of a driver, or `rescan` for the kernel's own choice, which serio_raw never is.

use udrv::serio::raw::{PortSummary, SerioName};

use super::super::System;
use super::super::address::Address;
use super::super::devices::for_serio;
use super::{BindError, Options, Plan, State, Step, Wanted};

/// The driver that passes a port on.
const RAW: &str = "serio_raw";
/// The kernel's own choice.
const RESCAN: &str = "rescan";

impl System {
    pub(super) fn plan_bind_serio(&self, name: &SerioName, options: Options) -> Result<Plan, BindError> {
        let (port, mut plan) = self.plan_serio(name, options, Wanted::Ours)?;
        if plan.was.as_deref() == Some(RAW) {
            return Ok(plan);
        }
        if !options.force && for_serio(&port).is_none() {
            plan.refusals.push("no driver here drives what is there; --force binds it all the same".to_owned());
        }
        if !self.exists(format!("sys/bus/serio/drivers/{RAW}")) {
            plan.steps.push(Step::Load(RAW));
        }
        plan.steps.push(self.drvctl(&port, RAW));
        Ok(plan)
    }

    pub(super) fn plan_unbind_serio(&self, name: &SerioName, options: Options) -> Result<Plan, BindError> {
        let (port, mut plan) = self.plan_serio(name, options, Wanted::Kernels)?;
        if plan.was.as_deref().is_some_and(|driver| driver != RAW) {
            return Ok(plan);
        }
        let holders = self.holders(self.serio().node(&port.name).as_slice());
        if !holders.seen.is_empty() {
            plan.refusals.push(format!("{} has it open: end that first", holders.clause()));
        }
        plan.steps.push(self.drvctl(&port, RESCAN));
        Ok(plan)
    }

    fn plan_serio(&self, name: &SerioName, options: Options, wanted: Wanted) -> Result<(PortSummary, Plan), BindError> {
        let port = self.serio_port(name).map_err(BindError::NoDevice)?;
        // the one that is meant now, whatever else may have this name later
        let address = Address::Serio(SerioName::Port(port.name.clone()));
        if options.persist {
            let why = "driverctl, whose format --persist writes, knows no PS/2 ports";
            return Err(BindError::NotForThis(format!("{address}: {why}; leave --persist out")));
        }
        let (device, was) = (address.to_string(), port.driver.clone());
        let (steps, warnings, refusals) = (Vec::new(), Vec::new(), Vec::new());
        Ok((port, Plan { address, device, was, group: None, steps, warnings, refusals, wanted }))
    }

    pub(super) fn serio_state(&self, name: &SerioName) -> State {
        let port = self.serio().find(name).ok().flatten();
        State { driver: port.and_then(|port| port.driver), fixed: None }
    }

    pub(super) fn verify_serio(&self, name: &SerioName, wanted: Wanted) -> Result<(), String> {
        let State { driver, .. } = self.serio_state(name);
        match (wanted, driver.as_deref() == Some(RAW)) {
            (Wanted::Ours, true) | (Wanted::Kernels, false) => Ok(()),
            (Wanted::Kernels, true) => Err(format!("{RAW} has it still")),
            (Wanted::Ours, false) => {
                let now = driver.as_deref().unwrap_or("no driver");
                Err(format!("{RAW} has not taken it ({now} has); dmesg says why"))
            }
        }
    }

    pub(super) fn restore_serio(&self, name: &SerioName, before: &State) {
        let Ok(port) = self.serio_port(name) else { return };
        // the kernel's own choice first: a driver that is chosen by name gets no files of its own in sysfs
        let ways: &[&str] = match &before.driver {
            Some(was) => &[RESCAN, was],
            None => &["none"],
        };
        for way in ways {
            if self.serio_state(name) != *before {
                let _ = self.tell(&self.serio().drvctl(&port.name), way);
            }
        }
    }

    fn drvctl(&self, port: &PortSummary, text: &str) -> Step {
        Step::Write { file: self.serio().drvctl(&port.name), text: text.to_owned() }
    }
}
