//! Each reason not to open a function, on a made-up sysfs.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;
use udrv_bus::PciAddress;

use super::Sysfs;
use crate::vfio::OpenError;

struct Tree(TempDir);

const NIC: &str = "0000:00:04.0";

impl Tree {
    fn new() -> Self {
        let tree = Tree(tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.path("sys/bus/pci/devices")).unwrap();
        tree
    }

    /// A tree where `NIC` can be opened.
    fn ready() -> Self {
        let tree = Tree::new();
        tree.function(NIC, "10ec", "8139", "020000", Some("vfio-pci"), Some(7));
        tree.node("vfio");
        tree.node("7");
        tree
    }

    fn path(&self, path: impl AsRef<Path>) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn function(&self, at: &str, vendor: &str, device: &str, class: &str, driver: Option<&str>, group: Option<u32>) {
        let directory = self.path(format!("sys/bus/pci/devices/{at}"));
        fs::create_dir_all(&directory).unwrap();
        for (file, value) in [("vendor", vendor), ("device", device), ("class", class)] {
            fs::write(directory.join(file), format!("0x{value}\n")).unwrap();
        }
        if let Some(driver) = driver {
            symlink(format!("../../drivers/{driver}"), directory.join("driver")).unwrap();
        }
        if let Some(group) = group {
            symlink(format!("../../../../kernel/iommu_groups/{group}"), directory.join("iommu_group")).unwrap();
            fs::create_dir_all(self.path(format!("sys/kernel/iommu_groups/{group}/devices/{at}"))).unwrap();
        }
    }

    fn node(&self, name: &str) {
        fs::create_dir_all(self.path("dev/vfio")).unwrap();
        fs::write(self.path(format!("dev/vfio/{name}")), "").unwrap();
    }

    fn sysfs(&self) -> Sysfs {
        Sysfs::at(self.0.path())
    }

    fn refusal(&self, at: &str) -> String {
        let error = self.sysfs().check(address(at)).unwrap_err().to_string();
        assert!(!error.contains('\n'), "more than one line: {error}");
        error
    }
}

fn address(text: &str) -> PciAddress {
    text.parse().unwrap()
}

#[test]
fn a_function_on_vfio_pci_passes() {
    assert_eq!(Tree::ready().sysfs().check(address(NIC)).unwrap(), 7);
}

#[test]
fn an_absent_function_is_told_with_the_network_functions_there_are() {
    let tree = Tree::ready();
    tree.function("0000:00:03.0", "8086", "100e", "020000", None, None);
    tree.function("0000:00:01.0", "8086", "7010", "010180", None, None);
    assert_eq!(
        tree.refusal("0000:00:09.0"),
        "there is no PCI function 0000:00:09.0; network functions here: 0000:00:03.0 [8086:100e] (no driver), \
         0000:00:04.0 [10ec:8139] (vfio-pci)"
    );
}

#[test]
fn an_absent_function_on_a_machine_without_network_functions_or_without_pci() {
    let tree = Tree::new();
    tree.function("0000:00:01.0", "8086", "7010", "010180", None, None);
    assert!(tree.refusal(NIC).ends_with("none of the 1 PCI functions here is a network controller"));
    let empty = Sysfs::at(tree.path("nowhere"));
    assert!(empty.check(address(NIC)).unwrap_err().to_string().contains("the PCI bus could not be listed"));
}

#[test]
fn a_kernel_driver_is_named_with_the_command_that_takes_it_from_it() {
    let tree = Tree::new();
    tree.function(NIC, "10ec", "8139", "020000", Some("8139cp"), Some(7));
    assert_eq!(
        tree.refusal(NIC),
        "0000:00:04.0 is bound to the kernel driver '8139cp'; give it to VFIO with: sudo udrvctl bind pci:0000:00:04.0"
    );
}

