//! Another program goes on with the device, or does not work and is replaced by the old one: no frame is lost either way.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;
use udrv_daemon::protocol::socket_path;

use crate::adopt::refused::turn;
use crate::adopt::stand::Stand;
use crate::daemon::{PATIENCE, copy, told, udrvctl, wait_until};
use crate::pair::{lives, signal};

/// A device whose udrvd was started from a file that can be replaced.
struct Installed {
    stand: Stand,
    file: PathBuf,
}

/// How an upgrade has ended.
struct Ended {
    success: bool,
    /// What it says, as JSON.
    answer: Value,
}

impl Ended {
    fn of(output: &Output) -> Ended {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("{e}: {text:?}, {}", String::from_utf8_lossy(&output.stderr)));
        Ended { success: output.status.success(), answer }
    }

    fn why(&self) -> &str {
        assert!(!self.success, "{}", self.answer);
        self.answer["error"]["message"].as_str().expect("a reason")
    }
}

impl Installed {
    fn new(model: &str) -> Installed {
        let stand = Stand::new(model);
        let file = stand.sockets.0.join("udrvd");
        let mut this = Installed { stand, file };
        this.install_udrvd();
        let file = this.file.clone();
        this.stand.start_program(&file, &[]);
        this.stand.wait_until_kept();
        this
    }

    /// As a package manager does it: a new file in place of the old one.
    fn replace(&self, write: impl FnOnce(&PathBuf)) {
        let new = self.file.with_extension("new");
        write(&new);
        std::fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).expect("a mode");
        std::fs::rename(&new, &self.file).expect("a name");
    }

    fn install_udrvd(&self) {
        self.replace(|new| copy(Path::new(env!("CARGO_BIN_EXE_udrvd")), new));
    }

    fn install_script(&self, script: &str) {
        let written = self.file.with_extension("sh");
        std::fs::write(&written, format!("#!/bin/sh\n{script}\n")).expect("a script");
        self.replace(|new| copy(&written, new));
    }

    fn upgrade(&self, probation: &str) -> Ended {
        let device = self.stand.device();
        Ended::of(&udrvctl(&self.stand.directory, &["--json", "upgrade", &device, "--probation", probation]))
    }

    /// Upgrades, and calls `meanwhile` until that has ended.
    fn upgrade_while(&mut self, probation: &str, mut meanwhile: impl FnMut(&mut Stand)) -> Ended {
        let (directory, device) = (&self.stand.directory.0, self.stand.device());
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_udrvctl"));
        command.args(["--json", "upgrade", &device, "--probation", probation]).env("UDRV_RUNTIME_DIR", directory);
        let upgrade = std::thread::spawn(move || command.output().expect("udrvctl runs"));
        let start = Instant::now();
        while !upgrade.is_finished() {
            meanwhile(&mut self.stand);
            assert!(start.elapsed() < 2 * PATIENCE, "it does not end: {}", self.stand.log());
        }
        Ended::of(&upgrade.join().expect("it has ended"))
    }

    fn pid(&self) -> u32 {
        self.stand.status().0.pid
    }

    /// The process that the one that drives the device has started, when it has: it has no others.
    fn child_of(pid: u32) -> Option<u32> {
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let all = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.filter_map(Result::ok);
        let of_threads = all.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        std::iter::once(list).chain(of_threads).find_map(|list| list.split_whitespace().next()?.parse().ok())
    }

    /// Everything is as before: it is still this process, nobody has touched the card, and frames come through.
    fn goes_on_as(&mut self, pid: u32, resets: u64) {
        assert_eq!(self.pid(), pid, "{}", self.stand.log());
        (0..4).for_each(|_| self.stand.exchange());
        self.stand.each_has_come_once();
        assert_eq!(self.stand.death.resets.load(SeqCst), resets, "{}", self.stand.log());
        assert_eq!(self.stand.death.opened.load(SeqCst), 1);
        assert!(!self.stand.log().contains("Starting anew"), "{}", self.stand.log());
    }
}

