//! Starting, stopping and dying.

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, Directory, interface_exists, tap_name, told, wait_until};

#[test]
fn sigterm_and_sigint_stop_it_clean() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let directory = Directory::new();
        let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
        let status = daemon.end(signal);
        assert_eq!(status.code(), Some(0), "{signal}: {}", daemon.log());
        wait_until("the last line", || daemon.log().contains("stopped"));
        assert!(!daemon.log().contains("WARN while stopping"), "{}", daemon.log());
        assert!(directory.is_empty(), "{signal} leaves no socket");
    }
}

#[test]
fn its_tap_goes_with_it() {
    for (letter, signal) in [('g', Signal::SIGTERM), ('h', Signal::SIGINT), ('k', Signal::SIGKILL)] {
        let (directory, name) = (Directory::new(), tap_name(letter));
        let Some(mut daemon) = Daemon::with_tap(&directory, &name) else { return };
        assert!(interface_exists(&name));
        assert!(told(&directory, &["status"]).contains(&name));
        daemon.end(signal);
        wait_until("the interface is gone", || !interface_exists(&name));
    }
}

#[test]
fn a_second_signal_does_no_harm() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let pid = nix::unistd::Pid::from_raw(daemon.pid() as i32);
    for _ in 0..20 {
        let _ = nix::sys::signal::kill(pid, Signal::SIGTERM);
    }
    assert_eq!(daemon.end(Signal::SIGINT).code(), Some(0), "{}", daemon.log());
}

#[test]
fn after_a_kill_it_starts_again() {
    let directory = Directory::new();
    for _ in 0..3 {
        let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
        assert!(told(&directory, &["status"]).contains("model:rtl8139"));
        assert_eq!(daemon.end(Signal::SIGKILL).code(), None);
        assert!(directory.socket().exists(), "the socket is stale now");
    }
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    assert!(told(&directory, &["status"]).contains("model:rtl8139"));
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
    assert!(directory.is_empty());
}

#[test]
fn faults_are_survived_reported_and_change_nobodys_pid() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let faults = ["null-write", "wild-write", "divide-by-zero", "stack-overflow", "endless-loop", "panic"];
    for fault in faults {
        told(&directory, &["inject", "model:rtl8139", "link", fault, "--at", "middle"]);
        told(&directory, &["call", "model:rtl8139", "link"]);
    }
    let reports: serde_json::Value = serde_json::from_str(&told(&directory, &["--json", "faults"])).expect("JSON");
    let reports = reports["faults"].as_array().expect("a list");
    assert_eq!(reports.len(), faults.len());
    for (report, fault) in reports.iter().zip(faults) {
        assert_eq!((&report["injected"][0], &report["recovered"]), (&fault.into(), &true.into()), "{report}");
        let source = report["source"].as_str().unwrap_or_default();
        assert!(source.contains("drivers/rtl8139/src/"), "{fault} names the driver's line: {report}");
    }
    let status: serde_json::Value = serde_json::from_str(&told(&directory, &["--json", "status"])).expect("JSON");
    assert_eq!(status["status"]["pid"], daemon.pid());
    assert_eq!(status["status"]["canary_intact"], true);
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
}

#[test]
fn without_protection_a_fault_ends_it() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket", "--unprotected"]);
    told(&directory, &["inject", "model:rtl8139", "link", "null-write"]);
    let _ = crate::daemon::udrvctl(&directory, &["call", "model:rtl8139", "link"]);
    wait_until("it dies", || !daemon.is_alive());
}
