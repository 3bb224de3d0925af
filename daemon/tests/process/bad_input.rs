//! Each wrong input is one line that names the cause, an exit code other than 0, and nothing left behind.

use std::path::Path;

use crate::daemon::{Daemon, Directory, interface_exists, refused, tap_name, udrvctl};

/// Refused with a line that has all `words`, and the runtime directory is as it was.
fn expect(arguments: &[&str], words: &[&str]) {
    let directory = Directory::new();
    let line = refused(&directory.0, arguments);
    for word in words {
        assert!(line.contains(word), "{arguments:?}: '{word}' is not in: {line}");
    }
    assert!(directory.is_empty(), "{arguments:?} left something behind");
}

#[test]
fn a_pci_address_without_a_device() {
    expect(&["pci:0000:ff:1f.7", "--endpoint", "socket"], &["no PCI function 0000:ff:1f.7"]);
}

#[test]
fn text_that_is_no_pci_address() {
    expect(&["pci:zz:00.0"], &["zz:00.0", "0000:00:04.0"]);
}

#[test]
fn a_name_that_is_no_device() {
    expect(&["scsi:0"], &["scsi:0", "usb:07a6:8511", "serio:serio1", "model:rtl8139"]);
    expect(&["serio-line:mouse"], &["serio-line:/PATH"]);
    expect(&["usb:1-1x"], &["1-1x", "usb:07a6:8511"]);
}

#[test]
fn a_model_that_does_not_exist() {
    expect(&["model:nothing"], &["no model 'nothing'", "rtl8139"]);
    expect(&["model:r8169-rtl8139"], &["r8169 has no chip 'rtl8139'", "r8169-rtl8168b"]);
}

#[test]
fn an_address_that_no_station_has() {
    expect(&["model:rtl8139", "--mac", "52:54:00"], &["52:54:00", "six bytes"]);
    expect(
        &["model:rtl8139", "--no-far-host", "--endpoint", "socket", "--mac", "01:00:5e:00:00:01"],
        &["01:00:5e", "group"],
    );
}

/// By what a device cannot interrupt it does not start.
#[test]
fn interrupts_that_the_device_does_not_have() {
    let device = ["model:rtl8139", "--no-far-host", "--endpoint", "socket", "--interrupts"];
    expect(&[&device[..], &["msi"]].concat(), &["model:rtl8139 has no MSI", "--interrupts line"]);
    expect(&[&device[..], &["msix"]].concat(), &["msix", "auto, line and msi"]);
}

