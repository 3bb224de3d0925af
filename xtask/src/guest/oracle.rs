//! `cargo xtask oracle`: our models judged by Linux's own drivers.
//!
//! ```text
//!   this machine: udrvctl model serve NAME ==unix socket== QEMU | guest: Linux, its own driver for that chip
//!                 vfio-user or usb-redir
//!                 far host 10.0.2.2 at the end of the model's wire
//! ```
//!
//! A model and the driver that we have written for it may share a mistake. Linux's driver was written for the chip. What
//! it makes of the model is looked at from inside the guest, and what passed over the wire by hashes.

use std::{process::ExitCode, time::Duration};

use serde::Serialize;

use super::{
    Guest, Kernel,
    served::{FarEnd, Served},
};
use crate::{cargo, steps::Failure};

/// Far above what it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(300);
/// The slot on bus 0, as in the other scenarios.
const SLOT: u8 = 4;

/// A model, by its chip, and Linux's module for that.
#[derive(Clone, Copy, Debug)]
struct Pair {
    model: &'static str,
    module: &'static str,
    bus: Bus,
}

/// Where a guest has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bus {
    /// Served over vfio-user.
    Pci,
    /// Served over usb-redir.
    Usb,
}

impl Pair {
    const fn new(model: &'static str, module: &'static str) -> Pair {
        Pair { model, module, bus: Bus::Pci }
    }

    const fn usb(model: &'static str, module: &'static str) -> Pair {
        Pair { model, module, bus: Bus::Usb }
    }

    /// Whether `name` is its chip or its family.
    fn is_of(&self, name: &str) -> bool {
        self.model.strip_prefix(name).is_some_and(|chip| chip.is_empty() || chip.starts_with('-'))
    }
}

/// What can be judged. A new chip is a line here.
const PAIRS: [Pair; 12] = [
    Pair::new("rtl8139", "8139too"),
    Pair::new("e1000-82540em", "e1000"),
    Pair::new("e1000-82545em", "e1000"),
    Pair::new("e1000-82544gc", "e1000"),
    Pair::new("r8169-rtl8169s", "r8169"),
    Pair::new("r8169-rtl8110s", "r8169"),
    Pair::new("r8169-rtl8169sb", "r8169"),
    Pair::new("r8169-rtl8169sc", "r8169"),
    Pair::new("r8169-rtl8168b", "r8169"),
    Pair::new("r8169-rtl8168be", "r8169"),
    Pair::usb("pegasus-adm8511", "pegasus"),
    Pair::usb("pegasus-an986", "pegasus"),
];

/// What the guest's script finds out, in this order; a check that is missing from its results has failed.
const CHECKS: [(&str, &str); 14] = [
    ("bound", "Linux's driver takes the card and makes an interface"),
    ("address", "the interface has the card's own address"),
    ("link", "the link is up"),
    ("ping", "20 of 20 pings of 1,400 bytes come back from the far host"),
    ("short-pings", "pings of every length from 0 to 60 bytes come back"),
    ("tcp", "4 MiB through the far host's TCP echo come back with the same hash"),
    ("interrupts", "interrupts have come (/proc/interrupts), by MSI or by the line as Linux's driver chose"),
    ("statistics", "Linux has counted frames both ways, and no errors but for want of room"),
    ("counters", "the chip has counted as many (ethtool -S)"),
    ("eeprom", "the EEPROM begins with the address (ethtool -e)"),
    ("forced", "it works at 10 Mbit/s without auto-negotiation, and with it again (ethtool -s)"),
    ("selftest", "the driver's own test of the chip passes (ethtool -t)"),
    ("again", "after the interface was taken down and up again it still works"),
    ("reload", "after the module was removed and loaded again it still works"),
];

/// Judge our models by Linux's own drivers: a model behind a vfio-user socket, and a guest that takes it for the chip.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model: a chip, or a family and with it all its chips. Left out: all of them.
    name: Option<String>,
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Pass,
    Fail,
    /// The driver has no such thing: nothing was checked.
    None,
}

impl Outcome {
    const fn text(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::None => "none",
        }
    }
}

/// What came of one check.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    outcome: Outcome,
    /// What the guest has said about it.
    said: String,
}

/// What came of one model.
#[derive(Debug, Serialize)]
struct Verdict {
    model: &'static str,
    module: &'static str,
    kernel: String,
    seconds: f64,
    findings: Vec<Finding>,
    /// Lines of the kernel's log that should not be there.
    complaints: Vec<String>,
}

