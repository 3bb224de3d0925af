//! `cargo xtask guest udrvctl`: list, doctor, bind and unbind on a real kernel.
//!
//! `tool.sh` has udrvctl look at a card under Linux's driver, under VFIO and held by another process, as root and as a user
//! who may not, and bind and give back that card and a PS/2 port. What it has answered is judged here.

use std::time::Duration;

use serde_json::Value;

use super::{
    Kernel, Result,
    cards::{CARDS, OUR_ADDRESS, two_cards},
    judged::{self, Judged},
    outcome,
};
use crate::steps::{Done, Failure};

/// Far above what it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(300);

/// Look at the machine with udrvctl, and bind and give back an rtl8139 and a PS/2 port.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// Runs the scenario; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    judged::tell([("udrvctl", job(args.kernel))])
}

/// The scenario as a step of `cargo xtask test`.
pub(crate) fn step() -> std::result::Result<Done, Failure> {
    judged::step([("udrvctl", job(Kernel::Debian61))])
}

fn job(kernel: Kernel) -> Judged {
    let card = &CARDS[0];
    let guest = two_cards("udrvctl", card, card.devices[0], card.peer, include_str!("tool.sh"));
    let guest = guest.module("tun").module("psmouse").module("serio_raw").kernel(kernel).timeout(LIMIT).echo();
    let outcome = guest.udrvctl()?.run()?;
    let mut wrong = outcome.wrong();
    let answer = |name: &str| outcome::json(&outcome.results, &format!("tool-{name}.json")).unwrap_or_default();
    wrong.extend(judge(&answer, &format!("pci:{OUR_ADDRESS}"), card.name, card.module));
    println!("the guest ran {:.0} s", outcome.seconds);
    Ok(wrong)
}

/// What is not as it must be. `driver` is ours for the device, `linux` Linux's.
fn judge(answer: &dyn Fn(&str) -> Value, device: &str, driver: &str, linux: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |ok: bool, what: &str, found: &Value| {
        if !ok {
            wrong.push(format!("{what}: {found}"));
        }
    };

    for (list, kernel, who) in
        [("list-linux", linux, "kernel"), ("list-vfio", "vfio-pci", "nobody"), ("list-held", "vfio-pci", "process")]
    {
        let list = answer(list);
        let found = list["devices"].as_array().into_iter().flatten().find(|one| one["device"] == device);
        let found = found.unwrap_or(&Value::Null);
        let is = found["driver"] == driver && found["kernel_driver"] == kernel && found["driven_by"]["who"] == who;
        must(is && found["iommu_group"].is_u64(), &format!("the list should say {driver}, {kernel}, {who}"), found);
    }
    let (ours, all) = (answer("list-linux"), answer("list-all"));
    let count = |list: &Value| list["devices"].as_array().map_or(0, Vec::len);
    must(count(&ours) >= 2 && count(&all) > count(&ours), "both cards are ours, and --all has more", &all);

    for (report, check, verdict) in [
        ("doctor-linux", "kernel-driver", "failure"),
        ("doctor-linux", "iommu", "ok"),
        ("doctor-vfio", "kernel-driver", "ok"),
        ("doctor-vfio", "protection-keys", "ok"),
        ("doctor-vfio", "rseq", "ok"),
        ("doctor-vfio", "iommu-group", "ok"),
        ("doctor-vfio", "acs", "ok"),
        ("doctor-vfio", "tun", "ok"),
        ("doctor-vfio", "node", "ok"),
        ("doctor-vfio", "holder", "ok"),
        ("doctor-held", "holder", "failure"),
        ("doctor-somebody", "node", "failure"),
        ("doctor-somebody", "holder", "warning"),
        ("serio-doctor", "kernel-driver", "ok"),
        ("serio-doctor", "node", "ok"),
        ("serio-doctor", "holder", "ok"),
    ] {
        let all = answer(report);
        let found = all["checks"].as_array().into_iter().flatten().find(|one| one["check"] == check);
        let found = found.unwrap_or(&Value::Null);
        let mend = found["mend"].is_string() == (verdict != "ok");
        must(found["verdict"] == verdict && mend, &format!("{report}: {check} should be {verdict}"), found);
    }

    for (change, was, now) in
        [("bind", linux, "vfio-pci"), ("again", "vfio-pci", "vfio-pci"), ("unbind", "vfio-pci", linux)]
    {
        let found = answer(change);
        let is = found["device"] == device && found["was"] == was && found["driver"] == now;
        must(is && found["dry_run"] == false, &format!("{change} should be from {was} to {now}"), &found);
    }
    let dry = answer("dry-run");
    let steps = dry["steps"].as_array().map_or(0, Vec::len);
    let in_group = |one: &Value| one["device"] == device;
    let whole = dry["group"]["members"].as_array().is_some_and(|members| members.iter().any(in_group));
    must(dry["dry_run"] == true && steps == 4 && whole, "the dry run should have the group and four steps", &dry);

    for (refusal, words) in [
        ("forbidden", &["root", "sudo"][..]),
        ("bridge", &["bridge"]),
        ("nowhere", &["no PCI function"]),
        ("carries", &["192.0.2.1", "default route", "--force"]),
        ("undone", &["driverctl.d", "undone", linux]),
        ("held", &["open", "pid"]),
        ("serio-refused", &["driverctl", "--persist"]),
        ("serio-held", &["open", "pid"]),
    ] {
        let found = answer(refusal);
        let message = found["error"]["message"].as_str().unwrap_or_default();
        must(words.iter().all(|word| message.contains(word)), &format!("{refusal} should say {words:?}"), &found);
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_not_there_are_wrong_each() {
        assert_eq!(judge(&|_| Value::Null, "pci:0000:00:04.0", "rtl8139", "8139cp").len(), 3 + 1 + 16 + 3 + 1 + 8);
    }
}
