//! An adapter's model in the guest itself, behind Linux's virtual host controller: under Linux's own driver and under ours.

use std::{path::PathBuf, time::Duration};

use super::{Guest, Kernel, Result, nic::LEAST_FAULTS, storm::Storm};

/// Far above what it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(600);

/// Boots, runs, judges; what was wrong.
pub(super) fn run(model: &str, module: &str, kernel: Kernel, programs: Vec<PathBuf>) -> Result<Vec<String>> {
    let facts = format!("MODEL={model}\nLINUX={module}\n");
    let guest = Guest::new(&format!("{model}-vhci")).kernel(kernel).memory(512).timeout(LIMIT).echo();
    let guest = guest.module("vhci-hcd").module("tun").module(module).file("/guest/vhci", 0o644, facts);
    let guest = guest.script(include_str!("vhci.sh"));
    let outcome = programs.into_iter().fold(guest, Guest::program).run()?;
    let mut wrong = outcome.wrong();
    match Storm::read(&outcome.results, "storm.json") {
        Ok(storm) => {
            let count = storm.faults().len();
            if count < LEAST_FAULTS {
                wrong.push(format!("only {count} faults"));
            }
            wrong.extend(storm.wrong());
            println!("{model} behind vhci_hcd: {count} faults, guest ran {:.0} s", outcome.seconds);
        }
        Err(why) => wrong.push(why),
    }
    Ok(wrong)
}
