//! Handing back on a made-up machine: with a udrvd that answers at a socket of a real directory, and ends when it is told to.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;

use serde_json::json;
use tempfile::TempDir;
use udrv::net::Traffic;
use udrv::run::DeviceFaults;
use udrv::supervisor::accounting::Accounts;

use super::super::bind::BindError;
use super::super::network::Network;
use super::super::testing::{NIC, Tree};
use super::*;
use crate::protocol::socket_path;

pub(super) const DEVICE: &str = "pci:0000:00:04.0";
const UNIT: &str = "udrvd@lan.service";

pub(super) fn carried(interface: &str) -> Network {
    let text = json!({
        "interface": interface, "up": true, "mtu": 1400, "mac": null, "master": null, "uppers": [], "left": [],
        "addresses": [{
            "address": "10.1.0.1", "prefix": 24, "peer": null, "broadcast": null, "scope": 0, "label": null, "flags": 0,
            "preferred": u32::MAX, "valid": u32::MAX, "metric": 0,
        }],
        "routes": [{
            "destination": "0.0.0.0", "prefix": 0, "from": null, "gateway": "10.1.0.9", "source": null, "metric": 7,
            "table": 254, "scope": 0, "protocol": 3, "tos": 0, "onlink": false, "preference": null, "metrics": [],
            "expires": null,
        }],
    });
    serde_json::from_value(text).unwrap()
}

/// A card that vfio-pci has, and Linux's own driver for it, which makes `eth0`. The interface of udrvd is `udrv0`.
fn machine() -> (Tree, TempDir) {
    let tree = Tree::new();
    tree.pci(NIC, "10ec:8139", 0x02_0000, Some("vfio-pci"), Some(7));
    tree.write(&format!("sys/bus/pci/devices/{NIC}/driver_override"), "vfio-pci\n");
    tree.driver("pci", "8139cp");
    tree.kernel.natural.borrow_mut().insert(NIC.to_owned(), "8139cp".to_owned());
    tree.kernel.makes.borrow_mut().insert("8139cp".to_owned(), "eth0".to_owned());
    tree.kernel.networks.borrow_mut().insert("udrv0".to_owned(), carried("udrv0"));
    (tree, tempfile::tempdir().unwrap())
}

