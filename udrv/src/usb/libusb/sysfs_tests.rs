//! Which device is meant, and why it cannot be opened, on a made-up sysfs.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::UsbSysfs;
use crate::usb::libusb::OpenError;
use crate::usb::libusb::name::PortPath;

pub(in crate::usb::libusb) struct Tree(TempDir);

impl Tree {
    pub(in crate::usb::libusb) fn new() -> Self {
        let tree = Tree(tempfile::tempdir().unwrap());
        tree.folder("sys/bus/usb/devices");
        // what stands between the devices
        tree.device("usb1", "1d6b:0002", 1, 1);
        tree.folder("sys/bus/usb/devices/1-0:1.0");
        tree
    }

    fn folder(&self, path: &str) {
        fs::create_dir_all(self.0.path().join(path)).unwrap();
    }

    /// Plugs a device in, with a node.
    pub(in crate::usb::libusb) fn device(&self, port: &str, id: &str, bus: u8, address: u8) {
        let (vendor, product) = id.split_once(':').unwrap();
        for (file, value) in [
            ("idVendor", vendor),
            ("idProduct", product),
            ("busnum", &bus.to_string()),
            ("devnum", &address.to_string()),
            ("bConfigurationValue", "1"),
        ] {
            self.attribute(port, file, value);
        }
        self.folder(&format!("dev/bus/usb/{bus:03}"));
        fs::write(self.0.path().join(format!("dev/bus/usb/{bus:03}/{address:03}")), "").unwrap();
    }

    pub(in crate::usb::libusb) fn attribute(&self, port: &str, file: &str, value: &str) {
        self.folder(&format!("sys/bus/usb/devices/{port}"));
        let path = self.0.path().join(format!("sys/bus/usb/devices/{port}/{file}"));
        fs::write(path, format!("{value}\n")).unwrap();
    }

