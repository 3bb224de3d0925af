//! A port on a made-up tree, whose kernel is a function and whose device is the other end of a pseudo terminal.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::openpty;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use super::*;
use crate::serio::raw::ParseSerioNameError;

/// Time that nothing here needs.
const LONG: Duration = Duration::from_secs(10);

/// A machine with a keyboard and a mouse at a PC's controller, and what its kernel was told.
struct Machine {
    tree: tempfile::TempDir,
    told: Arc<Mutex<Vec<String>>>,
    /// What the kernel refuses from now on, and with which error.
    refuses: Arc<Mutex<Vec<(&'static str, i32)>>>,
    /// `None`: it has gone.
    mouse: Option<fs::File>,
    _node: OwnedFd,
}

impl Machine {
    fn new() -> Machine {
        let tree = tempfile::tempdir().unwrap();
        let devices = tree.path().join("sys/bus/serio/devices");
        let drivers = tree.path().join("sys/bus/serio/drivers");
        for driver in ["atkbd", "psmouse", "serio_raw"] {
            fs::create_dir_all(drivers.join(driver)).unwrap();
        }
        for (name, kind, description, driver) in [
            ("serio0", "06", "i8042 KBD port", Some("atkbd")),
            ("serio1", "01", "i8042 AUX port", Some("psmouse")),
            ("serio2", "05", "Synaptics pass-through", None),
        ] {
            let port = devices.join(name);
            fs::create_dir_all(port.join("id")).unwrap();
            for (file, text) in [("id/type", kind), ("id/proto", "00"), ("description", description), ("drvctl", "")] {
                fs::write(port.join(file), format!("{text}\n")).unwrap();
            }
            bind(&port, driver);
        }
        // a name that is none of a port
        fs::create_dir_all(devices.join("other")).unwrap();
        fs::create_dir_all(tree.path().join("dev")).unwrap();
        let pty = openpty(None, None).unwrap();
        let mut raw = tcgetattr(&pty.slave).unwrap();
        cfmakeraw(&mut raw);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &raw).unwrap();
        let path = nix::unistd::ttyname(&pty.slave).unwrap();
        symlink(path, tree.path().join("dev/serio_raw7")).unwrap();
        Machine {
            tree,
            told: Arc::default(),
            refuses: Arc::default(),
            mouse: Some(pty.master.into()),
            _node: pty.slave,
        }
    }

    /// Its kernel.
    fn sysfs(&self) -> SerioSysfs {
        let (told, refuses) = (self.told.clone(), self.refuses.clone());
        SerioSysfs::telling(self.tree.path(), move |file, text| {
            told.lock().unwrap().push(text.to_owned());
            let port = file.parent().unwrap();
            assert!(file.ends_with("drvctl") && file.exists());
            let refused = refuses.lock().unwrap().iter().find(|(what, _)| *what == text).copied();
            match refused {
                // the kernel lets the driver go first
                Some((_, libc::ENODEV)) => bind(port, None),
                Some(_) => {}
                None if text == "rescan" => bind(port, Some("psmouse")),
                None if text == "serio_raw" && port.ends_with("serio2") => bind(port, None),
                None => bind(port, Some(text)),
            }
            refused.map_or(Ok(()), |(_, errno)| Err(io::Error::from_raw_os_error(errno)))
        })
    }

    fn open(&self, name: &str) -> Result<RawSerioPort, OpenError> {
        RawSerioPort::open_in(&self.sysfs(), &name.parse().unwrap(), OpenOptions::default())
    }

    /// Why it cannot be opened; then nothing is held.
    fn refusal(&self, name: &str) -> String {
        let error = self.open(name).unwrap_err();
        error.to_string()
    }

    fn driver(&self, port: &str) -> Option<String> {
        self.sysfs().driver(port)
    }

