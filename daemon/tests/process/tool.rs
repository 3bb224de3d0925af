//! udrvctl without a daemon: what it says of this machine, whatever that is, and how it ends.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::daemon::{Daemon, Directory, told, udrvctl};

/// There is none on any machine: the bus would need a bridge with that number, and slot 31 function 7 behind it.
const NOWHERE: &str = "pci:ffff:ff:1f.7";

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stdout)))
}

#[test]
fn the_list_has_what_sysfs_has_and_a_running_daemon_is_no_device_of_the_machine() {
    let directory = Directory::new();
    let _daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let all = json(&udrvctl(&directory, &["list", "--all", "--json"]));
    let devices = all["devices"].as_array().expect("a list");
    let functions = std::fs::read_dir("/sys/bus/pci/devices").map_or(0, Iterator::count);
    let pci = |device: &&Value| device["device"].as_str().expect("a name").starts_with("pci:");
    assert_eq!(devices.iter().filter(pci).count(), functions);
    for device in devices {
        for field in ["name", "id", "driver", "kernel_driver", "iommu_group"] {
            assert!(device.get(field).is_some(), "{field} of {device}");
        }
        let who = device["driven_by"]["who"].as_str().expect("who");
        assert!(["udrvd", "process", "kernel", "nobody"].contains(&who), "{device}");
    }
    let ours = json(&udrvctl(&directory, &["list", "--json"]));
    assert!(ours["devices"].as_array().expect("a list").iter().all(|device| device["driver"].is_string()));
    assert!(told(&directory, &["list", "--all"]).lines().count() >= 1);
}

#[test]
fn the_doctor_has_a_mend_for_all_that_is_not_well_and_ends_by_the_worst() {
    let directory = Directory::new();
    let output = udrvctl(&directory, &["doctor", "--json"]);
    let report = json(&output);
    let checks = report["checks"].as_array().expect("a list");
    assert!(checks.iter().any(|check| check["check"] == "kernel"));
    for check in checks {
        assert_eq!(check["mend"].is_null(), check["verdict"] == "ok", "{check}");
    }
    let failed = checks.iter().any(|check| check["verdict"] == "failure");
    assert_eq!(output.status.code(), Some(i32::from(failed)));
}

#[test]
fn each_way_to_fail_has_its_code_and_one_line_and_with_json_an_object() {
    let directory = Directory::new();
    for (arguments, code, word) in [
        (&["doctor", NOWHERE][..], 3, "ffff:ff:1f.7"),
        (&["bind", NOWHERE], 3, "ffff:ff:1f.7"),
        (&["unbind", NOWHERE], 3, "ffff:ff:1f.7"),
        (&["bind", "serio:serio4294967295"], 3, "serio4294967295"),
        (&["hand-back", NOWHERE], 3, "ffff:ff:1f.7"),
        (&["hand-back", NOWHERE, "--dry-run", "--no-network"], 3, "ffff:ff:1f.7"),
        (&["bind", "usb:1-1"], 2, "needs no binding"),
        (&["man", "/nowhere"], 1, "/nowhere"),
        (&["man", "/dev/null"], 1, "/dev/null"),
        (&["status"], 1, "no daemon runs"),
    ] {
        let output = udrvctl(&directory, arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), text.lines().count()), (Some(code), 1), "{arguments:?}: {text}");
        assert!(text.contains(word) && output.stdout.is_empty(), "{arguments:?}: {text}");
        let error = json(&udrvctl(&directory, &[arguments, &["--json"]].concat()));
        assert_eq!(error["error"]["exit"], code, "{error}");
        assert!(error["error"]["message"].as_str().is_some_and(|message| message.contains(word)), "{error}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused_with_what_does() {
    let directory = Directory::new();
    for (arguments, word) in [
        (&["bind"][..], "DEVICE"),
        (&["bind", "0000:03:00.0"], "pci:0000:03:00.0"),
        (&["bind", "model:rtl8139"], "no device of this machine"),
        (&["doctor", "pci:zz:00.0"], "lspci"),
        (&["unbind", "pci:0000:03:00.0", "--force"], "--force"),
        (&["hand-back"], "DEVICE"),
        (&["hand-back", "model:rtl8139"], "no device of this machine"),
        (&["hand-back", "--given-up"], "--config"),
        (&["hand-back", "pci:0000:03:00.0", "--given-up"], "--given-up"),
        (&["hand-back", "--given-up", "--no-network", "--config", "/x"], "--no-network"),
        (&["completions", "csh"], "zsh"),
        (&["list", "everything"], "everything"),
    ] {
        let output = udrvctl(&directory, arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(word), "{arguments:?}: {text}");
    }
    let no_text = OsStr::from_bytes(b"pci:\xff");
    let output = Command::new(env!("CARGO_BIN_EXE_udrvctl")).arg("bind").arg(no_text).output().expect("udrvctl runs");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_reader_that_has_enough_is_no_error_and_a_full_disk_is_one() {
    let run = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_udrvctl"));
        command.args(["completions", "bash"]).stdout(stdout).output().expect("udrvctl runs")
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert!(run(writer.into()).status.success());
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let output = run(full.into());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"));
}

#[test]
fn completions_and_man_pages_know_every_command() {
    let directory = Directory::new();
    let help = told(&directory, &["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 10 && commands.contains(&"doctor"), "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = told(&directory, &["completions", shell]);
        assert!(commands.iter().all(|command| script.contains(command)), "{shell}");
    }
    assert!(told(&directory, &["man", &directory.0.to_string_lossy()]).is_empty());
    for command in commands.iter().filter(|command| **command != "help") {
        let page = std::fs::read_to_string(directory.0.join(format!("udrvctl-{command}.1"))).expect("a page");
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{command}");
    }
    let page = std::fs::read_to_string(directory.0.join("udrvctl.1")).expect("a page");
    assert!(page.contains("Exit codes"), "{page}");
}
