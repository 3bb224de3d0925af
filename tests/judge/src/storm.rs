//! A storm of faults, one after the other: each is injected by udrvctl, must happen, and must be recovered from.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const FAULTS: [&str; 6] = ["null-write", "wild-write", "divide-by-zero", "stack-overflow", "endless-loop", "panic"];
const POINTS: [&str; 3] = ["start", "middle", "end"];
/// Entry points that traffic calls by itself, and those that are called by command, with the values in force.
type Entries = (&'static [&'static str], &'static [&'static str]);
const NET: Entries = (
    &["transmit", "interrupt", "poll"],
    &[
        "link",
        "get_stats",
        "get_ringparam",
        "set_rx_mode",
        "set_mac",
        "configure",
        "tx_timeout",
        "stop",
        "open",
        "probe",
        "quiesce",
        "restore",
    ],
);
const SOUND: Entries = (
    &["interrupt", "pointer"],
    &["open", "close", "hw_params", "prepare", "trigger", "get_control", "set_control", "probe", "quiesce", "restore"],
);
const INPUT: Entries = (
    &["interrupt"],
    &[
        "poll",
        "probe",
        "enable",
        "disable",
        "set_rate",
        "set_resolution",
        "set_scaling",
        "reconnect",
        "quiesce",
        "restore",
    ],
);
/// How long a fault may take to happen and be recovered: traffic may stand still for a TCP timeout.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module's text.
#[derive(clap::Args)]
pub(crate) struct Storm {
    /// The device, as udrvd was given it.
    device: String,
    /// Rounds over all entry points that traffic calls.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Of the entry points only those that traffic calls by itself, or only those that are called by command.
    #[arg(long, value_enum)]
    only: Option<Which>,
    /// This file is made when the storm is over.
    #[arg(long)]
    done: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    Traffic,
    Command,
}

impl Storm {
    pub(crate) fn run(&self) -> Result<(), String> {
        let before = self.status()?;
        let pid = before["pid"].clone();
        let (by_traffic, by_command) = match before["class"].as_str() {
            Some("sound") => SOUND,
            Some("input") => INPUT,
            _ => NET,
        };
        let of = |which, list| if self.only.is_none_or(|only| only == which) { list } else { &[][..] };
        let entries = (of(Which::Traffic, by_traffic), of(Which::Command, by_command));
        let result = self.all(entries);
        // the streams stop when they see it, however the storm ended
        std::fs::write(&self.done, b"").map_err(|e| format!("{}: {e}", self.done.display()))?;
        let faults = result?;
        let status = self.status()?;
        let recovered = faults.iter().filter(|f| f["recovered"] == json!(true)).count();
        let steady = status["pid"] == pid && status["canary_intact"] == json!(true);
        let report = json!({ "count": faults.len(), "recovered": recovered, "pid_unchanged": status["pid"] == pid,
            "status": status, "faults": faults });
        println!("{report}");
        if recovered == faults.len() && steady {
            Ok(())
        } else {
            Err(format!("{recovered} of {} faults recovered; pid and canary as before: {steady}", faults.len()))
        }
    }

    fn all(&self, (by_traffic, by_command): (&[&str], &[&str])) -> Result<Vec<Value>, String> {
        let mut faults = Vec::new();
        for _ in 0..self.rounds {
            for fault in FAULTS {
                for point in POINTS {
                    for entry in by_traffic {
                        faults.push(self.one(entry, fault, point, false)?);
                    }
                }
            }
        }
        for (i, entry) in by_command.iter().enumerate() {
            for (k, fault) in FAULTS.into_iter().enumerate() {
                faults.push(self.one(entry, fault, POINTS[(i + k) % POINTS.len()], true)?);
            }
        }
        Ok(faults)
    }

    fn one(&self, entry: &str, fault: &str, point: &str, by_command: bool) -> Result<Value, String> {
        let before = self.status()?["faults"].as_u64().ok_or("status has no count of faults")?;
        self.ctl(&["inject", &self.device, entry, fault, "--at", point])?;
        if by_command {
            self.ctl(&["call", &self.device, entry])?;
        }
        let start = Instant::now();
        loop {
            let after = before.to_string();
            let answer = self.ctl(&["faults", &self.device, "--after", &after])?;
            let found = answer["faults"].as_array().and_then(|list| list.first());
            if let Some(report) = found.filter(|r| !r["to_next_frame"].is_null()) {
                let expected = json!([fault, point]);
                if report["injected"] != expected || report["entry"] != json!(entry) {
                    return Err(format!("injected {fault} at {point} of {entry}, but this happened: {report}"));
                }
                return Ok(report.clone());
            }
            if start.elapsed() > PATIENCE {
                return Err(match found {
                    Some(report) => format!("no frame went through after this fault: {report}"),
                    None => format!("{fault} at {point} of {entry} did not happen within {PATIENCE:?}"),
                });
            }
            // each look is a process of its own: that is pause enough
        }
    }

    fn status(&self) -> Result<Value, String> {
        Ok(self.ctl(&["status", &self.device])?["status"].take())
    }

    fn ctl(&self, arguments: &[&str]) -> Result<Value, String> {
        let output =
            Command::new("udrvctl").arg("--json").args(arguments).output().map_err(|e| format!("udrvctl: {e}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(format!("udrvctl {}: {}", arguments.join(" "), words.trim()));
        }
        serde_json::from_slice(&output.stdout).map_err(|e| format!("udrvctl {}: {e}", arguments.join(" ")))
    }
}
