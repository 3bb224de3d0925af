//! PCI functions: `driver_override`, and a probe.

use std::path::PathBuf;

use udrv::device::DeviceId;
use udrv::vfio::{FunctionSummary, OpenError, is_vfio_driver};
use udrv_bus::PciAddress;

use super::super::System;
use super::super::address::Address;
use super::{BindError, Options, Plan, State, Step, Wanted, persist};
use crate::drivers;

/// The driver that passes a function on.
const VFIO: &str = "vfio-pci";
/// PCI base class of bridges: whoever takes one away takes away what is behind it.
const CLASS_BRIDGE: u32 = 0x06;
/// What `driver_override` has when nothing is set.
const NOTHING: &str = "(null)";

impl System {
    pub(super) fn plan_bind_pci(&self, address: PciAddress, options: Options) -> Result<Plan, BindError> {
        let function = self.require_function(address)?;
        let Some(group) = self.group_of(address) else {
            return Err(BindError::NotPossible(OpenError::NoIommu { address }.to_string()));
        };
        let device = format!("pci:{address}");
        let mut warnings = Vec::new();
        for member in group.in_the_way_of(&device) {
            let it = &member.device;
            warnings.push(format!(
                "{member} is in the same IOMMU group, and VFIO gives none of them while the kernel has it: udrvctl bind {it}"
            ));
        }
        let mut steps = Vec::new();
        let bound = function.driver.as_deref().is_some_and(is_vfio_driver);
        let mut refusals = Vec::new();
        if !bound {
            refusals = self.speaks_against(&function, options);
            if !self.exists(format!("sys/bus/pci/drivers/{VFIO}")) {
                steps.push(Step::Load(VFIO));
            }
            steps.push(self.set_override(address, VFIO));
            steps.extend(function.driver.is_some().then(|| self.unbind_step(address)));
            steps.push(self.probe_step(address));
        }
        if options.persist {
            steps.extend(self.keep(address, VFIO, &mut warnings));
        }
        let (was, wanted) = (function.driver, Wanted::Ours);
        Ok(Plan { address: Address::Pci(address), device, was, group: Some(group), steps, warnings, refusals, wanted })
    }

