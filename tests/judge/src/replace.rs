//! udrvd is replaced by another process again and again: killed (SIGKILL) while a standby waits, or upgraded. When, is told by
//! the system's monotonic clock, as `frames.rs` tells when nothing came.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde_json::{Value, json};
use udrv_keeper::Keeper;

use crate::content::Content;

/// How long anything may take: traffic may stand still for a TCP timeout.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before the next, milliseconds: at least, and up to so many more.
const QUIET: (u64, u64) = (400, 400);
/// The name under which the device itself is kept, last of all.
const DEVICE: &str = "vfio-device";

/// How it is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum How {
    Kill,
    Upgrade,
}

/// See the module's text.
#[derive(clap::Args)]
pub(crate) struct Replace {
    /// The device, as udrvd is given it.
    device: String,
    /// Name of the TAP.
    #[arg(long)]
    tap: String,
    #[arg(long, value_enum)]
    how: How,
    /// Times that it is replaced.
    #[arg(long, default_value_t = 20)]
    times: u32,
    /// This file is made when udrvd runs, and replacing begins when it is gone.
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

/// Microseconds of the system's monotonic clock.
pub(crate) fn monotonic_us() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| Duration::from(time).as_micros() as u64)
}

impl Replace {
    pub(crate) fn run(&self) -> Result<(), String> {
        let keeper = Keeper::new(Path::new("/tmp")).map_err(|e| format!("the keeper: {e}"))?;
        let mut first = self.start(&keeper)?;
        until("udrvd hands out its device", || Ok(keeper.names().iter().any(|name| name == DEVICE)))?;
        let names = keeper.names();
        std::fs::write(&self.ready, b"").map_err(|e| format!("{}: {e}", self.ready.display()))?;
        until("somebody takes away --ready", || Ok(!self.ready.exists()))?;
        let mut random = Content::new(self.seed);
        let mut events = Vec::new();
        for _ in 0..self.times {
            // the moment, not a synchronisation
            std::thread::sleep(Duration::from_micros(QUIET.0 * 1000 + random.next() % (QUIET.1 * 1000)));
            events.push(match self.how {
                How::Kill => self.kill()?,
                How::Upgrade => self.upgrade()?,
            });
            // one that has ended is gone only when it is asked for
            let _ = first.try_wait();
        }
        let pid = self.status()?["status"]["pid"].clone();
        std::fs::write(&self.done, b"").map_err(|e| format!("{}: {e}", self.done.display()))?;
        until("somebody takes away --done", || Ok(!self.done.exists()))?;
        let same_names = keeper.names() == names;
        let last = pid.as_i64().and_then(|pid| i32::try_from(pid).ok()).ok_or("no pid")?;
        kill(Pid::from_raw(last), Signal::SIGTERM).map_err(|e| format!("SIGTERM: {e}"))?;
        until("the last udrvd ends", || {
            let _ = first.try_wait();
            Ok(!lives(last) && keeper.names().is_empty())
        })?;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let went_on = log.matches("going on where a process before this one has ended").count();
        let going: Vec<u64> = log.lines().filter(|line| line.contains("going on where")).filter_map(told).collect();
        println!(
            "{}",
            json!({
                "times": self.times,
                "went_on": went_on,
                "going_on_us": going,
                "events": events,
                "same_names": same_names,
                "left_at_the_end": keeper.names(),
            })
        );
        Ok(())
    }

    fn start(&self, keeper: &Keeper) -> Result<Child, String> {
        let mut arguments = vec!["run", &self.device, "--tap", &self.tap, "--deadline", "100"];
        if self.how == How::Kill {
            arguments.push("--standby");
        }
        let program = Path::new("/usr/local/bin/udrvd");
        let program = if program.exists() { program } else { Path::new("udrvd") };
        let log = std::fs::File::create(&self.log).map_err(|e| format!("{}: {e}", self.log.display()))?;
        let command = keeper.command(program, &arguments);
        let mut command = command.map_err(|e| format!("descriptors for udrvd: {e}"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().map_err(|e| format!("udrvd: {e}"))
    }

    fn kill(&self) -> Result<Value, String> {
        let mut found = (0, 0);
        until("a standby is ready", || {
            let status = self.status()?;
            let pid = |value: &Value| value.as_i64().and_then(|pid| i32::try_from(pid).ok());
            let ready = status["standby"]["ready"] == json!(true);
            if let (Some(main), Some(standby)) = (pid(&status["status"]["pid"]), pid(&status["standby"]["pid"])) {
                found = (main, standby);
            }
            Ok(ready && found.0 != 0)
        })?;
        // looking has cost the one processor's time: not in the middle of that
        std::thread::sleep(Duration::from_millis(200));
        let from = monotonic_us();
        kill(Pid::from_raw(found.0), Signal::SIGKILL).map_err(|e| format!("SIGKILL: {e}"))?;
        // and it is left alone until it is over
        std::thread::sleep(Duration::from_millis(300));
        let to = monotonic_us();
        until("the standby goes on", || Ok(self.status()?["status"]["pid"] == json!(found.1)))?;
        Ok(json!({ "from_us": from, "to_us": to }))
    }

    fn upgrade(&self) -> Result<Value, String> {
        let from = monotonic_us();
        let answer = ctl(&["upgrade", &self.device, "--probation", "1"])?;
        Ok(json!({ "from_us": from, "to_us": monotonic_us(), "gap_us": answer["gap_us"] }))
    }

    fn status(&self) -> Result<Value, String> {
        ctl(&["status", &self.device])
    }
}

fn ctl(arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new("udrvctl").arg("--json").args(arguments).output().map_err(|e| format!("udrvctl: {e}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("udrvctl {}: {}", arguments.join(" "), words.trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("udrvctl {}: {e}", arguments.join(" ")))
}

/// Looks again and again, but leaves the processor to others: there may be one only.
fn until(what: &str, mut ready: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let start = Instant::now();
    while !ready()? {
        if start.elapsed() > PATIENCE {
            return Err(format!("waited in vain until {what}"));
        }
        std::thread::sleep(Duration::from_millis(20)); // between two looks
    }
    Ok(())
}

/// Whether a process is there that has not ended. It need not be a child.
fn lives(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// How long a successor says that it took.
fn told(line: &str) -> Option<u64> {
    line.split_whitespace().find_map(|word| word.strip_prefix("us="))?.parse().ok()
}
