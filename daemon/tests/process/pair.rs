//! A standby: it goes on at once when udrvd is killed, whenever that is, and there is a next one.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use udrv::run::Status;
use udrv_daemon::client::ask;
use udrv_daemon::protocol::{Request, Response, StandbyStatus};

use crate::adopt::stand::Stand;
use crate::daemon::{PATIENCE, told, wait_until};

/// Frames under way, at most: what overflows a ring is lost, as on any wire.
const ROOM: usize = 8;

impl Stand {
    /// Starts one with a standby.
    fn with_standby(model: &str) -> Stand {
        let mut stand = Stand::new(model);
        stand.start_program(Path::new(env!("CARGO_BIN_EXE_udrvd")), &["--standby"]);
        stand.wait_until_kept();
        stand
    }

    /// What whoever drives the device says. `None`: nobody does just now.
    pub(crate) fn try_status(&self) -> Option<(Status, Option<StandbyStatus>)> {
        match ask(&self.directory.0, &self.device(), Request::Status) {
            Ok(Response::Status { status, standby }) => Some((*status, standby)),
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> (Status, Option<StandbyStatus>) {
        let mut found = None;
        wait_until("a status", || {
            found = self.try_status();
            found.is_some()
        });
        found.expect("a status")
    }

    /// The standby, when it is ready.
    fn ready(&self) -> u32 {
        let mut pid = None;
        wait_until("a standby is ready", || {
            let standby = self.status().1.expect("one is wanted");
            pid = standby.pid.filter(|_| standby.ready);
            pid.is_some()
        });
        pid.expect("ready")
    }

    /// Sends frames both ways while there is room, and takes what comes.
    pub(crate) fn keep_exchanging(&mut self) {
        if (self.sent as usize) - self.at_station.len().min(self.at_host.len()) < ROOM {
            self.exchange();
        }
        self.take();
    }

    /// Nothing was lost, nothing came twice.
    pub(crate) fn each_has_come_once(&mut self) {
        self.all_have_come();
        let twice = self.at_station.values().chain(self.at_host.values()).filter(|count| **count > 1).count();
        assert_eq!(twice, 0, "a frame came twice: {}", self.log());
    }
}

/// Whether a process is there that has not ended. It need not be a child.
pub(crate) fn lives(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    !state.starts_with(['Z', 'X'])
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid as i32), signal).expect("it lives");
}

/// Killed at an access to its card, seen by it or not; each successor in its turn.
fn goes_on(model: &str) {
    let mut stand = Stand::with_standby(model);
    let names = stand.keeper.names();
    let resets = stand.death.resets.load(SeqCst);
    for death in 0..10 {
        let standby = stand.ready();
        let main = stand.status().0.pid;
        assert_ne!(main, standby);
        stand.death.pid.store(main, SeqCst);
        stand.death.in_(death * 3, death % 2 == 0);
        let start = Instant::now();
        while lives(main) {
            stand.keep_exchanging();
            assert!(start.elapsed() < PATIENCE, "it does not die: {}", stand.log());
        }
        // what comes meanwhile waits in the ring and at the host
        (0..4).for_each(|_| stand.exchange());
        stand.each_has_come_once();
        assert_eq!(stand.status().0.pid, standby, "{}", stand.log());
        let log = stand.log();
        assert!(!log.contains("Starting anew"), "death {death}: {log}");
    }
    assert_eq!(stand.keeper.names(), names, "nothing was handed out a second time");
    assert_eq!(stand.death.resets.load(SeqCst), resets, "nobody has reset the card");
    assert_eq!(stand.death.opened.load(SeqCst), 1, "nor opened it again");
    // the end: of both, and nothing is left
    let (main, standby) = (stand.status().0.pid, stand.ready());
    let supervisor = stand.child.take().expect("for the service manager it is one process");
    signal(supervisor.id(), Signal::SIGTERM);
    wait_until("both end", || !lives(main) && !lives(standby));
    assert_eq!(supervisor.wait_with_output().expect("a child").status.code(), Some(0), "{}", stand.log());
    assert_eq!(stand.keeper.names(), Vec::<String>::new(), "{}", stand.log());
    assert!(stand.directory.is_empty(), "{:?}", std::fs::read_dir(&stand.directory.0).map(Iterator::count));
    assert_eq!(stand.death.opened.load(SeqCst), 1, "{}", stand.log());
}

#[test]
fn an_e1000_goes_on_with_the_standby() {
    goes_on("e1000");
}

#[test]
fn an_rtl8139_goes_on_with_the_standby() {
    goes_on("rtl8139");
}

#[test]
fn a_standby_that_dies_is_followed_by_another_and_the_device_does_not_notice() {
    let mut stand = Stand::with_standby("e1000");
    let main = stand.status().0.pid;
    for death in 1..4 {
        let standby = stand.ready();
        signal(standby, Signal::SIGKILL);
        wait_until("it is another", || {
            let status = stand.status().1.expect("one is wanted");
            status.restarts == death && status.pid.is_some_and(|pid| pid != standby)
        });
        stand.exchange();
        stand.each_has_come_once();
    }
    assert_eq!(stand.status().0.pid, main);
    assert!(stand.log().contains("of no use: it has ended (signal: 9"), "{}", stand.log());
    let text = told(&stand.directory, &["status"]);
    assert!(text.contains("another was started 3 times"), "{text}");
}

/// Both at once: then the service manager starts one, which goes on with what was kept.
#[test]
fn with_both_killed_there_is_still_the_keeper() {
    let mut stand = Stand::with_standby("rtl8139");
    stand.exchange();
    stand.each_has_come_once();
    let (main, standby) = (stand.status().0.pid, stand.ready());
    // so that there is neither one that goes on nor a next one
    signal(main, Signal::SIGSTOP);
    signal(standby, Signal::SIGKILL);
    wait_until("the standby dies", || !lives(standby));
    signal(main, Signal::SIGKILL);
    wait_until("it dies", || stand.has_died());
    (0..4).for_each(|_| stand.exchange());
    stand.start();
    stand.each_has_come_once();
    assert!(!stand.log().contains("Starting anew"), "{}", stand.log());
    assert_eq!(stand.death.opened.load(SeqCst), 1);
}

/// What was set while it ran holds on.
#[test]
fn protection_that_was_changed_is_that_of_the_standby_too() {
    let stand = Stand::with_standby("e1000");
    let standby = stand.ready();
    told(&stand.directory, &["policy", "set", &stand.device(), "suspicious", "link"]);
    signal(stand.status().0.pid, Signal::SIGKILL);
    wait_until("the standby goes on", || stand.try_status().is_some_and(|(status, _)| status.pid == standby));
    let (status, _) = stand.status();
    let mode = |name: &str| status.entries.iter().find(|(entry, _)| entry == name).expect("an entry").1.protect.name();
    assert_eq!((mode("link"), mode("poll")), ("suspicious", "always"));
}
