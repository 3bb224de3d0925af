//! IOMMU groups: whom a device shares its isolation with.

use std::fmt;

use serde::Serialize;
use udrv::vfio::is_vfio_driver;
use udrv_bus::PciAddress;

use super::System;

/// Drivers of the kernel that touch no memory, so that VFIO gives the others of a group in spite of them.
const HARMLESS: [&str; 2] = ["pcieport", "pci-stub"];

/// An IOMMU group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its number.
    pub number: u32,
    /// In order of address.
    pub members: Vec<Member>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// As udrvctl takes it: `pci:0000:03:00.0`. One that is no PCI function has sysfs's name.
    pub device: String,
    /// Vendor and device id.
    pub id: Option<String>,
    /// What it is called.
    pub name: String,
    /// The driver that has it.
    pub driver: Option<String>,
    /// Whether VFIO gives nobody any member of the group as long as that is so.
    pub in_the_way: bool,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_ref().map(|id| format!(" [{id}]")).unwrap_or_default();
        write!(f, "{}{id} {} ({})", self.device, self.name, self.driver.as_deref().unwrap_or("no driver"))
    }
}

impl Group {
    /// The members in the way of all others than `device`.
    pub fn in_the_way_of<'a>(&'a self, device: &str) -> impl Iterator<Item = &'a Member> {
        let device = device.to_owned();
        self.members.iter().filter(move |member| member.in_the_way && member.device != device)
    }
}

impl System {
    /// The group of a function, if it is in one.
    #[must_use]
    pub fn group_of(&self, address: PciAddress) -> Option<Group> {
        let number = self.pci().group(address)?;
        let mut names = self.names(format!("sys/kernel/iommu_groups/{number}/devices"));
        let own = address.to_string();
        if !names.contains(&own) {
            names.push(own);
            names.sort();
        }
        Some(Group { number, members: names.iter().map(|name| self.member(name)).collect() })
    }

    fn member(&self, name: &str) -> Member {
        let address: Option<PciAddress> = name.parse().ok();
        let summary = address.and_then(|address| self.pci().function(address));
        let driver = address.and_then(|address| self.pci().driver(address));
        let harmless = |driver: &String| is_vfio_driver(driver) || HARMLESS.contains(&driver.as_str());
        Member {
            device: address.map_or_else(|| name.to_owned(), |address| format!("pci:{address}")),
            id: summary.as_ref().map(|function| function.id.to_string()),
            name: summary.map_or_else(|| "device".to_owned(), |function| self.pci_name(&function)),
            in_the_way: driver.as_ref().is_some_and(|driver| !harmless(driver)),
            driver,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NIC, Tree};

    #[test]
    fn members_are_named_and_those_in_the_way_are_told() {
        let tree = Tree::new();
        tree.pci(NIC, "10ec:8139", 0x02_0000, Some("8139cp"), Some(7));
        tree.pci("0000:00:1c.0", "8086:a110", 0x06_0400, Some("pcieport"), Some(7));
        tree.pci("0000:00:05.0", "8086:100e", 0x02_0000, Some("e1000"), Some(7));
        tree.pci("0000:00:06.0", "8086:100e", 0x02_0000, None, Some(7));
        tree.write("sys/kernel/iommu_groups/7/devices/INTC1055:00/x", "");
        let group = tree.system().group_of(NIC.parse().unwrap()).unwrap();
        let members: Vec<String> = group.members.iter().map(ToString::to_string).collect();
        assert_eq!(
            members,
            [
                "pci:0000:00:04.0 [10ec:8139] network controller (8139cp)",
                "pci:0000:00:05.0 [8086:100e] network controller (e1000)",
                "pci:0000:00:06.0 [8086:100e] network controller (no driver)",
                "pci:0000:00:1c.0 [8086:a110] bridge (pcieport)",
                "INTC1055:00 device (no driver)",
            ]
        );
        let own = format!("pci:{NIC}");
        let others: Vec<&str> = group.in_the_way_of(&own).map(|member| member.device.as_str()).collect();
        assert_eq!(others, ["pci:0000:00:05.0"]);
    }

    #[test]
    fn a_group_without_a_list_has_the_device_and_a_garbage_link_is_no_group() {
        let tree = Tree::new();
        tree.pci(NIC, "10ec:8139", 0x02_0000, None, Some(7));
        std::fs::remove_dir_all(tree.path("sys/kernel/iommu_groups")).unwrap();
        assert_eq!(tree.system().group_of(NIC.parse().unwrap()).unwrap().members.len(), 1);
        let tree = Tree::new();
        tree.pci(NIC, "10ec:8139", 0x02_0000, None, None);
        tree.symlink("../../nowhere/seven", &format!("sys/bus/pci/devices/{NIC}/iommu_group"));
        assert_eq!(tree.system().group_of(NIC.parse().unwrap()), None);
    }
}
