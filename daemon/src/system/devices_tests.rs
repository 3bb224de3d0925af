//! Listing on a made-up machine.

use std::os::unix::net::UnixListener;

use super::super::testing::{NIC, Tree};
use super::*;

fn listed(tree: &Tree) -> Listing {
    tree.system().devices(&tree.path("run/udrv"))
}

fn machine() -> Tree {
    let tree = Tree::new();
    tree.pci(NIC, "10ec:8139", 0x02_0000, Some("8139cp"), Some(7));
    tree.pci("0000:00:03.0", "144d:a808", 0x01_0802, Some("nvme"), None);
    tree.usb("1-2", "07a6:8511", "ADM8511", Some("pegasus"));
    tree.usb("1-3", "046d:c31c", "", None);
    tree.serio("serio0", "06", "i8042 KBD port", Some("atkbd"));
    tree.serio("serio1", "01", "i8042 AUX port", Some("psmouse"));
    std::fs::create_dir_all(tree.path("run/udrv")).unwrap();
    tree
}

fn one<'a>(listing: &'a Listing, device: &str) -> &'a Device {
    listing.devices.iter().find(|one| one.device == device).unwrap()
}

#[test]
fn each_bus_is_listed_with_what_drives_it() {
    let tree = machine();
    let listing = listed(&tree);
    let names: Vec<&str> = listing.devices.iter().map(|device| device.device.as_str()).collect();
    assert_eq!(names, ["pci:0000:00:03.0", "pci:0000:00:04.0", "usb:1-2", "usb:1-3", "serio:serio0", "serio:serio1"]);
    assert!(listing.unreadable.is_empty());
    let nic = one(&listing, "pci:0000:00:04.0");
    assert_eq!((nic.driver, nic.iommu_group, nic.id.as_str()), (Some("rtl8139"), Some(7), "10ec:8139"));
    assert_eq!(nic.driven_by, DrivenBy::Kernel { driver: "8139cp".to_owned() });
    assert_eq!((one(&listing, "pci:0000:00:03.0").driver, one(&listing, "usb:1-3").driver), (None, None));
    let usb = one(&listing, "usb:1-2");
    assert_eq!(
        (usb.driver, usb.name.as_str(), usb.kernel_driver.as_deref()),
        (Some("pegasus"), "ADM8511", Some("pegasus"))
    );
    assert_eq!(
        (one(&listing, "usb:1-3").driven_by.clone(), one(&listing, "usb:1-3").name.as_str()),
        (DrivenBy::Nobody, "USB device")
    );
    let port = one(&listing, "serio:serio1");
    assert_eq!((port.name.as_str(), port.id.as_str()), ("i8042 AUX port", "01:00"));
    assert_eq!(one(&listing, "serio:serio0").driver, None, "a keyboard is no mouse");
}

#[test]
fn who_drives_a_device_is_a_udrvd_a_process_or_nobody() {
    let tree = machine();
    tree.pci(NIC, "10ec:8139", 0x02_0000, Some("vfio-pci"), Some(7));
    assert_eq!(one(&listed(&tree), "pci:0000:00:04.0").driven_by, DrivenBy::Nobody, "vfio-pci alone drives nothing");
    tree.process(4711, "qemu", &[&tree.path("dev/vfio/7")]);
    let qemu = Holder { pid: 4711, name: "qemu".to_owned() };
    assert_eq!(one(&listed(&tree), "pci:0000:00:04.0").driven_by, DrivenBy::Process(qemu));
    let socket = tree.path("run/udrv/pci:0000:00:04.0.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(one(&listed(&tree), "pci:0000:00:04.0").driven_by, DrivenBy::Udrvd { socket });
    drop(listener);
    let who = one(&listed(&tree), "pci:0000:00:04.0").driven_by.to_string();
    assert_eq!(who, "qemu (pid 4711)", "a socket that nobody serves is no daemon");
    // one with a file has a socket of that name
    tree.symlink("lan.sock", "run/udrv/pci:0000:00:04.0.sock");
    assert_eq!(one(&listed(&tree), "pci:0000:00:04.0").driven_by.to_string(), "qemu (pid 4711)");
    let _lan = UnixListener::bind(tree.path("run/udrv/lan.sock")).unwrap();
    assert_eq!(one(&listed(&tree), "pci:0000:00:04.0").driven_by.to_string(), "udrvd");
    // udrvd was given the adapter by its id
    let by_id = tree.path("run/udrv/usb:07a6:8511.sock");
    let _listener = UnixListener::bind(&by_id).unwrap();
    assert_eq!(one(&listed(&tree), "usb:1-2").driven_by, DrivenBy::Udrvd { socket: by_id });
    // and a port so, or by what it is called
    for name in ["serio:01:00", "serio:i8042 AUX port"] {
        let socket = tree.path(&format!("run/udrv/{name}.sock"));
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(one(&listed(&tree), "serio:serio1").driven_by, DrivenBy::Udrvd { socket: socket.clone() });
        assert_ne!(one(&listed(&tree), "serio:serio0").driven_by, DrivenBy::Udrvd { socket: socket.clone() });
        std::fs::remove_file(socket).unwrap();
    }
}

#[test]
fn a_machine_without_anything_has_an_empty_list() {
    assert_eq!(listed(&Tree::new()), Listing::default());
}

#[test]
fn hostile_trees_are_listed_as_far_as_they_make_sense() {
    let tree = machine();
    for (path, text) in [
        ("sys/bus/pci/devices/0000:00:05.0/vendor", "0x\u{1b}[2J"),
        ("sys/bus/pci/devices/not-an-address/vendor", "0x10ec"),
        ("sys/bus/pci/devices/0000:00:06.0", "a file"),
        ("sys/bus/usb/devices/9-9/idVendor", "zzzz"),
        ("sys/bus/serio/devices/serio7", "a file"),
        ("sys/bus/serio/devices/serio8/description", "\u{1b}[31mred\u{7}\n"),
        ("sys/bus/serio/devices/serio8/id/type", "01\n"),
        ("sys/bus/serio/devices/serio8/id/proto", "00\n"),
        ("sys/bus/serio/devices/serio9/id/type", "zz\n"),
        ("sys/bus/serio/devices/serio9/id/proto", "00\n"),
        ("run/udrv/pci:0000:00:04.0.sock", "no socket"),
    ] {
        tree.write(path, text);
    }
    tree.symlink("../nowhere", "sys/bus/pci/devices/0000:00:08.0");
    tree.symlink("0000:00:09.0", "sys/bus/pci/devices/0000:00:09.0");
    tree.symlink("/", "sys/bus/pci/devices/0000:00:04.0/driver");
    let listing = listed(&tree);
    assert_eq!(listing.devices.iter().filter(|device| device.device.starts_with("pci:")).count(), 2);
    assert_eq!(one(&listing, "pci:0000:00:04.0").kernel_driver, None);
    assert_eq!(one(&listing, "serio:serio8").name, "[31mred");
    assert!(listing.devices.iter().all(|device| !["serio:serio7", "serio:serio9"].contains(&device.device.as_str())));
}

#[test]
fn a_bus_that_cannot_be_listed_is_told_and_the_others_are_listed() {
    let tree = machine();
    std::fs::remove_dir_all(tree.path("sys/bus/pci/devices")).unwrap();
    tree.write("sys/bus/pci/devices", "a file");
    let listing = listed(&tree);
    assert_eq!(listing.unreadable.len(), 1, "{listing:?}");
    assert!(listing.unreadable[0].contains("PCI") && listing.devices.len() == 4);
}