    pub(in crate::usb::libusb) fn remove(&self, path: &str) {
        let path = self.0.path().join(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    pub(in crate::usb::libusb) fn sysfs(&self) -> UsbSysfs {
        UsbSysfs::at(self.0.path())
    }

    fn refusal(&self, name: &str) -> OpenError {
        self.sysfs().require(&name.parse().unwrap()).expect_err("refused")
    }
}

fn pegasus_and_mouse() -> Tree {
    let tree = Tree::new();
    tree.device("1-2", "07a6:8511", 1, 9);
    tree.device("1-1.4", "046d:c077", 1, 7);
    tree.attribute("1-2", "product", "USB To LAN\u{1b}[31m Converter");
    tree
}

#[test]
fn a_device_is_found_by_port_and_by_id() {
    let tree = pegasus_and_mouse();
    let by = |name: &str| tree.sysfs().require(&name.parse().unwrap()).unwrap();
    let found = by("usb:1-2");
    assert_eq!(found, by("usb:07a6:8511"));
    assert_eq!((found.bus, found.address, found.configuration), (1, 9, Some(1)));
    // its text cannot drive the terminal
    assert_eq!(found.to_string(), "usb:1-2 07a6:8511 (USB To LAN[31m Converter)");
    assert!(tree.sysfs().node(&found).ends_with("dev/bus/usb/001/009"));
    assert_eq!(by("usb:1-1.4").to_string(), "usb:1-1.4 046d:c077");
    let all: Vec<String> = tree.sysfs().devices().unwrap().iter().map(|d| d.port.to_string()).collect();
    assert_eq!(all, ["1-1.4", "1-2"], "in order, without root hubs and interfaces");
}

#[test]
fn an_absent_device_is_told_with_those_that_there_are() {
    let tree = pegasus_and_mouse();
    for name in ["usb:1-1", "usb:1-1.4.1", "usb:2-2", "usb:07a6:8512"] {
        let error = tree.refusal(name);
        assert!(matches!(error, OpenError::NotPresent { .. }));
        let text = error.to_string();
        assert!(
            text.contains(&format!("no USB device {name}; plugged in: usb:1-1.4 046d:c077, usb:1-2 07a6:8511")),
            "{text}"
        );
    }
    assert!(Tree::new().refusal("usb:1-1").to_string().contains("no USB device is plugged in"));
}

#[test]
fn two_devices_with_one_id_are_told_apart_by_port() {
    let tree = pegasus_and_mouse();
    tree.device("3-1", "07a6:8511", 3, 2);
    let error = tree.refusal("usb:07a6:8511");
    assert!(matches!(error, OpenError::Ambiguous { .. }));
    let text = error.to_string();
    assert!(text.contains("usb:1-2 07a6:8511") && text.contains("usb:3-1 07a6:8511"), "{text}");
    assert_eq!(tree.sysfs().require(&"usb:3-1".parse().unwrap()).unwrap().bus, 3);
}

#[test]
fn a_device_that_leaves_while_it_is_looked_at_is_not_there() {
    for missing in ["idVendor", "idProduct", "busnum", "devnum", "bConfigurationValue"] {
        let tree = pegasus_and_mouse();
        tree.remove(&format!("sys/bus/usb/devices/1-2/{missing}"));
        assert!(matches!(tree.refusal("usb:1-2"), OpenError::NotPresent { .. }), "{missing}");
    }
    let tree = pegasus_and_mouse();
    tree.attribute("1-2", "idVendor", "0x07a6");
    assert!(matches!(tree.refusal("usb:1-2"), OpenError::NotPresent { .. }));
    tree.attribute("1-1.4", "bConfigurationValue", "");
    assert_eq!(tree.sysfs().require(&"usb:1-1.4".parse().unwrap()).unwrap().configuration, None, "it is in none");
}

#[test]
fn a_machine_without_usb_is_told_so() {
    let tree = Tree::new();
    tree.remove("sys/bus/usb");
    let text = tree.refusal("usb:1-1").to_string();
    assert!(
        text.contains("there is no USB here")
            && text.contains("sys/bus/usb/devices")
            && text.contains("modprobe xhci-pci")
    );
}

#[test]
fn each_refusal_of_the_node_says_what_mends_it() {
    let tree = pegasus_and_mouse();
    let sysfs = tree.sysfs();
    let device = sysfs.require(&"usb:1-2".parse().unwrap()).unwrap();
    let node = sysfs.node(&device);
    fs::set_permissions(&node, fs::Permissions::from_mode(0o664)).unwrap();
    for code in [libc::EACCES, libc::EPERM] {
        let error = sysfs.node_error(&device, io::Error::from_raw_os_error(code));
        assert!(matches!(error, OpenError::NoPermission { .. }));
        let text = error.to_string();
        let rule = r#"'SUBSYSTEM=="usb", ATTR{idVendor}=="07a6", ATTR{idProduct}=="8511", OWNER="#;
        assert!(text.contains(rule) && text.contains("mode 0664") && text.contains("udevadm trigger"), "{text}");
        assert!(text.contains(node.to_str().unwrap()), "{text}");
    }
    let error = sysfs.node_error(&device, io::Error::from_raw_os_error(libc::ENODEV));
    assert!(matches!(&error, OpenError::Left { .. }) && error.to_string().contains("usb:1-2 07a6:8511"));
    let error = sysfs.node_error(&device, io::Error::from_raw_os_error(libc::EMFILE));
    assert!(matches!(&error, OpenError::Io { .. }) && error.to_string().contains("bus/usb/001/009"));
    tree.remove("dev/bus/usb/001/009");
    let error = tree.refusal("usb:1-2");
    assert!(matches!(&error, OpenError::NoNode { .. }) && error.to_string().contains("devtmpfs"));
    assert!(matches!(sysfs.descriptors(&device), Err(OpenError::Left { .. })), "no descriptors: it has left");
}

#[test]
fn the_driver_of_an_interface_is_named() {
    let tree = pegasus_and_mouse();
    let port = PortPath::parse("1-2").unwrap();
    assert_eq!(tree.sysfs().driver(&port, 1, 0), ("1-2:1.0".to_owned(), None));
    tree.folder("sys/bus/usb/devices/1-2:1.0");
    symlink("../../../../bus/usb/drivers/pegasus", tree.0.path().join("sys/bus/usb/devices/1-2:1.0/driver")).unwrap();
    assert_eq!(tree.sysfs().driver(&port, 1, 0), ("1-2:1.0".to_owned(), Some("pegasus".to_owned())));
}