    pub(super) fn plan_unbind_pci(&self, address: PciAddress, options: Options) -> Result<Plan, BindError> {
        let function = self.require_function(address)?;
        let device = format!("pci:{address}");
        let (mut steps, mut warnings, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        let bound = function.driver.as_deref().is_some_and(is_vfio_driver);
        let fixed = self.pci_state(address).fixed.is_some_and(|driver| is_vfio_driver(&driver));
        if fixed {
            steps.push(self.set_override(address, ""));
        }
        if bound {
            let holders = self.holders(&self.vfio_nodes(address));
            if !holders.seen.is_empty() {
                // the kernel would wait for them, and udrvctl with it
                let who = holders.clause();
                refusals.push(format!("{who} has it or its IOMMU group open: end that first"));
            }
            steps.push(self.unbind_step(address));
        }
        if bound || (fixed && function.driver.is_none()) {
            steps.push(self.probe_step(address));
            steps.extend(self.load_for_step(address));
        }
        let file = self.path(persist::file(&address.to_string()));
        match (file.exists(), options.persist) {
            (true, true) => steps.push(Step::Forget { file }),
            (true, false) => warnings.push(format!(
                "{} gives it to VFIO again at the next start: udrvctl unbind --persist {device}",
                file.display()
            )),
            (false, _) => {}
        }
        let (was, group, wanted) = (function.driver, self.group_of(address), Wanted::Kernels);
        Ok(Plan { address: Address::Pci(address), device, was, group, steps, warnings, refusals, wanted })
    }

    /// Why a function of the kernel's should stay with it.
    fn speaks_against(&self, function: &FunctionSummary, options: Options) -> Vec<String> {
        if function.class >> 16 == CLASS_BRIDGE {
            return vec!["it is a bridge".to_owned()];
        }
        if options.force {
            return Vec::new();
        }
        let mut refusals = Vec::new();
        if drivers::for_id(DeviceId::Pci(function.id)).is_none() {
            let id = function.id;
            refusals.push(format!(
                "no driver here drives {id} (known: {}); --force binds it all the same",
                drivers::known()
            ));
        }
        let folder = format!("sys/bus/pci/devices/{}", function.address);
        match self.carried(&self.interfaces(&folder)) {
            Ok(carried) if carried.is_empty() => {}
            Ok(carried) => {
                let all: Vec<String> = carried.iter().map(ToString::to_string).collect();
                refusals
                    .push(format!("it carries {}, which would be gone; --force takes it all the same", all.join(", ")));
            }
            Err(error) => refusals
                .push(format!("it is not known which addresses it carries ({error}); --force takes it all the same")),
        }
        let players = self.holders(&self.sound_nodes(&folder));
        if !players.seen.is_empty() {
            refusals.push(format!("{} plays or records with it; --force takes it all the same", players.clause()));
        }
        refusals
    }

    /// The nodes of a sound card of the kernel's.
    fn sound_nodes(&self, folder: &str) -> Vec<PathBuf> {
        let cards = self.names(format!("{folder}/sound")).into_iter();
        let nodes = cards.flat_map(|card| self.names(format!("{folder}/sound/{card}")));
        nodes.map(|node| self.path(format!("dev/snd/{node}"))).collect()
    }

    fn require_function(&self, address: PciAddress) -> Result<FunctionSummary, BindError> {
        self.pci().function(address).ok_or_else(|| match self.pci().check(address) {
            Err(error @ OpenError::NotPresent { .. }) => BindError::NoDevice(error.to_string()),
            _ => BindError::NotPossible(format!("sysfs does not say what pci:{address} is")),
        })
    }

    pub(super) fn pci_state(&self, address: PciAddress) -> State {
        let fixed = self.line(self.override_file(address)).filter(|text| !text.is_empty() && text != NOTHING);
        State { driver: self.pci().driver(address), fixed }
    }

    pub(super) fn verify_pci(&self, address: PciAddress, wanted: Wanted) -> Result<(), String> {
        let driver = self.pci().driver(address);
        let vfio = driver.as_deref().is_some_and(is_vfio_driver);
        match wanted {
            Wanted::Kernels if !vfio => Ok(()),
            Wanted::Kernels => Err(format!("{} has taken it again", driver.as_deref().unwrap_or(VFIO))),
            Wanted::Ours if !vfio => {
                let now = driver.as_deref().unwrap_or("no driver");
                Err(format!("{VFIO} has not taken it ({now} has); dmesg says why"))
            }
            Wanted::Ours => match self.pci().group(address).map(|group| self.pci().group_node(group)) {
                Some(node) if node.exists() => Ok(()),
                Some(node) => Err(format!("{VFIO} has it, and {} is not there", node.display())),
                None => Err(format!("{VFIO} has it, and it is in no IOMMU group")),
            },
        }
    }

    /// Back to what was, as far as the kernel lets us.
    pub(super) fn restore_pci(&self, address: PciAddress, before: &State) {
        let text = address.to_string();
        let driver = || self.pci().driver(address);
        let fixed = before.fixed.as_deref().unwrap_or_default();
        let _ = self.tell(&self.path(self.override_file(address)), fixed);
        if driver() == before.driver {
            return;
        }
        if driver().is_some() {
            let _ = self.tell(&self.unbind_file(address), &text);
        }
        let Some(was) = &before.driver else { return };
        let _ = self.tell(&self.probe_file(), &text);
        if driver().as_ref() != Some(was) {
            // one that had it by hand, and not by its ids
            let _ = self.tell(&self.path(format!("sys/bus/pci/drivers/{was}/bind")), &text);
        }
    }

    fn keep(&self, address: PciAddress, driver: &'static str, warnings: &mut Vec<String>) -> Option<Step> {
        if !self.has_driverctl() {
            warnings.push(
                "driverctl is not installed, and nothing else reads what --persist writes: apt install driverctl"
                    .to_owned(),
            );
        }
        let file = self.path(persist::file(&address.to_string()));
        let there = self.line(persist::file(&address.to_string()));
        (there.as_deref() != Some(driver)).then_some(Step::Save { file, text: driver })
    }

    fn override_file(&self, address: PciAddress) -> String {
        format!("sys/bus/pci/devices/{address}/driver_override")
    }

    fn unbind_file(&self, address: PciAddress) -> PathBuf {
        self.path(format!("sys/bus/pci/devices/{address}/driver/unbind"))
    }

    fn probe_file(&self) -> PathBuf {
        self.path("sys/bus/pci/drivers_probe")
    }

    fn set_override(&self, address: PciAddress, driver: &str) -> Step {
        Step::Write { file: self.path(self.override_file(address)), text: driver.to_owned() }
    }

    fn unbind_step(&self, address: PciAddress) -> Step {
        Step::Write { file: self.unbind_file(address), text: address.to_string() }
    }

    fn probe_step(&self, address: PciAddress) -> Step {
        Step::Write { file: self.probe_file(), text: address.to_string() }
    }

    fn load_for_step(&self, address: PciAddress) -> Option<Step> {
        let alias = self.line(format!("sys/bus/pci/devices/{address}/modalias"))?;
        let plain = alias.starts_with("pci:") && alias.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':');
        plain.then(|| Step::LoadFor { alias, file: self.probe_file(), text: address.to_string() })
    }
}
