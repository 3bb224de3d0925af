//! `cargo xtask guest hand-back`: a card and what its interface carries go from udrvd to Linux's own driver, on request and when
//! udrvd has given it up, while a ping goes on. `hand_back.sh` does and compares, what udrvctl tells of it is judged here.

use std::time::Duration;

use serde_json::Value;

use super::{
    Guest, Kernel, Result,
    cards::{OUR_ADDRESS, named, two_cards},
    judged::{self, Judged},
    outcome,
};
use crate::{
    cargo,
    steps::{Done, Failure},
};

/// Far above what it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(400);
/// What the script puts onto the interface, and it is.
const CARRIED: [&str; 7] = [
    "mtu 1400",
    "address 10.77.0.1/24",
    "address 2001:db8::1/64",
    "route 192.0.2.0/24 via 10.77.0.2 src 10.77.0.1 metric 7",
    "route default via 10.77.0.2 table 12",
    "route 2001:db8:5::/48 via 2001:db8::2 metric 1024",
    "up",
];

/// Hand a card back to Linux's own driver, with its addresses and routes, under a ping: on request, and given up.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The card.
    #[arg(default_value = "e1000", value_parser = ["e1000", "rtl8139"])]
    card: String,
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// Runs the scenario; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    judged::tell([("hand-back", job(&args.card, args.kernel))])
}

/// The scenario as a step of `cargo xtask test`.
pub(crate) fn step() -> std::result::Result<Done, Failure> {
    judged::step([("hand-back", job("e1000", Kernel::Debian61))])
}

fn job(name: &str, kernel: Kernel) -> Judged {
    let card = named(name).ok_or_else(|| Failure::Output(format!("there is no card '{name}'")))?;
    let programs = cargo::release_programs(&cargo::TOGETHER, &["udrvd", "udrvctl"])?;
    let scenario = format!("hand-back-{name}");
    let guest = two_cards(&scenario, card, card.devices[0], card.peer, include_str!("hand_back.sh"));
    let guest = guest.kernel(kernel).module("tun").memory(512);
    let guest: Guest = programs.into_iter().fold(guest, Guest::program).timeout(LIMIT).echo();
    let outcome = guest.run()?;
    let mut wrong = outcome.wrong();
    let answer = |name: &str| outcome::json(&outcome.results, &format!("{name}.json")).unwrap_or_default();
    wrong.extend(judge(&answer, &format!("pci:{OUR_ADDRESS}"), card.module));
    println!("the guest ran {:.0} s", outcome.seconds);
    Ok(wrong)
}

/// What is not as it must be. `linux` is Linux's driver.
fn judge(answer: &dyn Fn(&str) -> Value, device: &str, linux: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in ["hand-back", "given-up"] {
        let told = answer(name);
        let moved: Vec<&str> = told["moved"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let all = CARRIED.iter().all(|line| moved.contains(line));
        let none_missing = told["missing"].as_array().is_some_and(Vec::is_empty);
        let is = told["device"] == device && told["driver"] == linux && told["from"] == "udrv0";
        if !(all && none_missing && is && told["interface"].is_string()) {
            wrong.push(format!("{name} should say that all has moved to {linux}: {told}"));
        }
    }
    let dry = answer("dry-run");
    let steps: Vec<&str> = dry["steps"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if dry["dry_run"] != true
        || !["kill ", "driver_override", "drivers_probe", "10.77.0.1/24"]
            .iter()
            .all(|word| steps.iter().any(|step| step.contains(word)))
    {
        wrong.push(format!("the dry run should have all steps: {dry}"));
    }
    let nobody = answer("nobody");
    let message = nobody["error"]["message"].as_str().unwrap_or_default();
    if !["no driver of the kernel", "modprobe", "start it again: udrvd run"].iter().all(|word| message.contains(word)) {
        wrong.push(format!("a kernel without a driver should be told with the mend: {nobody}"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_not_there_are_wrong_each() {
        assert_eq!(judge(&|_| Value::Null, "pci:0000:00:04.0", "e1000").len(), 4);
    }
}
