//! An adapter's model in the guest itself, behind Linux's virtual host controller: under Linux's own driver and under ours.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;

use super::{Guest, Kernel, Result, nic::LEAST_FAULTS};

/// Far above what it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(600);

/// Boots, runs, judges; what was wrong.
pub(super) fn run(model: &str, module: &str, kernel: Kernel, programs: Vec<PathBuf>) -> Result<Vec<String>> {
    let facts = format!("MODEL={model}\nLINUX={module}\n");
    let guest = Guest::new(&format!("{model}-vhci")).kernel(kernel).memory(512).timeout(LIMIT).echo();
    let guest = guest.module("vhci-hcd").module("tun").module(module).file("/guest/vhci", 0o644, facts);
    let guest = guest.script(include_str!("vhci.sh"));
    let outcome = programs.into_iter().fold(guest, Guest::program).run()?;
    let mut wrong: Vec<String> = outcome.kernel_complaints().iter().map(|line| format!("kernel: {line}")).collect();
    if outcome.exit_code != 0 {
        let console = outcome.serial_log_path.display();
        wrong.push(format!("the guest's script ended with {}; its console: {console}", outcome.exit_code));
    }
    let storm = fs::read_to_string(outcome.results.join("storm.json")).unwrap_or_default();
    match serde_json::from_str::<Value>(&storm) {
        Ok(storm) => {
            let faults = storm["faults"].as_array().map_or(&[][..], Vec::as_slice);
            if faults.len() < LEAST_FAULTS || faults.iter().any(|fault| fault["recovered"] != true) {
                wrong.push(format!("of {} faults some were not recovered, or there were too few", faults.len()));
            }
            println!("{model} behind vhci_hcd: {} faults, guest ran {:.0} s", faults.len(), outcome.seconds);
        }
        Err(error) => wrong.push(format!("storm.json: {error}")),
    }
    Ok(wrong)
}
