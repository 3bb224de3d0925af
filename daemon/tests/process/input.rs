//! A mouse under udrvd, recorded: in its process, and at a line that another one serves.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use udrv::endpoint::input::Line;

use crate::daemon::{Daemon, Directory, refused, told, udrvctl, wait_until};
use crate::mouse::Hand;
use crate::vfio_user::Server;

/// A place for sockets and files that are not udrvd's.
fn beside() -> (Directory, PathBuf, PathBuf) {
    let files = Directory::new();
    let [hand, record] = ["hand", "events.jsonl"].map(|name| files.0.join(name));
    (files, hand, record)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// What is in the record, as far as its lines are whole.
fn read(record: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(record).expect("a file");
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Where it is after all lines, and the clicks.
fn sum(lines: &[Line]) -> (i32, i32, i32) {
    lines.iter().fold((0, 0, 0), |sum, line| (sum.0 + line.x, sum.1 + line.y, sum.2 + line.wheel))
}

const FAULTS: [&str; 6] = ["null-write", "wild-write", "divide-by-zero", "stack-overflow", "endless-loop", "panic"];

#[test]
fn a_hand_is_seen_exactly_while_the_driver_crashes_and_no_button_stays_down_at_the_end() {
    let (directory, (_files, socket, record)) = (Directory::new(), beside());
    let options =
        ["--record-events", text(&record), "--hand", text(&socket), "--resolution", "200", "--deadline", "100"];
    let mut daemon = Daemon::launch(&directory, &[&["model:psmouse"][..], &options].concat()).until_it_runs();
    let mut hand = Hand::reach(&socket);
    for (number, fault) in (1..).zip(FAULTS) {
        for line in ["press left", "move 50 -20 60", "turn 1", "release left", "move 50 -20 60"] {
            assert_eq!(hand.say(line), "done");
        }
        told(&directory, &["inject", "model:psmouse", "interrupt", fault]);
        assert_eq!(hand.say("rest"), "done");
        wait_until("all of it is seen", || sum(&read(&record)) == (100 * number, 40 * number, number));
    }
    let status = told(&directory, &["status"]);
    for words in ["ImExPS/2", "200 counts an inch", "down        none", " 0 bytes dropped", "faults      6, 0 restarts"]
    {
        assert!(status.contains(words), "'{words}' is not in {status}");
    }
    let lines = read(&record);
    let held = std::iter::once(false).chain(lines.iter().map(|line| !line.buttons.is_empty())).collect::<Vec<_>>();
    assert_eq!(held.windows(2).filter(|two| !two[0] && two[1]).count(), FAULTS.len(), "it goes down once in each leg");
    assert_eq!(hand.say("press right"), "done");
    wait_until("the button goes down", || read(&record).last().is_some_and(|line| line.buttons == ["right"]));
    assert!(daemon.end(Signal::SIGTERM).success(), "{}", daemon.log());
    assert_eq!(read(&record).last().expect("a line").buttons, [""; 0]);
    assert!(directory.is_empty() && !socket.exists(), "nothing is left");
}

#[test]
fn it_is_set_by_command_and_wrong_settings_are_explained() {
    let (directory, (_files, socket, _)) = (Directory::new(), beside());
    let options = ["model:psmouse-imps2", "--no-input", "--hand", text(&socket), "--rate", "55", "--scaling", "2:1"];
    let _daemon = Daemon::launch(&directory, &options).until_it_runs();
    let mut hand = Hand::reach(&socket);
    assert!(hand.say("settings").contains("rate 40 resolution 3 doubled yes enabled yes"), "{}", hand.say("settings"));
    let set = |setting: &str, value: &str| udrvctl(&directory, &["set", "model:psmouse-imps2", setting, value]);
    for (setting, value, is) in
        [("rate", "150", "rate 100"), ("resolution", "60", "resolution 50"), ("scaling", "1:1", "scaling 1:1")]
    {
        let output = set(setting, value);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), is);
    }
    assert!(hand.say("settings").contains("rate 100 resolution 1 doubled no enabled yes"), "{}", hand.say("settings"));
    told(&directory, &["restart"]);
    assert!(hand.say("settings").contains("rate 100 resolution 1 doubled no enabled yes"), "{}", hand.say("settings"));
    for (setting, value, why) in
        [("rate", "0", "1 to 1000"), ("scaling", "3", "1:1 or 2:1"), ("colour", "red", "rate, resolution and scaling")]
    {
        let output = set(setting, value);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(why), "{text}");
    }
    let json = told(&directory, &["--json", "status"]);
    for words in ["\"class\": \"input\"", "\"protocol\": \"ImPS/2\"", "\"rate\": 100", "\"breaks\""] {
        assert!(json.contains(words), "'{words}' is not in {json}");
    }
}

