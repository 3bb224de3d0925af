//! A PCI function: its driver, its IOMMU group, its way to the root, its resets, its node.

use udrv::vfio::{FunctionSummary, OpenError, is_vfio_driver};
use udrv_bus::PciAddress;

use super::super::System;
use super::super::acs::Acs;
use super::super::iommu::Group;
use super::Check;

impl System {
    pub(super) fn check_pci(&self, function: &FunctionSummary) -> Vec<Check> {
        let address = function.address;
        let vfio = function.driver.as_deref().is_some_and(is_vfio_driver);
        let mut checks = vec![self.check_pci_driver(function)];
        if !vfio {
            checks.extend(self.check_carried(address));
        }
        match self.group_of(address) {
            None => {
                let error = OpenError::NoIommu { address }.to_string();
                let (says, mend) = error.split_once(": ").unwrap_or((&error, "boot with intel_iommu=on"));
                checks.push(Check::failure("iommu-group", says, mend));
            }
            Some(group) => {
                checks.push(check_members(address, &group));
                checks.push(self.check_acs(address, &group));
            }
        }
        checks.push(self.check_reset(address));
        checks.extend(self.check_reserved(address));
        if vfio {
            checks.extend(self.check_vfio_node(address));
        }
        checks
    }

    fn check_pci_driver(&self, function: &FunctionSummary) -> Check {
        let address = function.address;
        let bind = format!("sudo udrvctl bind pci:{address}");
        match function.driver.as_deref() {
            Some(driver) if is_vfio_driver(driver) => Check::ok("kernel-driver", driver),
            None => Check::failure("kernel-driver", "no driver has it, and VFIO must", bind),
            Some(driver) => {
                let kind = match self.is_built_in(driver) {
                    true => "which is built into the kernel and takes it at each start",
                    false => "a module",
                };
                let says = format!("the kernel's driver {driver} has it, {kind}");
                Check::failure("kernel-driver", says, format!("{bind} (with --persist for the next starts too)"))
            }
        }
    }

    /// A driver of a module has a link to it, and a module that was loaded a state.
    fn is_built_in(&self, driver: &str) -> bool {
        let module = self.link(format!("sys/bus/pci/drivers/{driver}/module"));
        module.is_none_or(|module| !self.exists(format!("sys/module/{module}/initstate")))
    }

    fn check_carried(&self, address: PciAddress) -> Option<Check> {
        let interfaces = self.interfaces(&format!("sys/bus/pci/devices/{address}"));
        let mend = "move it to another card first, or udrvctl bind --force";
        match self.carried(&interfaces) {
            Ok(carried) if carried.is_empty() => None,
            Ok(carried) => {
                let all: Vec<String> = carried.iter().map(ToString::to_string).collect();
                Some(Check::warning("carries", format!("it carries {}", all.join(", ")), mend))
            }
            Err(error) => Some(Check::warning("carries", format!("its addresses are not known: {error}"), mend)),
        }
    }

    fn check_acs(&self, address: PciAddress, group: &Group) -> Check {
        let bridges = self.bridges(address);
        let with = |state| {
            let those = bridges.iter().filter(|(_, acs)| *acs == state).map(|(bridge, _)| bridge.to_string());
            those.collect::<Vec<_>>().join(", ")
        };
        let (lacking, off, unreadable) = (with(Acs::Lacking), with(Acs::Off), with(Acs::Unreadable));
        if group.members.len() <= 1 {
            return Check::ok("acs", "it is alone in its group: nothing reaches it past the IOMMU");
        }
        let slot = "another slot, below a port that has ACS";
        if !lacking.is_empty() {
            return Check::warning("acs", format!("{lacking} above it has no ACS: what is below is one group"), slot);
        }
        if !off.is_empty() {
            let says = format!("ACS of {off} above it is off: what is below is one group");
            return Check::warning("acs", says, format!("turn ACS on in the firmware's settings; or {slot}"));
        }
        if !unreadable.is_empty() {
            let says = format!("what {unreadable} above it has cannot be read by this user");
            return Check::warning("acs", says, format!("sudo udrvctl doctor pci:{address}"));
        }
        Check::ok(
            "acs",
            "no port above it lacks it; its group is that of a device of several functions, or of a PCI bus",
        )
    }

    fn check_reset(&self, address: PciAddress) -> Check {
        let folder = format!("sys/bus/pci/devices/{address}");
        // without a method the kernel shows neither file; older ones show only the second
        let methods = self.line(format!("{folder}/reset_method")).filter(|text| !text.is_empty());
        match (methods, self.exists(format!("{folder}/reset"))) {
            (Some(methods), _) => Check::ok("reset", methods),
            (None, true) => Check::ok("reset", "the kernel can reset it"),
            (None, false) => Check::warning(
                "reset",
                "the kernel cannot reset it: the driver's own reset of the chip is all there is",
                format!(
                    "nothing to do; should it hang for good: echo 1 > /sys/bus/pci/devices/{address}/remove; \
                         echo 1 > /sys/bus/pci/rescan"
                ),
            ),
        }
    }

    /// Memory that the firmware has reserved for itself by way of the device: VFIO refuses such a one.
    fn check_reserved(&self, address: PciAddress) -> Option<Check> {
        let group = self.pci().group(address)?;
        let regions = self.text(format!("sys/kernel/iommu_groups/{group}/reserved_regions"))?;
        let direct = regions.lines().any(|line| line.split_whitespace().nth(2) == Some("direct"));
        let mend = "turn off in the firmware's settings what uses it (USB legacy support, a management controller)";
        direct.then(|| Check::failure("reserved-memory", "the firmware has memory reserved for it (RMRR)", mend))
    }

    fn check_vfio_node(&self, address: PciAddress) -> Vec<Check> {
        let Some(group) = self.pci().group(address) else { return Vec::new() };
        if self.pci().is_noiommu(group) {
            let error = OpenError::NoIommuMode { address }.to_string();
            let mend = "boot with intel_iommu=on or amd_iommu=on, and without vfio.enable_unsafe_noiommu_mode";
            return vec![Check::failure("node", error.split(';').next().unwrap_or_default(), mend)];
        }
        let node = self.pci().group_node(group);
        if !node.exists() {
            let says = format!("{} is not there", node.display());
            return vec![Check::failure(
                "node",
                says,
                format!("sudo udrvctl unbind pci:{address}; sudo udrvctl bind pci:{address}"),
            )];
        }
        vec![self.check_access("node", &node), self.check_holder(&self.vfio_nodes(address))]
    }
}

fn check_members(address: PciAddress, group: &Group) -> Check {
    let own = format!("pci:{address}");
    let others: Vec<_> = group.in_the_way_of(&own).collect();
    if others.is_empty() {
        let count = group.members.len();
        return Check::ok("iommu-group", format!("group {}, {count} in it, none of them in the way", group.number));
    }
    let names: Vec<String> = others.iter().map(ToString::to_string).collect();
    let binds: Vec<String> = others.iter().map(|member| format!("sudo udrvctl bind {}", member.device)).collect();
    let says = format!("group {} has others that the kernel drives: {}", group.number, names.join(", "));
    Check::failure("iommu-group", says, binds.join("; "))
}
