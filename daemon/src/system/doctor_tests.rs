//! Each check on a made-up machine: what is as it should be, what is not, and what cannot be read.

use super::super::testing::{NIC, Tree};
use super::{Report, Verdict};

const DEVICE: &str = "pci:0000:00:04.0";

/// A machine where `NIC` is ready.
fn ready() -> Tree {
    let tree = Tree::new();
    tree.pci(NIC, "10ec:8139", 0x02_0000, Some("vfio-pci"), Some(7));
    for (path, text) in [
        ("proc/sys/kernel/osrelease", "6.1.0-42-amd64\n"),
        ("proc/cpuinfo", "vendor_id : GenuineIntel\nflags : fpu pku ospke\n"),
        ("proc/self/limits", "Max cpu time  unlimited\nMax locked memory    8388608  8388608  bytes\n"),
        ("proc/self/status", "Name:\tudrvctl\nCapEff:\t0000000000000000\n"),
        ("proc/cmdline", "quiet intel_iommu=on\n"),
        ("sys/class/iommu/dmar0/x", ""),
        ("dev/vfio/vfio", ""),
        ("dev/vfio/7", ""),
        ("dev/net/tun", ""),
        ("sys/bus/pci/devices/0000:00:04.0/reset_method", "flr bus\n"),
        ("lib/modules/6.1.0-42-amd64/modules.dep", "kernel/snd-aloop.ko:\nkernel/uinput.ko:\nkernel/serio_raw.ko:\n"),
    ] {
        tree.write(path, text);
    }
    tree
}

fn doctor(tree: &Tree, device: &str) -> Report {
    tree.system().doctor(Some(&device.parse().unwrap()), &tree.path("run/udrv")).unwrap()
}

fn verdict(report: &Report, check: &str) -> (Verdict, String, String) {
    let found: Vec<_> = report.checks.iter().filter(|one| one.check == check).collect();
    assert_eq!(found.len(), 1, "{check}: {report:?}");
    (found[0].verdict, found[0].says.clone(), found[0].mend.clone().unwrap_or_default())
}

/// The check has that verdict, and what it says or its mend has the words.
fn expect(tree: &Tree, check: &str, wanted: Verdict, words: &[&str]) {
    let report = doctor(tree, DEVICE);
    let (found, says, mend) = verdict(&report, check);
    assert_eq!(found, wanted, "{check}: {says}");
    for word in words {
        assert!(says.contains(word) || mend.contains(word), "{check}: no '{word}' in: {says} / {mend}");
    }
    well_formed(&report);
}

fn well_formed(report: &Report) {
    for check in &report.checks {
        assert_eq!(check.mend.is_some(), check.verdict != Verdict::Ok, "{check:?}");
        let text = format!("{}{}", check.says, check.mend.as_deref().unwrap_or_default());
        assert!(!text.contains('\n') && !check.says.is_empty(), "{check:?}");
    }
}

#[test]
fn a_machine_that_is_ready_has_nothing_to_mend() {
    let report = doctor(&ready(), DEVICE);
    assert_eq!(report.worst(), Verdict::Ok, "{report:?}");
    well_formed(&report);
    let names: Vec<&str> = report.checks.iter().map(|check| check.check).collect();
    assert_eq!(
        names,
        [
            "kernel",
            "protection-keys",
            "rseq",
            "iommu",
            "locked-memory",
            "vfio",
            "tun",
            "supported",
            "kernel-driver",
            "iommu-group",
            "acs",
            "reset",
            "node",
            "holder",
        ],
        "names are for scripts, and stay"
    );
    let of_device = report.checks.iter().filter(|check| check.device.as_deref() == Some(DEVICE)).count();
    assert_eq!(of_device, 7);
}