#[test]
fn at_a_line_of_another_process_it_is_waited_for_when_that_ends() {
    let (directory, (files, socket, record)) = (Directory::new(), beside());
    let serve = || Server::launch(&files, "psmouse", &["--line", "--hand", text(&socket)]).0;
    let mut server = serve();
    let device = format!("serio-line:{}", server.socket.display());
    let daemon = Daemon::launch(&directory, &[&device, "--record-events", text(&record), "--resolution", "200"]);
    let daemon = daemon.until_it_runs();
    let mut hand = Hand::reach(&socket);
    for line in ["press left", "move 30 0 30", "rest"] {
        assert_eq!(hand.say(line), "done");
    }
    wait_until("it is seen", || sum(&read(&record)).0 == 30);
    server.end(Signal::SIGTERM);
    wait_until("the button is let go", || read(&record).last().is_some_and(|line| line.buttons.is_empty()));
    wait_until("it says so", || told(&directory, &["status"]).contains("unplugged"));
    let _again = serve();
    wait_until("it is there again", || daemon.log().contains("restarted"));
    let mut hand = Hand::reach(&socket);
    wait_until("it reports", || hand.say("settings").contains("enabled yes"));
    for line in ["move 12 0 20", "rest"] {
        assert_eq!(hand.say(line), "done");
    }
    wait_until("it is seen", || sum(&read(&record)).0 == 42);
}

#[test]
fn what_does_not_go_together_or_is_not_there_is_one_line_with_its_mend() {
    for (arguments, words) in [
        (&["model:rtl8139", "--no-far-host", "--rate", "100"][..], &["--rate is for mice", "leave it out"][..]),
        (&["model:psmouse", "--no-input", "--mtu", "1500"], &["--mtu is for network cards", "is a mouse"]),
        (&["model:psmouse", "--no-input", "--rate", "0"], &["reports a second, 1 to 1000"]),
        (&["model:psmouse", "--no-input", "--scaling", "2"], &["1:1 or 2:1"]),
        (&["model:psmouse", "--no-input", "--uinput", "desk"], &["--no-input goes with no other"]),
        (&["model:psmouse", "--record-events", "/no/such/folder/events"], &["/no/such/folder/events"]),
        (&["model:psmouse", "--no-input", "--hand", "/no/such/folder/hand"], &["/no/such/folder/hand"]),
        (&["model:psmouse-ps3", "--no-input"], &["psmouse has no chip 'ps3'", "psmouse-imps2"]),
        (&["serio-line:/no/such/line", "--no-input"], &["udrvctl model serve psmouse /no/such/line --line"]),
        (&["serio:serio99", "--no-input"], &["serio"]),
    ] {
        let directory = Directory::new();
        let line = refused(&directory.0, arguments);
        for word in words {
            assert!(line.contains(word), "{arguments:?}: '{word}' is not in: {line}");
        }
        assert!(directory.is_empty(), "{arguments:?} left something behind");
    }
    if !Path::new("/dev/uinput").exists() {
        let directory = Directory::new();
        let line = refused(&directory.0, &["model:psmouse"]);
        assert!(line.contains("modprobe uinput") && line.contains("--no-input"), "{line}");
    }
}

/// The node that the service manager has kept reaches the endpoint: what is none is named, and another made, where there can be one.
#[test]
fn a_device_node_that_was_kept_is_looked_at() {
    let directory = Directory::new();
    let script = "exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=uinput exec \"$1\" run model:psmouse";
    let mut command = Command::new("sh");
    command.args(["-ec", script, "sh", env!("CARGO_BIN_EXE_udrvd")]).env("UDRV_RUNTIME_DIR", &directory.0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let daemon = Daemon::of(command);
    wait_until("it runs, or says why it does not", || {
        ["running", "udrvd: "].iter().any(|word| daemon.log().contains(word))
    });
    let log = daemon.log();
    assert!(log.contains("is not taken over") && log.contains("it is not of /dev/uinput"), "{log}");
}