impl Verdict {
    fn is_good(&self) -> bool {
        self.complaints.is_empty() && self.findings.iter().all(|finding| finding.outcome != Outcome::Fail)
    }
}

/// Runs the task.
pub(crate) fn main(args: &Args) -> ExitCode {
    let chosen: Vec<Pair> =
        PAIRS.into_iter().filter(|pair| args.name.as_ref().is_none_or(|name| pair.is_of(name))).collect();
    if chosen.is_empty() {
        let names = PAIRS.map(|pair| pair.model).join(", ");
        eprintln!("oracle: no model {}; there are: {names}", args.name.as_deref().unwrap_or_default());
        return ExitCode::from(2);
    }
    let mut verdicts = Vec::new();
    for pair in chosen {
        match judge(pair, args.kernel) {
            Ok(verdict) => verdicts.push(verdict),
            Err(failure) => {
                eprintln!("oracle: {}: {failure}", pair.model);
                return ExitCode::from(125);
            }
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&verdicts).expect("plain data is JSON"));
    } else {
        verdicts.iter().for_each(print);
    }
    if verdicts.iter().all(Verdict::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All models, for `cargo xtask test`.
pub(crate) fn step() -> Result<crate::steps::Done, Failure> {
    let mut wrong = Vec::new();
    for pair in PAIRS {
        let verdict = judge(pair, Kernel::default())?;
        print(&verdict);
        if !verdict.is_good() {
            wrong.push(pair.model);
        }
    }
    if wrong.is_empty() {
        Ok(crate::steps::Done::Passed)
    } else {
        Err(Failure::Output(format!("Linux's drivers find mistakes in: {}", wrong.join(", "))))
    }
}

fn print(verdict: &Verdict) {
    let Verdict { model, module, kernel, seconds, .. } = verdict;
    println!("\nmodel {model} under {module}.ko of Linux {kernel}, {seconds:.1} s");
    for Finding { check, outcome, said } in &verdict.findings {
        let about = CHECKS.iter().find(|(name, _)| name == check).map_or("", |(_, about)| about);
        println!(
            "{:<5}{check:<13}{about}{}",
            outcome.text(),
            if said.is_empty() { String::new() } else { format!(": {said}") }
        );
    }
    verdict.complaints.iter().for_each(|line| println!("FAIL kernel: {line}"));
}

/// Serves a model, boots a guest with it, and reads what it found.
fn judge(pair: Pair, kernel: Kernel) -> Result<Verdict, Failure> {
    let programs = cargo::release_programs(&["udrv-daemon"], &["udrvctl"])?;
    let scenario = format!("oracle-{}", pair.model);
    let served = Served::start(&programs[0], pair.model, FarEnd::Host, &scenario)?;
    let script = include_str!("oracle.sh");
    let bus = if pair.bus == Bus::Pci { "pci" } else { "usb" };
    let facts = format!("MODULE={}\nBUS={bus}\n", pair.module);
    let guest = Guest::new(&scenario).kernel(kernel).memory(512).timeout(LIMIT);
    let guest = match pair.bus {
        Bus::Pci => guest.vfio_user(&served.socket(), SLOT),
        Bus::Usb => guest.usb_redir(&served.socket()),
    };
    let guest = guest.module(pair.module).file("/guest/oracle", 0o644, facts);
    let outcome = guest.script(script).run()?;

    let text = |name: &str| std::fs::read_to_string(outcome.results.join(name)).unwrap_or_default().trim().to_owned();
    let finding = |(check, _): (&'static str, &str)| {
        let said = text(check);
        let (verdict, said) = said.split_once(' ').unwrap_or((&said, ""));
        let missing = if verdict.is_empty() { "the script did not get so far" } else { "" };
        let outcome = match verdict {
            "pass" => Outcome::Pass,
            "none" => Outcome::None,
            _ => Outcome::Fail,
        };
        Finding { check, outcome, said: format!("{said}{missing}") }
    };
    Ok(Verdict {
        model: pair.model,
        module: pair.module,
        kernel: text("release"),
        seconds: outcome.seconds,
        findings: CHECKS.into_iter().map(finding).collect(),
        complaints: outcome.kernel_complaints().into_iter().map(str::to_owned).collect(),
    })
}
