//! Binding on a made-up machine: what is done, what is refused, and that a failure at each step leaves nothing behind.

use super::super::testing::{NIC, Tree};
use super::{BindError, Options, Plan};
use crate::system::address::Address;

const DEVICE: &str = "pci:0000:00:04.0";
const OVERRIDE: &str = "sys/bus/pci/devices/0000:00:04.0/driver_override";
const SAVED: &str = "etc/driverctl.d/pci-0000:00:04.0";
const PERSIST: Options = Options { persist: true, force: false };
const FORCE: Options = Options { persist: false, force: true };

/// An RTL8139 under Linux's own driver, alone in its group; vfio-pci is there.
fn machine() -> Tree {
    let tree = Tree::new();
    tree.pci(NIC, "10ec:8139", 0x02_0000, Some("8139cp"), Some(7));
    tree.driver("pci", "vfio-pci");
    tree
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn plan(tree: &Tree, options: Options) -> Plan {
    tree.system().plan_bind(&address(DEVICE), options).unwrap()
}

fn bind(tree: &Tree, device: &str, options: Options) -> Result<super::Change, BindError> {
    let system = tree.system();
    system.plan_bind(&address(device), options).and_then(|plan| system.carry_out(plan))
}

fn unbind(tree: &Tree, device: &str, options: Options) -> Result<super::Change, BindError> {
    let system = tree.system();
    system.plan_unbind(&address(device), options).and_then(|plan| system.carry_out(plan))
}

fn driver(tree: &Tree) -> Option<String> {
    tree.system().pci().driver(NIC.parse().unwrap())
}

#[test]
fn there_and_back() {
    let tree = machine();
    let change = bind(&tree, DEVICE, Options::default()).unwrap();
    assert_eq!((change.was.as_deref(), change.driver.as_deref()), (Some("8139cp"), Some("vfio-pci")));
    assert_eq!((tree.read(OVERRIDE).as_str(), change.warnings.len()), ("vfio-pci\n", 0));
    assert_eq!(
        *tree.kernel.log.borrow(),
        [
            format!("vfio-pci < {OVERRIDE}"),
            format!("{NIC} < sys/bus/pci/devices/{NIC}/driver/unbind"),
            format!("{NIC} < sys/bus/pci/drivers_probe"),
        ]
    );
    let again = plan(&tree, Options::default());
    assert!(again.steps.is_empty() && again.refusals.is_empty(), "it is bound: nothing to do");

    let change = unbind(&tree, DEVICE, Options::default()).unwrap();
    assert_eq!((change.was.as_deref(), change.driver.as_deref()), (Some("vfio-pci"), Some("8139cp")));
    assert_eq!(tree.read(OVERRIDE), "(null)\n");
    assert!(tree.system().plan_unbind(&address(DEVICE), Options::default()).unwrap().steps.is_empty());
}

#[test]
fn a_plan_changes_nothing_and_says_what_would_be_done() {
    let tree = machine();
    std::fs::remove_dir(tree.path("sys/bus/pci/drivers/vfio-pci")).unwrap();
    let root = tree.path("");
    let steps: Vec<String> = plan(&tree, PERSIST).steps.iter().map(ToString::to_string).collect();
    let steps: Vec<String> = steps.iter().map(|step| step.replace(root.to_str().unwrap(), "/")).collect();
    assert_eq!(
        steps,
        [
            "modprobe vfio-pci",
            "echo -n vfio-pci > /sys/bus/pci/devices/0000:00:04.0/driver_override",
            "echo -n 0000:00:04.0 > /sys/bus/pci/devices/0000:00:04.0/driver/unbind",
            "echo -n 0000:00:04.0 > /sys/bus/pci/drivers_probe",
            "echo vfio-pci > /etc/driverctl.d/pci-0000:00:04.0",
        ]
    );
    assert!(tree.kernel.log.borrow().is_empty() && !tree.path(SAVED).exists());
}

#[test]
fn a_failure_at_each_step_leaves_all_as_it_was() {
    for (failing, word) in
        [("driver_override", "driver_override"), ("driver/unbind", "driver/unbind"), ("drivers_probe", "drivers_probe")]
    {
        let tree = machine();
        tree.kernel.failing.borrow_mut().push(failing);
        let error = bind(&tree, DEVICE, Options::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(word) && text.contains("busy") && !text.contains('\n'), "{text}");
        match (failing, error) {
            // the driver can be had back by its own bind, and the override was never set or is taken back
            (_, BindError::Undone { was, .. }) => assert_eq!(was, "8139cp"),
            (_, other) => panic!("{failing}: {other}"),
        }
        assert_eq!((driver(&tree).as_deref(), tree.read(OVERRIDE).as_str()), (Some("8139cp"), "(null)\n"), "{failing}");
    }
}

#[test]
fn a_driver_that_does_not_take_it_is_no_success() {
    let tree = machine();
    tree.kernel.refusing.borrow_mut().push("vfio-pci".to_owned());
    let error = bind(&tree, DEVICE, PERSIST).unwrap_err();
    assert!(matches!(&error, BindError::Undone { was, .. } if was == "8139cp"), "{error}");
    assert!(error.to_string().contains("vfio-pci has not taken it (no driver has)"), "{error}");
    assert!(!tree.path(SAVED).exists(), "nor does it at the next start");
    assert_eq!((driver(&tree).as_deref(), tree.read(OVERRIDE).as_str()), (Some("8139cp"), "(null)\n"));
}

#[test]
fn a_driver_that_will_not_have_it_back_is_said_to_be_gone() {
    let tree = machine();
    tree.kernel.refusing.borrow_mut().extend(["vfio-pci".to_owned(), "8139cp".to_owned()]);
    let error = bind(&tree, DEVICE, Options::default()).unwrap_err();
    let BindError::LeftChanged { was, now, .. } = &error else { panic!("{error}") };
    assert_eq!((was.as_str(), now.as_str()), ("8139cp", "no driver"));
}

#[test]
fn an_override_that_somebody_has_set_comes_back() {
    let tree = machine();
    tree.write(OVERRIDE, "8139cp\n");
    tree.kernel.refusing.borrow_mut().push("vfio-pci".to_owned());
    let error = bind(&tree, DEVICE, Options::default()).unwrap_err();
    assert!(error.to_string().ends_with("is with 8139cp (driver_override 8139cp) as before"), "{error}");
    assert_eq!(tree.read(OVERRIDE), "8139cp\n");
}

#[test]
fn a_module_is_loaded_if_it_must_and_can_be() {
    let tree = machine();
    std::fs::remove_dir(tree.path("sys/bus/pci/drivers/vfio-pci")).unwrap();
    let error = bind(&tree, DEVICE, Options::default()).unwrap_err().to_string();
    assert!(error.contains("modprobe vfio-pci: modprobe: FATAL: Module vfio-pci not found"), "{error}");
    tree.kernel.loadable.borrow_mut().insert("vfio-pci".to_owned(), "vfio-pci".to_owned());
    assert_eq!(bind(&tree, DEVICE, Options::default()).unwrap().driver.as_deref(), Some("vfio-pci"));
    // at the next start Linux's driver is not loaded, because nothing asked for it
    tree.kernel.natural.borrow_mut().clear();
    tree.write(&format!("sys/bus/pci/devices/{NIC}/modalias"), "pci:v000010ECd00008139bc02\n");
    let change = unbind(&tree, DEVICE, Options::default()).unwrap();
    assert!(change.driver.is_none() && change.warnings[0].contains("nobody has it now"), "{change:?}");
    assert_eq!(tree.kernel.log.borrow().last().unwrap(), "modprobe pci:v000010ECd00008139bc02");
}

#[test]
fn an_alias_that_is_none_is_not_loaded() {
    let tree = machine();
    bind(&tree, DEVICE, Options::default()).unwrap();
    tree.write(&format!("sys/bus/pci/devices/{NIC}/modalias"), "pci:x; rm -rf /\n");
    let steps = tree.system().plan_unbind(&address(DEVICE), Options::default()).unwrap().steps;
    assert!(steps.iter().all(|step| !step.to_string().contains("rm -rf")), "{steps:?}");
}

#[test]
fn a_card_that_carries_something_stays() {
    let tree = machine();
    tree.write(&format!("sys/bus/pci/devices/{NIC}/net/eth0/ifindex"), "2\n");
    assert!(plan(&tree, Options::default()).refusals.is_empty(), "no address, no route");
    tree.address("eth0", "192.0.2.1");
    let header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";
    tree.write("proc/net/route", &format!("{header}eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\n"));
    let error = bind(&tree, DEVICE, Options::default()).unwrap_err();
    assert!(matches!(error, BindError::Refused(_)), "{error}");
    let text = error.to_string();
    for word in ["the default route of eth0", "the address 192.0.2.1 of eth0", "--force"] {
        assert!(text.contains(word), "{text}");
    }
    assert!(tree.kernel.log.borrow().is_empty(), "nothing was touched");
    tree.kernel.no_addresses.set(true);
    assert!(plan(&tree, Options::default()).refusals[0].contains("not known which addresses"));
    assert_eq!(bind(&tree, DEVICE, FORCE).unwrap().driver.as_deref(), Some("vfio-pci"));
}

#[test]
fn a_device_that_is_not_ours_and_a_bridge_stay() {
    let tree = machine();
    tree.pci("0000:00:05.0", "144d:a808", 0x01_0802, Some("nvme"), Some(8));
    tree.pci("0000:00:1c.0", "8086:a110", 0x06_0400, Some("pcieport"), Some(9));
    let error = bind(&tree, "pci:0000:00:05.0", Options::default()).unwrap_err().to_string();
    assert!(error.contains("no driver here drives 144d:a808") && error.contains("rtl8139"), "{error}");
    assert!(bind(&tree, "pci:0000:00:05.0", FORCE).is_ok());
    let error = bind(&tree, "pci:0000:00:1c.0", FORCE).unwrap_err();
    assert!(matches!(&error, BindError::Refused(why) if why.contains("bridge")), "{error}");
}

#[test]
fn a_sound_card_that_plays_stays() {
    let tree = Tree::new();
    tree.pci(NIC, "1274:5000", 0x04_0100, Some("snd_ens1370"), Some(7));
    tree.driver("pci", "vfio-pci");
    tree.write(&format!("sys/bus/pci/devices/{NIC}/sound/card0/pcmC0D0p/dev"), "116:2\n");
    tree.process(77, "mpd", &[&tree.path("dev/snd/pcmC0D0p")]);
    let error = bind(&tree, DEVICE, Options::default()).unwrap_err().to_string();
    assert!(error.contains("mpd (pid 77) plays or records with it"), "{error}");
}

#[test]
fn a_group_with_others_is_told() {
    let tree = machine();
    tree.pci("0000:00:05.0", "8086:100e", 0x02_0000, Some("e1000"), Some(7));
    let change = bind(&tree, DEVICE, Options::default()).unwrap();
    assert!(change.warnings[0].contains("udrvctl bind pci:0000:00:05.0"), "{change:?}");
}

#[test]
fn what_is_in_use_is_not_taken_from_who_has_it() {
    let tree = machine();
    bind(&tree, DEVICE, Options::default()).unwrap();
    tree.process(4711, "udrvd", &[&tree.path("dev/vfio/7")]);
    let error = unbind(&tree, DEVICE, FORCE).unwrap_err();
    assert!(matches!(&error, BindError::Refused(why) if why.contains("udrvd (pid 4711)")), "{error}");
    assert_eq!(driver(&tree).as_deref(), Some("vfio-pci"));
}

#[test]
fn what_is_not_there_or_cannot_be_is_told_apart() {
    let tree = machine();
    let error = bind(&tree, "pci:0000:00:09.0", Options::default()).unwrap_err();
    assert!(matches!(&error, BindError::NoDevice(text) if text.contains(NIC)), "{error}");
    assert!(matches!(bind(&tree, "usb:1-1", Options::default()), Err(BindError::NotForThis(_))));
    assert!(matches!(unbind(&tree, "usb:1-1", Options::default()), Err(BindError::NotForThis(_))));
    assert!(matches!(bind(&tree, "serio:serio1", Options::default()), Err(BindError::NoDevice(_))));
    tree.pci("0000:00:06.0", "10ec:8139", 0x02_0000, Some("8139cp"), None);
    let error = bind(&tree, "pci:0000:00:06.0", Options::default()).unwrap_err();
    assert!(matches!(&error, BindError::NotPossible(text) if text.contains("intel_iommu=on")), "{error}");
    tree.write("sys/bus/pci/devices/0000:00:07.0/vendor", "garbage");
    let error = bind(&tree, "pci:0000:00:07.0", Options::default()).unwrap_err();
    assert!(matches!(&error, BindError::NotPossible(_)), "{error}");
    tree.kernel.denied.borrow_mut().push("driver_override");
    let error = bind(&tree, DEVICE, Options::default()).unwrap_err();
    assert!(matches!(&error, BindError::NoPermission(_)) && error.to_string().contains("sudo"), "{error}");
    tree.kernel.denied.borrow_mut().clear();
    tree.write("etc/driverctl.d/pci-0000:00:09.0", "vfio-pci\n");
    tree.kernel.denied.borrow_mut().push("etc/driverctl.d");
    assert!(matches!(bind(&tree, DEVICE, PERSIST), Err(BindError::NoPermission(_))));
    assert!(tree.kernel.log.borrow().is_empty());
}

#[test]
fn persistent_binding_is_in_driverctls_format() {
    let tree = machine();
    let change = bind(&tree, DEVICE, PERSIST).unwrap();
    assert_eq!(tree.read(SAVED), "vfio-pci\n");
    assert!(change.warnings[0].contains("apt install driverctl"), "{change:?}");
    tree.write("usr/lib/udev/rules.d/05-driverctl.rules", "");
    assert!(plan(&tree, PERSIST).steps.is_empty() && plan(&tree, PERSIST).warnings.is_empty());
    let names: Vec<_> = std::fs::read_dir(tree.path("etc/driverctl.d")).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing else is left there");

    let change = unbind(&tree, DEVICE, Options::default()).unwrap();
    assert!(change.warnings[0].contains("unbind --persist") && tree.path(SAVED).exists(), "{change:?}");
    unbind(&tree, DEVICE, PERSIST).unwrap();
    assert!(!tree.path(SAVED).exists());
}

#[test]
fn a_binding_that_cannot_be_kept_is_undone() {
    let tree = machine();
    tree.write("etc/driverctl.d", "a file in the folder's place");
    let error = bind(&tree, DEVICE, PERSIST).unwrap_err();
    assert!(matches!(&error, BindError::Undone { .. }) && error.to_string().contains("driverctl.d"), "{error}");
    assert_eq!(driver(&tree).as_deref(), Some("8139cp"));
}

#[test]
fn a_function_that_vfio_takes_by_its_ids_cannot_be_given_back_so() {
    let tree = machine();
    tree.kernel.natural.borrow_mut().insert(NIC.to_owned(), "vfio-pci".to_owned());
    bind(&tree, DEVICE, PERSIST).unwrap();
    let error = unbind(&tree, DEVICE, PERSIST).unwrap_err();
    assert!(matches!(&error, BindError::Undone { was, .. } if was.starts_with("vfio-pci")), "{error}");
    assert!(error.to_string().contains("vfio-pci has taken it again"), "{error}");
    assert_eq!(tree.read(SAVED), "vfio-pci\n", "as before");
}

#[test]
fn a_ps2_port_there_and_back() {
    let tree = Tree::new();
    tree.serio("serio1", "01", "i8042 AUX port", Some("psmouse"));
    tree.kernel.loadable.borrow_mut().insert("serio_raw".to_owned(), "serio_raw".to_owned());
    let change = bind(&tree, "serio:serio1", FORCE).unwrap();
    assert_eq!((change.was.as_deref(), change.driver.as_deref()), (Some("psmouse"), Some("serio_raw")));
    assert_eq!(*tree.kernel.log.borrow(), ["modprobe serio_raw", "serio_raw < sys/bus/serio/devices/serio1/drvctl"]);
    assert!(matches!(bind(&tree, "serio:serio1", PERSIST), Err(BindError::NotForThis(_))));
    tree.write("sys/bus/serio/devices/serio1/misc/serio_raw0/dev", "");
    tree.process(9, "udrvd", &[&tree.path("dev/serio_raw0")]);
    assert!(matches!(unbind(&tree, "serio:serio1", FORCE), Err(BindError::Refused(_))));
    std::fs::remove_dir_all(tree.path("proc/9")).unwrap();
    assert_eq!(unbind(&tree, "serio:serio1", FORCE).unwrap().driver.as_deref(), Some("psmouse"));
}

#[test]
fn a_ps2_port_goes_by_all_the_names_that_udrvd_takes() {
    let tree = Tree::new();
    tree.serio("serio0", "06", "i8042 KBD port", Some("atkbd"));
    tree.serio("serio1", "01", "i8042 AUX port", Some("psmouse"));
    tree.driver("serio", "serio_raw");
    for name in ["serio:01:00", "serio:i8042 AUX port"] {
        let change = bind(&tree, name, Options::default()).unwrap();
        assert_eq!((change.device.as_str(), change.driver.as_deref()), ("serio:serio1", Some("serio_raw")));
        assert_eq!(unbind(&tree, name, Options::default()).unwrap().driver.as_deref(), Some("psmouse"));
    }
    tree.serio("serio2", "01", "i8042 AUX1 port", Some("psmouse"));
    let error = bind(&tree, "serio:01:00", Options::default()).unwrap_err().to_string();
    assert!(error.contains("serio:serio1") && error.contains("serio:serio2"), "{error}");
    let keyboard = bind(&tree, "serio:i8042 KBD port", Options::default());
    assert!(matches!(keyboard, Err(BindError::Refused(_))), "{keyboard:?}");
}

#[test]
fn a_ps2_port_that_serio_raw_does_not_take_goes_back() {
    let tree = Tree::new();
    tree.serio("serio1", "01", "i8042 AUX port", Some("psmouse"));
    tree.driver("serio", "serio_raw");
    tree.kernel.refusing.borrow_mut().push("serio_raw".to_owned());
    let error = bind(&tree, "serio:serio1", FORCE).unwrap_err();
    assert!(matches!(&error, BindError::Undone { was, .. } if was == "psmouse"), "{error}");
    let log = tree.kernel.log.borrow().join(" ");
    assert!(log.contains("rescan <") && !log.contains("psmouse <"), "named, it would have no files in sysfs: {log}");
    // one that has it by hand, and not by its ids
    tree.kernel.natural.borrow_mut().insert("serio1".to_owned(), "serport".to_owned());
    tree.driver("serio", "serport");
    let error = bind(&tree, "serio:serio1", FORCE).unwrap_err();
    assert!(matches!(&error, BindError::Undone { was, .. } if was == "psmouse"), "{error}");
}