    fn mouse(&self) -> &fs::File {
        self.mouse.as_ref().unwrap()
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    fn refuse(&self, what: &'static str, errno: i32) {
        self.refuses.lock().unwrap().push((what, errno));
    }

    fn path(&self, file: &str) -> PathBuf {
        self.tree.path().join(file)
    }
}

/// What binding does to the tree.
fn bind(port: &Path, driver: Option<&str>) {
    let _none = fs::remove_file(port.join("driver"));
    let _none = fs::remove_dir_all(port.join("misc"));
    if let Some(driver) = driver {
        symlink(format!("../../drivers/{driver}"), port.join("driver")).unwrap();
    }
    if driver == Some("serio_raw") {
        fs::create_dir_all(port.join("misc/serio_raw7")).unwrap();
    }
}

#[test]
fn ports_are_found_by_name_id_and_description() {
    let machine = Machine::new();
    let sysfs = machine.sysfs();
    let shown: Vec<String> = sysfs.ports().unwrap().iter().map(ToString::to_string).collect();
    let expected = [
        "serio:serio0 06:00 (i8042 KBD port)",
        "serio:serio1 01:00 (i8042 AUX port)",
        "serio:serio2 05:00 (Synaptics pass-through)",
    ];
    assert_eq!(shown, expected);
    for name in ["serio:serio1", "serio:01:00", "serio:i8042 AUX port", "serio:I8042 aux PORT"] {
        let port = sysfs.find(&name.parse().unwrap()).unwrap().unwrap();
        assert_eq!(
            (port.name.as_str(), port.driver.as_deref(), port.is_keyboard()),
            ("serio1", Some("psmouse"), false)
        );
    }
    let refused = machine.refusal("serio:serio9");
    assert!(refused.contains("no serio port serio:serio9; there are: ") && refused.contains(expected[1]), "{refused}");
    fs::write(machine.path("sys/bus/serio/devices/serio2/description"), "i8042 AUX port\n").unwrap();
    let refused = machine.refusal("serio:i8042 AUX port");
    assert!(refused.contains("more than one") && refused.contains("serio:serio2 05:00"), "{refused}");
    let bad: Result<SerioName, ParseSerioNameError> = "mouse".parse();
    assert!(bad.is_err());
    assert_eq!(machine.told(), Vec::<String>::new());
}

#[test]
fn without_serio_at_all_its_controller_is_named() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("sys/bus/serio")).unwrap();
    let refused = machine.refusal("serio:serio1");
    assert!(refused.contains("modprobe i8042") && refused.contains("sys/bus/serio/devices is missing"), "{refused}");
}

#[test]
fn a_port_is_taken_from_its_driver_and_given_back() {
    let machine = Machine::new();
    let mut port = machine.open("serio:serio1").unwrap();
    assert_eq!(machine.told(), ["serio_raw"]);
    assert_eq!((port.name().as_str(), port.id()), ("serio:serio1", SerioId { kind: 1, protocol: 0 }));
    assert_eq!(port.summary().description, "i8042 AUX port");

    assert_eq!(port.read(Duration::ZERO).unwrap(), None);
    let before = port.now();
    port.write(0xf2).unwrap();
    let mut sent = [0; 1];
    machine.mouse().read_exact(&mut sent).unwrap();
    assert_eq!(sent, [0xf2]);
    machine.mouse().write_all(&[0xfa, 0x00, 0xff, 0x11, 0x13, 0x03, 0x0d]).unwrap();
    let heard: Vec<SerioByte> = (0..7).map(|_| port.read(LONG).unwrap().unwrap()).collect();
    let values: Vec<u8> = heard.iter().map(|byte| byte.value).collect();
    assert_eq!(values, [0xfa, 0x00, 0xff, 0x11, 0x13, 0x03, 0x0d], "every value, as it is");
    assert!(heard.iter().all(|byte| byte.at >= before && byte.at <= port.now()));

    drop(port);
    assert_eq!(machine.told(), ["rescan"], "chosen by name it would have no files of its own in sysfs");
    assert_eq!(machine.driver("serio1").as_deref(), Some("psmouse"));
    // and can be had again
    drop(machine.open("serio:serio1").unwrap());
    assert_eq!(machine.told(), ["serio_raw", "rescan"]);
}

#[test]
fn one_without_a_driver_is_looked_at_again_by_the_kernel_and_one_of_serio_raw_stays_there() {
    let machine = Machine::new();
    let folder = machine.path("sys/bus/serio/devices/serio1");
    bind(&folder, None);
    drop(machine.open("serio:serio1").unwrap());
    assert_eq!(machine.told(), ["serio_raw", "rescan"]);
    bind(&folder, Some("serio_raw"));
    drop(machine.open("serio:serio1").unwrap());
    assert_eq!(machine.told(), Vec::<String>::new());
    assert_eq!(machine.driver("serio1").as_deref(), Some("serio_raw"));
}