/// The page has every check by its name.
#[test]
fn the_checks_are_in_the_docs() {
    const PAGE: &str = include_str!("../../../docs/udrvctl.md");
    let tree = ready();
    tree.pci(NIC, "10ec:8139", 0x02_0000, Some("8139cp"), Some(7));
    tree.write("sys/bus/pci/devices/0000:00:04.0/net/eth0/ifindex", "2\n");
    tree.address("eth0", "192.0.2.1");
    tree.write("sys/kernel/iommu_groups/7/reserved_regions", "0x7b800000 0x7b80ffff direct\n");
    tree.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
    tree.write("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
    let reports = [
        tree.system().doctor(None, &tree.path("run")).unwrap(),
        Tree::new().system().doctor(None, &tree.path("run")).unwrap(),
        doctor(&ready(), DEVICE),
    ];
    for check in reports.iter().flat_map(|report| &report.checks) {
        assert!(PAGE.contains(&format!("`{}`", check.check)), "{} is not in docs/udrvctl.md", check.check);
    }
}

#[test]
fn each_fault_of_the_machine_is_found_with_its_mend() {
    use Verdict::{Failure, Ok, Warning};
    let with = |change: &dyn Fn(&Tree), check: &str, wanted, words: &[&str]| {
        let tree = ready();
        change(&tree);
        expect(&tree, check, wanted, words);
    };
    with(&|t| t.write("proc/sys/kernel/osrelease", "5.10.0\n"), "kernel", Warning, &["older than 6.1"]);
    with(&|t| t.write("proc/sys/kernel/osrelease", "six\n"), "kernel", Warning, &["not understood"]);
    with(&|t| t.kernel.rseq_stays.set(true), "rseq", Failure, &["GLIBC_TUNABLES=glibc.pthread.rseq=0"]);
    with(&|t| t.kernel.no_keys.set(true), "protection-keys", Warning, &["rollback-only", "FGFT_ISOLATION"]);
    let no_pku = |t: &Tree, flags: &str| {
        t.kernel.no_keys.set(true);
        t.write("proc/cpuinfo", flags);
    };
    with(&|t| no_pku(t, "flags : fpu\n"), "protection-keys", Warning, &["hypervisor"]);
    with(&|t| no_pku(t, "flags : pku\n"), "protection-keys", Warning, &["nopku"]);
    let no_iommu = |t: &Tree| std::fs::remove_dir_all(t.path("sys/class/iommu")).unwrap();
    with(&|t| no_iommu(t), "iommu", Failure, &["intel_iommu=on is on the kernel's command line already"]);
    let amd = |t: &Tree| {
        no_iommu(t);
        t.write("proc/cpuinfo", "vendor_id : AuthenticAMD\n");
    };
    with(&amd, "iommu", Failure, &["AMD-Vi"]);
    let low = |t: &Tree| t.write("proc/self/limits", "Max locked memory   65536   65536   bytes\n");
    with(&low, "locked-memory", Failure, &["is 64 KiB", "ulimit -l", "LimitMEMLOCK"]);
    with(&|t| t.write("proc/self/limits", "?\n"), "locked-memory", Warning, &["ulimit"]);
    let capable = |t: &Tree| {
        low(t);
        t.write("proc/self/status", "CapEff:\t000001ffffffffff\n");
    };
    with(&capable, "locked-memory", Ok, &["CAP_IPC_LOCK"]);
    with(&|t| t.kernel.denied.borrow_mut().push("dev/vfio/vfio"), "vfio", Failure, &["setfacl", "mode 0"]);
    with(&|t| t.kernel.denied.borrow_mut().push("dev/net/tun"), "tun", Failure, &["setfacl"]);
    with(&|t| std::fs::remove_file(t.path("dev/net/tun")).unwrap(), "tun", Failure, &["has no tun"]);
    let noiommu = |t: &Tree| t.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
    with(&noiommu, "no-iommu-mode", Warning, &["echo N"]);
    let interrupts = |t: &Tree| t.write("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
    with(&interrupts, "unsafe-interrupts", Warning, &["echo N"]);
}

#[test]
fn each_fault_of_a_function_is_found_with_its_mend() {
    use Verdict::{Failure, Ok, Warning};
    let with = |change: &dyn Fn(&Tree), check: &str, wanted, words: &[&str]| {
        let tree = ready();
        change(&tree);
        expect(&tree, check, wanted, words);
    };
    let linux = |t: &Tree| t.pci(NIC, "10ec:8139", 0x02_0000, Some("8139cp"), Some(7));
    with(&linux, "kernel-driver", Failure, &["8139cp", "built into the kernel", "udrvctl bind pci:0000:00:04.0"]);
    let module = |t: &Tree| {
        linux(t);
        t.symlink("../../../../module/8139cp", "sys/bus/pci/drivers/8139cp/module");
        t.write("sys/module/8139cp/initstate", "live\n");
    };
    with(&module, "kernel-driver", Failure, &["a module"]);
    let carries = |t: &Tree| {
        linux(t);
        t.write("sys/bus/pci/devices/0000:00:04.0/net/eth0/ifindex", "2\n");
        t.address("eth0", "192.0.2.1");
    };
    with(&carries, "carries", Warning, &["the address 192.0.2.1 of eth0", "--force"]);
    let nobody = |t: &Tree| std::fs::remove_file(t.path("sys/bus/pci/devices/0000:00:04.0/driver")).unwrap();
    with(&nobody, "kernel-driver", Failure, &["no driver", "udrvctl bind"]);
    let other = |t: &Tree| t.pci("0000:00:05.0", "8086:100e", 0x02_0000, Some("e1000"), Some(7));
    with(&other, "iommu-group", Failure, &["pci:0000:00:05.0 [8086:100e]", "udrvctl bind pci:0000:00:05.0"]);
    with(&other, "acs", Ok, &["several functions"]);
    let groupless = |t: &Tree| std::fs::remove_file(t.path("sys/bus/pci/devices/0000:00:04.0/iommu_group")).unwrap();
    with(&groupless, "iommu-group", Failure, &["behind no IOMMU", "intel_iommu=on"]);
    let no_reset = |t: &Tree| std::fs::remove_file(t.path("sys/bus/pci/devices/0000:00:04.0/reset_method")).unwrap();
    with(&no_reset, "reset", Warning, &["driver's own reset", "rescan"]);
    let reserved = |t: &Tree| {
        t.write(
            "sys/kernel/iommu_groups/7/reserved_regions",
            "0x7b800000 0x7b80ffff direct\n0xfee00000 0xfeefffff msi\n",
        );
    };
    with(&reserved, "reserved-memory", Failure, &["RMRR"]);
    with(&|t| t.write("sys/kernel/iommu_groups/7/name", "vfio-noiommu\n"), "node", Failure, &["no-IOMMU mode"]);
    with(&|t| std::fs::remove_file(t.path("dev/vfio/7")).unwrap(), "node", Failure, &["dev/vfio/7 is not there"]);
    with(&|t| t.kernel.denied.borrow_mut().push("dev/vfio/7"), "node", Failure, &["setfacl"]);
    with(&|t| t.process(9, "qemu", &[&t.path("dev/vfio/7")]), "holder", Failure, &["qemu (pid 9)", "fuser"]);
    with(&|t| t.process(9, "udrvd", &[&t.path("dev/vfio/7")]), "holder", Ok, &["udrvd (pid 9)"]);
    let unknown = |t: &Tree| t.pci(NIC, "10ec:8029", 0x02_0000, Some("vfio-pci"), Some(7));
    with(&unknown, "supported", Failure, &["no driver", "rtl8139"]);
}

#[test]
fn a_port_without_acs_is_named() {
    let tree = ready();
    tree.pci("0000:00:05.0", "8086:100e", 0x02_0000, None, Some(7));
    std::fs::rename(tree.path("sys/bus/pci/devices/0000:00:04.0"), tree.path("sys/moved")).unwrap();
    let way = format!("sys/devices/pci0000:00/0000:00:1c.0/{NIC}");
    std::fs::create_dir_all(tree.path("sys/devices/pci0000:00/0000:00:1c.0")).unwrap();
    std::fs::rename(tree.path("sys/moved"), tree.path(&way)).unwrap();
    tree.symlink(&format!("../../../../{way}"), &format!("sys/bus/pci/devices/{NIC}"));
    tree.symlink("../../../../sys/devices/pci0000:00/0000:00:1c.0", "sys/bus/pci/devices/0000:00:1c.0");
    tree.write_bytes("sys/devices/pci0000:00/0000:00:1c.0/config", &[0; 64]);
    expect(&tree, "acs", Verdict::Warning, &["0000:00:1c.0", "cannot be read", "sudo udrvctl doctor"]);
    let mut config = vec![0; 4096];
    (config[0x34], config[0x40], config[0x42]) = (0x40, 0x10, 0x42);
    tree.write_bytes("sys/devices/pci0000:00/0000:00:1c.0/config", &config);
    expect(&tree, "acs", Verdict::Warning, &["0000:00:1c.0", "no ACS", "another slot"]);
}

#[test]
fn an_adapter_on_usb_needs_its_node_and_no_iommu() {
    let tree = Tree::new();
    tree.usb("1-2", "07a6:8511", "ADM8511", Some("pegasus"));
    tree.write("proc/sys/kernel/osrelease", "6.1.0\n");
    tree.write("dev/net/tun", "");
    for name in ["usb:1-2", "usb:07a6:8511"] {
        let report = doctor(&tree, name);
        assert_eq!(report.worst(), Verdict::Ok, "{report:?}");
        assert!(report.checks.iter().all(|check| check.check != "iommu"));
    }
    tree.kernel.denied.borrow_mut().push("dev/bus/usb/001/005");
    let (found, _, mend) = verdict(&doctor(&tree, "usb:1-2"), "node");
    assert!(found == Verdict::Failure && mend.contains("ATTR{idProduct}==\"8511\""), "{mend}");
    std::fs::remove_file(tree.path("dev/bus/usb/001/005")).unwrap();
    assert_eq!(verdict(&doctor(&tree, "usb:1-2"), "node").0, Verdict::Failure);
}

#[test]
fn a_ps2_port_needs_serio_raw() {
    let tree = Tree::new();
    tree.serio("serio1", "01", "i8042 AUX port", Some("psmouse"));
    let (found, _, mend) = verdict(&doctor(&tree, "serio:serio1"), "kernel-driver");
    assert_eq!((found, mend.as_str()), (Verdict::Failure, "sudo udrvctl bind serio:serio1"));
    tree.serio("serio1", "01", "i8042 AUX port", Some("serio_raw"));
    assert_eq!(verdict(&doctor(&tree, "serio:serio1"), "node").0, Verdict::Failure);
    tree.write("sys/bus/serio/devices/serio1/misc/serio_raw0/dev", "");
    tree.write("dev/serio_raw0", "");
    assert_eq!(verdict(&doctor(&tree, "serio:serio1"), "node").0, Verdict::Ok);
    for name in ["serio:01:00", "serio:i8042 AUX port"] {
        assert_eq!(verdict(&doctor(&tree, name), "node").0, Verdict::Ok, "{name}");
    }
}

#[test]
fn an_input_device_needs_uinput_and_a_port_without_one_does_not() {
    let tree = Tree::new();
    tree.serio("serio0", "06", "i8042 KBD port", Some("atkbd"));
    tree.serio("serio1", "01", "i8042 AUX port", Some("psmouse"));
    let checked = |name: &str, check: &str| doctor(&tree, name).checks.iter().any(|found| found.check == check);
    assert!(checked("serio:serio1", "serio-raw") && checked("serio:serio1", "uinput"));
    assert!(checked("serio:serio0", "serio-raw") && !checked("serio:serio0", "uinput"));
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    let tree = ready();
    for (device, word) in [("pci:0000:00:09.0", NIC), ("usb:1-9", "usb:1-9"), ("serio:serio3", "serio3")] {
        let error = tree.system().doctor(Some(&device.parse().unwrap()), &tree.path("run")).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn without_a_device_all_of_ours_are_checked() {
    let tree = ready();
    tree.pci("0000:00:05.0", "144d:a808", 0x01_0802, Some("nvme"), Some(8));
    tree.usb("1-2", "07a6:8511", "", Some("pegasus"));
    let report = tree.system().doctor(None, &tree.path("run")).unwrap();
    well_formed(&report);
    let about = |device: &str| report.checks.iter().any(|check| check.device.as_deref() == Some(device));
    assert!(about(DEVICE) && about("usb:1-2") && !about("pci:0000:00:05.0"), "{report:?}");
    assert_eq!(verdict(&report, "snd-aloop").0, Verdict::Ok, "not loaded, and no sound card needs it");
}

/// Every file missing, or garbage: no panic, and never a clean bill.
#[test]
fn a_machine_that_says_nothing_is_not_well() {
    let report = Tree::new().system().doctor(None, std::path::Path::new("/nowhere")).unwrap();
    well_formed(&report);
    assert_eq!(report.worst(), Verdict::Warning, "{report:?}");
    let tree = ready();
    for path in ["proc/cpuinfo", "proc/self/limits", "proc/self/status", "proc/cmdline", "proc/sys/kernel/osrelease"] {
        tree.write_bytes(path, b"\xff\xfe\0\n\x1b[2J:::\n");
    }
    tree.symlink("nowhere", "sys/bus/pci/drivers/vfio-pci/module");
    tree.symlink("/nowhere", "sys/class/iommu/dmar1");
    let report = doctor(&tree, DEVICE);
    well_formed(&report);
    assert_eq!(report.worst(), Verdict::Warning, "{report:?}");
}
