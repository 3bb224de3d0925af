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

/// A device that is waited for may never come.
#[test]
fn what_waits_for_a_device_leaves_nothing_behind() {
    let directory = Directory::new();
    let mut daemon = Daemon::launch(&directory, &["usb:ffff:0001", "--wait", "--endpoint", "socket"]);
    wait_until("it says that it waits", || daemon.log().contains("waiting: there is no USB"));
    assert!(daemon.is_alive(), "{}", daemon.log());
    daemon.end(Signal::SIGTERM);
    assert!(directory.is_empty(), "a socket that nobody answers");
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
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket", "--protect", "never"]);
    told(&directory, &["inject", "model:rtl8139", "link", "null-write"]);
    let _ = crate::daemon::udrvctl(&directory, &["call", "model:rtl8139", "link"]);
    wait_until("it dies", || !daemon.is_alive());
}

/// The list of suspects outlives the process that the fault has ended.
#[test]
fn what_died_unprotected_is_protected_the_next_time() {
    let directory = Directory::new();
    let file = directory.0.join("suspects");
    let file = file.to_str().expect("a plain name").to_owned();
    let arguments = ["--endpoint", "socket", "--protect", "suspicious", "--suspects", &file];
    for (entry, fault) in [("link", "null-write"), ("set_rx_mode", "endless-loop")] {
        let mut daemon = Daemon::start(&directory, &arguments);
        told(&directory, &["inject", "model:rtl8139", entry, fault]);
        if fault == "endless-loop" {
            // nobody ends it but whoever watches the daemon; in the mark entry points are numbered from 1
            let set_rx_mode = udrv_driver::Entry::SetRxMode as u8 + 1;
            let call = std::thread::scope(|scope| {
                let called = scope.spawn(|| crate::daemon::udrvctl(&directory, &["call", "model:rtl8139", entry]));
                wait_until("it runs in circles", || {
                    std::fs::read(format!("{file}.running")).is_ok_and(|mark| mark[0] == set_rx_mode)
                });
                daemon.end(Signal::SIGKILL);
                called.join()
            });
            drop(call);
        } else {
            let _ = crate::daemon::udrvctl(&directory, &["call", "model:rtl8139", entry]);
        }
        wait_until("it dies", || !daemon.is_alive());
    }
    let mut daemon = Daemon::start(&directory, &arguments);
    let status: serde_json::Value = serde_json::from_str(&told(&directory, &["--json", "status"])).expect("JSON");
    let entries = status["status"]["entries"].as_array().expect("a list");
    for entry in entries {
        let suspect = entry[0] == "link" || entry[0] == "set_rx_mode";
        assert_eq!(entry[1]["protected"], suspect, "{entry}");
    }
    told(&directory, &["inject", "model:rtl8139", "link", "null-write"]);
    told(&directory, &["call", "model:rtl8139", "link"]);
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
}

#[test]
fn protection_quarantine_and_restart_are_controlled_live() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket", "--protect", "never,poll=always"]);
    let shown = told(&directory, &["status"]);
    assert!(shown.contains("1 of 15 entry points"), "{shown}");
    told(&directory, &["policy", "set", "model:rtl8139", "always"]);
    let shown = told(&directory, &["status"]);
    assert!(shown.contains("protection  all entry points, recovery: ladder"), "{shown}");
    told(&directory, &["inject", "model:rtl8139", "get_ringparam", "null-write", "--times", "5"]);
    for _ in 0..3 {
        let _ = crate::daemon::udrvctl(&directory, &["call", "model:rtl8139", "get_ringparam"]);
    }
    let shown = told(&directory, &["status"]);
    assert!(shown.contains("quarantine  get_ringparam: its calls get an error"), "{shown}");
    let long = told(&directory, &["faults", "--long"]);
    for part in ["fault 5: null-access in get_ringparam", "calls ", "Rtl8139", "rip", "rung       abort", "quarantine"]
    {
        assert!(long.contains(part), "'{part}' is not in:\n{long}");
    }
    told(&directory, &["release", "model:rtl8139", "get_ringparam"]);
    told(&directory, &["call", "model:rtl8139", "get_ringparam"]);
    told(&directory, &["restart"]);
    assert!(told(&directory, &["status"]).contains("1 restarts"));
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
}