#[test]
fn variant_drivers_count_as_vfio_and_look_alikes_do_not() {
    for (driver, ok) in [("mlx5_vfio_pci", true), ("nvgrace-gpu-vfio-pci", true), ("vfio-platform", false)] {
        let tree = Tree::new();
        tree.function(NIC, "10ec", "8139", "020000", Some(driver), Some(7));
        tree.node("vfio");
        tree.node("7");
        assert_eq!(tree.sysfs().check(address(NIC)).is_ok(), ok, "{driver}");
    }
}

#[test]
fn no_driver_no_iommu_and_no_iommu_mode_are_told_apart() {
    let tree = Tree::new();
    tree.function(NIC, "10ec", "8139", "020000", None, Some(7));
    assert!(tree.refusal(NIC).contains("has no driver bound"));

    let tree = Tree::new();
    tree.function(NIC, "10ec", "8139", "020000", Some("8139cp"), None);
    let text = tree.refusal(NIC);
    assert!(text.contains("intel_iommu=on") && text.contains("amd_iommu=on"), "{text}");

    let tree = Tree::ready();
    fs::write(tree.path("sys/kernel/iommu_groups/7/name"), "vfio-noiommu\n").unwrap();
    assert!(tree.refusal(NIC).contains("no-IOMMU mode"));

    let tree = Tree::ready();
    tree.node("noiommu-7");
    assert!(tree.refusal(NIC).contains("no-IOMMU mode"));
}

#[test]
fn missing_nodes_are_named() {
    let tree = Tree::new();
    tree.function(NIC, "10ec", "8139", "020000", Some("vfio-pci"), Some(7));
    let text = tree.refusal(NIC);
    assert!(text.contains("dev/vfio/vfio is missing") && text.ends_with("modprobe vfio-pci"), "{text}");
    tree.node("vfio");
    assert!(tree.refusal(NIC).contains("dev/vfio/7 is missing"));
}

#[test]
fn errno_of_a_node_becomes_advice() {
    let tree = Tree::ready();
    let sysfs = tree.sysfs();
    let node = sysfs.group_node(7);
    fs::set_permissions(&node, fs::Permissions::from_mode(0o600)).unwrap();
    let open = |errno, node: &Path| {
        sysfs.open_error(address(NIC), node.to_owned(), io::Error::from_raw_os_error(errno)).to_string()
    };
    let shown = node.display().to_string();

    let text = open(libc::EACCES, &node);
    assert!(text.contains(&shown) && text.contains("mode 0600") && text.contains("setfacl -m u:"), "{text}");
    assert!(text.contains(&format!("chown {} {shown}", crate::users::us())), "{text}");
    assert!(open(libc::EBUSY, &node).contains("another process has 0000:00:04.0"));
    assert!(open(libc::ENOENT, &node).contains("is missing although"));
    assert!(open(libc::ENODEV, &sysfs.container_node()).contains("modprobe vfio-pci"));
    assert!(open(libc::EMFILE, &node).starts_with(&format!("open {shown}: ")));
}

#[test]
fn group_members_are_named_with_their_drivers() {
    let tree = Tree::ready();
    tree.function("0000:00:05.0", "8086", "100e", "020000", Some("e1000"), Some(7));
    tree.function("0000:00:04.1", "8086", "100e", "020000", None, Some(7));
    let members = tree.sysfs().members_clause(7);
    assert_eq!(members, "0000:00:04.0 (vfio-pci), 0000:00:04.1 (no driver), 0000:00:05.0 (e1000)");
    let text = OpenError::NotViable { address: address(NIC), group: 7, members }.to_string();
    assert!(text.starts_with("IOMMU group 7 of 0000:00:04.0 is not viable"), "{text}");
    assert!(tree.sysfs().members_clause(8).contains("unknown"));
}

#[test]
fn memlock_says_what_is_needed() {
    let text = crate::vfio::MemlockTooLow { limit: Some(64 << 10), locked: 4096, wanted: 1 << 20 }.to_string();
    assert!(text.contains("is 64 KiB and 1028 KiB are needed"), "{text}");
    assert!(text.contains("ulimit -l 1028") && text.contains("LimitMEMLOCK=1028K"), "{text}");
}