/// A udrvd: it answers `status`, and has its lock until it is told to stop, by its socket or by `stop`.
struct Fake {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    fn start(runtime: &Path, interface: &str) -> Fake {
        let socket = socket_path(runtime, DEVICE);
        let listener = UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let lock = File::create(runtime.join(format!("{DEVICE}.lock"))).unwrap();
        lock.lock().unwrap();
        let status = status(interface);
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let serve = move || {
            while !told.load(SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(1)); // between two looks
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                let stops = line.contains("\"stop\"");
                let answer = if stops { json!({ "answer": "done" }) } else { status.clone() };
                // whoever looks whether somebody answers has gone again
                let _ = writeln!(&stream, "{answer}");
                told.fetch_or(stops, SeqCst);
            }
            fs::remove_file(&socket).unwrap();
            drop(lock);
        };
        Fake { stop, thread: Some(std::thread::spawn(serve)) }
    }

    /// Under a service manager: `stop` ends it, `start` works if `again`.
    fn managed(&self, tree: &Tree, again: bool) {
        fs::create_dir_all(tree.path("run/systemd/system")).unwrap();
        tree.write("proc/4711/cgroup", &format!("0::/system.slice/system-udrvd.slice/{UNIT}\n"));
        tree.kernel.units.borrow_mut().insert(UNIT.to_owned(), 4711);
        let stop = self.stop.clone();
        *tree.kernel.managed.borrow_mut() = Some(Box::new(move |words: &[&str]| {
            assert_eq!(words[1], UNIT);
            stop.store(true, SeqCst);
            words[0] == "stop" || again
        }));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

fn status(interface: &str) -> serde_json::Value {
    let nothing = (DeviceFaults::default(), Traffic::default(), Accounts::new(0).reliability(1));
    let (device_faults, traffic, reliability) = nothing;
    json!({ "answer": "status", "status": {
        "device": DEVICE, "driver": "rtl8139", "unplugged": false, "isolation": "protection-keys", "protected": true,
        "recovery": "ladder", "panic_messages": true, "pid": 4711, "uptime": 1, "state_bytes": [1, 1], "restores": 0,
        "faults": 0, "restarts": 0, "entries": [], "quarantine": [], "reliability": reliability, "device_faults": device_faults,
        "interrupts": "line", "register_accesses": [0, 0], "canary_intact": true, "class": "net", "endpoint": interface,
        "mac": "02:00:00:00:00:01", "permanent_mac": "02:00:00:00:00:01", "mtu": 1400, "vlan": 0, "interrupt_interval": 0,
        "link_up": true, "link_speed": 100, "full_duplex": true, "traffic": traffic, "chip": null,
    } })
}

fn plan(tree: &Tree, runtime: &TempDir, carry: Carry) -> Plan {
    tree.write("proc/4711/cmdline", "udrvd\0run\0--tap\0udrv0\0");
    tree.system().plan_hand_back(&DEVICE.parse().unwrap(), runtime.path(), carry).unwrap()
}

/// Hands it back to a kernel that does not take it.
fn in_vain(tree: &Tree, runtime: &TempDir) -> BindError {
    let plan = Plan { patience: Duration::ZERO, ..plan(tree, runtime, Carry::Found) };
    tree.system().hand_back(plan).unwrap_err()
}

fn driver(tree: &Tree) -> Option<String> {
    tree.system().pci().driver(NIC.parse().unwrap())
}

fn log(tree: &Tree) -> Vec<String> {
    let log = tree.kernel.log.borrow();
    log.iter().filter(|line| line.starts_with("systemctl") || line.starts_with("put")).cloned().collect()
}

#[test]
fn udrvd_is_ended_by_its_socket_and_what_it_carried_is_the_kernels_interface_s() {
    let (tree, runtime) = machine();
    let fake = Fake::start(runtime.path(), "udrv0");
    let plan = plan(&tree, &runtime, Carry::Found);
    assert_eq!((plan.refusals.as_slice(), plan.daemon.as_ref().unwrap().pid), (&[][..], 4711));
    let steps = plan.steps.join("\n");
    for step in ["kill 4711  # udrvd run --tap udrv0", "driver_override", "drivers_probe", "address 10.1.0.1/24"] {
        assert!(steps.contains(step), "{step}: {steps}");
    }
    assert_eq!(driver(&tree).as_deref(), Some("vfio-pci"), "a plan changes nothing");
    let done = tree.system().hand_back(plan).unwrap();
    drop(fake);
    assert_eq!((done.driver.as_deref(), done.interface.as_deref()), (Some("8139cp"), Some("eth0")));
    assert_eq!((done.missing.len(), done.from.as_deref()), (0, Some("udrv0")));
    assert!(done.moved.contains(&"route default via 10.1.0.9 metric 7".to_owned()), "{done:?}");
    let networks = tree.kernel.networks.borrow();
    assert_eq!(networks["eth0"], Network { interface: "eth0".into(), ..carried("udrv0") });
    assert!(!networks.contains_key("udrv0"), "one that outlives udrvd does not keep them too");
    assert!(tree.system().is_marked(DEVICE));
    drop(networks);
    // and again: there is nothing to do
    let again = plan_again(&tree, &runtime);
    assert!(again.is_back && again.steps.is_empty());
    assert_eq!(tree.system().hand_back(again).unwrap().driver.as_deref(), Some("8139cp"));
    tree.system().unmark_device(DEVICE).unwrap();
    assert!(!tree.system().is_marked(DEVICE));
}

fn plan_again(tree: &Tree, runtime: &TempDir) -> Plan {
    plan(tree, runtime, Carry::Found)
}

#[test]
fn a_service_is_ended_by_its_manager() {
    let (tree, runtime) = machine();
    let fake = Fake::start(runtime.path(), "udrv0");
    fake.managed(&tree, true);
    let plan = plan(&tree, &runtime, Carry::Found);
    assert_eq!(plan.daemon.as_ref().unwrap().unit.as_deref(), Some(UNIT));
    assert_eq!(plan.steps[0], format!("systemctl stop {UNIT}"));
    tree.system().hand_back(plan).unwrap();
    assert_eq!(log(&tree), [format!("systemctl stop {UNIT}"), "put udrv0 onto eth0".to_owned()]);
}

/// With a standby the main one is another.
#[test]
fn a_service_is_stopped_by_its_manager_with_a_supervisor_too() {
    for (variables, unit) in [
        ("HOME=/\0UDRV_SUPERVISOR=4700\0NOTIFY_SOCKET=/run/x\0", Some(UNIT)),
        ("UDRV_SUPERVISOR=4701\0", None),
        ("XUDRV_SUPERVISOR=4700\0UDRV_SUPERVISOR=\0", None),
    ] {
        let (tree, runtime) = machine();
        let fake = Fake::start(runtime.path(), "udrv0");
        fake.managed(&tree, true);
        tree.kernel.units.borrow_mut().insert(UNIT.to_owned(), 4700);
        tree.write("proc/4711/environ", variables);
        let plan = plan(&tree, &runtime, Carry::Found);
        assert_eq!(plan.daemon.as_ref().unwrap().unit.as_deref(), unit, "{variables:?}");
        tree.system().hand_back(plan).unwrap();
        let stopped = log(&tree).first().is_some_and(|first| *first == format!("systemctl stop {UNIT}"));
        assert_eq!(stopped, unit.is_some());
    }
}

/// Who answers at a socket may say that it is any process: a service of which that is not the main one is not stopped.
#[test]
fn a_process_that_is_no_units_main_one_is_ended_by_its_socket() {
    for (cgroup, main) in [
        (format!("0::/system.slice/{UNIT}"), 1),
        ("0::/user.slice/user-0.slice/session-3.scope".to_owned(), 4711),
        ("0::/system.slice/-x.service".to_owned(), 4711),
        ("0::/system.slice/a b.service".to_owned(), 4711),
        ("1:cpu:/x.service".to_owned(), 4711),
    ] {
        let (tree, runtime) = machine();
        let fake = Fake::start(runtime.path(), "udrv0");
        fake.managed(&tree, true);
        tree.write("proc/4711/cgroup", &format!("{cgroup}\n"));
        for unit in [UNIT, "-x.service", "a b.service", "x.service", "session-3.scope"] {
            tree.kernel.units.borrow_mut().insert(unit.to_owned(), main);
        }
        let plan = plan(&tree, &runtime, Carry::Found);
        assert_eq!(plan.daemon.as_ref().unwrap().unit, None, "{cgroup}");
        tree.system().hand_back(plan).unwrap();
        assert_eq!(log(&tree), ["put udrv0 onto eth0"]);
    }
}

#[test]
fn what_the_kernel_does_not_take_goes_back_and_its_service_is_started_again() {
    type Wrong = fn(&Tree);
    let wrong: [(Wrong, &str); 3] = [
        (|tree| tree.kernel.refusing.borrow_mut().push("8139cp".to_owned()), "no driver of the kernel takes"),
        (|tree| tree.kernel.makes.borrow_mut().clear(), "makes no network interface"),
        (|tree| tree.kernel.failing.borrow_mut().push("driver/unbind"), "Device or resource busy"),
    ];
    for (make, why) in wrong {
        let (tree, runtime) = machine();
        make(&tree);
        let fake = Fake::start(runtime.path(), "udrv0");
        fake.managed(&tree, true);
        let error = in_vain(&tree, &runtime);
        let BindError::Undone { failed, was, .. } = &error else { panic!("{error}") };
        assert!(failed.contains(why) && was == &format!("vfio-pci and {UNIT}"), "{error}");
        assert_eq!(driver(&tree).as_deref(), Some("vfio-pci"), "{why}");
        let all =
            [format!("systemctl stop {UNIT}"), format!("systemctl start {UNIT}"), "put udrv0 onto udrv0".to_owned()];
        assert_eq!(log(&tree), all, "{why}");
        assert!(!tree.system().is_marked(DEVICE), "{why}");
    }
}

#[test]
fn what_cannot_be_put_back_is_named() {
    // its service does not start again
    let (tree, runtime) = machine();
    tree.kernel.refusing.borrow_mut().push("8139cp".to_owned());
    let fake = Fake::start(runtime.path(), "udrv0");
    fake.managed(&tree, false);
    let error = in_vain(&tree, &runtime);
    assert!(
        matches!(&error, BindError::LeftChanged { .. }) && error.to_string().contains("systemctl start"),
        "{error}"
    );
    drop(fake);
    // nobody knows how to start it but who has started it
    let (tree, runtime) = machine();
    tree.kernel.refusing.borrow_mut().push("8139cp".to_owned());
    let _fake = Fake::start(runtime.path(), "udrv0");
    let error = in_vain(&tree, &runtime).to_string();
    assert!(error.contains("start it again: udrvd run --tap udrv0"), "{error}");
    assert_eq!(driver(&tree).as_deref(), Some("vfio-pci"));
}

#[test]
fn a_udrvd_that_dies_before_it_is_ended_has_ended() {
    let (tree, runtime) = machine();
    let fake = Fake::start(runtime.path(), "udrv0");
    let plan = plan(&tree, &runtime, Carry::Found);
    drop(fake);
    assert!(!socket_path(runtime.path(), DEVICE).exists());
    let done = tree.system().hand_back(plan).unwrap();
    assert_eq!((done.driver.as_deref(), done.interface.as_deref()), (Some("8139cp"), Some("eth0")));
    assert!(done.moved.contains(&"address 10.1.0.1/24".to_owned()), "what was read while it lived: {done:?}");
}

/// udev's daemon, which gives what the kernel calls `eth0` another name.
#[test]
fn the_name_that_udev_gives_is_waited_for() {
    let (tree, runtime) = machine();
    for (file, text) in
        [("run/udev/control", ""), ("run/udev/data/c1:3", "I:1\n"), ("sys/class/net/eth0/ifindex", "7\n")]
    {
        tree.write(file, text);
    }
    let (net, data) = (tree.path(&format!("sys/bus/pci/devices/{NIC}/net")), tree.path("run/udev/data/n7"));
    let class = tree.path("sys/class/net");
    let udev = std::thread::spawn(move || {
        while !net.join("eth0").exists() {
            std::thread::sleep(Duration::from_millis(1)); // between two looks
        }
        fs::write(&data, "I:5\nE:ID_RENAMING=1\n").unwrap();
        for folder in [&class, &net] {
            fs::rename(folder.join("eth0"), folder.join("enp0s4")).unwrap();
        }
        fs::write(&data, "I:5\nE:ID_NET_NAME=enp0s4\n").unwrap();
    });
    let plan =
        Plan { patience: Duration::from_secs(600), ..plan(&tree, &runtime, Carry::Noted(Some(carried("udrv0")))) };
    let done = tree.system().hand_back(plan).unwrap();
    udev.join().unwrap();
    assert_eq!((done.interface.as_deref(), done.warnings.as_slice()), (Some("enp0s4"), &[][..]));
    assert_eq!(log(&tree), ["put udrv0 onto enp0s4"]);
}

/// One that hangs keeps nobody from the network.
#[test]
fn a_udev_that_does_not_get_done_is_told() {
    for known in ["", "E:ID_NET_DRIVER=8139cp\n", "I:5\nE:ID_RENAMING=1\n"] {
        let (tree, runtime) = machine();
        for (file, text) in
            [("run/udev/control", ""), ("run/udev/data/n7", known), ("sys/class/net/eth0/ifindex", "7\n")]
        {
            tree.write(file, text);
        }
        let plan = plan(&tree, &runtime, Carry::Noted(Some(carried("udrv0"))));
        let done = tree.system().hand_back(Plan { patience: Duration::ZERO, ..plan }).unwrap();
        assert_eq!((done.interface.as_deref(), done.missing.len()), (Some("eth0"), 0), "{known}");
        assert!(done.warnings.iter().any(|warning| warning.contains("udev is not done with eth0")), "{done:?}");
    }
}

#[test]
fn an_interface_that_takes_nothing_is_told_and_the_device_stays_handed_back() {
    let (tree, runtime) = machine();
    tree.kernel.unwilling.borrow_mut().push("eth0".to_owned());
    let _fake = Fake::start(runtime.path(), "udrv0");
    let done = tree.system().hand_back(plan(&tree, &runtime, Carry::Found)).unwrap();
    assert_eq!((done.driver.as_deref(), done.moved.len()), (Some("8139cp"), 0));
    assert!(done.missing.iter().any(|line| line.starts_with("address 10.1.0.1/24: ")), "{done:?}");
}

#[test]
fn what_would_be_lost_is_refused_unless_the_network_is_to_be_left_alone() {
    let (tree, runtime) = machine();
    let _fake = Fake::start(runtime.path(), "udrv0");
    tree.kernel.networks.borrow_mut().get_mut("udrv0").unwrap().uppers = vec!["udrv0.5".to_owned()];
    let refused = plan(&tree, &runtime, Carry::Found);
    assert!(refused.refusals[0].contains("udrv0.5") && refused.refusals[0].contains("--no-network"), "{refused:?}");
    assert!(matches!(tree.system().hand_back(refused), Err(BindError::Refused(_))));
    tree.kernel.networks.borrow_mut().clear();
    let refused = plan(&tree, &runtime, Carry::Found);
    assert!(refused.refusals[0].contains("not in this network namespace"), "{refused:?}");
    let allowed = plan(&tree, &runtime, Carry::Nothing);
    assert!(allowed.refusals.is_empty() && allowed.network.is_none());
    // and what is no udrvd is not ended
    let done = tree.system().hand_back(allowed).unwrap();
    assert_eq!((done.interface.as_deref(), done.from), (Some("eth0"), None));
}

#[test]
fn a_device_that_somebody_else_has_and_one_that_runs_on_are_refused() {
    let (tree, runtime) = machine();
    tree.write("dev/vfio/7", "");
    tree.process(77, "qemu", &[&tree.path("dev/vfio/7")]);
    let refused = plan(&tree, &runtime, Carry::Found);
    assert!(refused.refusals[0].contains("qemu (pid 77)"), "{refused:?}");
    fs::remove_dir_all(tree.path("proc/77")).unwrap();
    let fake = Fake::start(runtime.path(), "udrv0");
    let refused = plan(&tree, &runtime, Carry::Noted(Some(carried("udrv0"))));
    assert!(refused.refusals[0].contains("has not given it up"), "{refused:?}");
    drop(fake);
    tree.kernel.denied.borrow_mut().push("driver_override");
    let denied = tree.system().hand_back(plan(&tree, &runtime, Carry::Found)).unwrap_err();
    assert!(matches!(denied, BindError::NoPermission(_)), "{denied}");
    assert!(!tree.system().is_marked(DEVICE));
}

#[test]
fn what_was_given_up_goes_by_its_note() {
    let (tree, runtime) = machine();
    tree.kernel.networks.borrow_mut().clear();
    let done = tree.system().hand_back(plan(&tree, &runtime, Carry::Noted(Some(carried("udrv0"))))).unwrap();
    assert_eq!((done.interface.as_deref(), done.missing.len()), (Some("eth0"), 0));
    assert_eq!(log(&tree), ["put udrv0 onto eth0"]);
    assert_eq!(done.warnings, [""; 0]);
    // with the kernel's driver already: only the network is left to do
    let done = tree.system().hand_back(plan(&tree, &runtime, Carry::Noted(Some(carried("udrv0"))))).unwrap();
    assert_eq!(done.moved.len(), 4, "{done:?}");
    // what stood on its interface went with it
    let network = Network { uppers: vec!["udrv0.5".to_owned()], left: vec!["a realm".to_owned()], ..carried("udrv0") };
    let done = tree.system().hand_back(plan(&tree, &runtime, Carry::Noted(Some(network)))).unwrap();
    assert_eq!(done.warnings, ["stays behind: udrv0.5, which stands on it", "stays behind: a realm"]);
}
