//! A udrvd in a process of its own, with a runtime directory of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A runtime directory that goes away with the test.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("udrv-process-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }

    pub(crate) fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).expect("the directory").next().is_none()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("model:rtl8139.sock")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(2)); // between two looks
    }
}

/// A name for a TAP that nobody else has.
pub(crate) fn tap_name(letter: char) -> String {
    format!("ut{letter}{}", std::process::id())
}

/// One TAP at a time: a daemon behind one wakes when any interface changes, and a test counts that.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn interface_exists(name: &str) -> bool {
    nix::net::if_::if_nametoindex(name).is_ok()
}

/// A running udrvd. Killed on drop.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    /// Held, not looked at.
    turn: Option<MutexGuard<'static, ()>>,
}

pub(crate) fn udrvd(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_udrvd"));
    command.arg("run").args(arguments).env("UDRV_RUNTIME_DIR", directory).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Daemon {
    /// Starts `udrvd run ARGUMENTS` without waiting for anything.
    pub(crate) fn launch(directory: &Directory, arguments: &[&str]) -> Daemon {
        Daemon::of(udrvd(&directory.0, arguments))
    }

    /// Starts it with something more in its environment, and waits until it runs.
    pub(crate) fn start_with(directory: &Directory, arguments: &[&str], environment: &[(&str, &str)]) -> Daemon {
        let mut command = udrvd(&directory.0, arguments);
        command.envs(environment.iter().copied());
        Daemon::of(command).until_it_runs()
    }

    /// From a command of which standard error is a pipe.
    pub(crate) fn of(mut command: Command) -> Daemon {
        let mut child = command.spawn().expect("udrvd starts");
        let log = Arc::<Mutex<String>>::default();
        let (lines, to) = (BufReader::new(child.stderr.take().expect("a pipe")).lines(), log.clone());
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = to.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Daemon { child, log, reader: Some(reader), turn: None }
    }

    /// Starts one on the model and waits until it runs.
    pub(crate) fn start(directory: &Directory, arguments: &[&str]) -> Daemon {
        let mut all = vec!["model:rtl8139", "--no-far-host"];
        all.extend(arguments);
        Daemon::launch(directory, &all).until_it_runs()
    }

    /// Waits for that.
    pub(crate) fn until_it_runs(mut self) -> Daemon {
        wait_until("udrvd runs", || {
            let ended = self.child.try_wait().expect("a child").is_some();
            assert!(!ended, "udrvd ended: {}", self.log());
            self.log().contains("running")
        });
        self
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("the signal is sent");
    }

    /// Starts one behind a TAP. `None`, and a line that says why, where there can be none.
    pub(crate) fn with_tap(directory: &Directory, name: &str) -> Option<Daemon> {
        Daemon::behind_tap(directory, name, &["model:rtl8139"])
    }

    /// The same for a device and options.
    pub(crate) fn behind_tap(directory: &Directory, name: &str, arguments: &[&str]) -> Option<Daemon> {
        let turn = turn();
        let mut daemon = Daemon::launch(directory, &[arguments, &["--no-far-host", "--tap", name]].concat());
        wait_until("udrvd runs or says why not", || {
            daemon.log().contains("running") || daemon.child.try_wait().expect("a child").is_some()
        });
        if daemon.child.try_wait().expect("a child").is_none() {
            daemon.turn = Some(turn);
            return Some(daemon);
        }
        wait_until("the reason", || daemon.log().contains("udrvd: "));
        let log = daemon.log();
        let no_tap = ["/dev/net/tun is missing", "no permission"].iter().any(|why| log.contains(why));
        assert!(no_tap, "{log}");
        println!("skipped: no TAP can be made here: {log}");
        None
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log says so: it comes through a pipe, and later than what is told in another way.
    pub(crate) fn logs(&self, text: &str) {
        wait_until(&format!("the log says '{text}'"), || self.log().contains(text));
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.ended()
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("udrvd ends", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        // and all that it has said is in the log
        self.reader.take().map(JoinHandle::join);
        status.expect("ended")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `udrvd run ARGUMENTS`, which must fail by itself: its error, the last line that starts with its name.
pub(crate) fn refused(directory: &Path, arguments: &[&str]) -> String {
    let mut child = udrvd(directory, arguments).spawn().expect("udrvd starts");
    wait_until("udrvd refuses", || child.try_wait().expect("a child").is_some());
    let output = child.wait_with_output().expect("its output");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{:?}: {text}", output.status);
    let is_error = |line: &&str| line.starts_with("udrvd: ") || line.starts_with("error: ");
    let errors: Vec<&str> = text.lines().filter(is_error).collect();
    assert_eq!(errors.len(), 1, "one line says why: {text}");
    errors[0].to_owned()
}

/// Runs udrvctl.
pub(crate) fn udrvctl(directory: &Directory, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_udrvctl"));
    command.args(arguments).env("UDRV_RUNTIME_DIR", &directory.0).output().expect("udrvctl runs")
}

/// What a udrvctl that must work says.
pub(crate) fn told(directory: &Directory, arguments: &[&str]) -> String {
    let output = udrvctl(directory, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Copies a program that is to be run. In a process of its own: while this one has a file open for writing, so has what other tests
/// start at that moment, and nobody can run it.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp runs");
    assert!(status.success(), "{status}");
}
