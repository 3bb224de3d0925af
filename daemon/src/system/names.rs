//! What PCI devices are called: the machine's own list, `pci.ids`, if it has one.

use std::collections::HashMap;

use super::System;

/// Where distributions have it.
const LISTS: [&str; 3] = ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "usr/share/pci.ids"];

/// Base classes (PCI Code and ID Assignment Specification, 1), for devices that no list names.
const CLASSES: [&str; 20] = [
    "device",
    "storage controller",
    "network controller",
    "display controller",
    "multimedia device",
    "memory controller",
    "bridge",
    "communication controller",
    "system peripheral",
    "input controller",
    "docking station",
    "processor",
    "serial bus controller",
    "wireless controller",
    "intelligent controller",
    "satellite controller",
    "encryption controller",
    "signal processing controller",
    "accelerator",
    "instrumentation",
];

/// Names of some PCI devices.
#[derive(Debug, Default)]
pub(super) struct PciNames(HashMap<(u16, u16), String>);

impl PciNames {
    /// The device's name, or at least of which class it is (24 bits).
    pub(super) fn of(&self, id: (u16, u16), class: u32) -> String {
        let class = CLASSES.get((class >> 16) as usize).unwrap_or(&CLASSES[0]);
        self.0.get(&id).map_or_else(|| (*class).to_owned(), Clone::clone)
    }
}

impl System {
    /// The names of these, as far as they are known here.
    pub(super) fn pci_names(&self, wanted: &[(u16, u16)]) -> PciNames {
        let text = LISTS.iter().find_map(|list| self.table(list));
        PciNames(text.map(|text| names_in(&text, wanted)).unwrap_or_default())
    }
}

/// `pci.ids`: a line `vvvv  vendor`, below it `<tab>dddd  device`, below that subsystems with two tabs; then classes, whose
/// lines begin with `C `.
fn names_in(text: &str, wanted: &[(u16, u16)]) -> HashMap<(u16, u16), String> {
    let entry = |line: &str| {
        let (id, name) = line.split_once("  ")?;
        let id = (id.len() == 4).then(|| u16::from_str_radix(id, 16).ok()).flatten()?;
        let name: String = name.trim().chars().filter(|c| !c.is_control()).take(100).collect();
        Some((id, name))
    };
    let mut names = HashMap::new();
    let mut vendor = None;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('\t') {
            None => vendor = entry(line),
            Some(device) if !device.starts_with('\t') => {
                let (Some((vendor, maker)), Some((device, name))) = (&vendor, entry(device)) else { continue };
                if wanted.contains(&(*vendor, device)) {
                    names.entry((*vendor, device)).or_insert_with(|| format!("{maker} {name}"));
                }
            }
            Some(_) => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::Tree;
    use super::*;

    const LIST: &str = "# a comment\n\n10ec  Realtek\n\t8139  RTL8139 Ethernet\n\t\t10ec 8139  a subsystem\n\t8168  RTL8168\n\
                        8086  Intel\n\t100e  82540EM\nC 02  Network\n\t8139  not a device\n";

    #[test]
    fn a_device_has_its_name_from_the_list_or_that_of_its_class() {
        let tree = Tree::new();
        tree.write("usr/share/hwdata/pci.ids", LIST);
        let names = tree.system().pci_names(&[(0x10ec, 0x8139), (0x8086, 0x100e)]);
        assert_eq!(names.of((0x10ec, 0x8139), 0x02_0000), "Realtek RTL8139 Ethernet");
        assert_eq!(names.of((0x8086, 0x100e), 0x02_0000), "Intel 82540EM");
        assert_eq!(names.of((0x10ec, 0x8168), 0x02_0000), "network controller");
        assert_eq!(names.of((1, 2), 0x99_0000), "device");
        assert_eq!(Tree::new().system().pci_names(&[(1, 2)]).of((1, 2), 0x06_0400), "bridge");
    }

    proptest! {
        #[test]
        fn any_list_is_read(text in "([0-9a-fC]{0,5}  ?.{0,8}\n|\t{1,3}[0-9a-f]{0,5}  .{0,8}\n|.*\n)*") {
            let _ = names_in(&text, &[(0, 0), (1, 1)]);
        }
    }
}
