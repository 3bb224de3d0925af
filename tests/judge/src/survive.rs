//! udrvd is killed (SIGKILL) at moments of no one's choice, and its successor is given what it has left with the keeper.
//!
//! The time from the kill to the next good frame is taken at the interface: the kernel counts the frames that udrvd has
//! given it. Of the process that was killed it counts none any more once that has ended.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use udrv_keeper::Keeper;

use crate::content::Content;

/// How long anything may take: traffic may stand still for a TCP timeout.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two kills, milliseconds: at least, and up to so many more.
const QUIET: (u64, u64) = (100, 400);
/// The name under which the device itself is kept, last of all.
const DEVICE: &str = "vfio-device";
/// What says that a successor goes on.
const GOES_ON: &str = "going on where a process before this one has ended";

/// See the module's text.
#[derive(clap::Args)]
pub(crate) struct Survive {
    /// The device, as udrvd is given it.
    device: String,
    /// Name of the TAP.
    #[arg(long)]
    tap: String,
    /// Times that udrvd is killed.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Its successors get the TAP and nothing else, and have to begin anew: for comparison.
    #[arg(long)]
    anew: bool,
    /// This file is made when udrvd runs, and killing begins when it is gone.
    #[arg(long)]
    ready: PathBuf,
    /// This file is made when all is over, and udrvd is stopped when it is gone.
    #[arg(long)]
    done: PathBuf,
    /// What udrvd says.
    #[arg(long)]
    log: PathBuf,
    /// Seed of the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Daemon {
    fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Survive {
    pub(crate) fn run(&self) -> Result<(), String> {
        let keeper = Keeper::new(Path::new("/tmp")).map_err(|e| format!("the keeper: {e}"))?;
        let mut daemon = self.start(&keeper)?;
        self.until("udrvd hands out its device", &mut daemon, |_| keeper.names().iter().any(|name| name == DEVICE))?;
        let names = keeper.names();
        touch(&self.ready)?;
        self.until("somebody takes away --ready", &mut daemon, |_| !self.ready.exists())?;
        let mut random = Content::new(self.seed);
        let (mut gaps, mut starts, mut goings, mut went_on) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for number in 0..self.kills {
            let flowing = self.frames()?;
            self.until("frames flow", &mut daemon, |_| self.frames().is_ok_and(|now| now > flowing))?;
            // the moment, not a synchronisation
            let quiet = Duration::from_micros(QUIET.0 * 1000 + random.next() % (QUIET.1 * 1000));
            std::thread::sleep(quiet);
            let killed = Instant::now();
            daemon.child.kill().map_err(|e| format!("kill: {e}"))?;
            let status = daemon.child.wait().map_err(|e| format!("wait: {e}"))?;
            if status.code().is_some() {
                return Err(format!("udrvd had ended before it was killed: {status}: {}", daemon.log()));
            }
            self.keep_log(&daemon, number)?;
            let before = self.frames()?;
            if self.anew {
                keeper.kept().retain(|(name, _)| name == "udrv-endpoint");
            }
            daemon = self.start(&keeper)?;
            let started = Instant::now();
            self.until("the next frame", &mut daemon, |_| self.frames().is_ok_and(|now| now != before))?;
            gaps.push(killed.elapsed());
            starts.push(started.elapsed());
            if self.anew {
                self.until("it is kept", &mut daemon, |_| keeper.names().iter().any(|name| name == DEVICE))?;
            } else {
                self.until("it says how it goes on", &mut daemon, |daemon| {
                    let log = daemon.log();
                    log.contains(GOES_ON) || log.contains("Starting anew")
                })?;
            }
            let log = daemon.log();
            went_on += u32::from(log.contains(GOES_ON));
            goings.extend(told_micros(&log));
        }
        touch(&self.done)?;
        self.until("somebody takes away --done", &mut daemon, |_| !self.done.exists())?;
        let same_names = keeper.names() == names;
        kill(Pid::from_raw(daemon.child.id() as i32), Signal::SIGTERM).map_err(|e| format!("SIGTERM: {e}"))?;
        let status = daemon.child.wait().map_err(|e| format!("wait: {e}"))?;
        self.keep_log(&daemon, self.kills)?;
        let result = json!({
            "kills": self.kills,
            "went_on": went_on,
            "gaps_us": micros(&gaps),
            "from_start_us": micros(&starts),
            "going_on_us": goings,
            "names": names,
            "same_names": same_names,
            "left_at_the_end": keeper.names(),
            "ended_well": status.success(),
        });
        println!("{result}");
        Ok(())
    }

    fn start(&self, keeper: &Keeper) -> Result<Daemon, String> {
        let arguments = ["run", &self.device, "--tap", &self.tap, "--deadline", "100"];
        let program = Path::new("/usr/local/bin/udrvd");
        let program = if program.exists() { program } else { Path::new("udrvd") };
        let command = keeper.command(program, &arguments);
        let mut command = command.map_err(|e| format!("descriptors for udrvd: {e}"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("udrvd: {e}"))?;
        let log = Arc::<Mutex<String>>::default();
        let (from, to) = (child.stderr.take(), log.clone());
        std::thread::spawn(move || {
            let Some(mut from) = from else { return };
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
                to.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Ok(Daemon { child, log })
    }

    fn keep_log(&self, daemon: &Daemon, number: u32) -> Result<(), String> {
        use std::io::Write;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.log);
        let written = file.and_then(|mut file| write!(file, "--- udrvd {number}\n{}", daemon.log()));
        written.map_err(|e| format!("{}: {e}", self.log.display()))
    }

    /// Frames that the kernel has got from udrvd, put together ones as one.
    fn frames(&self) -> Result<u64, String> {
        let path = format!("/sys/class/net/{}/statistics/rx_packets", self.tap);
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        text.trim().parse().map_err(|_| format!("{path}: {text}"))
    }

    /// Looks again and again, but leaves the processor to others: there may be one only.
    fn until(&self, what: &str, daemon: &mut Daemon, ready: impl Fn(&Daemon) -> bool) -> Result<(), String> {
        let start = Instant::now();
        while !ready(daemon) {
            if let Some(status) = daemon.child.try_wait().map_err(|e| e.to_string())? {
                return Err(format!("waiting until {what}: udrvd has ended, {status}: {}", daemon.log()));
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("waited in vain until {what}: {}", daemon.log()));
            }
            std::thread::sleep(Duration::from_millis(2)); // between two looks
        }
        Ok(())
    }
}

/// How long a successor says that it took, from what it was given to where the device works.
fn told_micros(log: &str) -> Option<u64> {
    let line = log.lines().find(|line| line.contains(GOES_ON))?;
    line.split_whitespace().find_map(|word| word.strip_prefix("us="))?.parse().ok()
}

fn touch(path: &Path) -> Result<(), String> {
    std::fs::write(path, b"").map_err(|e| format!("{}: {e}", path.display()))
}

fn micros(times: &[Duration]) -> Vec<u64> {
    times.iter().map(|time| time.as_micros() as u64).collect()
}