/// What no chip has is refused before a device is looked at; what this one does not have, before it is touched.
#[test]
fn settings_that_the_chip_does_not_have() {
    let socket = |device, words: &[&'static str]| [&[device, "--no-far-host", "--endpoint", "socket"], words].concat();
    for (device, range) in [("model:rtl8139", "68 to 1500"), ("model:e1000", "68 to 16110")] {
        for mtu in ["0", "67", "16111", "4294967295"] {
            expect(&socket(device, &["--mtu", mtu]), &[device, "an MTU of", range, "--mtu"]);
        }
        expect(&socket(device, &["--mtu", "long"]), &["--mtu", "long"]);
        for vlan in ["0", "4095", "many"] {
            expect(&socket(device, &["--vlan", vlan]), &["--vlan", vlan]);
        }
        expect(&socket(device, &["--offload", "tso"]), &["tso=off"]);
        expect(&socket(device, &["--offload", "gro=on"]), &["gro", "tx-checksum, rx-checksum and tso"]);
    }
    let rtl8139 = |words| socket("model:rtl8139", words);
    expect(&rtl8139(&["--vlan", "5"]), &["rtl8139", "--vlan", "ip link add link", "type vlan id 5"]);
    expect(&rtl8139(&["--interrupt-interval", "50"]), &["rtl8139", "--interrupt-interval"]);
    expect(&rtl8139(&["--offload", "tso=on"]), &["rtl8139", "--offload tso=on"]);
    let e1000 = |words| socket("model:e1000", words);
    expect(&e1000(&["--interrupt-interval", "16777"]), &["0 (off) to 16776", "--interrupt-interval"]);
    expect(&e1000(&["--offload", "tx-checksum=off,tso=on"]), &["tso needs tx-checksum"]);
}

#[test]
fn tap_names_that_cannot_be() {
    for name in ["abcdefghijklmnop", "a/b", "", "."] {
        expect(&["model:rtl8139", "--no-far-host", "--tap", name], &["interface name"]);
    }
}

#[test]
fn a_tap_name_that_is_an_interface_of_another_kind() {
    // without rights the kernel says so before it looks
    let directory = Directory::new();
    let line = refused(&directory.0, &["model:rtl8139", "--no-far-host", "--tap", "lo"]);
    assert!(["'lo' exists and is not a TAP", "permission", "missing"].iter().any(|why| line.contains(why)), "{line}");
    assert!(directory.is_empty());
}

#[test]
fn a_tap_that_is_taken() {
    let (first, name) = (Directory::new(), tap_name('t'));
    let Some(mut daemon) = Daemon::with_tap(&first, &name) else { return };
    expect(&["model:rtl8139", "--no-far-host", "--tap", &name], &[&name, "in use by another process"]);
    assert!(daemon.is_alive() && interface_exists(&name), "the first is not disturbed");
}

#[test]
fn a_device_that_has_a_daemon() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let line = refused(&directory.0, &["model:rtl8139", "--no-far-host", "--endpoint", "socket"]);
    let holder = format!("process {}", daemon.pid());
    assert!(line.contains("another daemon") && line.contains("udrvctl status") && line.contains(&holder), "{line}");
    // under another name too
    let file = directory.0.join("other.toml");
    std::fs::write(&file, "device = \"model:rtl8139\"\n").expect("a file");
    let line = refused(&directory.0, &["--config", file.to_str().expect("a plain name"), "--endpoint", "socket"]);
    assert!(line.contains(&holder), "{line}");
    assert!(daemon.is_alive() && directory.socket().exists(), "the first is not disturbed");
    assert!(udrvctl(&directory, &["status"]).status.success());
}

#[test]
fn a_runtime_directory_that_cannot_be() {
    let line = refused(Path::new("/dev/null/udrv"), &["model:rtl8139", "--no-far-host", "--endpoint", "socket"]);
    assert!(line.contains("/dev/null/udrv") && line.contains("UDRV_RUNTIME_DIR"), "{line}");
}

#[test]
fn a_device_name_that_is_no_file_name_stays_in_the_directory() {
    // the socket's name is made of what was typed: only what was parsed may become part of it
    expect(&["model:../../rtl8139"], &["no model"]);
}

/// Whatever is typed, or has come from a script: a terminal must not obey it. Of what clap refuses it leaves out sequences by itself.
#[test]
fn what_was_typed_is_repeated_as_text() {
    let directory = Directory::new();
    let typed = "no\x1b[2Jthing\u{9b}31m";
    for arguments in [&[typed][..], &["model:rtl8139", typed], &["--config", typed]] {
        expect(arguments, &["thing\\u{9b}31m"]);
    }
    expect(&["--config", typed], &["no\\u{1b}[2Jthing"]);
    for arguments in [&["status", typed][..], &["top", "--once", typed], &["doctor", typed], &[typed]] {
        let text = String::from_utf8_lossy(&udrvctl(&directory, arguments).stderr).into_owned();
        assert!(text.contains("thing\\u{9b}31m"), "{arguments:?}: {text:?}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{arguments:?}: {text:?}");
    }
}

#[test]
fn udrvctl_without_a_daemon() {
    let directory = Directory::new();
    for (arguments, words) in [
        (&["status"][..], &["no daemon runs"][..]),
        (&["status", "model:rtl8139"], &["no daemon drives model:rtl8139", "devices with a socket: none"]),
        (&["inject", "model:rtl8139", "poll", "panic"], &["no daemon drives"]),
    ] {
        let output = udrvctl(&directory, arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn udrvctl_with_words_that_are_not_known() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    for (arguments, word) in [
        (&["inject", "model:rtl8139", "jump", "panic"][..], "set_rx_mode"),
        (&["inject", "model:rtl8139", "poll", "flood"], "null-write"),
        (&["inject", "model:rtl8139", "poll", "panic", "--at", "home"], "middle"),
        (&["call", "model:rtl8139", "jump"], "set_rx_mode"),
        (&["status", "model:nothing"], "model:rtl8139"),
    ] {
        let output = udrvctl(&directory, arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
    assert!(daemon.is_alive());
}
