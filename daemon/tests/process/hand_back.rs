//! A device that is given up, and what is left of it for whoever hands it back.

use std::process::{Command, Output};

use nix::sched::{CloneFlags, unshare};
use udrv_daemon::client;
use udrv_daemon::protocol::{Request, Response};
use udrv_daemon::system::hand_back::Note;

use crate::daemon::{Daemon, Directory, interface_exists, tap_name, told, udrvctl, wait_until};
use crate::service::Manager;

const CARD: &str = "model:rtl8139";
const SOCKET: [&str; 4] = [CARD, "--no-far-host", "--endpoint", "socket"];
/// The second restart is one too many.
const SOON: [&str; 2] = ["--restarts", "1"];

/// Crashes it in what a restart begins with, and in what it would go back to.
fn give_up(directory: &Directory) {
    told(directory, &["inject", CARD, "probe", "panic", "--times", "1000"]);
    let refused = udrvctl(directory, &["restart"]);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stdout));
}

fn ip(words: &str) -> Output {
    Command::new("ip").args(words.split(' ')).output().expect("ip(8) runs")
}

#[test]
fn what_its_interface_carries_is_noted_while_it_is_there() {
    let ran = std::thread::spawn(|| {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            println!("skipped: no network namespace can be made here: {error}");
            return;
        }
        let (directory, name) = (Directory::new(), tap_name('z'));
        let arguments = [&[CARD, "--hand-back"][..], &SOON].concat();
        let Some(mut daemon) = Daemon::behind_tap(&directory, &name, &arguments) else { return };
        for words in [
            format!("link set {name} mtu 1400 up"),
            format!("address add 10.9.0.1/24 dev {name}"),
            format!("address add 2001:db8::1/64 dev {name} nodad"),
            format!("route add 192.0.2.0/24 via 10.9.0.9 dev {name} metric 7 table 12"),
        ] {
            let done = ip(&words);
            assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
        }
        give_up(&directory);
        assert_eq!(daemon.ended().code(), Some(5), "{}", daemon.log());
        wait_until("the last line", || daemon.log().contains("udrvd: "));
        let log = daemon.log();
        for part in ["ERROR", "given up", "handed back to the kernel's driver", "address 10.9.0.1/24", &name] {
            assert!(log.contains(part), "{part}: {log}");
        }
        wait_until("the interface is gone", || !interface_exists(&name));
        let note = Note::read(&directory.0, CARD).unwrap();
        assert!(note.reason.contains("probe"), "{note:?}");
        let network = note.network.expect("it had an interface");
        assert_eq!((network.interface.as_str(), network.mtu, network.up), (name.as_str(), 1400, true));
        let lines = network.lines().join("\n");
        for line in ["10.9.0.1/24", "2001:db8::1/64", "route 192.0.2.0/24 via 10.9.0.9 metric 7 table 12"] {
            assert!(lines.contains(line), "{line}: {lines}");
        }
        drop(daemon);
        // the next one begins anew
        let mut daemon = Daemon::behind_tap(&directory, &name, &arguments).expect("as before");
        assert!(Note::read(&directory.0, CARD).is_err(), "what was so is so no more");
        daemon.end(nix::sys::signal::Signal::SIGTERM);
    });
    if let Err(panic) = ran.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn the_service_manager_hears_of_it_and_without_the_option_it_is_an_ordinary_end() {
    for hand_back in [true, false] {
        let directory = Directory::new();
        let manager = Manager::new(&directory);
        let option: &[&str] = if hand_back { &["--hand-back"] } else { &[] };
        let mut daemon = manager.start(&directory, &[&SOCKET[..], &SOON, option].concat(), None);
        manager.hear_of(&["READY=1"]);
        give_up(&directory);
        assert_eq!(daemon.ended().code(), Some(if hand_back { 5 } else { 1 }), "{}", daemon.log());
        if hand_back {
            let status = manager.hear_of(&["STOPPING=1", "STATUS=given up"]);
            assert!(status.contains("handed back") && status.contains("probe"), "{status}");
        }
        assert_eq!(Note::read(&directory.0, CARD).is_ok(), hand_back);
    }
}