#[test]
fn a_driver_that_the_kernel_does_not_choose_is_named() {
    let machine = Machine::new();
    for errno in [libc::EINVAL, libc::ENODEV] {
        let port = machine.open("serio:serio1").unwrap();
        machine.refuse("rescan", errno);
        drop(port);
        assert_eq!(machine.told(), ["serio_raw", "rescan", "psmouse"]);
        assert_eq!(machine.driver("serio1").as_deref(), Some("psmouse"));
        machine.refuses.lock().unwrap().clear();
    }
    // and where that does not take it any more it is not left to nobody
    let options = OpenOptions { keyboard: true };
    let port = RawSerioPort::open_in(&machine.sysfs(), &"serio:serio0".parse().unwrap(), options).unwrap();
    machine.refuse("atkbd", libc::ENODEV);
    drop(port);
    assert_eq!(machine.told(), ["serio_raw", "rescan", "atkbd", "rescan"]);
    assert!(machine.driver("serio0").is_some());
    // one that somebody has given to another since is let alone
    let port = machine.open("serio:serio1").unwrap();
    bind(&machine.path("sys/bus/serio/devices/serio1"), Some("atkbd"));
    drop(port);
    assert_eq!(machine.told(), ["serio_raw"]);
    bind(&machine.path("sys/bus/serio/devices/serio1"), Some("psmouse"));
    // a port that has left is nobody's any more
    let port = machine.open("serio:serio1").unwrap();
    fs::remove_dir_all(machine.path("sys/bus/serio/devices/serio1")).unwrap();
    drop(port);
    assert_eq!(machine.told(), ["serio_raw"]);
}

#[test]
fn a_keyboard_is_let_alone_unless_it_is_meant() {
    let machine = Machine::new();
    let refused = machine.refusal("serio:serio0");
    assert!(refused.contains("serio:serio0 06:00 (i8042 KBD port) has a keyboard at its end"), "{refused}");
    assert_eq!(machine.told(), Vec::<String>::new());
    let options = OpenOptions { keyboard: true };
    drop(RawSerioPort::open_in(&machine.sysfs(), &"serio:serio0".parse().unwrap(), options).unwrap());
    assert_eq!(machine.told(), ["serio_raw", "rescan", "atkbd"]);
    assert_eq!(machine.driver("serio0").as_deref(), Some("atkbd"));
    // by each of the signs alone
    let folder = machine.path("sys/bus/serio/devices/serio1");
    for (description, driver) in [("PS/2 Keyboard", "psmouse"), ("i8042 kbd", "psmouse"), ("a port", "atkbd")] {
        fs::write(folder.join("description"), description).unwrap();
        bind(&folder, Some(driver));
        assert!(machine.refusal("serio:serio1").contains("keyboard at its end"), "{description} {driver}");
    }
}

#[test]
fn whatever_fails_is_named_and_the_port_is_with_its_driver() {
    let machine = Machine::new();
    let refusal = || {
        let text = machine.refusal("serio:serio1");
        assert_eq!(machine.driver("serio1").as_deref(), Some("psmouse"), "{text}");
        text
    };
    for (errno, words) in [
        (libc::EACCES, "echo -n serio_raw > "),
        (libc::EROFS, "no permission to take serio:serio1 01:00 (i8042 AUX port) from the kernel's driver 'psmouse'"),
        (libc::ENODEV, "is none that serio_raw takes (its connect failed)"),
        (libc::EINVAL, "write serio_raw to "),
    ] {
        machine.refuse("serio_raw", errno);
        let text = refusal();
        assert!(text.contains(words), "{text}");
        machine.refuses.lock().unwrap().clear();
    }
    machine.told();

    let (raw, away) = (machine.path("sys/bus/serio/drivers/serio_raw"), machine.path("away"));
    fs::rename(&raw, &away).unwrap();
    let text = refusal();
    assert!(text.contains("modprobe serio_raw") && text.contains("CONFIG_SERIO_RAW"), "{text}");
    assert_eq!(machine.told(), Vec::<String>::new(), "it was not even tried");
    fs::rename(&away, &raw).unwrap();

    let node = machine.path("dev/serio_raw7");
    let terminal = fs::read_link(&node).unwrap();
    fs::remove_file(&node).unwrap();
    let text = refusal();
    assert!(text.contains("has no node") && text.contains("dev/serio_raw7") && text.contains("devtmpfs"), "{text}");
    symlink(terminal, &node).unwrap();

    let other = machine.open("serio:serio1").unwrap();
    machine.told();
    let text = machine.refusal("serio:serio1");
    assert!(text.contains("in use by another process") && text.contains("fuser -v"), "{text}");
    assert_eq!(machine.told(), Vec::<String>::new(), "it stays with who has it");
    assert_eq!(machine.driver("serio1").as_deref(), Some("serio_raw"));
    drop(other);
    refusal_of_pass_through(&machine);
    drop(machine.open("serio:serio1").unwrap());
}