fn upgrades(model: &str) {
    let mut this = Installed::new(model);
    let resets = this.stand.death.resets.load(SeqCst);
    let names = this.stand.keeper.names();
    for round in 0..3 {
        let before = this.pid();
        this.install_udrvd();
        let ended = this.upgrade_while("1", Stand::keep_exchanging);
        let answer = &ended.answer;
        assert!(ended.success, "{answer}: {}", this.stand.log());
        let after = this.pid();
        assert_eq!(
            (answer["from"]["pid"].as_u64(), answer["to"]["pid"].as_u64()),
            (Some(before.into()), Some(after.into()))
        );
        assert_ne!(before, after);
        assert!(answer["gap_us"].as_u64().is_some_and(|gap| gap > 0), "{answer}");
        println!("{model}: gap {} us", answer["gap_us"]);
        wait_until("the old one ends", || if round == 0 { this.stand.has_died() } else { !lives(before) });
        this.goes_on_as(after, resets);
    }
    let status = this.stand.child.as_mut().expect("a child").wait().expect("it has ended");
    assert!(status.success(), "the first has left all as it was: {status}");
    assert_eq!(this.stand.keeper.names(), names, "nothing was handed out a second time, or forgotten");
    let last = this.pid();
    signal(last, Signal::SIGTERM);
    wait_until("it ends", || !lives(last));
    assert_eq!(this.stand.keeper.names(), Vec::<String>::new(), "{}", this.stand.log());
    assert!(this.stand.directory.is_empty());
}

#[test]
fn an_e1000_is_upgraded_while_frames_flow() {
    upgrades("e1000");
}

#[test]
fn an_rtl8139_is_upgraded_while_frames_flow() {
    upgrades("rtl8139");
}

/// Programs that do not come so far as to take the device: it is never let go of.
#[test]
fn a_program_that_is_never_ready_takes_nothing() {
    let mut this = Installed::new("e1000");
    let (pid, resets) = (this.pid(), this.stand.death.resets.load(SeqCst));
    for (script, words) in [
        ("exit 7", "has ended (exit status: 7), and was not ready"),
        ("kill -SEGV $$", "has ended (signal: 11"),
        ("echo nonsense >&0", "makes no sense"),
        ("exec cat /dev/null - > /dev/null 2>&1 < /dev/null", "has ended (exit status: 0)"),
    ] {
        this.install_script(script);
        let ended = this.upgrade_while("1", Stand::keep_exchanging);
        let why = ended.why();
        assert!(why.contains(words) && why.contains("drives the device as before"), "{script}: {why}");
        this.goes_on_as(pid, resets);
    }
    // another record, and another version of the driver's state
    this.install_udrvd();
    for (part, at, bits, words) in
        [("udrv-record", 8, 0x40, "left in format 66"), ("udrv-state", 16, 0x10, "version 18")]
    {
        turn(&this.stand.keeper.kept(), part, at, bits);
        let ended = this.upgrade_while("1", Stand::keep_exchanging);
        assert!(ended.why().contains(words), "{}", ended.why());
        turn(&this.stand.keeper.kept(), part, at, bits);
        this.goes_on_as(pid, resets);
    }
    std::fs::remove_file(&this.file).expect("it is there");
    assert!(this.upgrade("1").why().contains("No such file"), "nothing is installed");
    this.goes_on_as(pid, resets);
    this.install_udrvd();
    assert!(this.upgrade("1").success, "and after all that it is upgraded: {}", this.stand.log());
}

#[test]
fn a_program_that_hangs_is_ended_and_a_second_upgrade_is_refused_meanwhile() {
    let mut this = Installed::new("e1000");
    let (pid, resets) = (this.pid(), this.stand.death.resets.load(SeqCst));
    // standard input stays open in it
    this.install_script("exec sleep 1000");
    let mut second = None;
    let mut hanging = None;
    let ended = this.upgrade_while("1", |stand| {
        stand.keep_exchanging();
        if second.is_none() && Installed::child_of(pid).is_some() {
            hanging = Installed::child_of(pid);
            second = Some(Ended::of(&udrvctl(&stand.directory, &["--json", "upgrade", &stand.device()])));
        }
    });
    assert!(ended.why().contains("it says nothing, and was not ready"), "{}", ended.why());
    assert!(second.expect("a second").why().contains("under way already"));
    assert!(!lives(hanging.expect("it hung")));
    this.goes_on_as(pid, resets);
}