/// A full disk, or whatever else: the device is handed back all the same, and that its addresses are not is said.
#[test]
fn a_note_that_cannot_be_written_is_told() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &[&SOCKET[2..], &SOON, &["--hand-back"]].concat());
    std::fs::create_dir(Note::path(&directory.0, CARD)).expect("a folder where the note goes");
    give_up(&directory);
    assert_eq!(daemon.ended().code(), Some(5), "{}", daemon.log());
    wait_until("it says so", || daemon.log().contains("cannot be noted, and will not move"));
}

#[test]
fn only_what_was_given_up_and_may_be_is_handed_back() {
    let directory = Directory::new();
    let file = directory.0.join("card.toml");
    let file = file.to_str().expect("a plain name");
    let run = |text: &str, ending: Option<(&str, &str)>| {
        std::fs::write(file, text).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_udrvctl"));
        command.args(["hand-back", "--given-up", "--config", file]).env("UDRV_RUNTIME_DIR", &directory.0);
        command.env_remove("EXIT_STATUS").env_remove("MONITOR_EXIT_STATUS").envs(ending);
        let output = command.output().expect("udrvctl runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("text"))
    };
    let nowhere = "device = \"pci:ffff:ff:1f.7\"\n";
    let consent = format!("{nowhere}hand-back = true\n");
    for (text, ending, code, word) in [
        (consent.as_str(), None, 2, "for a service manager"),
        (&consent, Some(("EXIT_STATUS", "1")), 0, "udrvd has not given it up"),
        (&consent, Some(("MONITOR_EXIT_STATUS", "KILL")), 0, "udrvd has not given it up"),
        (nowhere, Some(("MONITOR_EXIT_STATUS", "5")), 0, "hand-back is not set"),
        (&consent, Some(("MONITOR_EXIT_STATUS", "5")), 3, "ffff:ff:1f.7"),
        (&consent, Some(("EXIT_STATUS", "5")), 3, "ffff:ff:1f.7"),
        ("device = \"model:rtl8139\"\nhand-back = true\n", Some(("EXIT_STATUS", "5")), 2, "no device of this machine"),
    ] {
        let (got, said) = run(text, ending);
        assert_eq!(got, Some(code), "{text:?} {ending:?}: {said}");
        assert!(said.contains(word), "{text:?} {ending:?}: {said}");
    }
    // what was noted waits for whoever mends the cause
    Note::new("pci:ffff:ff:1f.7", "why", None).write(&directory.0).expect("a note");
    let (_, said) = run(&consent, Some(("EXIT_STATUS", "5")));
    assert!(!said.contains("still noted"), "there is nothing in it: {said}");
    let network = serde_json::from_value(serde_json::json!({
        "interface": "udrv0", "up": true, "mtu": 1400, "mac": null, "master": null, "uppers": [], "left": [],
        "addresses": [], "routes": [],
    }));
    let note = Note::new("pci:ffff:ff:1f.7", "why", Some(network.expect("a network")));
    note.write(&directory.0).expect("a note");
    let (code, said) = run(&consent, Some(("EXIT_STATUS", "5")));
    let again = format!("EXIT_STATUS=5 udrvctl hand-back --given-up --config {file}");
    assert!(code == Some(3) && said.contains("still noted") && said.contains(&again), "{said}");
    assert!(Note::path(&directory.0, "pci:ffff:ff:1f.7").exists());
}

#[test]
fn it_ends_when_it_is_asked_to_at_its_socket() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    // it may be gone before the answer is
    let answer = client::ask(&directory.0, CARD, Request::Stop);
    assert!(matches!(answer, Ok(Response::Done) | Err(client::ClientError::Answer { .. })), "{answer:?}");
    assert_eq!(daemon.ended().code(), Some(0), "{}", daemon.log());
    assert!(directory.is_empty());
}
