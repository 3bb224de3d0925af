//! Where and when something was measured, and from which source.

use std::{fs, process::Command};

use serde::{Deserialize, Serialize};

use crate::{cargo::output_of, guest::workspace, steps::Failure};

/// What stands above each output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) processor: String,
    /// Logical processors.
    pub(super) processors: usize,
    /// Whether the processor says that it is a virtual machine's.
    pub(super) is_virtual: bool,
    pub(super) memory_mib: u64,
    pub(super) kernel: String,
    /// Protection keys that the kernel has switched on.
    pub(super) pku: bool,
    pub(super) rustc: String,
    /// UTC.
    pub(super) date: String,
    pub(super) commit: String,
    /// Load of one minute when the section began: what else the machine did.
    pub(super) load: f64,
    pub(super) quick: bool,
}

impl Run {
    /// Of this machine, now.
    pub(super) fn here(quick: bool) -> Result<Run, Failure> {
        let cpuinfo = read("/proc/cpuinfo")?;
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let flags = field(&cpuinfo, "flags");
        let has = |wanted: &str| flags.split(' ').any(|flag| flag == wanted);
        let memory = field(&read("/proc/meminfo")?, "MemTotal");
        let kib = memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
        let load = read("/proc/loadavg")?;
        Ok(Run {
            processor: field(&cpuinfo, "model name"),
            processors: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            is_virtual: has("hypervisor"),
            memory_mib: kib / 1024,
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease")?.trim()),
            pku: has("ospke"),
            rustc: said("rustc", &["--version"])?,
            date: said("date", &["--utc", "+%Y-%m-%d %H:%M"])?,
            commit: commit()?,
            load: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
            quick,
        })
    }

    /// In one line.
    pub(super) fn text(&self) -> String {
        let Run { processor, processors, memory_mib, kernel, rustc, date, commit, load, .. } = self;
        let kind = if self.is_virtual { "a virtual machine" } else { "a machine" };
        let keys = if self.pku { "with protection keys" } else { "without protection keys (rollback only)" };
        let run = if self.quick { "quick run" } else { "full run" };
        format!(
            "{run}; {kind} with {processors} processors ({processor}), {keys}, {memory_mib} MiB, {kernel}; {rustc}; {date} \
             UTC, commit {commit}; load before it {load}"
        )
    }
}

/// The commit, and whether files differ from it.
fn commit() -> Result<String, Failure> {
    // an unpacked archive has none
    let Ok(commit) = said("git", &["rev-parse", "--short=12", "HEAD"]) else { return Ok("unknown".to_owned()) };
    // documents, those that this task itself writes among them, change nothing that is measured
    let changed = said("git", &["status", "--porcelain", "--", ".", ":!docs", ":!*.md"])?;
    Ok(if changed.is_empty() { commit } else { format!("{commit} with changes") })
}

fn said(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    Ok(output_of(Command::new(program).args(arguments).current_dir(workspace()))?.trim().to_owned())
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|source| Failure::Io { doing: format!("read {path}"), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_processor_a_kernel_and_a_date() {
        let run = Run::here(true).unwrap();
        assert!(run.processors > 0 && run.memory_mib > 0 && run.kernel.len() > "Linux ".len());
        let text = run.text();
        for part in ["quick run", "protection keys", &run.commit, &run.date] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
