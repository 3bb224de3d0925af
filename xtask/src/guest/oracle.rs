//! `cargo xtask oracle`: our models judged by Linux's own drivers.
//!
//! ```text
//!   this machine: udrvctl model serve NAME ==unix socket== QEMU | guest: Linux, its own driver for that chip
//!                 vfio-user or usb-redir
//!                 far host 10.0.2.2 at the end of the model's wire, WAV files at its jacks, or a hand on the mouse
//! ```
//!
//! A model and the driver that we have written for it may share a mistake. Linux's driver was written for the chip. What
//! it makes of the model is looked at from inside the guest, and what passed over the wire by hashes; what was played and
//! recorded is compared sample by sample.
//!
//! | file | concern |
//! |---|---|
//! | `nic.rs`, `nic.sh` | network cards: what is checked, and the guest's script |
//! | `sound.rs`, `sound.sh` | the same for sound cards |
//! | `mouse.rs`, `mouse.sh` | the same for mice |
//! | `results.sh` | how a script says what it has found |
//! | `material.rs`, `hearing.rs` | sounds, and finding them again |

mod hearing;
mod material;
mod mouse;
mod nic;
mod sound;

use std::{process::ExitCode, time::Duration};

use serde::Serialize;

use super::{Kernel, Which, outcome};
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

/// What it is, and where a guest has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bus {
    /// A network card, served over vfio-user.
    Pci,
    /// A network adapter, served over usb-redir.
    Usb,
    /// A sound card, served over vfio-user.
    Sound,
    /// A mouse at a controller, served over vfio-user.
    Mouse,
}

impl Pair {
    const fn new(model: &'static str, module: &'static str) -> Pair {
        Pair { model, module, bus: Bus::Pci }
    }

    const fn usb(model: &'static str, module: &'static str) -> Pair {
        Pair { model, module, bus: Bus::Usb }
    }

    const fn sound(model: &'static str, module: &'static str) -> Pair {
        Pair { model, module, bus: Bus::Sound }
    }

    const fn mouse(model: &'static str) -> Pair {
        Pair { model, module: "psmouse", bus: Bus::Mouse }
    }

    /// The folder that its guest leaves.
    fn scenario(&self) -> String {
        format!("oracle-{}", self.model)
    }

    /// Whether `name` is its chip or its family.
    fn is_of(&self, name: &str) -> bool {
        self.model.strip_prefix(name).is_some_and(|chip| chip.is_empty() || chip.starts_with('-'))
    }
}

/// What can be judged. A new chip is a line here.
const PAIRS: [Pair; 19] = [
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
    Pair::sound("ens1371-es1371", "snd_ens1371"),
    Pair::sound("ens1371-es1373", "snd_ens1371"),
    Pair::sound("ens1371-ct5880", "snd_ens1371"),
    Pair::mouse("psmouse-imex"),
    Pair::mouse("psmouse-imps2"),
    Pair::mouse("psmouse-ps2"),
    Pair::mouse("psmouse-synaptics"),
];

/// Those that each run of `cargo xtask test` takes: one of each bus and kind of ring.
const USUAL: [&str; 7] = [
    "rtl8139",
    "e1000-82540em",
    "r8169-rtl8169sc",
    "r8169-rtl8168be",
    "pegasus-adm8511",
    "ens1371-es1371",
    "psmouse-imex",
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
    /// What it is, for people.
    #[serde(skip)]
    about: &'static str,
    outcome: Outcome,
    /// What the guest has said about it.
    said: String,
}

/// What a guest has said, and what it has left.
#[derive(Debug)]
struct Findings {
    kernel: String,
    seconds: f64,
    findings: Vec<Finding>,
    complaints: Vec<String>,
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

/// Models, for `cargo xtask test`.
pub(crate) fn step(which: Which) -> Result<crate::steps::Done, Failure> {
    let mut wrong = Vec::new();
    for pair in PAIRS.into_iter().filter(|pair| USUAL.contains(&pair.model) == (which == Which::Usual)) {
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
    for Finding { check, about, outcome, said } in &verdict.findings {
        println!(
            "{:<5}{check:<16}{about}{}",
            outcome.text(),
            if said.is_empty() { String::new() } else { format!(": {said}") }
        );
    }
    verdict.complaints.iter().for_each(|line| println!("FAIL kernel: {line}"));
}

/// Serves a model, boots a guest with it, and finds out.
fn judge(pair: Pair, kernel: Kernel) -> Result<Verdict, Failure> {
    let programs = cargo::release_programs(&["udrv-daemon"], &["udrvctl"])?;
    let judge = match pair.bus {
        Bus::Pci | Bus::Usb => nic::judge,
        Bus::Sound => sound::judge,
        Bus::Mouse => mouse::judge,
    };
    let Findings { kernel, seconds, findings, complaints } = judge(&pair, &programs[0], kernel)?;
    Ok(Verdict { model: pair.model, module: pair.module, kernel, seconds, findings, complaints })
}

impl Findings {
    /// What a guest's script has found; a check that is missing from its results has failed.
    fn read(checks: &'static [(&'static str, &'static str)], outcome: outcome::Outcome) -> Findings {
        let text =
            |name: &str| std::fs::read_to_string(outcome.results.join(name)).unwrap_or_default().trim().to_owned();
        let finding = |(check, about): &(&'static str, &'static str)| {
            let said = text(check);
            let (verdict, said) = said.split_once(' ').unwrap_or((&said, ""));
            let missing = if verdict.is_empty() { "the script did not get so far" } else { "" };
            let outcome = match verdict {
                "pass" => Outcome::Pass,
                "none" => Outcome::None,
                _ => Outcome::Fail,
            };
            Finding { check, about, outcome, said: format!("{said}{missing}") }
        };
        Findings {
            kernel: text("release"),
            seconds: outcome.seconds,
            findings: checks.iter().map(finding).collect(),
            complaints: outcome.kernel_complaints().into_iter().map(str::to_owned).collect(),
        }
    }

    /// The finding of a check that there is.
    fn of(&mut self, check: &str) -> &mut Finding {
        self.findings.iter_mut().find(|finding| finding.check == check).expect("a check of the list")
    }
}
