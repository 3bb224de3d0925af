//! `cargo xtask guest systemd`: the package, its unit and its rules where they belong, under a real systemd and udev.
//!
//! A Debian root (`root.rs`), two of QEMU's cards under VFIO, started by udev, and at the far ends of their cables cards under
//! Linux's own drivers. While one TCP connection a card lives on, its service is crashed, reloaded, killed, hung, restarted and
//! stopped (`service.sh`). What became of it is judged here (`verdict.rs`).

pub(crate) mod root;
mod verdict;

use std::{fs, path::PathBuf, time::Duration};

use super::{
    Guest, Kernel, Result,
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
    /// Run this script instead, as root. If they have been built, the package is /guest/udrv.deb and udrv-judge is there.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

/// Runs it; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    if let Some(script) = &args.script {
        let text = fs::read_to_string(script).doing(|| format!("read {}", script.display()))?;
        let programs = ["deb/udrv.deb", "release/udrv-judge"].map(|path| workspace().join("target").join(path));
        let guest = guest("systemd-script", args.kernel, &text);
        let guest = programs.into_iter().filter(|path| path.is_file()).fold(guest, put);
        return Ok(guest.run()?.report());
    }
    judged::tell([("systemd", job(args.kernel))])
}

/// The same as a step of `cargo xtask test`.
pub(crate) fn step() -> std::result::Result<Done, Failure> {
    judged::step([("systemd", job(Kernel::Debian61))])
}

/// Two cards for us, each on a cable with one for Linux.
fn guest(scenario: &str, kernel: Kernel, script: &str) -> Guest {
    let guest = Guest::new(scenario).systemd().kernel(kernel).vfio().module("tun").module("8139cp").module("e1000");
    let guest = guest.nic("rtl8139", 4, 0).nic("e1000", 5, 0).nic("e1000", 6, 1).nic("rtl8139", 7, 1);
    let guest = guest.file("/guest/hand_back.sh", 0o644, include_str!("hand_back.sh"));
    guest.memory(1024).timeout(LIMIT).script(script).echo()
}

fn job(kernel: Kernel) -> Judged {
    let package = deb::build()?;
    let judge = cargo::release_programs(&cargo::TOGETHER, &["udrv-judge"])?;
    let guest = guest("systemd", kernel, include_str!("service.sh"));
    let outcome = judge.into_iter().chain([package]).fold(guest, put).run()?;
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
