//! What the service manager hears.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, Directory, PATIENCE, told, udrvctl, wait_until};

/// Stands in for systemd.
pub(crate) struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    pub(crate) fn new(directory: &Directory) -> Manager {
        let path = directory.0.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        Manager { socket, path: path.to_str().expect("a plain name").to_owned() }
    }

    pub(crate) fn start(&self, directory: &Directory, arguments: &[&str], watchdog: Option<&str>) -> Daemon {
        let mut environment = vec![("NOTIFY_SOCKET", self.path.as_str())];
        environment.extend(watchdog.map(|usec| ("WATCHDOG_USEC", usec)));
        Daemon::start_with(directory, arguments, &environment)
    }

    /// The next message; `None` after so much silence.
    pub(crate) fn hear(&self, patience: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(patience)).expect("a timeout");
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    /// The next that has all `words`; others before it are passed over.
    pub(crate) fn hear_of(&self, words: &[&str]) -> String {
        loop {
            let message = self.hear(PATIENCE).unwrap_or_else(|| panic!("silence, and no {words:?}"));
            if words.iter().all(|word| message.contains(word)) {
                return message;
            }
        }
    }
}

const SOCKET: [&str; 4] = ["model:rtl8139", "--no-far-host", "--endpoint", "socket"];

#[test]
fn it_is_told_when_the_device_works_and_when_it_stops() {
    let directory = Directory::new();
    let manager = Manager::new(&directory);
    let mut daemon = manager.start(&directory, &SOCKET, None);
    let first = manager.hear(PATIENCE).expect("a message");
    assert!(first.contains("READY=1") && first.contains("STATUS=drives model:rtl8139"), "{first}");
    assert!(told(&directory, &["status"]).contains("rtl8139"), "ready is ready");
    daemon.signal(Signal::SIGTERM);
    assert!(manager.hear(PATIENCE).expect("a message").contains("STOPPING=1"), "and no sign of life that nobody wants");
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0), "{}", daemon.log());
}

#[test]
fn a_device_that_cannot_be_started_is_never_ready() {
    let directory = Directory::new();
    let manager = Manager::new(&directory);
    let mut command = crate::daemon::udrvd(&directory.0, &[&SOCKET[..], &["--vlan", "5"]].concat());
    let status = command.env("NOTIFY_SOCKET", &manager.path).stderr(std::process::Stdio::null()).status();
    assert_eq!(status.expect("it ran").code(), Some(1));
    while let Some(message) = manager.hear(Duration::from_millis(1)) {
        assert!(!message.contains("READY"), "{message}");
    }
}

/// An idle device and one that is served give signs of life; so does one whose driver hangs in a transaction.
#[test]
fn signs_of_life_come_as_often_as_they_are_wanted() {
    let directory = Directory::new();
    let manager = Manager::new(&directory);
    let daemon = manager.start(&directory, &SOCKET, Some("100000"));
    for _ in 0..10 {
        let message = manager.hear_of(&["WATCHDOG=1"]);
        assert!(!message.contains("READY"), "{message}");
    }
    told(&directory, &["inject", "model:rtl8139", "link", "endless-loop"]);
    told(&directory, &["call", "model:rtl8139", "link"]);
    for _ in 0..3 {
        manager.hear_of(&["WATCHDOG=1"]);
    }
    drop(daemon);
}

/// The loop itself gives them: where it hangs (here in the driver, without protection) they end, though other threads live.
#[test]
fn a_loop_that_hangs_gives_none() {
    let directory = Directory::new();
    let manager = Manager::new(&directory);
    let file = directory.0.join("suspects");
    let file = file.to_str().expect("a plain name");
    let arguments = [&SOCKET[..], &["--protect", "never", "--suspects", file]].concat();
    let mut daemon = manager.start(&directory, &arguments, Some("100000"));
    manager.hear_of(&["WATCHDOG=1"]);
    told(&directory, &["inject", "model:rtl8139", "link", "endless-loop"]);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| udrvctl(&directory, &["call", "model:rtl8139", "link"]));
        let link = udrv_driver::Entry::Link as u8 + 1;
        wait_until("it runs in circles", || std::fs::read(format!("{file}.running")).is_ok_and(|mark| mark[0] == link));
        // what was said before
        while manager.hear(Duration::from_millis(1)).is_some() {}
        assert_eq!(manager.hear(Duration::from_secs(1)), None, "ten times the time in which there should be one");
        daemon.end(Signal::SIGKILL);
        drop(call.join());
    });
}

/// A service manager ends a service whose main process dies: where there is a standby it is one that drives nothing.
#[test]
fn with_a_standby_the_main_process_is_none_that_may_die() {
    let directory = Directory::new();
    let manager = Manager::new(&directory);
    let config = directory.0.join("card.toml");
    std::fs::write(&config, "device = \"model:rtl8139\"\nno-far-host = true\nendpoint = \"socket\"\nstandby = true\n")
        .expect("a file");
    let mut daemon = manager.start(&directory, &["--config", config.to_str().expect("a plain name")], Some("100000"));
    let ready = manager.hear_of(&["READY=1"]);
    assert!(!ready.contains("MAINPID"), "{ready}");
    let status = told(&directory, &["--json", "status"]);
    assert!(!status.contains(&format!("\"pid\":{},", daemon.pid())), "it drives a device: {status}");
    // signs of life are those of the one that does, and a change of the configuration reaches it
    manager.hear_of(&["WATCHDOG=1"]);
    daemon.signal(Signal::SIGHUP);
    manager.hear_of(&["RELOADING=1"]);
    manager.hear_of(&["READY=1", "changed: nothing"]);
    daemon.signal(Signal::SIGTERM);
    manager.hear_of(&["STOPPING=1"]);
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0), "{}", daemon.log());
}

/// How the last one has ended is how the service has.
#[test]
fn one_that_cannot_start_is_no_use_to_start_again_with_a_standby_too() {
    let directory = Directory::new();
    let manager = Manager::new(&directory);
    let arguments = [&SOCKET[..], &["--standby", "--vlan", "5"]].concat();
    let mut command = crate::daemon::udrvd(&directory.0, &arguments);
    let status = command.env("NOTIFY_SOCKET", &manager.path).stderr(std::process::Stdio::null()).status();
    assert_eq!(status.expect("it ran").code(), Some(1));
}