/// What happens to a program that has taken over.
type Fate = fn(&mut Stand, u32);

/// Programs that take the device and do not keep it: it is taken back.
#[test]
fn a_program_that_does_not_hold_gives_the_device_back() {
    let mut this = Installed::new("rtl8139");
    let (pid, resets) = (this.pid(), this.stand.death.resets.load(SeqCst));
    let fates: [(&str, Fate, &str); 3] = [
        ("it dies", |_, child| signal(child, Signal::SIGKILL), "has ended (signal: 9"),
        ("it hangs", |_, child| signal(child, Signal::SIGSTOP), "says nothing"),
        (
            "its driver faults",
            |stand, _| drop(told(&stand.directory, &["inject", &stand.device(), "poll", "null-write", "--times", "5"])),
            "has had 5 faults",
        ),
    ];
    for (what, fate, words) in fates {
        let mut met = false;
        let ended = this.upgrade_while("15", |stand| {
            stand.keep_exchanging();
            let child = Installed::child_of(pid);
            if !met
                && let Some(child) = child
                && stand.try_status().is_some_and(|(status, _)| status.pid == child)
            {
                fate(stand, child);
                met = true;
            }
        });
        let why = ended.why();
        assert!(met && why.contains(words) && why.contains("has taken the device back"), "{what}: {why}");
        wait_until("it has ended", || Installed::child_of(pid).is_none());
        this.goes_on_as(pid, resets);
    }
    this.install_udrvd();
    assert!(this.upgrade("1").success, "and after all that it is upgraded: {}", this.stand.log());
}

/// A program that ends in the middle of taking over, at one access to the card after another.
#[test]
fn a_program_that_dies_while_it_takes_over_gives_the_device_back() {
    let mut this = Installed::new("e1000");
    let (pid, resets) = (this.pid(), this.stand.death.resets.load(SeqCst));
    let mut died = 0;
    for access in 0..12 {
        let mut set = false;
        let ended = this.upgrade_while("0", |stand| {
            if !set && let Some(child) = Installed::child_of(pid) {
                stand.death.pid.store(child, SeqCst);
                stand.death.in_(access * 2, access % 2 == 0);
                set = true;
            }
            (0..4 - stand.sent % 4).for_each(|_| stand.keep_exchanging());
        });
        assert!(set);
        if ended.success {
            break;
        }
        died += 1;
        this.goes_on_as(pid, resets);
    }
    assert!(died > 3, "{died}");
}

/// Who asks the old one meanwhile is told to ask again, and the next is answered by the new one.
#[test]
fn clients_are_answered_or_told_to_ask_again() {
    let mut this = Installed::new("rtl8139");
    let path = socket_path(&this.stand.directory.0, &this.stand.device());
    let pid = this.pid();
    let old = UnixStream::connect(&path).expect("it listens");
    old.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let ask =
        |stream: &UnixStream| (&*stream).write_all(b"{\"version\":1,\"command\":\"status\"}\n").expect("it hears");
    let hear = |stream: &UnixStream| -> Value {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    };
    ask(&old);
    assert_eq!(hear(&old)["status"]["pid"], pid);
    let mut asked = false;
    let ended = this.upgrade_while("3", |stand| {
        stand.keep_exchanging();
        // the new one is on probation: the old one's thread waits for the device to come back
        if !asked && stand.log().contains("going on where a process before this one") {
            assert_ne!(stand.status().0.pid, pid, "whoever comes now is answered by the new one");
            ask(&old);
            asked = true;
        }
    });
    assert!(ended.success && asked, "{}", ended.answer);
    let answer = hear(&old);
    assert!(answer["message"].as_str().is_some_and(|why| why.contains("ask again")), "{answer}");
    assert_ne!(this.pid(), pid);
    this.stand.each_has_come_once();
}
