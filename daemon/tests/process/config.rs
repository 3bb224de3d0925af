//! The configuration file: at the start, and again at SIGHUP.

use std::path::PathBuf;
use std::process::{Command, Output};

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, Directory, refused, told};
use crate::service::Manager;

const CARD: &str = "device = \"model:rtl8139\"\nno-far-host = true\nendpoint = \"socket\"\n";

fn written(directory: &Directory, text: &str) -> PathBuf {
    let path = directory.0.join("card.toml");
    std::fs::write(&path, format!("{CARD}{text}")).expect("a file");
    path
}

fn status(directory: &Directory) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&told(directory, &["--json", "status"])).expect("JSON")["status"].clone()
}

#[test]
fn a_file_says_it_all_and_the_command_line_counts() {
    let directory = Directory::new();
    let file = written(&directory, "protect = [\"never\", \"poll=always\"]\nmac = \"52:54:00:00:00:01\"\n");
    let file = file.to_str().expect("a plain name");
    let mut daemon = Daemon::start_with(&directory, &["--config", file, "--mac", "52:54:00:00:00:02"], &[]);
    assert!(directory.0.join("card.sock").exists(), "the socket is called as the file is");
    assert!(told(&directory, &["status", "card"]).contains("rtl8139"));
    let status = status(&directory);
    assert_eq!((&status["device"], &status["mac"]), (&"model:rtl8139".into(), &"52:54:00:00:00:02".into()));
    for entry in status["entries"].as_array().expect("a list") {
        assert_eq!(entry[1]["protected"], entry[0] == "poll", "{entry}");
    }
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
}

fn check(directory: &Directory, text: &str) -> Output {
    let file = written(directory, text);
    Command::new(env!("CARGO_BIN_EXE_udrvd")).arg("check").arg(file).output().expect("udrvd runs")
}

#[test]
fn a_file_can_be_checked_without_a_device() {
    let directory = Directory::new();
    let output = check(&directory, "restarts = 3\n");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("drives model:rtl8139"));
    let output = check(&directory, "restarts = 0\n");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
    assert!(text.contains("card.toml:4:12: restarts: 0 is not in 1..=1000"), "{text}");
}

#[test]
fn a_wrong_file_is_refused_at_the_start() {
    let directory = Directory::new();
    let file = written(&directory, "mtu = \"long\"\n");
    let line = refused(&directory.0, &["--config", file.to_str().expect("a plain name")]);
    assert!(line.contains("card.toml:4:7: mtu: expected a whole number"), "{line}");
    let line = refused(&directory.0, &["--config", "/no/such/file"]);
    assert!(line.contains("/no/such/file: No such file"), "{line}");
}

#[test]
fn sighup_changes_what_can_be_changed_and_names_the_rest() {
    let directory = Directory::new();
    let manager = Manager::new(&directory);
    let file = written(&directory, "");
    let mut daemon = manager.start(&directory, &["--config", file.to_str().expect("a plain name")], None);
    manager.hear_of(&["READY=1"]);
    let again = |text: &str| {
        written(&directory, text);
        daemon.signal(Signal::SIGHUP);
        manager.hear_of(&["RELOADING=1", "MONOTONIC_USEC="]);
        manager.hear_of(&["READY=1"])
    };
    again("protect = [\"always\", \"poll=never\"]\nrecovery = \"restart\"\nmac = \"52:54:00:00:00:01\"\n");
    daemon.logs("changed: protect, recovery");
    daemon.logs("only when udrvd is started again: mac");
    let after = status(&directory);
    assert_eq!((&after["recovery"], &after["protected"]), (&"restart".into(), &false.into()));
    assert_ne!(after["mac"], "52:54:00:00:00:01");

    // broken in one way or the other: all stays, and that is said
    for (broken, why) in [("protect = 5", "card.toml:4:11"), ("protect = \"trigger=never\"", "no entry point trigger")]
    {
        let told = again(broken);
        assert!(told.contains("could not be read again") && told.contains(why), "{told}");
        daemon.logs(why);
        let log = daemon.log();
        let stays = |line: &str| line.contains(why) && line.ends_with("the configuration in force stays");
        assert!(log.lines().any(stays), "{log}");
        assert_eq!(status(&directory)["recovery"], "restart");
    }
    std::fs::remove_file(&file).expect("it is there");
    daemon.signal(Signal::SIGHUP);
    assert!(manager.hear_of(&["READY=1"]).contains("No such file"));

    // and mended
    let told = again("");
    assert!(!told.contains("could not"), "{told}");
    let after = status(&directory);
    assert_eq!((&after["recovery"], &after["protected"]), (&"ladder".into(), &true.into()));
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
}

/// The terminal that it was started from is gone.
#[test]
fn sighup_without_a_file_stops_it_clean() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    assert_eq!(daemon.end(Signal::SIGHUP).code(), Some(0), "{}", daemon.log());
    assert!(directory.is_empty());
}
