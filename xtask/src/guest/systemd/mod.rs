//! `cargo xtask guest systemd`: the package, its unit and its rules where they belong, under a real systemd and udev.
//!
//! A Debian root (`root.rs`), two of QEMU's cards under VFIO, started by udev, and at the far ends of their cables cards under
//! Linux's own drivers. While one TCP connection a card lives on, its service is crashed, reloaded, killed, hung, restarted and
//! stopped (`service.sh`). What became of it is judged here (`verdict.rs`). Then, in a guest of their own, a sound card, an adapter
//! on USB and a mouse under the same unit (`devices.sh`). `survive.sh` only measures, for `cargo xtask bench survive`.

mod devices;
pub(crate) mod events;
pub(crate) mod root;
mod verdict;

use std::{fs, path::PathBuf, time::Duration};

use super::{
    Guest, Kernel, Outcome, Result,
    error::Doing,
    judged::{self, Judged},
    workspace,
};
use crate::{
    cargo, deb,
    steps::{Done, Failure},
};

/// Far above what it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(900);

/// Install the package in a Debian with systemd, have udev start two cards, and crash, kill, hang, reload and stop their services.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
    /// The guest's clock is the host's. As a rule it counts instructions, a nanosecond each: then what else the machine does is not in
    /// its times, and nothing in it is late.
    #[arg(long)]
    real_time: bool,
    /// Run this script instead, as root. If they have been built, the package is /guest/udrv.deb and udrv-judge is there.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Only the network cards, or only the other devices.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

/// A guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Two network cards.
    Cards,
    /// A sound card, an adapter on USB, a mouse.
    Devices,
}

impl Part {
    const ALL: [Part; 2] = [Part::Cards, Part::Devices];

    fn name(self) -> &'static str {
        match self {
            Part::Cards => "systemd",
            Part::Devices => "systemd-devices",
        }
    }

    fn run(self, kernel: Kernel, counted: bool) -> Judged {
        match self {
            Part::Cards => cards(kernel, counted),
            Part::Devices => devices::run(kernel, counted),
        }
    }
}

/// Runs it; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    if let Some(script) = &args.script {
        let text = fs::read_to_string(script).doing(|| format!("read {}", script.display()))?;
        let programs = ["deb/udrv.deb", "release/udrv-judge"].map(|path| workspace().join("target").join(path));
        let guest = guest("systemd-script", args.kernel, &text).counted(!args.real_time);
        let guest = programs.into_iter().filter(|path| path.is_file()).fold(guest, put);
        return Ok(guest.run()?.report());
    }
    let chosen = Part::ALL.into_iter().filter(|part| args.only.is_none_or(|only| only == *part));
    judged::tell(chosen.map(|part| (part.name(), part.run(args.kernel, !args.real_time))))
}

/// A part as a step of `cargo xtask test`.
pub(crate) fn step(part: Part) -> std::result::Result<Done, Failure> {
    judged::step([(part.name(), part.run(Kernel::Debian61, true))])
}

/// Measures how long the cards stand still, `times` in each way.
pub(crate) fn survive(times: u32, counted: bool) -> std::result::Result<Outcome, Failure> {
    let script = concat!(include_str!("common.sh"), include_str!("survive.sh"));
    let guest = guest("survive", Kernel::Debian61, script).file("/guest/survive", 0o644, format!("TIMES={times}\n"));
    Ok(what_is_tested()?.into_iter().fold(guest, put).counted(counted).run()?)
}

/// Two cards for us, each on a cable with one for Linux.
fn guest(scenario: &str, kernel: Kernel, script: &str) -> Guest {
    let guest = Guest::new(scenario).systemd().kernel(kernel).vfio().module("tun").module("8139cp").module("e1000");
    let guest = guest.nic("rtl8139", 4, 0).nic("e1000", 5, 0).nic("e1000", 6, 1).nic("rtl8139", 7, 1);
    let guest = guest.file("/guest/hand_back.sh", 0o644, include_str!("hand_back.sh"));
    guest.memory(1024).timeout(LIMIT).script(script).echo()
}

/// The package, and the judge.
fn what_is_tested() -> std::result::Result<Vec<PathBuf>, Failure> {
    let package = deb::build(deb::Packed::Fast)?;
    let mut files = cargo::release_programs(&cargo::TOGETHER, &["udrv-judge"])?;
    files.push(package);
    Ok(files)
}

fn cards(kernel: Kernel, counted: bool) -> Judged {
    let guest = guest("systemd", kernel, concat!(include_str!("common.sh"), include_str!("service.sh")));
    let outcome = what_is_tested()?.into_iter().fold(guest, put).counted(counted).run()?;
    let mut wrong = outcome.wrong();
    match verdict::Findings::read(&outcome.results) {
        Ok(findings) => {
            findings.print(outcome.seconds);
            wrong.extend(findings.wrong());
        }
        Err(why) => wrong.push(why),
    }
    Ok(wrong)
}

/// The package where the script looks for it, a program among the programs.
fn put(guest: Guest, path: PathBuf) -> Guest {
    if path.extension().is_some() { guest.program_at(path, "/guest/udrv.deb") } else { guest.program(path) }
}
