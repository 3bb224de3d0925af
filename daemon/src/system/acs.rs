//! Access Control Services (PCI Express Base Specification, 7.7.8): what a bridge needs so that devices below it are told
//! apart, and cannot reach each other without the IOMMU. Without it their groups are one.

use std::path::Component;

use udrv_bus::PciAddress;

use super::System;

/// Id of the PCI Express capability, and of ACS among the extended ones.
const EXPRESS: u8 = 0x10;
const ACS: u16 = 0x000d;
/// First extended capability; there is one for every 8 bytes up to 4096 at most.
const EXTENDED: usize = 0x100;
const MOST_EXTENDED: usize = (4096 - EXTENDED) / 8;
/// Port types, PCI Express Capabilities register bits 7 to 4: root port, downstream port of a switch.
const DOWNSTREAM: [u16; 2] = [0x4, 0x6];
/// Source validation, request redirect, completion redirect, upstream forwarding: what Linux asks for.
const WANTED: u16 = 0b0001_1101;

/// What a bridge's configuration space says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acs {
    /// It is no port that needs it: a bridge to conventional PCI, or the upper end of a switch.
    NotNeeded,
    /// On.
    On,
    /// There, and not on.
    Off,
    /// The port does not have it.
    Lacking,
    /// Only the first 64 bytes can be read: what comes after is root's.
    Unreadable,
}

impl System {
    /// The bridges above a function, outermost first, and what they say. Empty on a root bus.
    pub(super) fn bridges(&self, address: PciAddress) -> Vec<(PciAddress, Acs)> {
        let folder = self.pci().device(address).canonicalize().unwrap_or_default();
        let above = folder.components().filter_map(|part| match part {
            Component::Normal(name) => name.to_str()?.parse::<PciAddress>().ok(),
            _ => None,
        });
        let config = |bridge| std::fs::read(self.pci().device(bridge).join("config")).unwrap_or_default();
        above.filter(|bridge| *bridge != address).map(|bridge| (bridge, acs_of(&config(bridge)))).collect()
    }
}

/// ACS in a configuration space of 64 to 4096 bytes.
pub(super) fn acs_of(config: &[u8]) -> Acs {
    let u16_at = |at: usize| Some(u16::from_le_bytes(config.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(config.get(at..at + 4)?.try_into().ok()?));
    if config.len() <= 64 {
        return Acs::Unreadable;
    }
    match express(config).and_then(|at| u16_at(at + 2)) {
        Some(flags) if DOWNSTREAM.contains(&(flags >> 4 & 0xf)) => {}
        _ => return Acs::NotNeeded,
    }
    let mut at = EXTENDED;
    for _ in 0..MOST_EXTENDED {
        let Some(header) = u32_at(at) else { break };
        if header as u16 == ACS {
            let on = u16_at(at + 6).is_some_and(|control| control & WANTED == WANTED);
            return if on { Acs::On } else { Acs::Off };
        }
        at = (header >> 20) as usize;
        if at < EXTENDED {
            break;
        }
    }
    Acs::Lacking
}

/// Offset of the PCI Express capability: a list of at most 48, from the pointer at 0x34.
fn express(config: &[u8]) -> Option<usize> {
    let mut at = usize::from(*config.get(0x34)? & !3);
    for _ in 0..48 {
        if at < 0x40 {
            return None;
        }
        if *config.get(at)? == EXPRESS {
            return Some(at);
        }
        at = usize::from(*config.get(at + 1)? & !3);
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{NIC, Tree};
    use super::*;

    /// A port of a type (register bits 7 to 4) with ACS behind another capability, if it has any.
    fn port(kind: u16, control: Option<u16>) -> Vec<u8> {
        let mut config = vec![0; 4096];
        (config[0x34], config[0x40], config[0x41], config[0x50]) = (0x40, 0x05, 0x50, EXPRESS);
        config[0x52..0x54].copy_from_slice(&(kind << 4 | 2).to_le_bytes());
        let next = if control.is_some() { 0x148 } else { 0 };
        config[0x100..0x104].copy_from_slice(&(next << 20 | 0x0001_0001_u32).to_le_bytes());
        config[0x148..0x14c].copy_from_slice(&(0x0001_0000 | u32::from(ACS)).to_le_bytes());
        config[0x14e..0x150].copy_from_slice(&control.unwrap_or(0).to_le_bytes());
        config
    }

    #[test]
    fn each_state_of_a_port_is_told_apart() {
        assert_eq!(acs_of(&port(4, Some(0x1d))), Acs::On);
        assert_eq!(acs_of(&port(6, Some(0x01))), Acs::Off);
        assert_eq!(acs_of(&port(6, None)), Acs::Lacking);
        assert_eq!(acs_of(&port(5, None)), Acs::NotNeeded);
        assert_eq!(acs_of(&port(4, None)[..64]), Acs::Unreadable);
        assert_eq!(acs_of(&[0; 256]), Acs::NotNeeded, "conventional PCI");
        assert_eq!(acs_of(&port(4, Some(0x1d))[..256]), Acs::Lacking, "without extended space");
    }

    #[test]
    fn lists_that_go_in_circles_end() {
        let mut config = port(4, None);
        config[0x100..0x104].copy_from_slice(&(0x100_u32 << 20 | 1).to_le_bytes());
        assert_eq!(acs_of(&config), Acs::Lacking);
        let mut config = vec![0; 256];
        (config[0x34], config[0x41]) = (0x40, 0x40);
        assert_eq!(acs_of(&config), Acs::NotNeeded);
    }

    #[test]
    fn the_bridges_on_the_way_are_found() {
        let tree = Tree::new();
        let way = format!("sys/devices/pci0000:00/0000:00:1c.0/{NIC}");
        tree.write(&format!("{way}/vendor"), "0x10ec\n");
        tree.symlink(&format!("../../../devices/pci0000:00/0000:00:1c.0/{NIC}"), &format!("sys/bus/pci/devices/{NIC}"));
        tree.symlink("../../../devices/pci0000:00/0000:00:1c.0", "sys/bus/pci/devices/0000:00:1c.0");
        tree.write_bytes("sys/devices/pci0000:00/0000:00:1c.0/config", &port(4, Some(0x1d)));
        let (nic, bridge) = (NIC.parse().unwrap(), "0000:00:1c.0".parse().unwrap());
        assert_eq!(tree.system().bridges(nic), [(bridge, Acs::On)]);
        assert_eq!(tree.system().bridges(bridge), []);
        let tree = Tree::new();
        tree.symlink("../../../devices/nowhere", &format!("sys/bus/pci/devices/{NIC}"));
        assert_eq!(tree.system().bridges(nic), []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(config in proptest::collection::vec(any::<u8>(), 0..4200)) {
            let _ = acs_of(&config);
        }

        #[test]
        fn any_lists_are_walked(mut config in proptest::collection::vec(any::<u8>(), 4096), pointer: u8) {
            let at = usize::from(pointer & !3).max(0x40);
            (config[0x34], config[at], config[at + 2]) = (at as u8, EXPRESS, 0x42);
            let _ = acs_of(&config);
        }
    }
}
