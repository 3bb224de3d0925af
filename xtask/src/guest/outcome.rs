//! What a guest left behind: its exit code, its console, its files, and what its kernel complained about.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    error::{Doing, Error, Result},
    process,
    tools::Tools,
};

/// What a kernel says when a device or a driver misbehaved. `DMAR:` alone would hit the IOMMU's greetings at boot.
const COMPLAINTS: [&str; 12] = [
    "DMAR: DRHD: handling fault",
    "DMAR: [DMA",
    "DMAR: [INTR-REMAP]",
    "WARNING:",
    "BUG:",
    "Oops",
    "Call Trace",
    "general protection fault",
    "segfault at",
    "nobody cared",
    "NETDEV WATCHDOG",
    "Kernel panic",
];

/// The end of a guest whose script ran to its end.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The script's status.
    pub(crate) exit_code: u8,
    /// The console, from the kernel's first word to its last.
    pub(crate) serial_log_path: PathBuf,
    /// The folder with what the guest put into `/results`, besides `dmesg` and `status`.
    pub(crate) results: PathBuf,
    /// Wall clock time from QEMU's start to its end.
    pub(crate) seconds: f64,
    dmesg: String,
}

impl Outcome {
    /// Unpacks `archive` into the folder `results` and reads the status and the kernel's log from there.
    ///
    /// # Errors
    /// If the archive is cut off or has no status in it.
    pub(super) fn collect(
        tools: &Tools,
        serial_log_path: PathBuf,
        archive: &PathBuf,
        results: PathBuf,
        seconds: f64,
    ) -> Result<Self> {
        process::run(tools.busybox("tar").arg("-xf").arg(archive).arg("-C").arg(&results))?;
        let text = |name: &str| -> Result<String> {
            let path = results.join(name);
            let bytes = fs::read(&path).doing(|| format!("read {}", path.display()))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let status = text("status")?;
        let exit_code = status.trim().parse().map_err(|_| Error::Malformed {
            path: results.join("status"),
            why: format!("{status:?} is no exit code"),
        })?;
        let dmesg = text("dmesg")?;
        Ok(Self { exit_code, serial_log_path, results, seconds, dmesg })
    }

    /// The lines of the kernel's log that tell of a fault: of the IOMMU, of a driver, of the kernel itself.
    pub(crate) fn kernel_complaints(&self) -> Vec<&str> {
        complaints(&self.dmesg)
    }

    /// What is not as it must be of any guest: what the kernel complains about, a script that has failed.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong: Vec<String> = self.kernel_complaints().iter().map(|line| format!("kernel: {line}")).collect();
        if self.exit_code != 0 {
            let console = self.serial_log_path.display();
            wrong.push(format!("the guest's script ended with {}; its console: {console}", self.exit_code));
        }
        wrong
    }

    /// Tells standard error how the guest ended and what its kernel complained about. Returns the exit code for a
    /// scenario that wants neither: the script's, or 1 if only the kernel complained.
    pub(crate) fn report(&self) -> u8 {
        let complaints = self.kernel_complaints();
        for line in &complaints {
            eprintln!("guest: kernel: {line}");
        }
        let Self { exit_code, seconds, .. } = self;
        eprintln!(
            "guest: exit code {exit_code} after {seconds:.1} s; console {}; results {}",
            self.serial_log_path.display(),
            self.results.display()
        );
        if *exit_code == 0 && !complaints.is_empty() { 1 } else { *exit_code }
    }
}

/// A file of the results that holds JSON.
///
/// # Errors
/// In words, if it is not there or holds something else.
pub(super) fn json(results: &Path, name: &str) -> std::result::Result<Value, String> {
    let text = fs::read_to_string(results.join(name)).map_err(|e| format!("{name}: {e}"))?;
    serde_json::from_str(&text).map_err(|e| format!("{name}: {e}: {}", text.trim()))
}

/// The text in a file of the results, or none.
pub(super) fn text(results: &Path, name: &str) -> String {
    fs::read_to_string(results.join(name)).unwrap_or_default().trim().to_owned()
}

fn complaints(dmesg: &str) -> Vec<&str> {
    dmesg.lines().filter(|line| COMPLAINTS.iter().any(|complaint| line.contains(complaint))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_seen_and_greetings_are_not() {
        let dmesg = "\
[    0.02] DMAR: Host address width 39
[    0.02] DMAR: DRHD base: 0x000000fed90000 flags: 0x0
[    0.30] DMAR: Intel(R) Virtualization Technology for Directed I/O
[    1.00] DMAR: DRHD: handling fault status reg 2
[    1.00] DMAR: [DMA Write NO_PASID] Request device [00:04.0] fault addr 0x1000 [fault reason 0x05] PTE Write access is not set
[    2.00] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2
";
        let found = complaints(dmesg);
        assert_eq!(found.len(), 3);
        assert!(found[0].contains("handling fault") && found[1].contains("fault addr") && found[2].contains("WARNING"));
    }
}