/// The kernel lets it be asked for, and does nothing.
fn refusal_of_pass_through(machine: &Machine) {
    let text = machine.refusal("serio:serio2");
    assert!(text.contains("Synaptics pass-through") && text.contains("kinds 01 and 06"), "{text}");
    assert_eq!(machine.driver("serio2"), None);
}

#[test]
fn errors_of_the_node_are_told_apart() {
    let machine = Machine::new();
    let port = machine.sysfs().require(&"serio:serio1".parse().unwrap()).unwrap();
    let node = machine.path("node");
    fs::write(&node, "").unwrap();
    fs::set_permissions(&node, fs::Permissions::from_mode(0o600)).unwrap();
    let error = |errno| OpenError::node(&port, node.clone(), io::Error::from_raw_os_error(errno));
    let text = error(libc::EACCES).to_string();
    assert!(
        text.contains("mode 0600") && text.contains("KERNEL==\"serio_raw*\"") && text.contains("udevadm"),
        "{text}"
    );
    assert!(matches!(error(libc::ENODEV), OpenError::Left { .. }));
    assert!(matches!(error(libc::EIO), OpenError::Io { .. }));
    for (errno, gone) in [(libc::ENODEV, true), (libc::EACCES, false)] {
        assert_eq!(matches!(BusError::from(error(errno)), BusError::Gone { .. }), gone);
    }
}

#[test]
fn bytes_are_announced_and_those_that_wait_already_at_once() {
    let machine = Machine::new();
    let mut port = machine.open("serio:serio1").unwrap();
    let (first, second) =
        (EventFd::from_flags(EfdFlags::empty()).unwrap(), EventFd::from_flags(EfdFlags::empty()).unwrap());
    let is_told = |event: &EventFd| poll(&mut [PollFd::new(event.as_fd(), PollFlags::POLLIN)], 0_u8).unwrap() == 1;
    port.announce(Some(first.as_fd())).unwrap();
    assert!(!is_told(&first));
    machine.mouse().write_all(&[1]).unwrap();
    first.read().unwrap(); // waits
    port.announce(Some(second.as_fd())).unwrap();
    assert!(is_told(&second));
    port.announce(None).unwrap();
    machine.mouse().write_all(&[2]).unwrap();
    let heard: Vec<u8> = (0..2).map(|_| port.read(LONG).unwrap().unwrap().value).collect();
    assert_eq!(heard, [1, 2]);
    assert!(!is_told(&first));
    assert_eq!(second.read().unwrap(), 1);
}

#[test]
fn whoever_waits_has_a_byte_when_it_comes_and_gives_up_in_time() {
    let machine = Machine::new();
    let mut port = machine.open("serio:serio1").unwrap();
    let start = Instant::now();
    assert_eq!(port.read(Duration::from_millis(20)).unwrap(), None);
    assert!(start.elapsed() >= Duration::from_millis(20));
    let mut mouse = machine.mouse().try_clone().unwrap();
    let waiting = std::thread::spawn(move || port.read(LONG).unwrap().map(|byte| byte.value));
    mouse.write_all(&[0x42]).unwrap();
    assert_eq!(waiting.join().unwrap(), Some(0x42));
}

#[test]
fn a_port_that_goes_is_found_out_after_its_last_bytes() {
    let mut machine = Machine::new();
    let mut port = machine.open("serio:serio1").unwrap();
    let event = EventFd::from_flags(EfdFlags::empty()).unwrap();
    machine.mouse().write_all(&[1]).unwrap();
    assert_eq!(port.read(LONG).unwrap().map(|byte| byte.value), Some(1));
    port.announce(Some(event.as_fd())).unwrap();
    machine.mouse = None;
    event.read().unwrap(); // waits
    assert!(matches!(port.read(LONG), Err(BusError::Gone { .. })));
    assert!(matches!(port.write(0xf4), Err(BusError::Gone { .. })));
}
